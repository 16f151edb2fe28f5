"""PIM, IGMP, MLD and edge protection of a Huawei VRP router.  Pure.

huawei-pim, huawei-igmp-mld, huawei-l3-multicast, huawei-acl.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from toolkit.state.branch import Branch
from toolkit.state.model import EdgeProtection, IpInterface, IpNetwork, PimRouting, StaticRp

_EVERY_GROUP: Mapping[int, IpNetwork] = {4: IPv4Network("224.0.0.0/4"), 6: IPv6Network("ff00::/8")}
_SSM: Mapping[int, tuple[IpNetwork, ...]] = {
    4: (IPv4Network("232.0.0.0/8"),),
    6: tuple(IPv6Network(f"ff3{scope:x}::/32") for scope in range(16)),
}
"""RFC 4607 section 1: what an instance without an SSM policy takes."""
_NEVER = 4294967295
"""huawei-pim, spt-threshold-no-acl: infinity."""


@dataclass(frozen=True, slots=True)
class Rule:
    permit: bool
    network: IpNetwork | None
    """None: whatever comes to it."""


@dataclass(frozen=True, slots=True)
class Acls:
    """Basic ACLs of both families by name or number, rules in the order of their ids."""

    rules: Mapping[str, tuple[Rule, ...]]

    @classmethod
    def of(cls, root: Branch) -> Acls:
        groups = [
            *root.one("acl", "groups").all("group"),
            *root.one("acl", "group6s").all("group6"),
        ]
        return cls({group.text("identity"): tuple(_rules(group)) for group in groups})

    def permitted(self, name: str) -> tuple[IpNetwork, ...]:
        """Return the networks that a list permits, sorted."""
        networks = (r.network for r in self.rules.get(name, ()) if r.permit and r.network)
        return tuple(sorted(networks, key=_order))


def _rules(group: Branch) -> Iterator[Rule]:
    rules = sorted(group.one("rule-basics").all("rule-basic"), key=lambda r: r.number("id"))
    for rule in rules:
        network: IpNetwork | None = None
        if rule.has("source-ipaddr"):
            source = ip_address(rule.text("source-ipaddr"))
            if source.version == 4:
                wildcard = ip_address(rule.text("source-wild", default="0.0.0.0"))
                length = 32 - int(wildcard).bit_length()
            else:
                length = rule.number("source-mask-len", default=128)
            network = ip_network(f"{source}/{length}", strict=False)
        yield Rule(rule.text("action") == "permit", network)


def _order(network: IpNetwork) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def read_pim(instance: Branch, acls: Acls) -> PimRouting | None:
    """Return what the instance is configured to do; None: it routes no multicast."""
    versions = [v for v in (4, 6) if instance.has("multicast", f"ipv{v}")]
    if not versions or not instance.has("pim"):
        return None
    settings = {
        entry.text("type"): entry
        for entry in instance.one("pim", "protocol", "instances").all("instance")
    }
    ranges: list[IpNetwork] = []
    switchover = True
    for version in versions:
        entry = settings.get(f"ipv{version}unicast", Branch())
        policy = entry.text("ssm-policy-name" if version == 4 else "ssm-policy-name6")
        ranges += acls.permitted(policy) if policy else _SSM[version]
        switches = entry.one("spt-switchs" if version == 4 else "ipv6-spt-switchs")
        threshold = switches.number("spt-switch-no-acl", "spt-threshold-no-acl")
        switchover = switchover and threshold != _NEVER
    return PimRouting(
        rps=tuple(sorted(_rps(instance, acls), key=lambda r: (_order(r.groups), int(r.address)))),
        ssm_ranges=tuple(ranges),
        spt_switchover=switchover,
    )


def _rps(instance: Branch, acls: Acls) -> Iterator[StaticRp]:
    for entry in instance.one("pim", "rp", "static-rps").all("static-rp"):
        address = ip_address(entry.text("address"))
        policy = entry.text("policy" if address.version == 4 else "policy-ipv6")
        served = acls.permitted(policy) if policy else (_EVERY_GROUP[address.version],)
        for groups in served:
            yield StaticRp(address=address, groups=groups)


def pim_interfaces(instance: Branch) -> frozenset[str]:
    """Return the interfaces that PIM runs on."""
    return frozenset(
        entry.text("if-name")
        for entry in instance.one("pim", "protocol", "interfaces").all("interface")
        if entry.flag("sm-enable")
    )


def memberships(instance: Branch) -> dict[str, int]:
    """Return interface -> version of IGMP or MLD by which hosts join there."""
    return {
        entry.text("name"): entry.number("version", default=default)
        for protocol, default in (("igmp", 2), ("mld", 2))
        for entry in instance.one(protocol, "interfaces").all("interface")
        if entry.flag("enable")
    }


def speaking(instance: Branch) -> frozenset[str]:
    """Return the interfaces on which PIM runs and is not silent."""
    return frozenset(
        entry.text("if-name")
        for entry in instance.one("pim", "protocol", "interfaces").all("interface")
        if entry.flag("sm-enable") and not entry.flag("is-silent")
    )


def protection(
    instance: Branch, acls: Acls, addresses: tuple[IpInterface, ...], *, silent: bool
) -> EdgeProtection | None:
    """Return what the interface takes from hosts; None: it accepts what it understands.

    Its prefix is denied but for some sources, and that list is in force, or nothing is forwarded;
    PIM is silent on it, or does not run.
    """
    if not addresses:
        return None
    prefix = addresses[0].network
    policies = {
        entry.text("src-policy-name") or entry.text("src-policy-name6")
        for entry in instance.one("pim", "protocol", "instances").all("instance")
    } - {""}
    forwarding = instance.has("multicast")
    for policy in policies if forwarding else acls.rules:
        rules = acls.rules.get(policy, ())
        denied = next((i for i, r in enumerate(rules) if not r.permit and r.network == prefix), -1)
        if silent and denied >= 0:
            permitted = (r.network for r in rules[:denied] if r.permit and r.network)
            return EdgeProtection(
                sources=tuple(
                    sorted(
                        (n.network_address for n in permitted if n.network_address in prefix),
                        key=int,
                    )
                )
            )
    return None
