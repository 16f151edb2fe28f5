"""Two controllers at once, each a process of its own: one change or the other, never a mixture."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kill_processes import Controllers, Ended, Killing, killing
from kill_routers import NEW, NEXT, OLD

ROUNDS = 4


class Rivals:
    """Two controllers of the same routers; the second has a journal folder of its own."""

    def __init__(self, net: Killing, folder: Path) -> None:
        self.net, self.other = net, Controllers(folder)
        self.journals = folder / "journals"

    def race(self, first: tuple[str, ...], second: tuple[str, ...], *, apart: bool) -> list[Ended]:
        """Push both changes at once with words of their own; `apart`: as two people do."""
        own = ("--journal", str(self.journals)) if apart else ()
        with ThreadPoolExecutor(2) as pool:
            futures = [
                pool.submit(self.net.controllers.run, *self.net.pushing(NEW, *first)),
                pool.submit(self.other.run, *self.net.pushing(NEXT, *second, *own)),
            ]
            ended = [future.result() for future in futures]
        self.net.settle()
        self.net.at_rest()
        return ended


@pytest.fixture
def rivals(tmp_path: Path) -> Iterator[Rivals]:
    (tmp_path / "other").mkdir()
    with killing("persist", tmp_path) as net:
        made = Rivals(net, tmp_path / "other")
        try:
            yield made
        finally:
            made.other.close()


def judge(ended: list[Ended]) -> list[bool]:
    """Return who has changed the routers; who has not says why, and has lost nothing."""
    for one in ended:
        assert one.code in (0, 5, 6), one
        if one.code == 5:
            assert "given up: every router is as it was" in one.err, one
            assert "lock-denied" in one.err or "in-use" in one.err, one
        if one.code == 6:
            assert "has not ended" in one.err, one
    return [one.code == 0 for one in ended]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("apart", [True, False])
def test_for_the_same_routers(rivals: Rivals, apart: bool) -> None:
    begin, won = rivals.net.state(), 0
    for turn in range(ROUNDS):
        begin()
        jobs = ("--jobs", "16" if turn % 2 else "1")
        first, second = judge(rivals.race(jobs, jobs, apart=apart))
        possible = {m for m, done in ((NEW, first), (NEXT, second)) if done} or {OLD}
        (runs,) = rivals.net.runs()
        assert runs in possible
        won += first or second
        rivals.net.expire()
        assert rivals.net.runs() == {runs}
        assert rivals.net.push(NEXT).code == 0
    assert won


@pytest.mark.timeout(180)
def test_for_routers_of_which_one_is_common(rivals: Rivals) -> None:
    begin, net, won = rivals.net.state(), rivals.net, 0
    for turn in range(ROUNDS):
        begin()
        jobs = ("--jobs", "16" if turn % 2 else "1")
        first, second = judge(
            rivals.race((*jobs, "--limit", "r1,r2"), (*jobs, "--limit", "r2,r3"), apart=True)
        )
        net.expire()
        runs = [net.runs_on(name) for name in ("r1", "r2", "r3")]
        assert runs[0] == (NEW if first else OLD)
        assert runs[2] == (NEXT if second else OLD)
        common = {(False, False): {OLD}, (True, False): {NEW}, (False, True): {NEXT}}
        assert runs[1] in common.get((first, second), {NEW, NEXT})
        won += first + second
    assert won
