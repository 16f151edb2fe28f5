"""The table and the procedure: RFC 8279's figures, and what forwarding means for any table."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.bift import Bift, Entry
from toolkit.bier.birt import Neighbor, Row
from toolkit.bier.bitstring import Bsl

A, B, C, E = (Neighbor(name, f"to-{name}") for name in "ABCE")
LABELS = {"A": 10, "B": 20, "C": 30, "E": 50}


def row(bfr_id: int, *neighbors: Neighbor, local: bool = False) -> Row:
    prefix = IPv4Network(f"10.255.{bfr_id >> 8}.{bfr_id & 255}/32")
    return Row(
        bfr_id=bfr_id, bfr_prefix=prefix, router=f"r{bfr_id}", neighbors=neighbors, local=local
    )


def test_figure_3_follows_from_figure_2() -> None:
    """RFC 8279 section 6.4: B's BIFT from B's BIRT."""
    bift = Bift.build(Bsl.B64, 0, [row(4, A), row(1, C), row(3, E), row(2, C)], LABELS)
    assert {bit: (e.neighbor, e.f_bm, e.out_bift_id) for bit, e in bift.entries.items()} == {
        1: (C, 0b0011, 30),
        2: (C, 0b0011, 30),
        3: (E, 0b0100, 50),
        4: (A, 0b1000, 10),
    }


def test_our_own_id_is_a_row_without_a_neighbor() -> None:
    bift = Bift.build(Bsl.B64, 0, [row(4, local=True), row(1, B)], LABELS)
    assert bift.entries[4] == Entry(0b1000, local=True)
    assert bift.entries[1].f_bm == 0b0001


def test_a_bift_holds_its_own_set_only() -> None:
    rows = [row(27, A), row(235, A), row(497, A)]
    assert list(Bift.build(Bsl.B256, 0, rows, LABELS).entries) == [27, 235]
    assert list(Bift.build(Bsl.B256, 1, rows, LABELS).entries) == [241]
    assert list(Bift.build(Bsl.B256, 2, rows, LABELS).entries) == []


def test_of_equal_cost_neighbors_the_first_is_taken() -> None:
    bift = Bift.build(Bsl.B64, 0, [row(1, B, C), row(2, C, B), row(3, B)], LABELS)
    assert [(e.neighbor, e.f_bm) for e in bift.entries.values()] == [(B, 5), (C, 2), (B, 5)]


def test_a_neighbor_without_a_bift_id_is_a_null_neighbor() -> None:
    bift = Bift.build(Bsl.B64, 0, [row(1, B), row(2, C), row(3)], {"C": 30})
    assert bift.forward(0b111).null == 0b101
    assert [copy.bits for copy in bift.forward(0b111).copies] == [0b010]


@pytest.mark.parametrize("chosen", [C, E])
def test_figure_6_works_with_either_choice(chosen: Neighbor) -> None:
    """RFC 8279 section 6.7.1 at B: D = 1 by C; F = 2 by C or E; E = 3 by E.  The F-BMs overlap."""
    f_bm = {C: 0b0011, E: 0b0110}
    rows = {1: C, 2: chosen, 3: E, 4: A}
    entries = {bit: Entry(f_bm.get(n, 0b1000), n, LABELS[n.router]) for bit, n in rows.items()}
    bift = Bift(Bsl.B64, entries)

    def sent(bits: int) -> dict[str, int]:
        copies = bift.forward(bits).copies
        assert len({copy.neighbor for copy in copies}) == len(copies)
        return {copy.neighbor.router: copy.bits for copy in copies}

    assert sent(0b0011) == {"C": 0b0011}  # {D, F}: by C, whatever is chosen for F
    assert sent(0b0010) == {chosen.router: 0b0010}  # {F}
    assert sent(0b0111) == {"C": 0b0011, "E": 0b0100}  # AND-NOT after C: F goes out once
    by_c, by_e = {"C": 0b0010, "E": 0b0100}, {"E": 0b0110}
    assert sent(0b0110) == (by_c if chosen is C else by_e)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (lambda: Entry(1, A, 1, local=True), "not both"),
        (lambda: Entry(1, A), "or neither"),
        (lambda: Entry(1, None, 5), "or neither"),
        (lambda: Entry(1, A, 1 << 20), "20 bits"),
        (lambda: Bift(Bsl.B64, {65: Entry(1)}), "not 65"),
        (lambda: Bift(Bsl.B64, {1: Entry(1 << 64)}), "longer than 64"),
    ],
)
def test_impossible_rows_cannot_be_made(entry: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        entry()  # type: ignore[operator]


# Tables of any shape: rows missing, null, local, F-BMs that overlap or lack their own bit.
NEIGHBORS = st.sampled_from([A, B, C, E])
ENTRIES = st.one_of(
    st.just(Entry(0, local=True)),
    st.builds(Entry, st.integers(0, (1 << 64) - 1)),
    st.builds(
        lambda f_bm, n: Entry(f_bm, n, LABELS[n.router]), st.integers(0, (1 << 64) - 1), NEIGHBORS
    ),
)
BIFTS = st.dictionaries(st.integers(1, 64), ENTRIES).map(lambda rows: Bift(Bsl.B64, rows))
BITS = st.integers(0, (1 << 64) - 1)


@given(BIFTS, BITS)
def test_no_bit_is_lost_or_doubled_whatever_the_table(bift: Bift, bits: int) -> None:
    done = bift.forward(bits)
    parts = [copy.bits for copy in done.copies]
    parts += [done.local, done.unknown, done.null, done.broken]
    assert sum(parts) == bits  # disjoint and complete: a sum of overlapping parts would differ ...
    assert sum(part.bit_count() for part in parts) == bits.bit_count()  # ... or carry
    assert all(copy.bits for copy in done.copies)


@given(BIFTS, BITS)
def test_a_copy_carries_bits_of_its_rows_f_bm_only(bift: Bift, bits: int) -> None:
    for copy in bift.forward(bits).copies:
        lowest = (copy.bits & -copy.bits).bit_length()
        assert copy.bits & ~bift.entries[lowest].f_bm == 0
        assert bift.entries[lowest].neighbor == copy.neighbor


@given(st.dictionaries(st.integers(1, 256), NEIGHBORS), st.integers(0, (1 << 256) - 1))
def test_a_built_table_sends_one_copy_to_each_neighbor(via: dict[int, Neighbor], bits: int) -> None:
    bift = Bift.build(Bsl.B256, 0, [row(i, n) for i, n in via.items()], LABELS)
    done = bift.forward(bits)
    sent = {copy.neighbor: copy.bits for copy in done.copies}
    assert len(sent) == len(done.copies)
    for neighbor, part in sent.items():
        theirs = sum(1 << i - 1 for i, n in via.items() if n == neighbor)
        assert part == bits & theirs
    assert done.broken == done.null == done.local == 0
    assert done.unknown == bits & ~sum(1 << i - 1 for i in via)
