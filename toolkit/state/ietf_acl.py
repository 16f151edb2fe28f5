"""What access lists (RFC 8519) make of interfaces and groups.  Pure.

Lists are read for what they do, whatever they are called: an interface is protected when its lists
drop BIER, MPLS and PIM, and all multicast but from named sources.  Where llmsync-edge says which
bits a host may impose, BIER need not be dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Final

from toolkit.state.branch import Branch, identity
from toolkit.state.model import EdgeProtection, IpAddress, IpNetwork

BIER_ETHERTYPES: Final = {0xAB37: "bier", 0x8847: "mpls"}
"""RFC 8296 section 3: BIER frames, and labelled ones, which may be BIER too."""
PIM_PROTOCOL: Final = 103
MULTICAST: Final = frozenset({"224.0.0.0/4", "ff00::/8"})


def lists(top: Branch) -> dict[str, Branch]:
    """Return the access lists by name."""
    return {entry.text("name"): entry for entry in top.one("acls").all("acl")}


def groups(acl: Branch) -> tuple[IpNetwork, ...]:
    """Return the destinations that a list accepts, sorted."""
    found = (
        ip_network(ace.text("matches", family, f"destination-{family}-network"))
        for ace in acl.one("aces").all("ace")
        if accepts(ace)
        for family in ("ipv4", "ipv6")
        if ace.has("matches", family, f"destination-{family}-network")
    )
    return tuple(sorted(found, key=lambda n: (n.version, int(n.network_address), n.prefixlen)))


def accepts(ace: Branch) -> bool:
    """Return whether packets that match are let through."""
    return identity(ace.text("actions", "forwarding")) == "accept"


def protections(top: Branch) -> dict[str, EdgeProtection]:
    """Return interface -> what it takes from hosts, of those that are protected."""
    known = lists(top)
    imposing = {
        entry.text("name"): {
            bound.number("si"): int(bound.text("bit-string"), 16) for bound in entry.all("set")
        }
        for entry in top.one("edge").all("interface")
    }
    found: dict[str, EdgeProtection] = {}
    for point in top.one("acls", "attachment-points").all("interface"):
        aces = [
            ace
            for chosen in point.one("ingress", "acl-sets").all("acl-set")
            for ace in known.get(chosen.text("name"), Branch()).one("aces").all("ace")
        ]
        name = point.text("interface-id")
        protection = _protection(aces, imposing.get(name))
        if protection is not None:
            found[name] = protection
    return found


def _protection(aces: list[Branch], bits: Mapping[int, int] | None) -> EdgeProtection | None:
    """`bits`: SI -> what the host may impose; None: it may impose nothing."""
    dropped = set() if bits is None else {"bier", "mpls"}
    sources: list[IpAddress] = []
    for ace in aces:
        name = _subject(ace)
        if name == "multicast" and accepts(ace):
            sources += _source(ace)
        elif not accepts(ace):
            dropped.add(name)
    if not {"bier", "mpls", "pim", "multicast"} <= dropped:
        return None
    return EdgeProtection(
        sources=tuple(sorted(sources, key=lambda s: (s.version, int(s)))),
        bit_strings=dict(sorted((bits or {}).items())),
    )


def _subject(ace: Branch) -> str:
    """Return what an entry is about: `bier`, `mpls`, `pim`, `multicast`, or nothing of ours."""
    matches = ace.one("matches")
    ethertype = matches.text("eth", "ethertype")
    if ethertype:
        number = int(ethertype) if ethertype.isdecimal() else 0
        return BIER_ETHERTYPES.get(number, ethertype)
    for family in ("ipv4", "ipv6"):
        ip = matches.one(family)
        if ip.number("protocol") == PIM_PROTOCOL:
            return "pim"
        if not ip.has("protocol") and ip.text(f"destination-{family}-network") in MULTICAST:
            return "multicast"
    return ""


def _source(ace: Branch) -> Iterator[IpAddress]:
    for family in ("ipv4", "ipv6"):
        text = ace.text("matches", family, f"source-{family}-network")
        if text:
            network = ip_network(text)
            if network.num_addresses == 1:
                yield network.network_address
