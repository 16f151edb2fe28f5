"""Values filed under prefixes: all that hold an address, the longest prefix first.

RFC 1812 section 5.2.4.3 (longest match).  Law: a search costs one look for each prefix length that
is in use, however many prefixes there are.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from toolkit.state.model import IpAddress, IpNetwork

T = TypeVar("T")


class Prefixes(Generic[T]):
    """Values by prefix; several may share one."""

    __slots__ = ("_by_length",)

    def __init__(self, items: Iterable[tuple[IpNetwork, T]]) -> None:
        tables: dict[tuple[int, int], dict[int, list[T]]] = {}
        for prefix, value in items:
            shift = prefix.max_prefixlen - prefix.prefixlen
            table = tables.setdefault((prefix.version, shift), {})
            table.setdefault(int(prefix.network_address) >> shift, []).append(value)
        self._by_length = {
            version: [(s, table) for (v, s), table in sorted(tables.items()) if v == version]
            for version in (4, 6)
        }

    def holding(self, address: IpAddress) -> Iterator[T]:
        """Yield the values of prefixes that hold `address`: longest first, then as they came."""
        number = int(address)
        for shift, table in self._by_length[address.version]:
            yield from table.get(number >> shift, ())
