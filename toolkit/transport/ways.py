"""Where a packet goes: to the group, to receivers one by one, or both.  Pure.

The group's packets reach everybody who has joined it, wanted or not; so it is used only for what
all of those need.  A receiver that is known not to be reached by the group gets the same packets
by unicast.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

Sockaddr = tuple[str, int]


class Ways:
    """The ways to `names`; bit i of a mask is the i-th of them.

    Both may grow while they are used.  `apart`: those that the group does not reach.
    """

    def __init__(
        self,
        names: Sequence[str],
        addresses: Mapping[str, Sockaddr],
        group: Sockaddr | None,
        apart: Collection[str] = (),
    ) -> None:
        self._names = names
        self._addresses = addresses
        self._group = group
        self._apart = sum(1 << i for i, name in enumerate(names) if name in apart)

    def of(self, mask: int, active: int) -> Iterator[Sockaddr]:
        """Where a packet for `mask` goes while `active` are those that take part."""
        by_group = mask & ~self._apart
        everybody = by_group == active & ~self._apart and by_group.bit_count() > 1
        if self._group is not None and everybody:
            yield self._group
            mask &= self._apart
        for bit, name in enumerate(self._names):
            if mask >> bit & 1 and name in self._addresses:
                yield self._addresses[name]
