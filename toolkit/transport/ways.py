"""Where a packet goes: to the group, to receivers one by one, or both.  Pure.

The group's packets reach everybody who has joined it, wanted or not, and unicast costs the sender a
copy for each.  So what all of them need goes to the group, and what a few need to those; a repair
that many need, and not all, goes to the group as well: the sender's link is the one that all wait
for.  (Where this host imposes BIER there is nothing to weigh: `toolkit.transport.packet`.)  A
receiver that is known not to be reached by the group gets the same packets by unicast.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

Sockaddr = tuple[str, int]

FEW = 2
"""Receivers that are sent copies of their own."""
SMALL = 4
"""In sessions of so many receivers, all but all of them are few."""


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

    def of(self, mask: int, stream: int, deaf: int = 0) -> Iterator[Sockaddr]:
        """Where a packet for `mask` goes while `stream` are those that the main stream is for.

        `deaf`: those whom, as was found since, the group does not reach either.
        """
        apart = self._apart | deaf
        there = stream & ~apart
        wanted = mask & there
        count = wanted.bit_count()
        many = count > 1 and (wanted == there or (count > FEW and there.bit_count() > SMALL))
        if self._group is not None and many:
            yield self._group
            mask &= apart
        for bit, name in enumerate(self._names):
            if mask >> bit & 1 and name in self._addresses:
                yield self._addresses[name]
