"""Equal-cost ways: masks answer as the RFC loop does, changes as a fresh build, backups step in."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.bift import Bift, Entry, Hop, Way
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import Bsl
from toolkit.bier.ecmp import choose, mix, tables_for
from toolkit.bier.masks import Masks
from toolkit.bier.routes import Routes, Ways

HOPS = [Hop(Neighbor(f"N{n}", f"if{n % 4}"), 100 + n) for n in range(6)]
ROUTE = st.one_of(
    st.builds(Ways, local=st.just(True)),
    st.builds(
        Ways,
        hops=st.lists(st.sampled_from(HOPS), max_size=4, unique=True).map(tuple),
        backup=st.lists(st.sampled_from(HOPS), max_size=2, unique=True).map(tuple),
    ),
)
ROUTES = st.dictionaries(st.integers(1, 64), ROUTE, max_size=20)
BITS = st.integers(0, (1 << 64) - 1)


def ended(table: Masks | Bift, bits: int) -> dict[object, int]:
    found = table.forward(bits)
    copies = Counter({Hop(c.neighbor, c.bift_id): c.bits for c in found.copies})
    assert len(copies) == len(found.copies), "two copies to one neighbor"
    return {**copies, "local": found.local, "unknown": found.unknown, "null": found.null}


@given(ROUTES, BITS)
def test_masks_answer_as_the_loop_over_the_rows(routes: dict[int, Ways], bits: int) -> None:
    for table in Routes(Bsl.B64, routes).tables:
        assert ended(table, bits) == ended(table.bift(), bits)
        assert Masks.of(table.bift()) == table


@given(ROUTES, st.integers(1, 64), st.one_of(st.none(), ROUTE), BITS)
def test_a_change_is_what_a_fresh_build_gives(
    routes: dict[int, Ways], position: int, ways: Ways | None, bits: int
) -> None:
    live = Routes(Bsl.B64, routes)
    live.change(position, ways)
    after = {**routes, position: ways}
    fresh = Routes(Bsl.B64, {p: w for p, w in after.items() if w is not None})
    for n in range(48):
        assert ended(live.tables[n % len(live.tables)], bits) == ended(
            fresh.tables[n % len(fresh.tables)], bits
        )


@given(ROUTES, st.sets(st.sampled_from(["if0", "if1", "if2", "if3"]), max_size=3), BITS)
def test_after_a_failure_every_bit_goes_by_what_is_left(
    routes: dict[int, Ways], failed: set[str], bits: int
) -> None:
    live = Routes(Bsl.B64, routes)
    before, tables = live.tables, live.without(failed)
    assert len(tables) % len(before) == 0 or len(tables) == 16
    for n, table in enumerate(tables):
        found = table.forward(bits)
        assert not {c.neighbor.interface for c in found.copies} & failed
        for position, ways in routes.items():
            bit = 1 << position - 1
            left = [h for h in ways.hops if h.neighbor.interface not in failed]
            backup = [h for h in ways.backup if h.neighbor.interface not in failed]
            use = left or (backup[:1] if ways.hops else [])
            to = [Hop(c.neighbor, c.bift_id) for c in found.copies if c.bits & bit]
            if not bits & bit or ways.local:
                assert to == []
            elif use:
                assert to == [use[n % len(use)]]
            else:
                assert found.null & bit


def test_the_number_of_tables_shares_every_destination_evenly() -> None:
    """RFC 8279 section 6.7.2: X with 2 paths and Y with 4 need 4 BIFTs."""
    assert tables_for([2, 4]) == 4
    assert tables_for([]) == 1
    assert tables_for([3, 4]) == 12
    assert tables_for([3, 5]) == 15
    assert tables_for([3, 5, 2]) == 16
    assert tables_for([2], at_least=4) == 4


def test_salts_make_routers_in_a_row_choose_independently() -> None:
    first = [e for e in range(4096) if choose(e, 1, 2) == 0]
    second = Counter(choose(e, 2, 2) for e in first)
    assert min(second.values()) > len(first) * 0.45
    same = Counter(choose(e, 1, 2) for e in first)
    assert same == {0: len(first)}


def test_the_mix_is_murmurs_finalizer() -> None:
    """fmix32 of MurmurHash3 for 1 and 0xFFFFF, computed by hand from its definition."""
    assert mix(0) == 0
    assert mix(1) == 0x514E28B7


def test_a_route_does_not_hold_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="local or has hops"):
        Ways((HOPS[0],), local=True)
    with pytest.raises(ValueError, match="17 ways"):
        Ways(tuple(Hop(Neighbor(f"x{n}", "i"), n) for n in range(17)))
    with pytest.raises(ValueError, match="1 to 64"):
        Routes(Bsl.B64, {65: Ways()})
    with pytest.raises(ValueError, match="overlap"):
        Masks(Bsl.B64, {HOPS[0]: 3, HOPS[1]: 2})
    overlapping = Bift(
        Bsl.B64, {1: Entry(3, HOPS[0].neighbor, 100), 2: Entry(6, HOPS[1].neighbor, 101)}
    )
    with pytest.raises(ValueError, match="F-BMs"):
        Masks.of(overlapping)
    chooses = Bift(Bsl.B64, {1: Entry(1, HOPS[0].neighbor, 100, others=(Way(1, HOPS[1]),))})
    with pytest.raises(ValueError, match="F-BMs"):
        Masks.of(chooses)
