"""BLAKE3 of many ranges of GPU memory at once: two Triton kernels.

Only `digests.py` imports this module, and only where there is a CUDA device: it imports Triton.

**What is computed.**  BLAKE3 cuts its input into chunks of 1,024 bytes, each a chain of up to 16
compressions of 64 bytes, and joins the chunks' values in a binary tree whose left subtrees hold a
power of two of chunks.  Joining neighbours level by level, with the odd one at the end carried up
as it is, gives exactly that tree; so a program may join any aligned power of two of nodes alone.

**How it is spread.**  `chunk_tiles`: a program is one warp and takes a tile of 32 chunks (32 KiB)
of one range; a lane hashes one chunk, then the warp joins its 32 values by shuffles and writes one
node.  `node_tiles`: a program joins 128 nodes of one range.  A launch covers all ranges, so two
launches digest any number of blocks of up to 4 MiB, three up to 512 MiB; nothing goes back to the
host before the 32 bytes per range of the last level.  One warp per program because small blocks
must fill a GPU: a block of 256 KiB is 8 programs.  The five joins of a tile are 5/16 more
compressions than the chunks alone; a launch for each level would cost more than that for anything
smaller than some hundred MiB.

**What bounds it** (arithmetic for an H200: 132 multiprocessors x 64 integer operations x 1.75 GHz
= 14.8 T operations/s, 4.8 TB/s of memory; not measured).  A compression is about 690 instructions
for 64 bytes, 21/16 of that with the joins: 14 per byte, so 1 TB/s; memory is not the bound.  The
way in could be: a lane that walks its own chunk is 1 KiB from the next lane, so each load of a warp
touches 32 lines, of which the L1 cache looks up one per cycle.  Per step of 64 bytes and 32 lanes
that is 16 x 32 = 512 cycles with words, more than the arithmetic (345), but 256 with longs.  Loads
of 16 bytes would make it 128, and would be of use for fewer addresses: tensors of a safetensors
file begin at multiples of 8.  All 64 bytes of a step are used at once (two whole sectors, one
access of the memory chips), so no byte is fetched twice while L1 holds 4 KiB for each warp, and
the bytes of the next step are asked for before this one's are compressed.  A transposition through
shared memory would only save look-ups, which are not the bound.  The four columns, then diagonals,
are independent chains: with them one or two warps keep a scheduler busy, so occupancy matters
little and registers may be spent (72 of them for sm_90; no spills, no local memory).  The
order of message words is resolved while compiling; nothing is indexed at run time.

**Addresses and ends.** Longs are loaded from aligned addresses. Where a range begins at a multiple
of 8 and the tile is full, they are the message; else it is put together from the 9 that it lies in
(shifts, a mask for bytes behind the end: a fifth more instructions). Only longs that hold at least
one byte of the range are read, so no read leaves a page that the range is on.

**Compiling** takes some seconds, most of them in a pass of Triton that looks at each load and at
all that hangs together with it: hence one place that loads, and lane 0's words stored as numbers.
Written for Triton 3.6 to 3.9; its interpreter wants `while` where a loop's end is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import triton
import triton.language as tl

CHUNK_TILE = 32
"""Chunks of a program: one warp, one lane each."""
NODE_TILE = 128
"""Nodes that a program joins above the chunks."""

_I0 = tl.constexpr(0x6A09E667)
_I1 = tl.constexpr(0xBB67AE85)
_I2 = tl.constexpr(0x3C6EF372)
_I3 = tl.constexpr(0xA54FF53A)
_I4 = tl.constexpr(0x510E527F)
_I5 = tl.constexpr(0x9B05688C)
_I6 = tl.constexpr(0x1F83D9AB)
_I7 = tl.constexpr(0x5BE0CD19)

_START = tl.constexpr(1)
_END = tl.constexpr(2)
_PARENT = tl.constexpr(4)
_ROOT = tl.constexpr(8)


@triton.jit
def _mix(a, b, c, d, x, y):
    """G of BLAKE3.  Sums are modulo 2^32: the interpreter would call that an overflow."""
    a = tl.add(tl.add(a, b, sanitize_overflow=False), x, sanitize_overflow=False)
    d = d ^ a
    d = (d >> 16) | (d << 16)
    c = tl.add(c, d, sanitize_overflow=False)
    b = b ^ c
    b = (b >> 12) | (b << 20)
    a = tl.add(tl.add(a, b, sanitize_overflow=False), y, sanitize_overflow=False)
    d = d ^ a
    d = (d >> 8) | (d << 24)
    c = tl.add(c, d, sanitize_overflow=False)
    b = b ^ c
    b = (b >> 7) | (b << 25)
    return a, b, c, d


@triton.jit
def _round(v, m):
    v0, v4, v8, v12 = _mix(v[0], v[4], v[8], v[12], m[0], m[1])
    v1, v5, v9, v13 = _mix(v[1], v[5], v[9], v[13], m[2], m[3])
    v2, v6, v10, v14 = _mix(v[2], v[6], v[10], v[14], m[4], m[5])
    v3, v7, v11, v15 = _mix(v[3], v[7], v[11], v[15], m[6], m[7])
    v0, v5, v10, v15 = _mix(v0, v5, v10, v15, m[8], m[9])
    v1, v6, v11, v12 = _mix(v1, v6, v11, v12, m[10], m[11])
    v2, v7, v8, v13 = _mix(v2, v7, v8, v13, m[12], m[13])
    v3, v4, v9, v14 = _mix(v3, v4, v9, v14, m[14], m[15])
    return v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15


@triton.jit
def _permuted(m):
    return (
        m[2], m[6], m[3], m[10], m[7], m[0], m[4], m[13],
        m[1], m[11], m[12], m[5], m[9], m[14], m[15], m[8],
    )  # fmt: skip


@triton.jit
def _compress(h, m, counter, size, flags):
    """Compress message `m` into the chaining value `h`; only the first half comes out."""
    zero = h[0] ^ h[0]
    v = (
        h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7],
        zero + _I0, zero + _I1, zero + _I2, zero + _I3, counter, zero, size, flags,
    )  # fmt: skip
    for _ in tl.static_range(6):
        v = _round(v, m)
        m = _permuted(m)
    v = _round(v, m)
    return (
        v[0] ^ v[8], v[1] ^ v[9], v[2] ^ v[10], v[3] ^ v[11],
        v[4] ^ v[12], v[5] ^ v[13], v[6] ^ v[14], v[7] ^ v[15],
    )  # fmt: skip


@triton.jit
def _piece(longs, at, left, skew, i: tl.constexpr):
    """Aligned long i, or 0 where no byte of the block is in it."""
    return tl.load(longs + (at + i), mask=left > tl.maximum(8 * i - skew, 0), other=0)


@triton.jit
def _pieces(address, chunk, size, j):
    """The aligned longs that block j of each lane's chunk lies in: 8, or 9 where it is askew."""
    skew = (address & 7).to(tl.int32)
    longs = (address - skew).to(tl.pointer_type(tl.uint64))
    at = chunk * 128 + j * 8
    left = size - j * 64
    a0, a1 = _piece(longs, at, left, skew, 0), _piece(longs, at, left, skew, 1)
    a2, a3 = _piece(longs, at, left, skew, 2), _piece(longs, at, left, skew, 3)
    a4, a5 = _piece(longs, at, left, skew, 4), _piece(longs, at, left, skew, 5)
    a6, a7 = _piece(longs, at, left, skew, 6), _piece(longs, at, left, skew, 7)
    a8 = _piece(longs, at, tl.where(skew > 0, left, 0), skew, 8)
    return a0, a1, a2, a3, a4, a5, a6, a7, a8


