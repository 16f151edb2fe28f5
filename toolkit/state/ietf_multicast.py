"""Multicast of a router with the IETF's modules: PIM, IGMP or MLD, and the static overlay.

Pure.  RFC 9128, RFC 8652, and llmsync-overlay and llmsync-delivery for what no RFC has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Final

from toolkit.state.branch import Branch
from toolkit.state.ietf_acl import groups, lists
from toolkit.state.model import (
    EgressFlow,
    IngressFlow,
    IpAddress,
    IpNetwork,
    PimRouting,
    Session,
    StaticRp,
)
from toolkit.state.order import counting

_ALL: Final = {"ipv4": ip_network("224.0.0.0/4"), "ipv6": ip_network("ff00::/8")}
"""What a rendezvous point without a policy serves."""
_SSM: Final = {"ipv4": ip_network("232.0.0.0/8"), "ipv6": ip_network("ff3e::/32")}
"""RFC 4607 section 1: groups of SSM where no policy says others."""
_MEMBERSHIP: Final = {"igmp": 3, "mld": 2}
"""Protocol -> the version that it has unless another is set (RFC 8652)."""


def _pim(top: Branch) -> Branch:
    return top.one("routing", "control-plane-protocols", "pim")


def read_pim(top: Branch) -> PimRouting | None:
    """Return PIM as it is configured; None: it does not run."""
    pim = _pim(top)
    if not pim.has("address-family") and not pim_interfaces(top):
        return None  # a container that somebody has left
    acls = lists(top)
    rps: list[StaticRp] = []
    ranges: list[IpNetwork] = []
    immediate = True
    for family in pim.all("address-family"):
        name = family.text("address-family").rpartition(":")[2]
        if name not in _ALL:
            continue  # no family of addresses
        for entry in family.one("rp", "static-rp").all(f"{name}-rp"):
            policy = entry.text("sm", "policy-name")
            served = groups(acls[policy]) if policy in acls else (_ALL[name],)
            rps += [
                StaticRp(address=ip_address(entry.text("rp-address")), groups=network)
                for network in served
            ]
        ssm = family.one("sm", "ssm")
        if ssm:
            policy = ssm.text("range-policy")
            ranges += groups(acls[policy]) if policy in acls else (_SSM[name],)
        immediate = immediate and not family.has("sm", "asm", "spt-switch", "infinity")
    return PimRouting(
        rps=tuple(sorted(rps, key=lambda rp: (_order(rp.groups), int(rp.address)))),
        ssm_ranges=tuple(sorted(ranges, key=_order)),
        spt_switchover=immediate,
    )


def _order(network: IpNetwork) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def pim_interfaces(top: Branch) -> frozenset[str]:
    """Return the interfaces that PIM-SM runs on."""
    return frozenset(
        entry.text("name")
        for entry in _pim(top).one("interfaces").all("interface")
        if any(family.has("sm") for family in entry.all("address-family"))
    )


def _joinable(routing: Branch) -> Iterator[tuple[str, Branch]]:
    for entry in routing.one("control-plane-protocols").all("control-plane-protocol"):
        for protocol in _MEMBERSHIP:
            for interface in entry.one(protocol, "interfaces").all("interface"):
                yield protocol, interface


def memberships(top: Branch) -> dict[str, int]:
    """Return interface -> version of IGMP, or MLD."""
    return {
        entry.text("interface-name"): entry.number("version", default=_MEMBERSHIP[protocol])
        for protocol, entry in _joinable(top.one("routing"))
    }


def egress_flows(routing: Branch) -> tuple[EgressFlow, ...]:
    """Return the flows that interfaces have joined statically, by group."""
    found: defaultdict[tuple[IpAddress, IpAddress], list[str]] = defaultdict(list)
    for _, interface in _joinable(routing):
        for entry in interface.all("static-group"):
            if entry.text("source-addr") != "*":
                flow = ip_address(entry.text("source-addr")), ip_address(entry.text("group-addr"))
                found[flow].append(interface.text("interface-name"))
    flows = (
        EgressFlow(source=source, group=group, interfaces=tuple(sorted(names, key=counting)))
        for (source, group), names in found.items()
    )
    return tuple(sorted(flows, key=_flow_order))


def ingress_flows(top: Branch) -> tuple[IngressFlow, ...]:
    """Return the flows that BitStrings are imposed on, by group (llmsync-overlay)."""
    flows = (
        IngressFlow(
            source=ip_address(entry.text("source")),
            group=ip_address(entry.text("group")),
            sub_domain_id=entry.number("sub-domain"),
            bsl=entry.number("bsl"),
            sets={
                bound.number("si"): int(bound.text("bit-string"), 16) for bound in entry.all("set")
            },
        )
        for entry in top.one("overlay").all("ingress-flow")
    )
    return tuple(sorted(flows, key=_flow_order))


def sessions(top: Branch) -> tuple[Session, ...]:
    """Return the delivery sessions, by TSI (llmsync-delivery)."""
    found = (
        Session(
            name=entry.text("name"),
            tsi=entry.number("tsi"),
            source=ip_address(entry.text("source")),
            group=ip_address(entry.text("group")),
            role=entry.text("role"),
        )
        for entry in top.one("deliveries").all("session")
    )
    return tuple(sorted(found, key=lambda s: (s.tsi, s.name)))


def _flow_order(flow: IngressFlow | EgressFlow) -> tuple[int, int, int]:
    return flow.group.version, int(flow.group), int(flow.source)
