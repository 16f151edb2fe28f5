"""BGP, multicast VPNs and the class of service on a router with the IETF's modules.

Pure.  No RFC has modules of these: they are llmsync-mvpn's and llmsync-edge's.
"""

from __future__ import annotations

from ipaddress import ip_address

from toolkit.state.branch import Branch
from toolkit.state.model import BgpSpeaker, Mvpn, QosClass
from toolkit.state.order import counting


def bgp(top: Branch) -> BgpSpeaker | None:
    """Return the BGP sessions; None: the router speaks no BGP."""
    found = top.one("bgp")
    if not found:
        return None
    reflected = {
        ip_address(entry.text("address")): entry.flag("route-reflector-client")
        for entry in found.all("neighbor")
    }
    addresses = sorted(reflected, key=lambda a: (a.version, int(a)))
    return BgpSpeaker(
        as_number=found.number("as"),
        router_id=found.text("router-id"),
        neighbors=tuple(addresses),
        clients=tuple(address for address in addresses if reflected[address]),
    )


def mvpns(top: Branch) -> tuple[Mvpn, ...]:
    """Return the multicast VPNs by name, their interfaces in the order in which people count."""
    return tuple(sorted(map(_instance, top.one("mvpn").all("instance")), key=lambda m: m.name))


def _instance(entry: Branch) -> Mvpn:
    return Mvpn(
        name=entry.text("name"),
        rd=entry.text("route-distinguisher"),
        route_target=entry.text("route-target"),
        tunnel=entry.text("tunnel"),
        interfaces=tuple(sorted(entry.texts("interface"), key=counting)),
        sub_domain_id=entry.number("sub-domain") if entry.has("sub-domain") else None,
        policies=tuple(sorted(entry.texts("policy"))),
        group=ip_address(entry.text("group")) if entry.has("group") else None,
    )


def vpn_interfaces(top: Branch) -> frozenset[str]:
    """Return the interfaces that are in a VPN."""
    return frozenset(name for instance in mvpns(top) for name in instance.interfaces)


def qos(top: Branch) -> QosClass | None:
    """Return the class of deliveries; None: the router is told nothing."""
    found = top.one("qos")
    return QosClass(dscp=found.number("dscp")) if found else None