@triton.jit
def _long(low, high, left, shift, i: tl.constexpr):
    """Long i of the block out of the two aligned ones that it lies in; 0 behind the end."""
    both = (low >> shift) | ((high << (63 - shift)) << 1)
    gone = tl.minimum(tl.maximum(8 * (i + 1) - left, 0), 8).to(tl.uint64) * 8
    kept = tl.full([1], 0xFFFFFFFFFFFFFFFF, tl.uint64) >> tl.minimum(gone, 63)
    return tl.where(gone == 64, 0, both & kept)


@triton.jit
def _words(a, address, left, wide):
    """The 16 words of a block out of its pieces."""
    if wide:
        b0, b1, b2, b3, b4, b5, b6, b7 = a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]
    else:
        shift = ((address & 7) * 8).to(tl.uint64)
        b0, b1 = _long(a[0], a[1], left, shift, 0), _long(a[1], a[2], left, shift, 1)
        b2, b3 = _long(a[2], a[3], left, shift, 2), _long(a[3], a[4], left, shift, 3)
        b4, b5 = _long(a[4], a[5], left, shift, 4), _long(a[5], a[6], left, shift, 5)
        b6, b7 = _long(a[6], a[7], left, shift, 6), _long(a[7], a[8], left, shift, 7)
    return (
        b0.to(tl.uint32), (b0 >> 32).to(tl.uint32), b1.to(tl.uint32), (b1 >> 32).to(tl.uint32),
        b2.to(tl.uint32), (b2 >> 32).to(tl.uint32), b3.to(tl.uint32), (b3 >> 32).to(tl.uint32),
        b4.to(tl.uint32), (b4 >> 32).to(tl.uint32), b5.to(tl.uint32), (b5 >> 32).to(tl.uint32),
        b6.to(tl.uint32), (b6 >> 32).to(tl.uint32), b7.to(tl.uint32), (b7 >> 32).to(tl.uint32),
    )  # fmt: skip


