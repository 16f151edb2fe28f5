"""BFR-ids: few sets, filled densely, a region kept together, nobody moved."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import Place, Problem
from toolkit.plan.bfr_ids import Edges, allocate_bfr_ids
from toolkit.plan.capabilities import Limit

BSL = 64


def limit(bfr_id: int = 65535) -> Limit:
    return Limit(bfr_id=bfr_id, reason="because", place=Place(path="here"), remedy="do this")


def edges(sizes: dict[str, int], sources: int = 0) -> Edges:
    """Return `sizes` receivers by region, and routers that only have a repository."""
    return Edges(
        receivers={
            f"{region}{i}": (region, "d") for region, size in sizes.items() for i in range(size)
        },
        sources=frozenset(f"source{i}" for i in range(sources)),
    )


def allocate(
    sizes: dict[str, int],
    held: dict[str, int] | None = None,
    *,
    sources: int = 0,
    last: int = 65535,
) -> dict[str, int]:
    problems: list[Problem] = []
    ids = allocate_bfr_ids(held or {}, edges(sizes, sources), BSL, limit(last), problems)
    assert problems == []
    return ids


def sets_by_region(ids: dict[str, int]) -> dict[str, Counter[int]]:
    sets: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for name, bfr_id in ids.items():
        sets[name.rstrip("0123456789")][(bfr_id - 1) // BSL] += 1
    return dict(sets)


def test_one_set_is_filled_region_by_region_and_sources_come_last() -> None:
    ids = allocate({"east": 3, "west": 2}, sources=2)
    assert ids == {
        "east0": 1, "east1": 2, "east2": 3, "west0": 4, "west1": 5, "source0": 6, "source1": 7,
    }  # fmt: skip


def test_names_are_counted_not_spelled() -> None:
    ids = allocate({"r": 12})
    assert (ids["r2"], ids["r10"]) == (3, 11)


def test_a_full_bitstring_is_still_one_set() -> None:
    assert max(allocate({"east": 40, "west": 24}).values()) == BSL


def test_beyond_one_bitstring_regions_stay_together() -> None:
    sets = sets_by_region(allocate({"east": 40, "north": 20, "west": 30}))
    assert sets == {
        "east": Counter({0: 40}),
        "west": Counter({1: 30}),
        "north": Counter({0: 20}),
    }


def test_no_set_more_than_needed_is_opened_even_if_a_region_must_be_split() -> None:
    sets = sets_by_region(allocate({"a": 43, "b": 43, "c": 42}))
    assert {si for region in sets.values() for si in region} == {0, 1}
    assert sum(len(region) > 1 for region in sets.values()) == 1


def test_a_new_receiver_joins_its_region() -> None:
    ids = allocate({"east": 50, "west": 50})
    assert sets_by_region(ids) == {"east": Counter({0: 50}), "west": Counter({1: 50})}
    grown = allocate({"east": 51, "west": 51}, ids)
    assert grown["east50"] == 51
    assert grown["west50"] == BSL + 51
    assert grown.items() >= ids.items()


def test_ids_of_those_who_left_are_kept() -> None:
    ids = allocate({"east": 2}, {"gone": 1})
    assert ids == {"gone": 1, "east0": 2, "east1": 3}


def test_too_many_routers_name_the_limit_and_how_many_left() -> None:
    problems: list[Problem] = []
    held = {"gone": 1, "east0": 2}
    ids = allocate_bfr_ids(held, edges({"east": 4}), BSL, limit(3), problems)
    assert ids == held
    assert problems == [
        Problem(
            Place(path="here"),
            "3 edge routers need a BFR-id, only 1 can be had: because",
            "do this; or remove names that left (1) from the lock",
        )
    ]


def test_a_locked_id_above_the_limit_is_a_problem_only_while_it_is_used() -> None:
    problems: list[Problem] = []
    allocate_bfr_ids({"east0": 9, "gone": 10}, edges({"east": 1}), BSL, limit(8), problems)
    assert [str(p) for p in problems] == [
        "lock.bfr_ids.east0: BFR-id 9 of east0 is too large: because"
        " (remove the entry, and the router gets another BFR-id)"
    ]


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 90), min_size=1),
    st.integers(0, 3),
    st.sets(st.integers(1, 400), max_size=30),
)
def test_ids_are_unique_in_range_and_in_as_few_sets_as_possible(
    sizes: dict[str, int], sources: int, gone: set[int]
) -> None:
    held = {f"gone{i}": number for i, number in enumerate(sorted(gone))}
    ids = allocate(sizes, held, sources=sources)
    assert len(set(ids.values())) == len(ids) == sum(sizes.values()) + sources + len(held)
    assert ids.items() >= held.items()
    used = {(ids[name] - 1) // BSL for name in edges(sizes).receivers}
    room = 0
    for si in range(max(used)):
        room += BSL - sum((number - 1) // BSL == si for number in gone)
    assert room < sum(sizes.values())


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1))
def test_fewer_regions_are_split_than_there_are_further_sets(sizes: dict[str, int]) -> None:
    sets = sets_by_region(allocate(sizes))
    used = {si for region in sets.values() for si in region}
    split = sum(len(region) > 1 for region in sets.values())
    assert split <= len(used) - 1
