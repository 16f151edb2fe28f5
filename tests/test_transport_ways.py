"""To the group, or to receivers one by one: what each choice costs whom."""

from __future__ import annotations

import pytest

from toolkit.transport.ways import Ways

GROUP = ("232.1.1.1", 5000)


def ways(count: int, apart: tuple[str, ...] = (), group: tuple[str, int] | None = GROUP) -> Ways:
    names = [f"r{i}" for i in range(count)]
    return Ways(names, {name: (name, 4401) for name in names}, group, apart)


def one(*bits: int) -> list[tuple[str, int]]:
    return [(f"r{i}", 4401) for i in bits]


@pytest.mark.parametrize(
    ("count", "mask", "wanted"),
    [
        (1, 0b1, one(0)),
        (2, 0b11, [GROUP]),
        (2, 0b10, one(1)),
        (4, 0b1111, [GROUP]),
        (4, 0b1011, one(0, 1, 3)),
        (30, (1 << 30) - 1, [GROUP]),
        (30, 0b110, one(1, 2)),
        (30, 0b111, [GROUP]),
        (30, (1 << 29) - 1, [GROUP]),
    ],
)
def test_what_many_need_goes_to_the_group_and_what_few_need_to_those(
    count: int, mask: int, wanted: list[tuple[str, int]]
) -> None:
    assert list(ways(count).of(mask, (1 << count) - 1)) == wanted


def test_only_those_that_take_part_count() -> None:
    assert list(ways(30).of(0b11, 0b11)) == [GROUP]


def test_whom_the_group_does_not_reach_gets_a_copy() -> None:
    assert list(ways(3, apart=("r1",)).of(0b111, 0b111)) == [GROUP, *one(1)]
    assert list(ways(2, apart=("r1",)).of(0b11, 0b11)) == one(0, 1)


def test_without_a_group_everybody_gets_a_copy() -> None:
    assert list(ways(5, group=None).of(0b11101, 0b11111)) == one(0, 2, 3, 4)