@triton.jit
def _join(h0, h1, h2, h3, h4, h5, h6, h7, count, top, span: tl.constexpr):
    """Join the first `count` lanes' values to one, in lane 0; `top`: that one is the root."""
    lane = tl.arange(0, span)
    first = tl.minimum(lane * 2, span - 1)
    second = tl.minimum(lane * 2 + 1, span - 1)
    zero = h0 ^ h0
    while count > 1:
        a0, b0 = tl.gather(h0, first, 0), tl.gather(h0, second, 0)
        a1, b1 = tl.gather(h1, first, 0), tl.gather(h1, second, 0)
        a2, b2 = tl.gather(h2, first, 0), tl.gather(h2, second, 0)
        a3, b3 = tl.gather(h3, first, 0), tl.gather(h3, second, 0)
        a4, b4 = tl.gather(h4, first, 0), tl.gather(h4, second, 0)
        a5, b5 = tl.gather(h5, first, 0), tl.gather(h5, second, 0)
        a6, b6 = tl.gather(h6, first, 0), tl.gather(h6, second, 0)
        a7, b7 = tl.gather(h7, first, 0), tl.gather(h7, second, 0)
        key = (
            zero + _I0, zero + _I1, zero + _I2, zero + _I3,
            zero + _I4, zero + _I5, zero + _I6, zero + _I7,
        )  # fmt: skip
        m = (a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7)
        flags = zero + tl.where(top & (count == 2), _PARENT | _ROOT, _PARENT).to(tl.uint32)
        p = _compress(key, m, zero, zero + 64, flags)
        pair = lane * 2 + 1 < count
        h0, h1 = tl.where(pair, p[0], a0), tl.where(pair, p[1], a1)
        h2, h3 = tl.where(pair, p[2], a2), tl.where(pair, p[3], a3)
        h4, h5 = tl.where(pair, p[4], a4), tl.where(pair, p[5], a5)
        h6, h7 = tl.where(pair, p[6], a6), tl.where(pair, p[7], a7)
        count = (count + 1) // 2
    return h0, h1, h2, h3, h4, h5, h6, h7


@triton.jit
def _first(h, span: tl.constexpr):
    """Lane 0's word as a number."""
    return tl.sum(tl.where(tl.arange(0, span) == 0, h.to(tl.int32, bitcast=True), 0), 0)


