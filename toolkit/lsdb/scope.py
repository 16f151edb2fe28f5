"""A flooding scope: one IS-IS level (and area), or one OSPF area, as values without protocol.

Law: what is here has passed the protocol's own checks (checksums, sequence numbers, both ends of a
link), so IS-IS and OSPF look alike from here on.  Pseudonodes and Network-LSAs are resolved into
ways between routers.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from toolkit.bier.signalling.acceptance import Advertisement


@dataclass(frozen=True, slots=True)
class Way:
    """A way from one router to another in one topology; both ends list it."""

    source: str
    target: str
    mt_id: int
    metric: int
    port: str
    """Tells parallel ways apart: the source's address, or what there is instead."""
    address: IPv4Address | IPv6Address | None = None
    """Of the target on that way, where it is known."""

    @property
    def rank(self) -> tuple[str, str, int, int, str, str]:
        """What ways are sorted by."""
        address = str(self.address or "")
        return self.source, self.target, self.mt_id, self.metric, self.port, address


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """All that routers of one flooding scope know alike."""

    protocol: str
    """`isis` or `ospf`."""
    name: str
    """`level-2`, `level-1 49.0001`, `area 0.0.0.0`."""
    names: Mapping[str, str]
    """Router (system ID or router ID) -> its name, or the ID itself."""
    overloaded: frozenset[str] = frozenset()
    """Carry no transit traffic."""
    ways: tuple[Way, ...] = ()
    advertisements: tuple[Advertisement, ...] = ()
    """As read; nothing has been ignored yet."""
    max_mt_id: int = 0xFFF
    pdus: int = 0
    """LSPs or LSAs that count."""

    def __str__(self) -> str:
        return f"{self.protocol} {self.name}"

    def name_of(self, router: str) -> str:
        return self.names.get(router, router)
