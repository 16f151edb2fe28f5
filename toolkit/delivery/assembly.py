"""Symbols into blocks: the objects that are being received.

Pure.  This is the receiver's hot path: one symbol costs a few dictionary look-ups and one copy to
the place in the block's buffer where it belongs.  The memory is bounded (`buffers`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import numpy as np

from toolkit.delivery.buffers import Buffers
from toolkit.delivery.control import DROPPED, LACKS_ALL
from toolkit.delivery.fec import MAX_ENCODING_SYMBOLS, Partition, decode
from toolkit.delivery.gf256 import Bytes
from toolkit.delivery.memory import Buffer
from toolkit.delivery.suspicion import NEEDED, forged


class Verdict(IntEnum):
    """What became of a symbol."""

    TAKEN = 0
    WHOLE = 1
    """Taken, and its block has all it needs: `Assembly.solve` it."""
    DUPLICATE = 2
    """It was there already, or its block is whole."""
    MISFIT = 3
    """Its block, number or length does not exist in this object."""
    RIVAL = 4
    """Another symbol is in its place: one of the two is forged."""
    NO_ROOM = 5
    """Its block is not open, and there is no memory for it now."""


class OpenBlock:
    """A block that lacks symbols, or waits to be verified."""

    __slots__ = (
        "barred", "buffer", "doubted", "failed", "got", "have", "held", "k", "need", "parity",
        "suspects", "view",
    )  # fmt: skip

    def __init__(self, buffer: Buffer, k: int) -> None:
        self.buffer = buffer
        self.view = buffer.view
        self.k = k
        self.need = k
        """Symbols that make it whole: more where a forged one among them is to be found."""
        self.have = bytearray(k)
        """1 per source symbol that is there."""
        self.got = 0
        """Symbols that are there, parity included."""
        self.parity: dict[int, bytes] = {}
        """Parity number -> symbol."""
        self.suspects: set[int] = set()
        """ESIs of which two different symbols came."""
        self.barred: set[int] = set()
        """ESIs of which the next symbol is not believed either; parity stands in."""
        self.failed = False
        """It has been whole and wrong."""
        self.doubted = False
        """It is wrong, and which symbol is forged cannot be found out."""
        self.held = False
        """Somebody reads its bytes."""


def nobody(sbn: int) -> bool:
    """No block waits for another."""
    del sbn
    return False


class Assembly:
    """One object: which blocks are done, and the open ones."""

    __slots__ = (
        "_buffers", "_dropped", "_larger", "_small", "_symbol", "awaits", "bars", "blocks", "done",
        "partition", "promised", "remaining", "toi",
    )  # fmt: skip

    def __init__(self, toi: int, partition: Partition, buffers: Buffers) -> None:
        self.toi = toi
        self.partition = partition
        self.done = bytearray(partition.blocks)
        """1 per block that is verified (or, in an object that is verified as a whole, solved)."""
        self.remaining = partition.blocks
        self.blocks: dict[int, OpenBlock] = {}
        self._dropped: set[int] = set()
        """Blocks whose symbols were thrown away, and of which none has come again."""
        self._symbol = partition.symbol
        self._small, self._larger = divmod(partition.symbols, partition.blocks or 1)
        self._buffers = buffers
        self.promised: set[int] = set()
        """Blocks that are at hand and not stored yet: they are not asked for."""
        self.awaits: Callable[[int], bool] = nobody
        """Whether others cannot be stored before this block: it is not dropped for their sake."""
        self.bars = False
        """There is parity that can stand in for a symbol that was forged."""

    def k(self, sbn: int) -> int:
        """Source symbols of block `sbn`."""
        return self._small + (sbn < self._larger)

    def add(self, sbn: int, sbl: int, esi: int, datagram: bytes | memoryview, at: int) -> Verdict:
        """Take the encoding symbol that begins at `at` of a datagram.

        `sbl`: the block's length as the packet says it, or -1 when the packet does not say.
        """
        block = self.blocks.get(sbn)
        if block is None:
            if sbn >= len(self.done):
                return Verdict.MISFIT
            if self.done[sbn]:
                return Verdict.DUPLICATE
            if sbl not in (self.k(sbn), -1):
                return Verdict.MISFIT
            block = self._open(sbn)
            if block is None:
                return Verdict.NO_ROOM
        k, size = block.k, self._symbol
        if sbl not in (k, -1):
            return Verdict.MISFIT
        length = len(datagram) - at
        if esi < k:
            if block.have[esi]:
                return self._again(block, esi, datagram, at)
            if length != size:
                # The last symbol of an object ends with the object; padding may follow it.
                wanted = self.partition.size(sbn) - esi * size
                if wanted >= size or length != wanted:
                    return Verdict.MISFIT
            if block.got >= block.need or (block.barred and self._unbar(block, esi)):
                return Verdict.DUPLICATE
            block.have[esi] = 1
            start = esi * size
            block.view[start : start + length] = datagram[at:]
        else:
            if length != size or esi > 254:
                return Verdict.MISFIT
            if esi - k in block.parity:
                return self._again(block, esi, datagram, at)
            if block.got >= block.need or (block.barred and self._unbar(block, esi)):
                return Verdict.DUPLICATE
            block.parity[esi - k] = bytes(datagram[at:])
        block.got += 1
        return Verdict.WHOLE if block.got == block.need else Verdict.TAKEN

    def land(self, sbn: int, esi: int, count: int) -> tuple[Verdict, int]:
        """Source symbols esi .. esi + count - 1 were put where they belong (see `landing`).

        Returns what became of them, and how many of them were there already.
        """
        if self.done[sbn]:
            return Verdict.DUPLICATE, count
        block = self.blocks.get(sbn) or self._open(sbn)
        if block is None:
            return Verdict.NO_ROOM, 0
        fresh = min(count, block.need - block.got)
        if fresh <= 0:
            return Verdict.DUPLICATE, count
        block.have[esi : esi + fresh] = b"\1" * fresh
        block.got += fresh
        return Verdict.WHOLE if block.got == block.need else Verdict.TAKEN, count - fresh

    def solve(self, sbn: int) -> memoryview:
        """Return the source block's bytes, lost symbols decoded; valid until `finish` or `drop`."""
        block = self.blocks[sbn]
        if block.parity:
            lost = [i for i, there in enumerate(block.have) if not there]
            matrix = block.buffer.array.reshape(block.k, self._symbol)
            size = self.partition.size(sbn)
            # A padded last symbol may have brought anything as padding: it counts as zeros.
            block.view[size:] = bytes(len(block.view) - size)
            decode(matrix, lost, {j: np.frombuffer(p, np.uint8) for j, p in block.parity.items()})
        return block.view[: self.partition.size(sbn)]

    def hold(self, sbn: int) -> None:
        """A block's bytes are being read by somebody else: they stay as they are."""
        self._buffers.hold(self.toi, sbn)
        self.blocks[sbn].held = True

    def unhold(self, sbn: int) -> None:
        """Nobody else reads them any more."""
        block = self.blocks[sbn]
        block.held = False
        self._buffers.unhold(sbn, block.buffer.size, self)

    def got(self, sbn: int) -> int:
        """Symbols that an open block has."""
        return self.blocks[sbn].got

    def whole(self, sbn: int) -> bool:
        """Whether a block that is not done has all it needs."""
        block = self.blocks.get(sbn)
        return block is not None and block.got == block.need

    def busy(self, sbn: int) -> bool:
        """Whether a block is done, or somebody is about to store it."""
        block = self.blocks.get(sbn)
        return bool(self.done[sbn]) or (block is not None and block.held)

    def finish(self, sbn: int) -> int:
        """The block is done; return how many parity symbols it took."""
        used = len(self.blocks[sbn].parity)
        self._close(sbn)
        self.done[sbn] = 1
        self.remaining -= 1
        return used

    def supply(self, sbn: int) -> None:
        """The block was found elsewhere; symbols of it are forgotten."""
        if sbn in self.blocks:
            self._close(sbn)
        self.done[sbn] = 1
        self.remaining -= 1

    def doubt(self, sbn: int) -> bool:
        """The block is whole and not what it should be; True: it is worth another try.

        Symbols that had rivals go; parity stands in for them.  Without any, two symbols more tell
        which one is forged.  So a forged symbol costs one or two others.  Where that fails the
        block is sent again, and one symbol that is another then is taken; where that fails too,
        all of it goes.
        """
        block = self.blocks[sbn]
        if block.doubted:
            self.drop(sbn)
            return False
        block.failed = True
        if not block.suspects and block.need > block.k:
            found = forged(block.k, self._symbols(block, sbn))
            if found is not None:
                block.suspects.add(found)
        if block.suspects:
            for esi in block.suspects:
                self._distrust(block, esi)
            block.suspects.clear()
            block.need = block.k
            block.got = block.have.count(1) + len(block.parity)
            return block.got >= block.k
        more = NEEDED < block.k < MAX_ENCODING_SYMBOLS - NEEDED
        if self.bars and more and block.need == block.k:
            block.need += NEEDED
            return False
        self._doubt_all(block)
        return False

    def _doubt_all(self, block: OpenBlock) -> None:
        """Only source symbols count from now on: they are sent again, and compared."""
        block.doubted, block.need = True, block.k
        block.parity.clear()
        block.got = block.have.count(1)

    def _distrust(self, block: OpenBlock, esi: int) -> None:
        if esi < block.k:
            block.have[esi] = 0
        else:
            block.parity.pop(esi - block.k, None)
        if self.bars:
            block.barred.add(esi)

    def _symbols(self, block: OpenBlock, sbn: int) -> dict[int, Bytes]:
        """All symbols that are there, by ESI."""
        size = self.partition.size(sbn)
        block.view[size:] = bytes(len(block.view) - size)
        rows = block.buffer.array.reshape(block.k, self._symbol)
        found: dict[int, Bytes] = {i: rows[i] for i, there in enumerate(block.have) if there}
        return found | {block.k + j: np.frombuffer(p, np.uint8) for j, p in block.parity.items()}

    def drop(self, sbn: int) -> None:
        """Forget a block's symbols."""
        self._close(sbn)
        self._dropped.add(sbn)

    def drop_all(self) -> None:
        """Nothing that was done holds: all of it is needed again."""
        self._dropped.update(range(len(self.done)))
        self.done[:] = bytes(len(self.done))
        self.remaining = len(self.done)

    def close(self) -> None:
        """Forget all that is open."""
        for sbn in list(self.blocks):
            self._close(sbn)

    def lacks(self, first: int, count: int) -> bytes:
        """Symbols that blocks first .. first + count - 1 lack, as a report says it."""
        found = bytearray(count)
        for i in range(count):
            sbn = first + i
            if sbn >= len(self.done) or self.done[sbn] or sbn in self.promised:
                continue
            block = self.blocks.get(sbn)
            if block is None or not block.got:
                found[i] = DROPPED if sbn in self._dropped else LACKS_ALL
            elif block.doubted:
                found[i] = DROPPED
            else:
                # One that was doubted may hold more than it needs while it is looked at again.
                found[i] = max(block.need - block.got, 0)
        return bytes(found)

    def _unbar(self, block: OpenBlock, esi: int) -> bool:
        """Whether a symbol is not believed; the one after it will be, should parity run out."""
        barred = esi in block.barred
        block.barred.discard(esi)
        return barred

    def _again(self, block: OpenBlock, esi: int, datagram: bytes | memoryview, at: int) -> Verdict:
        """A symbol is there already; it should be the same."""
        fresh = bytes(datagram[at:])
        size, k = self._symbol, block.k
        start = esi * size
        held = block.parity[esi - k] if esi >= k else bytes(block.view[start : start + len(fresh)])
        if held == fresh or len(fresh) > size:
            if block.need > k and block.got >= k:
                # Parity has run out, and the block is sent again whole.
                self._doubt_all(block)
            return Verdict.DUPLICATE
        if not block.doubted:
            if block.failed and block.got < block.need:
                self._distrust(block, esi)  # It would only fail again.
                block.got -= 1
            else:
                block.suspects.add(esi)
            return Verdict.RIVAL
        if block.held:
            return Verdict.DUPLICATE  # What somebody reads stays as it is.
        # Nothing else is wrong with the block: this is what was missing, or the next try fails.
        if esi < k:
            block.view[start : start + len(fresh)] = fresh
        return Verdict.WHOLE if block.got == block.need else Verdict.TAKEN

    def _open(self, sbn: int) -> OpenBlock | None:
        k = self.k(sbn)
        buffer = self._buffers.take(sbn, k * self._symbol, self)
        if buffer is None:
            self._buffers.evicted += sbn not in self._dropped
            self._dropped.add(sbn)
            return None
        block = self.blocks[sbn] = OpenBlock(buffer, k)
        self._dropped.discard(sbn)
        return block

    def _close(self, sbn: int) -> None:
        block = self.blocks.pop(sbn)
        self._buffers.give(self.toi, sbn, block.buffer)
