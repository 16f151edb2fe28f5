"""Where the next payloads will belong: so that a kernel can copy them there itself.

Pure.  A runtime asks for `spots`, hands the kernel one pair of pointers for each packet (24 bytes
of header, then a spot for the payload), and says with `landed` what came.  In the order in which a
sender sends, payloads have then landed where they belong, and a whole batch costs a few
comparisons.  Those that came otherwise (one was lost before them, parity, polls) are set apart
before anything is overwritten, and take the way of single datagrams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from toolkit.delivery.assembly import Assembly
from toolkit.delivery.buffers import Buffers
from toolkit.delivery.memory import Buffer, Slabs
from toolkit.delivery.wire import DATA_WORD, FIXED

HEADER = FIXED.size
"""Bytes of a packet before its payload, in the packets that land here."""
MAX_BATCH = 64
_KEPT = 16

_16, _LOW = np.uint64(16), np.uint64(0xFFFF)
_COUNTING = np.arange(MAX_BATCH, dtype=np.uint64)
_WORDS = np.dtype("<u8")

Addresses = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Run:
    """Source symbols of one block that have landed."""

    assembly: Assembly
    sbn: int
    esi: int
    count: int


@dataclass(slots=True)
class _Span:
    """Spots for symbols of one block."""

    assembly: Assembly
    sbn: int
    esi: int
    first: int
    """Number of its first spot."""
    count: int


class Landing:
    """The spots of one session; `symbol`: its encoding symbol length."""

    def __init__(
        self, assemblies: Mapping[int, Assembly], buffers: Buffers, tsi: int, symbol: int
    ) -> None:
        self.symbol = symbol
        self._assemblies, self._buffers = assemblies, buffers
        self._spots: Addresses = np.zeros(MAX_BATCH, np.uint64)
        self._scratch = Slabs().take(MAX_BATCH * symbol)
        self._aside = self._scratch.address + _COUNTING * np.uint64(symbol)
        self._first = int.from_bytes(FIXED.pack(DATA_WORD, 0, 0, 0, 0, 0, 0)[:8], "little")
        self._tsi = tsi
        self._session = np.uint64(0)
        """TSI and TOI, as they are in a header."""
        self._full = np.full(MAX_BATCH, HEADER + symbol, np.uint32)
        self._spans: list[_Span] = []
        self._toi = self._sbn = self._esi = 0
        """What is expected next."""
        self._made: dict[tuple[int, int, int], tuple[Addresses, npt.NDArray[np.uint64]]] = {}
        """(TOI, SBN, address) of open blocks -> where each symbol goes, and the words of its
        header."""
        self._quick: tuple[_Span, npt.NDArray[np.uint64]] | None = None
        """All spots are in one open block: they, and the headers that are expected."""

    def spots(self, count: int) -> Addresses:
        """Return where the next `count` payloads (MAX_BATCH at most) are to be put."""
        spans = self._spans
        spans.clear()
        self._quick = None
        at = 0
        assembly = self._assemblies.get(self._toi)
        if assembly is not None:
            block, esi = assembly.blocks.get(self._sbn), self._esi
            if (
                block is not None
                and block.got < block.k
                and esi + count <= block.k
                and block.have.find(1, esi, esi + count) < 0
            ):
                addresses, words = self._block(assembly, self._sbn, block.k, block.buffer)
                span = _Span(assembly, self._sbn, esi, 0, count)
                self._quick = span, words[esi : esi + count]
                return addresses[esi : esi + count]
            at = self._plan(assembly, count)
        self._spots[at:count] = self._aside[at:count]
        return self._spots[:count]

    def landed(
        self, headers: npt.NDArray[np.uint8], sizes: npt.NDArray[np.uint32]
    ) -> tuple[list[Run], list[bytes], int]:
        """Take what came to the spots: runs that are in place, and datagrams that are not.

        `headers`: uint8 of shape (count, 24); `sizes`: bytes of each datagram, 0 for one that is
        not to be looked at.  Also returns how many packets are in place.
        """
        count = len(sizes)
        if self._quick is not None:
            span, wanted = self._quick
            if (
                sizes.tobytes() == self._full[:count].tobytes()
                and headers.tobytes() == wanted[:count].tobytes()
            ):
                self._expect(span.assembly, span.sbn, span.esi + count)
                return [Run(span.assembly, span.sbn, span.esi, count)], [], count
            self._spans.append(span)
            self._session = wanted[0, 1]
        words = headers.view(_WORDS)
        whole = sizes == HEADER + self.symbol
        whole &= words[:, 0] == self._first
        whole &= words[:, 1] == self._session
        ids = words[:, 2].byteswap()
        rest = sizes > 0
        runs: list[Run] = []
        moves: list[tuple[Buffer, int, int, int]] = []
        for span in self._spans:
            if span.first < count:
                runs += self._in_block(span, whole, ids, rest, moves)
        others = [self._datagram(i, headers, sizes) for i in np.flatnonzero(rest).tolist()]
        # From the last to the first: none overwrites what has still to be moved.
        size = self.symbol
        for buffer, source, target, length in reversed(moves):
            end = (target + length) * size
            buffer.array[target * size : end] = buffer.array[source * size :][: length * size]
        if others and rest[-1]:
            self._expect_as(others[-1])
        elif runs:
            last = runs[-1]
            self._expect(last.assembly, last.sbn, last.esi + last.count)
        return runs, others, sum(run.count for run in runs)

    def _in_block(
        self,
        span: _Span,
        whole: npt.NDArray[np.bool_],
        ids: npt.NDArray[np.uint64],
        rest: npt.NDArray[np.bool_],
        moves: list[tuple[Buffer, int, int, int]],
    ) -> list[Run]:
        """The runs of packets at the spots of one block that belong to it, in order.

        Packets that were lost before them let them land too early in the block: they are to be
        moved (`moves`: buffer, symbols from, to, how many).  What is found leaves `rest`.
        """
        assembly, first = span.assembly, span.first
        k = assembly.k(span.sbn)
        part = slice(first, first + span.count)
        mine = whole[part] & (ids[part] >> _16 == np.uint64(span.sbn << 16 | k))
        at = np.flatnonzero(mine)
        esi = (ids[part][at] & _LOW).astype(np.int64)
        if not len(at) or (esi < at + span.esi).any() or (np.diff(esi) <= 0).any():
            return []
        cuts = np.flatnonzero((np.diff(esi) != 1) | (np.diff(at) != 1)) + 1
        block = assembly.blocks.get(span.sbn)
        buffer = block.buffer if block else self._buffers.peek(k * self.symbol)
        found = []
        for begin, end in pairwise([0, *cuts.tolist(), len(at)]):
            landed, belongs, length = int(at[begin]), int(esi[begin]), end - begin
            if belongs + length > k or (
                block is not None and block.have.find(1, belongs, belongs + length) >= 0
            ):
                continue
            rest[first + landed : first + landed + length] = False
            if belongs != span.esi + landed:
                moves.append((buffer, span.esi + landed, belongs, length))
            found.append(Run(assembly, span.sbn, belongs, length))
        return found

    def _block(
        self, assembly: Assembly, sbn: int, k: int, buffer: Buffer
    ) -> tuple[Addresses, npt.NDArray[np.uint64]]:
        """Where the source symbols of an open block go, and the headers that come with them."""
        key = assembly.toi, sbn, buffer.address
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            numbers = np.arange(k, dtype=np.uint64)
            words = np.empty((k, 3), np.uint64)
            prefix = FIXED.pack(DATA_WORD, 0, self._tsi, assembly.toi, 0, 0, 0)[:16]
            words[:, :2] = np.frombuffer(prefix, _WORDS)
            words[:, 2] = (numbers + np.uint64(sbn << 32 | k << 16)).byteswap()
            found = self._made[key] = buffer.address + numbers * np.uint64(self.symbol), words
        return found

    def _plan(self, assembly: Assembly, count: int) -> int:
        """Plan spots in the blocks that come next; returns for how many."""
        at, sbn, esi, peeked = 0, self._sbn, self._esi, False
        size = np.uint64(self.symbol)
        blocks = len(assembly.done)
        while at < count and sbn < blocks and not assembly.done[sbn]:
            block = assembly.blocks.get(sbn)
            if block is not None:
                k, base = block.k, block.buffer.address
                if block.got >= k:
                    break
                taken = block.have.find(1, esi, esi + count - at)
                length = (taken if taken >= 0 else k) - esi
            elif peeked:
                break
            else:
                peeked = True
                k = assembly.k(sbn)
                base, length = self._buffers.peek(k * self.symbol).address, k - esi
            length = min(length, count - at)
            if length <= 0:
                break
            numbers = _COUNTING[:length]
            self._spots[at : at + length] = base + (numbers + np.uint64(esi)) * size
            self._spans.append(_Span(assembly, sbn, esi, at, length))
            at += length
            esi += length
            if esi < k:
                break
            sbn, esi = sbn + 1, 0
        self._session = np.uint64(int.from_bytes(
            FIXED.pack(0, 0, self._tsi, assembly.toi, 0, 0, 0)[8:16], "little"
        ))  # fmt: skip
        return at

    def _datagram(
        self, i: int, headers: npt.NDArray[np.uint8], sizes: npt.NDArray[np.uint32]
    ) -> bytes:
        size = int(sizes[i])
        head: bytes = headers[i].tobytes()[:size]
        if size <= HEADER:
            return head
        length = min(size - HEADER, self.symbol)
        for span in self._spans:
            if span.first <= i < span.first + span.count:
                block = span.assembly.blocks.get(span.sbn)
                if block is None:
                    buffer = self._buffers.peek(span.assembly.k(span.sbn) * self.symbol)
                else:
                    buffer = block.buffer
                start = (span.esi + i - span.first) * self.symbol
                return head + buffer.view[start : start + length].tobytes()
        at = i * self.symbol
        return head + self._scratch.view[at : at + length].tobytes()

    def _expect_as(self, datagram: bytes) -> None:
        """The next packet follows this one, where it is one of source symbols."""
        if len(datagram) <= HEADER:
            return
        word, _, tsi, toi, sbn, sbl, esi = FIXED.unpack_from(datagram)
        assembly = self._assemblies.get(toi)
        if word == DATA_WORD and tsi == self._tsi and assembly is not None and esi < sbl:
            self._expect(assembly, sbn, esi + 1)

    def _expect(self, assembly: Assembly, sbn: int, esi: int) -> None:
        if sbn < len(assembly.done) and esi >= assembly.k(sbn):
            sbn, esi = sbn + 1, 0
        if sbn >= len(assembly.done):
            # The next object: its digests are as good as certainly there already, or it is data.
            self._toi, self._sbn, self._esi = assembly.toi + 1, 0, 0
            return
        self._toi, self._sbn, self._esi = assembly.toi, sbn, esi
