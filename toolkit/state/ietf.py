"""A router with the IETF's modules, as network state: interfaces, the IGP, BIER, and what of it is
in modules of our own.

Pure.  RFC 8343, 8344, 8349, 9129, 9130, ietf-bier of 2020-09-08.  BIER and labelled packets pass
every adjacency of an IGP that carries them: there is no setting for one interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from typing import Any, Final

from toolkit.state.branch import Branch, identity
from toolkit.state.ietf_acl import protections
from toolkit.state.ietf_multicast import (
    egress_flows,
    ingress_flows,
    memberships,
    pim_interfaces,
    read_pim,
    sessions,
)
from toolkit.state.ietf_sr import policies, segment_routing, segments, tree_flows
from toolkit.state.ietf_vpn import bgp, mvpns, qos, vpn_interfaces
from toolkit.state.model import (
    PLAIN_BIER,
    BierEncapsulation,
    BierRouting,
    Interface,
    IpInterface,
    IsisInterface,
    OspfInterface,
    RouterState,
    SubDomain,
)

_KINDS: Final = {"bier-encapsulation-mpls": "mpls", "bier-encapsulation-ethernet": "non-mpls"}
_NO_AREA: Final = "0.0.0.0"


def read_router(name: str, tree: Mapping[str, Any]) -> RouterState:
    """Return what router `name` is configured to do; as `toolkit.state.reference` orders it."""
    top = Branch(tree)
    routing = top.one("routing")
    isis, ospf = _protocol(routing, "isis"), _protocol(routing, "ospf")
    return RouterState(
        name=name,
        system_id=isis.text("system-id"),
        areas=tuple(sorted(isis.texts("area-address"))),
        router_id=(ospf.text("explicit-router-id") or routing.text("router-id")) if ospf else "",
        interfaces=_interfaces(top, isis, ospf),
        sub_domains=_sub_domains(routing.one("bier")),
        bier=_bier_routing(routing.one("bier"), top.one("bier")),
        ingress_flows=ingress_flows(top),
        egress_flows=egress_flows(routing),
        sessions=sessions(top),
        pim=read_pim(top),
        # Blocks alone do nothing: an IGP has to advertise them.
        sr=segment_routing(routing) if _advertises_sr(isis) or _advertises_sr(ospf) else None,
        replication_segments=segments(top),
        p2mp_policies=policies(top),
        tree_flows=tree_flows(top),
        bgp=bgp(top),
        mvpns=mvpns(top),
        qos=qos(top),
    )


def _protocol(routing: Branch, name: str) -> Branch:
    """Return the container of the first protocol of that name."""
    for entry in routing.one("control-plane-protocols").all("control-plane-protocol"):
        if entry.has(name):
            return entry.one(name)
    return Branch()


def _interfaces(top: Branch, isis: Branch, ospf: Branch) -> dict[str, Interface]:
    by_isis = dict(_isis_interfaces(isis))
    by_ospf = dict(_ospf_interfaces(ospf))
    carriers = _adjacent(isis, by_isis), _adjacent(ospf, by_ospf)
    bier = frozenset().union(*(ports for ports, igp in carriers if _carries_bier(igp)))
    mpls = frozenset().union(*(ports for ports, igp in carriers if _advertises_sr(igp)))
    pim, versions, guarded = pim_interfaces(top), memberships(top), protections(top)
    imposing = {
        entry.text("name")
        for entry in top.one("bier").all("interface")
        if entry.text("role") == "host-imposition"
    }
    routed = pim | vpn_interfaces(top)  # elsewhere nothing follows from a join
    found: dict[str, Interface] = {}
    for entry in top.one("interfaces").all("interface"):
        name = entry.text("name")
        found[name] = Interface(
            name=name,
            enabled=entry.flag("enabled", default=True),
            addresses=tuple(_addresses(entry)),
            mtu=entry.number("ipv4", "mtu") or entry.number("ipv6", "mtu") or None,
            isis=by_isis.get(name),
            ospf=by_ospf.get(name),
            bier=name in bier,
            accept_host_bier=name in imposing,
            mpls=name in mpls,
            pim=name in pim,
            membership=versions.get(name) if name in routed else None,
            protection=guarded.get(name),
        )
    return found


def _addresses(interface: Branch) -> Iterator[IpInterface]:
    for family in ("ipv4", "ipv6"):
        ip = interface.one(family)
        if ip.flag("enabled", default=True):
            for entry in ip.all("address"):
                yield ip_interface(f"{entry.text('ip')}/{entry.text('prefix-length')}")


def _isis_interfaces(isis: Branch) -> Iterator[tuple[str, IsisInterface]]:
    usual = isis.number("default-metric", "value", default=IsisInterface().metric)
    for entry in isis.one("interfaces").all("interface"):
        if entry.flag("enabled", default=True):
            yield (
                entry.text("name"),
                IsisInterface(
                    metric=entry.number("metric", "value", default=usual),
                    passive=entry.flag("passive"),
                ),
            )


def _ospf_interfaces(ospf: Branch) -> Iterator[tuple[str, OspfInterface]]:
    for area in ospf.one("areas").all("area"):
        for entry in area.one("interfaces").all("interface"):
            if entry.flag("enabled", default=True):
                yield (
                    entry.text("name"),
                    OspfInterface(
                        cost=entry.number("cost", default=OspfInterface().cost),
                        passive=entry.flag("passive"),
                        area=_dotted(area.text("area-id", default=_NO_AREA)),
                    ),
                )


def _dotted(area: str) -> str:
    """Return an area-id, which may be a number, as people write it (RFC 2328 section 1.2)."""
    if not area.isdecimal():
        return area
    return ".".join(str(int(area) >> shift & 255) for shift in (24, 16, 8, 0))


def _adjacent(
    igp: Branch, interfaces: Mapping[str, IsisInterface | OspfInterface]
) -> tuple[frozenset[str], Branch]:
    return frozenset(name for name, found in interfaces.items() if not found.passive), igp


def _carries_bier(igp: Branch) -> bool:
    return any(
        igp.flag(binding, "bier", "enable") for binding in ("bier-isis-cfg", "bier-ospf-cfg")
    )


def _advertises_sr(igp: Branch) -> bool:
    return igp.flag("segment-routing", "enabled")


def _sub_domains(bier: Branch) -> tuple[SubDomain, ...]:
    return tuple(sorted(map(_sub_domain, bier.all("sub-domain")), key=lambda s: s.sub_domain_id))


def _sub_domain(entry: Branch) -> SubDomain:
    bound = (
        BierEncapsulation(
            kind=_KINDS.get(identity(e.text("encapsulation-type")), e.text("encapsulation-type")),
            bsl=e.number("bsl"),
            base=e.number("bift-id-base"),
            max_si=e.number("max-si"),
        )
        for e in entry.all("encapsulation")
    )
    return SubDomain(
        sub_domain_id=entry.number("sub-domain-id"),
        bfr_prefix=ip_network(entry.text("bfr-prefix")),
        bfr_id=entry.number("bfr-id") or None,
        encapsulations=tuple(sorted(bound, key=lambda e: (e.bsl, e.kind))),
    )


def _bier_routing(bier: Branch, own: Branch) -> BierRouting:
    """Return how ways are chosen: load-balance-num of the first sub-domain, the rest is ours."""
    if not bier:
        return PLAIN_BIER
    return replace(
        PLAIN_BIER,
        maximum_paths=bier.one("sub-domain").number("load-balance-num", default=1),
        fast_reroute=own.text("fast-reroute", default=PLAIN_BIER.fast_reroute),
        tunnel=own.text("tunnel", default=PLAIN_BIER.tunnel),
    )
