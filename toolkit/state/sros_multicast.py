"""PIM, IGMP and MLD of an SR OS router as network state.

Pure.  nokia-conf-router-pim, nokia-conf-router-igmp, nokia-conf-router-mld.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from toolkit.state.branch import Branch
from toolkit.state.model import EgressFlow, IpAddress, IpNetwork, PimRouting, StaticRp

DEFAULT_RANGES: dict[str, tuple[IpNetwork, ...]] = {
    "ipv4": (IPv4Network("232.0.0.0/8"),),
    "ipv6": tuple(IPv6Network(f"ff3{scope:x}::/32") for scope in range(16)),
}
"""What `ssm-default-range` stands for (RFC 4607 section 1)."""
_VERSIONS = {"igmp": 3, "mld": 2}


def read_pim(pim: Branch) -> PimRouting | None:
    """Return PIM of Base; None: it does not run."""
    if not pim or pim.text("admin-state") == "disable":
        return None
    ranges = {ip_network(r.text("ip-prefix")) for r in pim.one("ssm-groups").all("group-range")}
    for family, default in (("ipv4", True), ("ipv6", False)):
        part = pim.one(family)
        runs = part.flag("admin-state", default=default)
        if runs and part.flag("ssm-default-range", default=True):
            ranges |= set(DEFAULT_RANGES[family])
    never = any(entry.text("threshold") == "infinity" for entry in pim.all("spt-switchover"))
    return PimRouting(
        rps=tuple(sorted(_rps(pim.one("rp")), key=lambda r: (_order(r.groups), int(r.address)))),
        ssm_ranges=tuple(sorted(ranges, key=_order)),
        spt_switchover=not never,
    )


def _rps(rp: Branch) -> Iterator[StaticRp]:
    for family in ("ipv4", "ipv6"):
        for entry in rp.one(family, "static").all("address"):
            for prefix in entry.all("group-prefix"):
                yield StaticRp(
                    address=ip_address(entry.text(f"{family}-address")),
                    groups=ip_network(prefix.text(f"{family}-prefix")),
                )


def _order(network: IpNetwork) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def pim_interfaces(base: Branch) -> frozenset[str]:
    """Return the interfaces of Base that PIM runs on."""
    pim = base.one("pim")
    if not pim or pim.text("admin-state") == "disable":
        return frozenset()
    entries = (e for e in pim.all("interface") if e.text("admin-state") != "disable")
    return frozenset(entry.text("interface-name") for entry in entries)


def memberships(base: Branch, vprns: Iterable[Branch]) -> dict[str, int]:
    """Return interface -> version of IGMP or MLD, in Base and in VRFs."""
    return {
        entry.text("ip-interface-name"): entry.number("version", default=version)
        for entry, version in _membership_interfaces(base, vprns)
    }


def _membership_interfaces(base: Branch, vprns: Iterable[Branch]) -> Iterator[tuple[Branch, int]]:
    for instance in (base, *vprns):
        for kind, version in _VERSIONS.items():
            protocol = instance.one(kind)
            if protocol.text("admin-state") != "disable":
                for entry in protocol.all("interface"):
                    if entry.text("admin-state") != "disable":
                        yield entry, version


def egress_flows(base: Branch, vprns: Iterable[Branch]) -> tuple[EgressFlow, ...]:
    """Return the (S,G) that interfaces are told to be members of, by group."""
    found: defaultdict[tuple[IpAddress, IpAddress], list[str]] = defaultdict(list)
    for entry, _ in _membership_interfaces(base, vprns):
        for group in entry.one("static").all("group"):
            for source in group.all("source"):
                key = (
                    ip_address(group.text("group-address")),
                    ip_address(source.text("source-address")),
                )
                found[key].append(entry.text("ip-interface-name"))
    return tuple(
        EgressFlow(source=source, group=group, interfaces=tuple(sorted(names)))
        for (group, source), names in sorted(
            found.items(), key=lambda f: (f[0][0].version, int(f[0][0]), int(f[0][1]))
        )
    )
