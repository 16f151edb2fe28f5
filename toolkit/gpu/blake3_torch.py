"""BLAKE3 of many ranges in plain tensor operations: slow, but wherever torch runs.

The four columns of a state are the rows of one tensor and the chunks its columns, so one operation
is a step of all of them; diagonals are columns after a roll.  torch has no unsigned 32-bit
arithmetic: sums wrap in int32, and a right shift is cleared of the sign that it drags in.  Chunks
are worked through in slices, which bounds the extra memory to about 1.3 KiB for each chunk of a
slice and 32 bytes for each chunk of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

SLICE = 1 << 16
"""Chunks that are hashed together: about 84 MiB of extra memory."""

_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_KEY = np.array(
    [
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
        0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
    ],
    np.uint32,
).astype(np.int32)  # fmt: skip
_START, _END, _PARENT, _ROOT = 1, 2, 4, 8

Counts = npt.NDArray[np.int64]


def blake3(torch: Any, ranges: Sequence[Any], *, at_once: int = SLICE) -> Any:  # noqa: ANN401
    """The digests of `ranges` as one tensor of 8 words each, on their device."""
    return _Work(torch, ranges[0].device, at_once).blake3(ranges)


class _Work:
    """One call: the device, the slice and what is the same for every compression."""

    def __init__(self, torch: Any, device: Any, at_once: int) -> None:  # noqa: ANN401
        self._torch = torch
        self._device = device
        self._at_once = at_once
        self._key = self._sent(_KEY)[:, None]
        orders, order = [], list(range(16))
        for _ in range(7):
            # What the columns take first and second, then what the diagonals do.
            orders.append(
                [order[i] for i in (0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15)]
            )
            order = [order[i] for i in _PERMUTATION]
        self._orders = self._sent(np.array(orders, np.int64))

    def blake3(self, ranges: Sequence[Any]) -> Any:  # noqa: ANN401
        torch = self._torch
        lengths = np.array([r.numel() for r in ranges], np.int64)
        counts = np.maximum(-(-lengths // 1024), 1)
        total = int(counts.sum())
        nodes = torch.empty((8, total), dtype=torch.int32, device=self._device)
        size = min(self._at_once, total)
        staging = torch.empty((size, 1024), dtype=torch.uint8, device=self._device)
        for start in range(0, total, size):
            stop = min(start + size, total)
            self._chunks(ranges, lengths, counts, nodes, staging, start, stop)
        while counts.max() > 1:
            nodes, counts = self._parents(nodes, counts)
        return nodes.t().contiguous()

    def _chunks(
        self,
        ranges: Sequence[Any],
        lengths: Counts,
        counts: Counts,
        nodes: Any,  # noqa: ANN401
        staging: Any,  # noqa: ANN401
        start: int,
        stop: int,
    ) -> None:
        """Hash chunks `start` to `stop` of all ranges behind each other."""
        torch = self._torch
        ends = np.cumsum(counts)
        owner = np.searchsorted(ends, np.arange(start, stop), side="right")
        index = np.arange(start, stop) - (ends - counts)[owner]
        sizes = np.clip(lengths[owner] - index * 1024, 0, 1024)
        flat = staging.view(-1)
        edges = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), stop - start]
        for mine, behind in pairwise(edges):
            first, to = int(index[mine]) * 1024, mine * 1024
            length = int(sizes[mine:behind].sum())
            flat[to : to + length].copy_(ranges[owner[mine]][first : first + length])
            flat[to + length : behind * 1024].zero_()
        words = staging[: stop - start].view(torch.int32)
        last = np.maximum(-(-sizes // 64), 1) - 1
        ending = np.where(counts[owner] == 1, _END | _ROOT, _END)
        counter = self._sent(index.astype(np.uint32).view(np.int32))
        value = self._key.expand(8, stop - start)
        for j in range(int(last.max()) + 1):
            message = words[:, 16 * j : 16 * j + 16].t().contiguous()
            flags = np.where(last == j, ending, 0) | (_START if j == 0 else 0)
            here = np.clip(sizes - 64 * j, 0, 64)
            new = self._compress(value, message, counter, self._int32(here), self._int32(flags))
            value = torch.where(self._sent(j <= last), new, value)
        nodes[:, start:stop] = value

    def _parents(self, nodes: Any, counts: Counts) -> tuple[Any, Counts]:  # noqa: ANN401
        """Join neighbours; the odd one at a range's end goes up as it is."""
        torch = self._torch
        above = -(-counts // 2)
        ends, starts = np.cumsum(above), np.cumsum(counts) - counts
        total = int(ends[-1])
        joined = torch.empty((8, total), dtype=torch.int32, device=self._device)
        for start in range(0, total, self._at_once):
            stop = min(start + self._at_once, total)
            owner = np.searchsorted(ends, np.arange(start, stop), side="right")
            child = 2 * (np.arange(start, stop) - (ends - above)[owner])
            pair = child + 1 < counts[owner]
            left = nodes.index_select(1, self._sent(starts[owner] + child))
            right = nodes.index_select(1, self._sent(starts[owner] + child + pair))
            flags = self._int32(np.where(counts[owner] == 2, _PARENT | _ROOT, _PARENT))
            zero, size = torch.zeros_like(flags), torch.full_like(flags, 64)
            key = self._key.expand(8, stop - start)
            new = self._compress(key, torch.cat([left, right]), zero, size, flags)
            joined[:, start:stop] = torch.where(self._sent(pair), new, left)
        return joined, above

    def _compress(self, value: Any, message: Any, counter: Any, size: Any, flags: Any) -> Any:  # noqa: ANN401
        torch = self._torch
        a, b = value[:4].clone(), value[4:].clone()
        c = self._key[:4].repeat(1, value.shape[1])
        d = torch.stack([counter, torch.zeros_like(counter), size, flags])
        spare = torch.empty_like(d)
        for order in self._orders:
            m = message.index_select(0, order)
            self._mix(a, b, c, d, m[0:4], m[4:8], spare)
            b, c, d = b.roll(-1, 0), c.roll(-2, 0), d.roll(-3, 0)
            self._mix(a, b, c, d, m[8:12], m[12:16], spare)
            b, c, d = b.roll(1, 0), c.roll(2, 0), d.roll(3, 0)
        return torch.cat([a.bitwise_xor_(c), b.bitwise_xor_(d)])

    def _mix(self, a: Any, b: Any, c: Any, d: Any, x: Any, y: Any, spare: Any) -> None:  # noqa: ANN401
        for word, right, left in ((x, 16, 12), (y, 8, 7)):
            a.add_(b).add_(word)
            self._turn(d.bitwise_xor_(a), right, spare)
            c.add_(d)
            self._turn(b.bitwise_xor_(c), left, spare)

    def _turn(self, x: Any, n: int, spare: Any) -> None:  # noqa: ANN401
        self._torch.bitwise_right_shift(x, n, out=spare)
        spare.bitwise_and_((1 << (32 - n)) - 1)
        x.bitwise_left_shift_(32 - n).bitwise_or_(spare)

    def _int32(self, numbers: Counts) -> Any:  # noqa: ANN401
        return self._sent(numbers.astype(np.int32))

    def _sent(self, array: Any) -> Any:  # noqa: ANN401
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
