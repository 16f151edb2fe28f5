"""Which symbol of a segment goes to whom.

Pure, apart from the Source that blocks are read from.  Block by block:

- receivers that lack all of a block get its source symbols, in one packet for all of them;
- of those that lack some, parity symbol j goes to exactly those that lack more than j, whichever
  symbols they lost: the sender sends the maximum of their losses, not the sum;
- parity is fresh in every round: one that was sent before could be one that a receiver has;
- where parity has run out, a block is sent again whole to the receivers that need it.

When packets cannot be addressed (imposition by the router) the same is planned and everybody gets
everything; a block that is sent whole then serves those, too, that lack only some of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from toolkit.delivery.burst import Burst
from toolkit.delivery.fec import encode
from toolkit.delivery.ledger import Segment, bits


class Escort(Protocol):
    """Who else may have what is sent anyhow."""

    def take(self, segment: Segment, burst: Burst) -> int:
        """Whom a whole block goes to beside those that it is sent for."""
        ...

    def left(self, mask: int, size: int) -> None:
        """So many bytes of it have left."""
        ...


class Round:
    """One pass over a segment for `targets`.  Create it before the ledger launches the segment."""

    def __init__(self, segment: Segment, targets: int) -> None:
        self.segment = segment
        self.targets = targets
        """Receivers that the round still serves; a receiver that leaves is taken out."""
        self.served = targets & ~segment.unknown
        """Those that get data; the others are only asked what they lack."""
        self._sent_before = segment.sent
        self.missing = {bit: segment.missing(bit) for bit in bits(targets)}
        """Bytes on their way to each."""
        self._lacks = {bit: segment.lacks[bit] for bit in bits(self.served) if bit in segment.lacks}
        self._reported = sum(1 << bit for bit in self._lacks)

    def whole(self, bit: int) -> bool:
        """Whether a receiver gets all blocks, from the first to the last."""
        return bit not in self._lacks

    def bursts(
        self, read: Callable[[Segment, int], memoryview], parity: int, *, addressed: bool
    ) -> Iterator[Burst]:
        """Yield the round's packets, a run of one block at a time; masks are of those they serve.

        `read(segment, sbn)` returns a block's bytes; `parity`: parity symbols a block may have;
        `addressed`: packets go to those in their mask and to nobody else.
        """
        for i in range(self.segment.count):
            whole, lacking = self._wants(i, parity, addressed=addressed)
            if whole or lacking:
                block = read(self.segment, self.segment.first + i)
                if whole:
                    yield self._source(i, block, whole)
                if lacking:
                    yield from self._parity(i, block, lacking)

    def _wants(self, i: int, parity: int, *, addressed: bool) -> tuple[int, dict[int, int]]:
        """Who lacks all of block i, and how much the others lack."""
        served = self.served & self.targets
        if not self._lacks:
            return served, {}
        k = self.segment.item.partition.k(self.segment.first + i)
        left = parity - (self.segment.parity[i] if self.segment.parity else 0)
        left = min(left, 255 - k)
        whole, lacking = 0, {}
        for bit in bits(served):
            lacks = self._lacks.get(bit)
            lack = 255 if lacks is None else lacks[i]
            if lack >= k or lack > left:
                whole |= 1 << bit
            elif lack:
                lacking[bit] = lack
        if whole and not addressed:
            lacking.clear()
        return whole, lacking

    def _source(self, i: int, block: memoryview, whole: int) -> Burst:
        item, sbn = self.segment.item, self.segment.first + i
        k = item.partition.k(sbn)
        repair = self._sent_before and bool(whole & self._reported)
        return Burst(
            mask=whole, prefix=item.prefix, toi=item.toi, repair=repair,
            late=self._sent_before and not repair, fec_id=item.fec_id, sbn=sbn, k=k, esi=0,
            symbols=k, symbol=item.partition.symbol, payload=block,
        )  # fmt: skip

    def _parity(self, i: int, block: memoryview, lacking: dict[int, int]) -> Iterator[Burst]:
        segment, item, sbn = self.segment, self.segment.item, self.segment.first + i
        k, size = item.partition.k(sbn), item.partition.symbol
        if segment.parity is None:
            segment.parity = bytearray(segment.count)
        first, count = segment.parity[i], max(lacking.values())
        segment.parity[i] += count
        if len(block) < k * size:
            block = memoryview(bytes(block).ljust(k * size, b"\0"))
        symbols = np.frombuffer(block, np.uint8).reshape(k, size)
        encoded = encode(symbols, range(first, first + count)).reshape(-1).data
        # Those who lack more than j are the same for every j between two of the numbers reported.
        done = 0
        for level in sorted(set(lacking.values())):
            mask = sum(1 << bit for bit, lack in lacking.items() if lack > done)
            yield Burst(
                mask=mask, prefix=item.prefix, toi=item.toi, repair=True, fec_id=item.fec_id,
                sbn=sbn, k=k, esi=k + first + done, symbols=level - done, symbol=size,
                payload=encoded[done * size : level * size],
            )  # fmt: skip
            done = level
