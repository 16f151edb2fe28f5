"""PIM, IGMP, MLD, static groups and edge protection of a Cisco IOS XR router.  Pure.

Cisco-IOS-XR-um-multicast-routing-cfg, -um-router-pim-cfg, -um-router-igmp-cfg, -um-router-mld-cfg,
-um-ipv4-access-list-cfg, -um-ipv6-access-list-cfg.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from toolkit.state.branch import Branch
from toolkit.state.model import (
    EdgeProtection,
    EgressFlow,
    IpAddress,
    IpNetwork,
    PimRouting,
    StaticRp,
)
from toolkit.state.order import counting

EVERY_GROUP: Mapping[int, IpNetwork] = {4: IPv4Network("224.0.0.0/4"), 6: IPv6Network("ff00::/8")}
_SSM: Mapping[int, tuple[IpNetwork, ...]] = {
    4: (IPv4Network("232.0.0.0/8"),),
    6: tuple(IPv6Network(f"ff3{scope:x}::/32") for scope in range(16)),
}
"""RFC 4607 section 1: what a family without an SSM range takes."""
_VERSIONS = {"igmp": 3, "mld": 2}
"""Protocol -> version of an interface that none is configured for."""


@dataclass(frozen=True, slots=True)
class Rule:
    permit: bool
    protocol: str
    source: IpNetwork | None
    """None: any."""
    destination: IpNetwork | None


@dataclass(frozen=True, slots=True)
class AccessLists:
    """Access lists of both families by name, entries in the order of their numbers."""

    rules: Mapping[str, tuple[Rule, ...]]

    @classmethod
    def of(cls, root: Branch) -> AccessLists:
        return cls(
            {
                entry.text("access-list-name"): tuple(_rules(entry))
                for family in ("ipv4", "ipv6")
                for top in root.all(family)
                for entry in top.one("access-lists").all("access-list")
            }
        )

    def groups(self, name: str) -> tuple[IpNetwork, ...]:
        """Return the networks that a list permits as sources, sorted."""
        permitted = (r.source for r in self.rules.get(name, ()) if r.permit and r.source)
        return tuple(sorted(permitted, key=_order))

    def permits(self, name: str) -> bool:
        return any(rule.permit for rule in self.rules.get(name, ()))


def _rules(entry: Branch) -> Iterator[Rule]:
    sequences = sorted(
        entry.one("sequences").all("sequence"), key=lambda s: s.number("sequence-number")
    )
    for sequence in sequences:
        for action in ("permit", "deny"):
            body = sequence.one(action)
            if body:
                yield Rule(
                    action == "permit",
                    body.text("protocol"),
                    _network(body.one("source")),
                    _network(body.one("destination")),
                )


def _network(end: Branch) -> IpNetwork | None:
    if end.has("host"):
        return ip_network(end.text("host"))
    if not end.has("address"):
        return None
    if end.has("wildcard-mask"):
        length = 32 - int(ip_address(end.text("wildcard-mask"))).bit_length()
    else:
        length = end.number("prefix-length")
    return ip_network(f"{end.text('address')}/{length}", strict=False)


def _order(network: IpNetwork) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def read_pim(root: Branch, pim: Branch) -> PimRouting | None:
    """Return PIM in the default VRF; None: it runs on no interface there."""
    lists = AccessLists.of(root)
    rps: list[StaticRp] = []
    ranges: list[IpNetwork] = []
    switchover = True
    running = False
    for version in (4, 6):
        family = pim.one("address-family", f"ipv{version}")
        if not family.has("interfaces"):
            continue
        running = True
        for entry in family.one("rp-addresses").all("rp-address"):
            name = entry.text("access-list")
            served = lists.groups(name) if name else (EVERY_GROUP[version],)
            address = ip_address(entry.text("address"))
            rps += (StaticRp(address=address, groups=groups) for groups in served)
        ssm = family.one("ssm")
        if not ssm.has("disable"):
            ranges += lists.groups(ssm.text("range")) if ssm.has("range") else _SSM[version]
        switchover = switchover and not family.has("spt-threshold", "infinity")
    if not running:
        return None
    return PimRouting(
        rps=tuple(sorted(rps, key=lambda rp: (_order(rp.groups), int(rp.address)))),
        ssm_ranges=tuple(ranges),
        spt_switchover=switchover,
    )


def pim_interfaces(pim: Branch) -> frozenset[str]:
    """Return the interfaces that PIM is configured on in the default VRF."""
    return frozenset(
        entry.text("interface-name")
        for family in ("ipv4", "ipv6")
        for entry in pim.one("address-family", family, "interfaces").all("interface")
        if entry.has("enable")
    )


def _instances(top: Branch) -> Iterator[Branch]:
    """Yield the default VRF and all others below a protocol."""
    yield top
    yield from top.one("vrfs").all("vrf")


def _forwarding(root: Branch, family: str) -> Iterator[Branch]:
    """Yield the interfaces that multicast-routing has, in whichever VRF."""
    for instance in _instances(root.one("multicast-routing")):
        entries = instance.one("address-family", family, "interfaces").all("interface")
        yield from (entry for entry in entries if entry.has("enable"))


def memberships(root: Branch, lists: AccessLists) -> dict[str, int]:
    """Return interface -> version of IGMP or MLD by which hosts join there.

    Every interface of multicast-routing has it unless it is turned off, or takes no joins.
    """
    found: dict[str, int] = {}
    for family, name in (("ipv4", "igmp"), ("ipv6", "mld")):
        top = next((r.one(name) for r in root.all("router") if r.has(name)), Branch())
        said = {
            entry.text("interface-name"): entry
            for instance in _instances(top)
            for entry in instance.one("interfaces").all("interface")
        }
        for interface in (entry.text("interface-name") for entry in _forwarding(root, family)):
            if interface.startswith("Loopback"):
                continue  # no host is there
            entry = said.get(interface, Branch())
            closed = entry.has("access-group") and not lists.permits(entry.text("access-group"))
            if not entry.has("router", "disable") and not closed:
                found[interface] = entry.number("version", default=_VERSIONS[name])
    return found


def thresholds(root: Branch) -> dict[str, int]:
    """Return interface -> smallest TTL with which multicast leaves by it."""
    return {
        entry.text("interface-name"): entry.number("ttl-threshold")
        for family in ("ipv4", "ipv6")
        for entry in _forwarding(root, family)
        if entry.has("ttl-threshold")
    }


def egress_flows(igmp: Branch) -> tuple[EgressFlow, ...]:
    """Return which (S,G) go to which interfaces by static groups."""
    flows: defaultdict[tuple[IpAddress, IpAddress], list[str]] = defaultdict(list)
    for interface in igmp.one("interfaces").all("interface"):
        for entry in interface.one("static-groups").all("group-address"):
            group = ip_address(entry.text("group-address"))
            for source in entry.one("group-address-source-address").all("source-address"):
                address = ip_address(source.text("source-address"))
                flows[address, group].append(interface.text("interface-name"))
    return tuple(
        EgressFlow(source=source, group=group, interfaces=tuple(sorted(names, key=counting)))
        for (source, group), names in sorted(
            flows.items(), key=lambda flow: (int(flow[0][1]), int(flow[0][0]))
        )
    )


def protection(interface: Branch, lists: AccessLists) -> EdgeProtection | None:
    """Return what the interface takes from hosts; None: it accepts what it understands.

    Its list denies PIM, and multicast but from some sources.
    """
    for version, pim in ((4, "pim"), (6, "103")):
        group = interface.one(f"ipv{version}", "access-group", "ingress", "access-list-name-1")
        rules = lists.rules.get(group.text("name"), ())
        every = EVERY_GROUP[version]
        silent = any(not r.permit and r.protocol in (pim, "pim") for r in rules)
        closed = next(
            (i for i, r in enumerate(rules)
             if not r.permit and r.protocol == f"ipv{version}" and r.destination == every),
            None,
        )  # fmt: skip
        if silent and closed is not None:
            permitted = (
                rule.source.network_address
                for rule in rules[:closed]
                if rule.permit and rule.destination == every and rule.source is not None
            )
            return EdgeProtection(sources=tuple(sorted(permitted, key=int)))
    return None
