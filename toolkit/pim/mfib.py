"""The multicast forwarding table of a router as a value: (S,G), then (*,G).  RFC 7761 section 4.2.

Pure.  A snapshot of what `toolkit.pim.router` decides by; NETCONF shows it, tests compare it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.state.model import IpAddress

Key = tuple[IpAddress | None, IpAddress]
"""(S,G); (None, G) is (*,G)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    source: IpAddress | None
    group: IpAddress
    rp: IpAddress | None = None
    iif: str = ""
    """Where packets must come in; empty: at the RP of a shared tree, or no route to the root."""
    rpf_neighbor: str = ""
    oifs: tuple[str, ...] = ()
    """Sorted; without the iif."""
    spt: bool = False
    rpt_pruned: bool = False
    register: bool = False


class Mfib(Mapping[Key, Entry]):
    """Entries by (S,G); immutable."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[Key, Entry]) -> None:
        self._entries = dict(sorted(entries.items(), key=lambda item: _order(item[0])))

    def lookup(self, source: IpAddress, group: IpAddress) -> Entry | None:
        """Return the entry that packets of (S,G) meet: the longest match (RFC 7761 section 4.1)."""
        return self._entries.get((source, group)) or self._entries.get((None, group))

    def __getitem__(self, key: Key) -> Entry:
        return self._entries[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _order(key: Key) -> tuple[int, int, int]:
    source, group = key
    return group.version, int(group), -1 if source is None else int(source)
