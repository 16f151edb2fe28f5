"""A reference router's BGP and multicast VPNs as network state.  Pure.  llmsync-mvpn, RFC 7951."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from toolkit.state.model import BgpSpeaker, IpAddress, Mvpn
from toolkit.state.order import counting

_Node = Mapping[str, Any]


def read_bgp(tree: _Node) -> BgpSpeaker | None:
    """Return the BGP sessions, by address; None: the router speaks no BGP."""
    bgp: _Node | None = tree.get("llmsync-mvpn:bgp")
    if bgp is None:
        return None
    neighbors: Iterable[_Node] = bgp.get("neighbor", ())
    reflected = {
        ip_address(entry["address"]): entry.get("route-reflector-client", False)
        for entry in neighbors
    }
    addresses = sorted(reflected, key=_by_number)
    return BgpSpeaker(
        as_number=bgp["as"],
        router_id=bgp["router-id"],
        neighbors=tuple(addresses),
        clients=tuple(address for address in addresses if reflected[address]),
    )


def _by_number(address: IpAddress) -> tuple[int, int]:
    return address.version, int(address)


def read_mvpns(tree: _Node) -> tuple[Mvpn, ...]:
    """Return the multicast VPNs by name, their interfaces in the order in which people count."""
    mvpn: _Node = tree.get("llmsync-mvpn:mvpn", {})
    entries: Iterable[_Node] = mvpn.get("instance", ())
    return tuple(sorted(map(_instance, entries), key=lambda instance: instance.name))


def _instance(entry: _Node) -> Mvpn:
    return Mvpn(
        name=entry["name"],
        rd=entry["route-distinguisher"],
        route_target=entry["route-target"],
        tunnel=entry["tunnel"],
        interfaces=tuple(sorted(entry.get("interface", ()), key=counting)),
        sub_domain_id=entry.get("sub-domain"),
        policies=tuple(sorted(entry.get("policy", ()))),
        group=ip_address(entry["group"]) if "group" in entry else None,
    )
