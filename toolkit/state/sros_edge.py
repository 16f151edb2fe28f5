"""Edge protection and class of service of an SR OS router as network state.

Pure.  nokia-conf-filter, nokia-conf-qos.  Filters are read as what they do, entry by entry, not by
their names: a filter protects when PIM is dropped, IGMP (or MLD) and permitted sources are accepted
and every other multicast packet is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from toolkit.state.branch import Branch
from toolkit.state.model import EdgeProtection, IpAddress, QosClass

LOWER_EFFORT = "l2"
"""The forwarding class below best effort in policies of ours."""
_POLICY = "llmsync"
_DSCP = {
    **{f"cp{n}": n for n in range(64)},
    **{f"cs{n}": 8 * n for n in range(1, 6)},
    **{f"af{n}{drop}": 8 * n + 2 * drop for n in range(1, 5) for drop in range(1, 4)},
    "be": 0, "ef": 46, "nc1": 48, "nc2": 56,
}  # fmt: skip
"""nokia-types-qos, typedef dscp-name."""
_GROUPS = {"ip": "224.0.0.0/4", "ipv6": "ff00::/8"}
_JOINING = {"ip": "igmp", "ipv6": "ipv6-icmp"}
_NUMBERS = {"2": "igmp", "58": "ipv6-icmp", "103": "pim"}


def protection_at(filters: Branch, bound: Branch, *, unlabelled: bool) -> EdgeProtection | None:
    """Return the protection that the filter of an interface gives; None: it gives none.

    `unlabelled`: labelled packets, and so BIER, are refused there.
    """
    for family in _GROUPS:
        name = bound.text(family)
        for entry in filters.all(f"{family}-filter"):
            if name and unlabelled and entry.text("filter-name") == name:
                return _protection(entry, family)
    return None


def _protection(filter_: Branch, family: str) -> EdgeProtection | None:
    """Walk the entries in order: what stands behind an entry that has matched does nothing.

    None as well where an entry that is none of ours lets something pass before multicast is closed.
    """
    joins = routers = closed = False
    sources: list[IpAddress] = []
    for entry in sorted(filter_.all("entry"), key=lambda e: e.number("entry-id")):
        match, drop = entry.one("match"), entry.has("action", "drop")
        said = match.text("next-header" if family == "ipv6" else "protocol")
        protocol = _NUMBERS.get(said, said)
        multicast = match.text("dst-ip", "address") == _GROUPS[family]
        source = match.text("src-ip", "address")
        if drop:
            routers = routers or protocol == "pim"
            closed = closed or (multicast and not source and not protocol)
        elif closed:
            continue
        elif protocol == _JOINING[family]:
            joins = True
        elif multicast and source and not protocol and routers:
            network = ip_network(source)
            if network.num_addresses > 1:
                return None
            sources.append(network.network_address)
        else:
            return None
    closed = closed or filter_.text("default-action", default="drop") == "drop"
    if not (joins and routers and closed):
        return None
    return EdgeProtection(sources=tuple(sorted(sources, key=int)))


def read_qos(configure: Branch, base: Branch, vprns: Iterable[Branch]) -> QosClass | None:
    """Return the code point of the lower class; None: not every port with an interface has it."""
    qos = configure.one("qos")
    network, sap = _lower(qos, "network"), _lower(qos, "sap-ingress")
    found = {
        network if i.text("qos", "network-policy") == _POLICY else None
        for i in base.all("interface")
        if i.has("port")
    }
    found |= {
        sap if i.text("sap", "ingress", "qos", "sap-ingress", "policy-name") == _POLICY else None
        for vprn in vprns
        for i in vprn.all("interface")
        if i.has("sap")
    }
    code_points = set(found)
    dscp = code_points.pop() if len(code_points) == 1 else None
    return None if dscp is None else QosClass(dscp=dscp)


def _lower(qos: Branch, kind: str) -> int | None:
    """Return the one code point that our policy of a kind puts into the lower class."""
    for policy in qos.all(kind):
        if policy.text(f"{kind}-policy-name") == _POLICY:
            rules = policy.one("ingress") if kind == "network" else policy
            names = list(_names(rules))
            return _DSCP.get(names[0]) if len(names) == 1 else None
    return None


def _names(rules: Branch) -> Iterator[str]:
    for rule in rules.all("dscp"):
        if rule.text("fc") == LOWER_EFFORT:
            yield rule.text("dscp-name")