@triton.jit
def _put(nodes, at, h0, h1, h2, h3, h4, h5, h6, h7, span: tl.constexpr):
    """Write lane 0's value as node `at`."""
    to = nodes + at * 8
    tl.store(to, _first(h0, span))
    tl.store(to + 1, _first(h1, span))
    tl.store(to + 2, _first(h2, span))
    tl.store(to + 3, _first(h3, span))
    tl.store(to + 4, _first(h4, span))
    tl.store(to + 5, _first(h5, span))
    tl.store(to + 6, _first(h6, span))
    tl.store(to + 7, _first(h7, span))


@triton.jit(do_not_specialize_on_alignment=["owners", "table", "nodes"])
def chunk_tiles(owners, table, nodes, span: tl.constexpr):
    """Hash span chunks of one range and join them to a node.

    owners: the range of each program.  table: per range address, length and its first program.
    Both are parts of one tensor: without the decorator's word a part at another address would
    have the kernel compiled again.
    """
    program = tl.program_id(0).to(tl.int64)
    row = table + tl.load(owners + program) * 3
    address, length = tl.load(row), tl.load(row + 1)
    tile = program - tl.load(row + 2)
    lane = tl.arange(0, span)
    chunk = tile * span + lane
    chunks = tl.maximum((length + 1023) // 1024, 1)
    size = tl.minimum(tl.maximum(length - chunk * 1024, 0), 1024).to(tl.int32)
    last = tl.maximum((size + 63) // 64, 1) - 1
    longest = tl.minimum(tl.maximum(length - tile * span * 1024, 1), 1024)
    steps = ((longest + 63) // 64).to(tl.int32)
    wide = ((address & 7) == 0) & ((tile + 1) * span * 1024 <= length)
    ending = tl.where(chunks == 1, _END | _ROOT, _END).to(tl.uint32)
    counter = chunk.to(tl.uint32)
    zero = counter ^ counter
    h0, h1, h2, h3 = zero + _I0, zero + _I1, zero + _I2, zero + _I3
    h4, h5, h6, h7 = zero + _I4, zero + _I5, zero + _I6, zero + _I7
    none = zero.to(tl.uint64)
    a0, a1, a2, a3, a4 = none, none, none, none, none
    a5, a6, a7, a8 = none, none, none, none
    step = 0
    while step <= steps:
        # What the next step compresses is on its way while this one works.
        n = _pieces(address, chunk, size, tl.minimum(step, steps - 1))
        if step > 0:
            j = step - 1
            flags = zero + tl.where(j == 0, _START, 0).to(tl.uint32)
            flags = flags | tl.where(last == j, ending, zero)
            left = size - j * 64
            here = tl.minimum(tl.maximum(left, 0), 64).to(tl.uint32)
            m = _words((a0, a1, a2, a3, a4, a5, a6, a7, a8), address, left, wide)
            p = _compress((h0, h1, h2, h3, h4, h5, h6, h7), m, counter, here, flags)
            live = j <= last
            h0, h1 = tl.where(live, p[0], h0), tl.where(live, p[1], h1)
            h2, h3 = tl.where(live, p[2], h2), tl.where(live, p[3], h3)
            h4, h5 = tl.where(live, p[4], h4), tl.where(live, p[5], h5)
            h6, h7 = tl.where(live, p[6], h6), tl.where(live, p[7], h7)
        a0, a1, a2, a3, a4, a5, a6, a7, a8 = n
        step += 1
    count = tl.minimum(chunks - tile * span, span).to(tl.int32)
    top = chunks <= span
    h0, h1, h2, h3, h4, h5, h6, h7 = _join(h0, h1, h2, h3, h4, h5, h6, h7, count, top, span)
    _put(nodes, program, h0, h1, h2, h3, h4, h5, h6, h7, span)


@triton.jit(do_not_specialize_on_alignment=["owners", "table", "nodes", "above"])
def node_tiles(owners, table, nodes, above, span: tl.constexpr):
    """Join span nodes of one range to one node of `above`.

    owners: the range of each program.  table: per range its first node, their number and its
    first program.
    """
    program = tl.program_id(0).to(tl.int64)
    row = table + tl.load(owners + program) * 3
    first, number = tl.load(row), tl.load(row + 1)
    tile = program - tl.load(row + 2)
    lane = tl.arange(0, span)
    there = tile * span + lane < number
    at = nodes + (first + tile * span + lane) * 8
    h0 = tl.load(at, mask=there, other=0).to(tl.uint32, bitcast=True)
    h1 = tl.load(at + 1, mask=there, other=0).to(tl.uint32, bitcast=True)
    h2 = tl.load(at + 2, mask=there, other=0).to(tl.uint32, bitcast=True)
    h3 = tl.load(at + 3, mask=there, other=0).to(tl.uint32, bitcast=True)
    h4 = tl.load(at + 4, mask=there, other=0).to(tl.uint32, bitcast=True)
    h5 = tl.load(at + 5, mask=there, other=0).to(tl.uint32, bitcast=True)
    h6 = tl.load(at + 6, mask=there, other=0).to(tl.uint32, bitcast=True)
    h7 = tl.load(at + 7, mask=there, other=0).to(tl.uint32, bitcast=True)
    count = tl.minimum(number - tile * span, span).to(tl.int32)
    top = number <= span
    h0, h1, h2, h3, h4, h5, h6, h7 = _join(h0, h1, h2, h3, h4, h5, h6, h7, count, top, span)
    _put(above, program, h0, h1, h2, h3, h4, h5, h6, h7, span)


def interpreted() -> bool:
    """Say whether Triton runs its kernels on the CPU (TRITON_INTERPRET=1)."""
    return not isinstance(chunk_tiles, triton.JITFunction)


class Level:
    """One launch: which range each program works for, and where a range's part begins."""

    def __init__(self, first: Any, second: Any, programs: Any) -> None:
        self.programs = int(programs.sum())
        starts = np.cumsum(programs) - programs
        self.owners = np.repeat(np.arange(len(programs), dtype=np.int64), programs)
        self.table = np.stack([first, second, starts], axis=1).astype(np.int64).reshape(-1)
        self.starts = starts


def levels(
    addresses: Sequence[int], lengths: Sequence[int], chunk_tile: int, node_tile: int
) -> list[Level]:
    """All launches for these ranges; the last has one program per range."""
    sizes = np.array(lengths, np.int64)
    number = np.maximum(-(-sizes // (1024 * chunk_tile)), 1)
    found = [Level(np.array(addresses, np.int64), sizes, number)]
    while number.max() > 1:
        below, number = number, -(-number // node_tile)
        found.append(Level(found[-1].starts, below, number))
    return found


def blake3(
    torch: Any,
    ranges: Sequence[Any],
    *,
    chunk_tile: int = CHUNK_TILE,
    node_tile: int = NODE_TILE,
) -> Any:
    """The digests of `ranges` as one tensor of 8 words each, on their device; waits for nothing."""
    device = ranges[0].device
    plan = levels(
        [r.data_ptr() for r in ranges], [r.numel() for r in ranges], chunk_tile, node_tile
    )
    host = np.concatenate([part for level in plan for part in (level.owners, level.table)])
    told = torch.from_numpy(host).to(device, non_blocking=True)
    nodes, at = None, 0
    for level in plan:
        owners = told[at : at + level.programs]
        at += level.programs
        table = told[at : at + len(level.table)]
        at += len(level.table)
        above = torch.empty(level.programs * 8, dtype=torch.int32, device=device)
        if nodes is None:
            chunk_tiles[(level.programs,)](
                owners, table, above,
                span=chunk_tile, num_warps=-(-chunk_tile // 32),
            )  # fmt: skip
        else:
            node_tiles[(level.programs,)](
                owners, table, nodes, above,
                span=node_tile, num_warps=-(-node_tile // 32),
            )  # fmt: skip
        nodes = above
    return nodes
