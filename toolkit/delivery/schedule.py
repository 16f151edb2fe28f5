"""Which symbol of a segment goes to whom.

Pure, apart from the Source that blocks are read from.  Block by block:

- receivers that lack all of a block get its source symbols, in one packet for all of them;
- of those that lack some, parity symbol j goes to exactly those that lack more than j, whichever
  symbols they lost: the sender sends the maximum of their losses, not the sum;
- parity is fresh in every round: one that was sent before could be one that a receiver has;
- the last few symbols of a block, which only those want that lost the most, wait for the next
  round where one will be needed anyway, and then serve those, too, that lost some of this one's
  (`toolkit.delivery.foresight` says how many; it also says how many more to send at the very end,
  when there is no time for another round);
- where parity has run out, a block is sent again whole to the receivers that need it.

When packets cannot be addressed (imposition by the router) the same is planned and everybody gets
everything; a block that is sent whole then serves those, too, that lack only some of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from toolkit.delivery.burst import Burst
from toolkit.delivery.fec import encode
from toolkit.delivery.foresight import Foresight
from toolkit.delivery.masks import Numbers, mask_of, numbers
from toolkit.delivery.track import Segment

Counts = npt.NDArray[np.int16]
Matrix = npt.NDArray[np.int16]
"""Of receivers (rows) and blocks: numbers of symbols."""


class Sizes:
    """Symbols of each receiver of a round."""

    __slots__ = ("parts", "whole")

    def __init__(self, whole: int, parts: dict[int, int]) -> None:
        self.whole = whole
        self.parts = parts
        """Bit number -> symbols, for those that do not have `whole`."""

    def of(self, bit: int) -> int:
        return self.parts.get(bit, self.whole)


class Escort(Protocol):
    """Who else may have what is sent anyhow."""

    def take(self, segment: Segment, burst: Burst) -> int:
        """Whom a whole block goes to beside those that it is sent for."""
        ...

    def left(self, mask: int, size: int) -> None:
        """So many bytes of it have left."""
        ...


class Round:
    """One pass over a segment for `targets`.  Create it before the ledger launches the segment.

    `parity`: parity symbols a block may have; `addressed`: packets go to those in their mask and
    to nobody else; `foresight`: how many symbols to hold back, or to add.
    """

    def __init__(
        self, segment: Segment, targets: int, parity: int, foresight: Foresight, *, addressed: bool
    ) -> None:
        self.segment = segment
        self.targets = targets
        """Receivers that the round still serves; a receiver that leaves is taken out."""
        self.served = targets & ~segment.unknown
        """Those that get data; the others are only asked what they lack."""
        self._sent_before = segment.sent
        self._addressed = addressed
        self._rows = [bit for bit in segment.lacks if self.served >> bit & 1]
        """The receivers whose reports are known; the others of `served` lack everything."""
        self._reported = sum(1 << bit for bit in self._rows)
        self.sent = Sizes(
            int(segment.lengths.sum()), dict.fromkeys(_few(targets & ~self.served), 0)
        )
        """Symbols on their way to each."""
        self.held_back = Sizes(0, {})
        """Symbols that each will still lack."""
        if self._rows:
            self._plan(parity, foresight)

    def whole(self, bit: int) -> bool:
        """Whether a receiver gets all blocks, from the first to the last."""
        return not self._reported >> bit & 1

    def _plan(self, parity: int, foresight: Foresight) -> None:
        """Decide how many symbols of each block go to each receiver."""
        segment = self.segment
        reports = b"".join(segment.lacks[bit] for bit in self._rows)
        lacks: Matrix = np.frombuffer(reports, np.uint8).reshape(-1, segment.count).astype(np.int16)
        k = segment.lengths
        used = np.frombuffer(segment.parity or bytes(segment.count), np.uint8).astype(np.int16)
        left = np.minimum(parity - used, 255 - k)
        whole = (lacks >= k) | (lacks > left)
        some = np.where(whole, 0, lacks)
        rows = np.array(self._rows)
        self._whole = whole
        everybody = self.served & ~self._reported
        if not self._addressed:
            some[:, whole.any(axis=0) | (everybody > 0)] = 0
        self._some = foresight.plan(some, rows, left, addressed=self._addressed)
        symbols = np.where(whole, k, self._some).sum(axis=1).tolist()
        later = np.maximum(some - self._some, 0).sum(axis=1).tolist()
        self.sent.parts.update(zip(self._rows, symbols, strict=True))
        self.held_back.parts.update(zip(self._rows, later, strict=True))
        self._numbers = rows
        self._whole_blocks: npt.NDArray[np.bool_] = np.any(whole, axis=0)
        self._levels: list[int] = self._some.max(axis=0).tolist()

    def bursts(self, read: Callable[[Segment, int], memoryview]) -> Iterator[Burst]:
        """Yield the round's packets, a run of one block at a time; masks are of those they serve.

        `read(segment, sbn)` returns a block's bytes.
        """
        lack_all = self.served & ~self._reported
        for i in range(self.segment.count):
            whole, level = lack_all, 0
            if self._rows:
                level = self._levels[i]
                if self._whole_blocks[i]:
                    whole |= self._mask(self._whole[:, i])
            whole &= self.targets
            if whole or level:
                block = read(self.segment, self.segment.first + i)
                if whole:
                    yield self._source(i, block, whole)
                if level:
                    yield from self._parity(i, block, self._some[:, i])

    def _mask(self, rows: npt.NDArray[np.bool_]) -> int:
        """The mask of the receivers in some of the rows."""
        flags = np.zeros(int(self._numbers.max()) + 1, np.bool_)
        flags[self._numbers[rows]] = True
        return mask_of(flags)

    def _source(self, i: int, block: memoryview, whole: int) -> Burst:
        item, sbn = self.segment.item, self.segment.first + i
        k = item.partition.k(sbn)
        repair = self._sent_before and bool(whole & self._reported)
        return Burst(
            mask=whole, prefix=item.prefix, toi=item.toi, repair=repair,
            late=self._sent_before and not repair,
            fec_id=item.fec_id, sbn=sbn, k=k, esi=0,
            symbols=k, symbol=item.partition.symbol, payload=block,
        )  # fmt: skip

    def _parity(self, i: int, block: memoryview, lacking: Counts) -> Iterator[Burst]:
        segment, item, sbn = self.segment, self.segment.item, self.segment.first + i
        # Those who get more than j are the same for every j between two of the numbers.
        masks, done = [], 0
        for level in sorted(set(lacking.tolist()) - {0}):
            mask = self._mask(lacking > done) & self.targets
            if not mask:
                break
            masks.append((mask, done, level))
            done = level
        if not masks:
            return
        k, size = item.partition.k(sbn), item.partition.symbol
        if segment.parity is None:
            segment.parity = bytearray(segment.count)
        first = segment.parity[i]
        segment.parity[i] += done
        if len(block) < k * size:
            block = memoryview(bytes(block).ljust(k * size, b"\0"))
        symbols = np.frombuffer(block, np.uint8).reshape(k, size)
        encoded = encode(symbols, range(first, first + done)).reshape(-1).data
        for mask, start, stop in masks:
            yield Burst(
                mask=mask, prefix=item.prefix, toi=item.toi, repair=True, fec_id=item.fec_id,
                sbn=sbn, k=k, esi=k + first + start, symbols=stop - start, symbol=size,
                payload=encoded[start * size : stop * size],
            )  # fmt: skip


def _few(mask: int) -> list[int]:
    """Bit numbers of a mask that is mostly empty."""
    return numbers(mask).tolist() if mask else []


__all__ = ["Numbers", "Round", "Sizes"]
