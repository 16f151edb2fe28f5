"""A network on its way from somebody's file to an inventory.

Pure values.  Names obey the inventory's rule already; what had to be decided on the way is a
`Note`, so that nothing is changed in silence.  Units: bit/s, seconds, bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from toolkit.inventory.model import Platform

CAPACITY = 100_000_000_000
DELAY = 0.001
METRIC = 10
"""The inventory's own defaults, for networks that say nothing of their links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that the importer decided, left out, or could not know."""

    kind: str
    """One word for scripts: `position`, `duplicate`, `parallel`, `loop`, ..."""
    text: str
    names: tuple[str, ...] = ()
    """What it is about."""

    def __str__(self) -> str:
        return f"{self.text}: {some(self.names)}" if self.names else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How a router's NETCONF server is reached; never with a secret."""

    host: str
    port: int = 830
    username: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRouter:
    name: str
    label: str
    """What its author called it."""
    region: str = ""
    platform: Platform = Platform.REFERENCE
    bier: bool = True
    site: bool = True
    """False: a place where lines meet, where nobody would put a host."""
    reach: Reach | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLink:
    a: str
    b: str
    name: str = ""
    """Empty: the loader's `a-b`, `a-b-2`."""
    metric: int = METRIC
    capacity: int = CAPACITY
    delay: float = DELAY
    mtu: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftHost:
    """A host that the file itself has; `role` is `repository`, `cloud` or empty: nobody said."""

    name: str
    label: str
    router: str
    role: str = ""
    region: str = ""
    gpus: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Routers and links as read; `assemble` makes an inventory of it."""

    name: str
    file: str
    """As the user named it."""
    about: tuple[str, ...] = ()
    """Lines for the head of network.yaml."""
    routers: tuple[DraftRouter, ...]
    links: tuple[DraftLink, ...]
    hosts: tuple[DraftHost, ...] = ()
    notes: tuple[Note, ...] = ()

    def noting(self, *notes: Note) -> Draft:
        """Return it with more notes."""
        return replace(self, notes=self.notes + notes)


def some(names: tuple[str, ...] | list[str], most: int = 12) -> str:
    """Return names as an enumeration that a line has room for."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
