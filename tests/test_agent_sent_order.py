"""Tensors in the order in which their last blocks are sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from net import MemorySource

from toolkit.agent.sent_order import sent_order
from toolkit.delivery.model import Coding, Stretch
from toolkit.delivery.safetensors import TensorEntry
from toolkit.delivery.stretches import order_problem, sequence

SIZES = (64 * 4 * 10, 0, 64 * 4 * 7 + 5)
MANIFEST = MemorySource(
    {str(i): bytes(size) for i, size in enumerate(SIZES)}, Coding(symbol=64, block=4, parity=4)
).manifest


def tensor(start: int, end: int) -> TensorEntry:
    return TensorEntry(f"{start}-{end}", "U8", (end - start,), start, end)


def test_layers_that_are_sent_across_files() -> None:
    order = (Stretch(2, 1, 2), Stretch(0, 8, 2))
    first, whole = tensor(300, 700), tensor(0, 1797)
    tail, early = tensor(2100, 2560), tensor(0, 100)
    found = sent_order(MANIFEST, order, {0: [early, tail], 2: [whole, first]})
    assert found == [(2, first), (0, tail), (0, early), (2, whole)]


stretches = st.tuples(st.sampled_from([0, 2]), st.integers(0, 9), st.integers(1, 4))
ranges = st.tuples(st.integers(0, 2560), st.integers(0, 2560)).map(sorted)


@given(st.lists(stretches, max_size=6), st.lists(ranges, max_size=5), st.lists(ranges, max_size=5))
def test_it_is_what_looking_at_every_block_says(
    listed: list[tuple[int, int, int]], one: list[list[int]], other: list[list[int]]
) -> None:
    order: list[Stretch] = []
    for stretch in listed:
        if not order_problem([*order, Stretch(*stretch)], MANIFEST.blocks):
            order.append(Stretch(*stretch))
    tensors = {
        file: [tensor(a, b) for a, b in found if b <= SIZES[file]]
        for file, found in ((0, one), (2, other))
    }
    sent = [
        (file, first + i)
        for file, first, count in sequence(order, MANIFEST.blocks)
        for i in range(count)
    ]
    places = {block: at for at, block in enumerate(sent)}

    def last(file: int, entry: TensorEntry) -> int:
        cut = MANIFEST.cut(SIZES[file])
        inside = [
            b for b in range(cut.blocks)
            if cut.offset(b) < max(entry.end, entry.start + 1)
            and cut.offset(b) + cut.size(b) > min(entry.start, SIZES[file] - 1)
        ]  # fmt: skip
        return max(places[file, b] for b in inside)

    found = sent_order(MANIFEST, order, tensors)
    assert [last(*item) for item in found] == sorted(last(*item) for item in found)
    assert len(found) == sum(map(len, tensors.values()))
