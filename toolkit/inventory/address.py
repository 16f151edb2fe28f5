"""Loopbacks, pools and groups: addresses that a router could really have.  Pure.

RFC 4607 sections 1 and 4 (SSM ranges), RFC 6890 (special addresses).
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

from toolkit.inventory.model import IpAddress, IpNetwork
from toolkit.inventory.refusal import Refusal

SSM_IPV4 = IPv4Network("232.0.0.0/8")
SSM_IPV4_RESERVED = IPv4Network("232.0.0.0/24")
SSM_IPV6 = {scope: IPv6Network(f"ff3{scope:x}::/32") for scope in range(3, 15)}
"""Scope -> its SSM range; scopes 1 and 2 never leave a node or a link, 15 is reserved."""

_LINK_LOCAL_GROUPS: tuple[IpNetwork, ...] = (
    IPv4Network("224.0.0.0/24"),
    IPv6Network("ff02::/16"),
    IPv6Network("ff12::/16"),
)
_SPECIAL: tuple[tuple[IpNetwork, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "'this network'"),
    (IPv4Network("127.0.0.0/8"), "the host's own loopback"),
    (IPv4Network("169.254.0.0/16"), "link-local"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
    (IPv6Network("::/127"), "the host's own loopback"),
    (IPv6Network("fe80::/10"), "link-local"),
    (IPv6Network("ff00::/8"), "multicast"),
)


def parse_loopback(value: object) -> IpAddress:
    """Return a unicast address that can be announced."""
    like = "write it like 10.255.0.1 or 2001:db8::1"
    if not isinstance(value, str):
        raise Refusal("is not an IPv4 or IPv6 address", like)
    if "/" in value:
        try:
            host = ip_interface(value).ip
        except ValueError:
            raise Refusal("is not an IPv4 or IPv6 address", like) from None
        raise Refusal("is a prefix, an address is expected", f"write {host}")
    try:
        address = ip_address(value)
    except ValueError:
        raise Refusal("is not an IPv4 or IPv6 address", like) from None
    if address.version == 6 and address.scope_id:
        raise Refusal("has a zone, which means nothing on another machine", like)
    for special, kind in _SPECIAL:
        if address.version == special.version and address in special:
            raise Refusal(f"is {kind}, no router can announce it", like)
    return address


def _parse_network(value: object, like: str) -> IpNetwork:
    if not isinstance(value, str):
        raise Refusal("is not an IPv4 or IPv6 prefix", like)
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise Refusal("is not an IPv4 or IPv6 prefix", like) from None
    length = value.partition("/")[2]
    if not length:
        raise Refusal("has no prefix length", like)
    if not length.isdecimal():
        raise Refusal("has a mask, a prefix length is expected", f"write {network}")
    if network.version == 6 and "%" in value:
        raise Refusal("has a zone, which means nothing on another machine", like)
    if ip_interface(value).ip != network.network_address:
        raise Refusal("has bits set behind its prefix length", f"did you mean '{network}'?")
    return network


def parse_unicast_pool(value: object) -> IpNetwork:
    """Return a prefix to take loopbacks, link or host addresses from."""
    network = _parse_network(value, "write it like 10.0.0.0/16 or 2001:db8:1::/48")
    for special, kind in _SPECIAL:
        if network.version == special.version and network.overlaps(special):
            raise Refusal(f"takes in {special}, which is {kind}")
    return network


def parse_group_pool(value: object) -> IpNetwork:
    """Return a prefix to take SSM groups from (RFC 4607 section 1)."""
    like = "write it like 232.1.0.0/16 or ff3e::8000:0/97"
    network = _parse_network(value, like)
    if isinstance(network, IPv4Network):
        if not network.subnet_of(SSM_IPV4):
            raise Refusal(f"is not a range of SSM groups, which lie in {SSM_IPV4}", like)
        if network.subnet_of(SSM_IPV4_RESERVED):
            raise Refusal(f"lies in {SSM_IPV4_RESERVED}, which is reserved (RFC 4607)", like)
    elif not any(network.subnet_of(ssm) for ssm in SSM_IPV6.values()):
        raise Refusal("is not a range of SSM groups, which lie in ff33::/32 .. ff3e::/32", like)
    return network


def parse_any_source_pool(value: object) -> IpNetwork:
    """Return a prefix to take any-source groups from (RFC 7761; RFC 2365, RFC 4291 section 2.7)."""
    like = "write it like 239.1.0.0/16 or ff18::/32"
    network = _parse_multicast(value, like)
    ranges: tuple[IpNetwork, ...] = (SSM_IPV4, *SSM_IPV6.values())
    for ssm in ranges:
        if network.version == ssm.version and network.overlaps(ssm):
            raise Refusal(f"takes in SSM groups, {ssm}: those have no rendezvous point", like)
    return network


def parse_group_ranges(value: object) -> tuple[IpNetwork, ...]:
    """Return a list of different multicast prefixes."""
    like = "write it like [232.0.0.0/8]"
    if not isinstance(value, list) or not value:
        raise Refusal("is not a list of prefixes", like)
    ranges: dict[IpNetwork, None] = {}
    for index, item in enumerate(value):
        try:
            ranges[_parse_multicast(item, like)] = None
        except Refusal as refusal:
            raise refusal.inside(index) from None
    return tuple(ranges)


def _parse_multicast(value: object, like: str) -> IpNetwork:
    network = _parse_network(value, like)
    if not network.is_multicast:
        raise Refusal("is not a range of multicast groups", like)
    for local in _LINK_LOCAL_GROUPS:
        if network.version == local.version and network.subnet_of(local):  # type: ignore[arg-type]
            raise Refusal("holds groups that never leave a link", like)
    return network
