"""What a BFR has to know to follow its host's routes: BFERs, peers, tables.

RFC 8279 section 2 (BFR-prefix), RFC 8401 section 6.2 and RFC 8444 section 2.2 (a block of labels:
the first one is that of set 0).  Pure values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

from toolkit.bier.bift import BiftKey
from toolkit.bier.birt import Tunnel

IpAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Peer:
    """A BFR that may be a next hop."""

    router: str
    bases: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """(Sub-domain, BSL in bits) -> its BIFT-id for set 0; those of other sets count up from it.

    Without an entry: the same BIFT-ids as ours, as those of non-MPLS BIER are (RFC 8296 section
    2.2.1)."""
    tunnel: Tunnel | None = None
    """To its BFR-prefix: how it is reached where no next hop towards it is a BFR (RFC 8279 section
    6.9)."""


@dataclass(frozen=True, kw_only=True)
class Following:
    bfers: Mapping[tuple[int, int], IpAddress]
    """<sub-domain, BFR-id> -> BFR-prefix."""
    peers: Mapping[IpAddress, Peer]
    """Address of a next hop, or at the end of a tunnel -> the BFR that has it."""
    tables: Mapping[BiftKey, int | None]
    """Tables that follow -> BIFT-id that peers without a block of their own use; None: none."""
    own: Mapping[int, int] = field(default_factory=dict)
    """Sub-domain -> our own BFR-id."""
    interfaces: frozenset[str] = frozenset()
    """Interfaces that carry BIER."""

    @cached_property
    def lengths(self) -> Mapping[int, tuple[int, ...]]:
        """Sub-domain -> BitString lengths of its tables."""
        found: dict[int, set[int]] = {}
        for key in self.tables:
            found.setdefault(key.sub_domain, set()).add(key.bsl)
        return {sub_domain: tuple(sorted(bsls)) for sub_domain, bsls in found.items()}
