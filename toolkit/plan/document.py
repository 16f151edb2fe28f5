"""A plan as a document for people and pipelines: names, numbers and strings, ready for JSON.

Pure.  Addresses are strings, BitStrings hexadecimal and as long as their BitString length, as in
the YANG modules.  Keys are stable: scripts read them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TypedDict

from toolkit.inventory.model import Igp
from toolkit.plan.model import FlowPlan, HostPlan, PimPlan, Plan, PortPlan, RouterPlan
from toolkit.plan.mvpndocument import mvpn_document
from toolkit.plan.treedocument import blocks_document, tree_document
from toolkit.state.model import PLAIN_BIER, EdgeProtection

Document = dict[str, object]


class SetMember(TypedDict):
    """One BFR-id of a set."""

    bfr_id: int
    router: str
    region: str


def hex_bits(bits: int, bsl: int) -> str:
    """Return a BitString of `bsl` bits in hexadecimal; bit position 1 is the rightmost bit."""
    return f"{bits:0{bsl // 4}x}"


def sets_in_use(plan: Plan) -> dict[int, list[SetMember]]:
    """Return SI -> its BFR-ids in ascending order (RFC 8279 section 3)."""
    sets: defaultdict[int, list[SetMember]] = defaultdict(list)
    for router in plan.routers.values():
        for sub_domain in router.sub_domains:
            if sub_domain.bfr_id is not None:
                sets[(sub_domain.bfr_id - 1) // sub_domain.bsl].append(
                    SetMember(bfr_id=sub_domain.bfr_id, router=router.name, region=router.region)
                )
    return {si: sorted(sets[si], key=lambda member: member["bfr_id"]) for si in sorted(sets)}


def plan_document(plan: Plan) -> Document:
    """Return the whole plan, JSON-ready."""
    return {
        "name": plan.name,
        "igp": plan.igp.value,
        "routers": {router.name: _router(plan, router) for router in plan.routers.values()},
        "hosts": {host.name: _host(host) for host in plan.hosts.values()},
        "cables": [
            {"link": c.link, "a": [c.a.node, c.a.port], "b": [c.b.node, c.b.port]}
            for c in plan.cables
        ],
        "sets": [{"si": si, "members": members} for si, members in sets_in_use(plan).items()],
        "flows": [_flow(flow) for flow in plan.flows],
        **_settings(plan),
        "policies": [
            {
                "name": policy.name,
                "scope": policy.scope,
                "failures": policy.failures,
                **({"clouds": list(policy.clouds)} if policy.clouds else {}),
            }
            for policy in plan.policies
        ],
    }


def _pim(plan: Plan, pim: PimPlan) -> Document:
    return {
        "rp": pim.rp or None,
        "rp_address": None if pim.rp_address is None else str(pim.rp_address),
        "groups": str(pim.groups),
        "ssm_ranges": [str(held) for held in pim.ssm_ranges],
        "spt_switchover": "immediate" if pim.spt_switchover else "never",
        "routers": [router.name for router in plan.routers.values() if router.pim],
    }


def _settings(plan: Plan) -> Document:
    """Return what holds throughout, of the transports that are in use."""
    settings: Document = {}
    if plan.pim is not None:
        settings["pim"] = _pim(plan, plan.pim)
    if plan.sr is not None:
        settings["sr"] = blocks_document(plan.sr)
    if plan.mvpn is not None:
        settings["mvpn"] = mvpn_document(plan.mvpn)
    if plan.qos is not None:
        settings["qos"] = {"name": plan.qos.name, "dscp": plan.qos.dscp}
    return settings


def _router(plan: Plan, router: RouterPlan) -> Document:
    return {
        "platform": router.platform.value,
        "domain": router.domain,
        "region": router.region,
        "loopback": str(router.loopback),
        "system_id": router.system_id,
        "area": router.area,
        "router_id": router.router_id,
        **({"ospf_area": router.ospf_area} if plan.igp is Igp.OSPF else {}),
        "bfr": router.bfr,
        "sub_domains": [
            {
                "sub_domain_id": sub_domain.sub_domain_id,
                "bfr_id": sub_domain.bfr_id,
                "bsl": sub_domain.bsl,
                "encapsulation": sub_domain.encapsulation.value,
                "bift_id_base": sub_domain.bift_id_base,
                "max_si": sub_domain.max_si,
            }
            for sub_domain in router.sub_domains
        ],
        **_bier(router),
        **({"node_sid": router.node_sid} if router.node_sid is not None else {}),
        **({"qos": False} if plan.qos is not None and not router.qos else {}),
        "ports": [_port(router, port) for port in router.ports],
    }


def _bier(router: RouterPlan) -> Document:
    """Return what is not as it is by default."""
    if router.bier == PLAIN_BIER:
        return {}
    return {
        "bier": {
            "maximum_paths": router.bier.maximum_paths,
            "fast_reroute": router.bier.fast_reroute,
            "tunnel": router.bier.tunnel,
        }
    }


def _port(router: RouterPlan, port: PortPlan) -> Document:
    return {
        "name": port.name,
        "address": str(port.address),
        "peer": port.peer,
        "peer_port": port.peer_port,
        "peer_address": str(port.peer_address),
        "edge": port.edge,
        "link": port.link,
        "metric": port.metric,
        "mtu": port.mtu,
        "capacity": port.capacity,
        "delay": port.delay,
        "accept_host_bier": port.accept_host_bier,
        **({"hardware": port.hardware} if port.hardware else {}),
        **({"vpn": port.vpn} if port.vpn else {}),
        **({} if port.protection is None else {"protection": _protection(router, port.protection)}),
    }


def _protection(router: RouterPlan, held: EdgeProtection) -> Document:
    bsl = max((sub_domain.bsl for sub_domain in router.sub_domains), default=0)
    return {
        "sources": [str(source) for source in held.sources],
        "bit_strings": [
            {"si": si, "bits": hex_bits(bits, bsl)} for si, bits in sorted(held.bit_strings.items())
        ],
    }


def _host(host: HostPlan) -> Document:
    return {
        "kind": host.kind,
        "router": host.router,
        "router_port": host.router_port,
        "port": host.port,
        "address": str(host.address),
        "gateway": str(host.gateway),
        "region": host.region,
        "capacity": host.capacity,
        "delay": host.delay,
        "mtu": host.mtu,
        "gpus": host.gpus,
    }


def _flow(flow: FlowPlan) -> Document:
    return {
        "delivery": flow.delivery,
        "model": flow.model,
        "transport": flow.transport.value,
        "imposition": flow.imposition.value,
        "tsi": flow.tsi,
        "source": flow.source,
        "source_address": str(flow.source_address),
        "group": str(flow.group),
        "port": flow.port,
        "control_port": flow.control_port,
        "bfir": flow.bfir,
        "sub_domain_id": flow.sub_domain_id,
        "bsl": flow.bsl,
        "clouds": {cloud: flow.bfr_ids.get(cloud) for cloud in flow.clouds},
        "bit_strings": [
            {"si": si, "bits": hex_bits(bits, flow.bsl)}
            for si, bits in sorted(flow.bit_strings().items())
        ],
        "rate": flow.rate,
        "payload": flow.payload,
        **({} if flow.tree is None else {"tree": tree_document(flow.tree)}),
    }
