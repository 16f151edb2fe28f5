"""`llmsync push` killed with SIGKILL at each line of its journal, over SSH, and then `llmsync
resume` or `llmsync abort` in a new process, at once or after the confirm time-out.

In `make test`, each line is killed at once, and the four ways on take turns; all of them are the
soak.
"""

from __future__ import annotations

import json
import signal
from itertools import product

import pytest
from kill_processes import Killing, killing
from kill_routers import NEW, NEXT, OLD, WAYS

WAYS_OUT = tuple(product(("resume", "abort"), (False, True)))
DEGRADED = [way for way in WAYS if way not in ("persist", "base-1.0")]


@pytest.mark.timeout(300)
def test_a_controller_killed_with_sigkill_at_each_step(tmp_path):
    """One router for each step; before and after the line, and the ways out, take turns."""
    with killing("persist", tmp_path) as net:
        begin = net.state()
        steps = journal_of(net)
        seen = set()
        for number, (state, lines) in enumerate(steps.items()):
            begin()
            line = lines[number % len(lines)]
            command, expired = WAYS_OUT[number % len(WAYS_OUT)]
            kill(net, line, command, recorded=number % 3 != 1, expired=expired)
            seen.add(state)
        assert seen == set(steps)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(("command", "expired"), WAYS_OUT)
def test_the_whole_table(tmp_path, command, expired, recorded):
    with killing("persist", tmp_path) as net:
        begin = net.state()
        steps = journal_of(net)
        lines = [line for lines in steps.values() for line in lines]
        for line in [0, *sorted(lines)]:
            begin()
            kill(net, line, command, recorded=recorded, expired=expired)
        assert len(lines) >= 36


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", DEGRADED)
def test_every_way_to_take_a_change(tmp_path, way):
    with killing(way, tmp_path) as net:
        begin = net.state()
        for number, lines in enumerate(journal_of(net).values()):
            for turn, (command, expired) in enumerate(WAYS_OUT):
                begin()
                line = lines[(number + turn) % len(lines)]
                kill(net, line, command, recorded=turn % 2 == 0, expired=expired)


def journal_of(net: Killing) -> dict[str, list[int]]:
    """Return state -> the lines of a push that goes well on which a router enters it."""
    begin = net.state()
    assert net.push(NEW).code == 0
    assert net.runs() == {NEW}
    found: dict[str, list[int]] = {}
    for number, text in enumerate(net.lines()):
        if number:
            found.setdefault(json.loads(text)["state"], []).append(number)
    net.forget()
    begin()
    return found


def kill(net: Killing, line: int, command: str, *, recorded: bool, expired: bool) -> None:
    """Kill a push, judge what is left, recover, and judge that."""
    where = f"{net.way}: line {line}, {recorded=}, {command}, {expired=}"
    net.forget()
    ended = net.push(NEW, line=line, recorded=recorded)
    assert ended.code == -signal.SIGKILL, (where, ended)
    left = net.lines()
    assert len(left) == line + recorded, where
    if expired:
        net.expire()
    runs = net.runs()
    assert runs <= {OLD, NEW}, where
    shown = net.command("status", "-o", "json")
    if not left:  # killed before anything was said to any router
        assert (json.loads(shown.out), runs) == ([], {OLD}), where
    else:
        (record,) = json.loads(shown.out)
        assert shown.code == (6 if record["state"] == "in doubt" else 0), where
        assert record["state"] != "given up" or runs == {OLD}, where
        assert record["state"] != "done" or runs == {NEW}, where
        states = {r["name"]: r["state"] for r in record["routers"]}
        said = {d["device"]: d["state"] for d in map(json.loads, left[1:])}
        assert states == {name: said.get(name, "untouched") for name in states}, where
        if record["state"] == "in doubt":
            refused = net.push(NEXT)
            assert (refused.code, "has not ended" in refused.err) == (6, True), where
        recovered = net.command(command, record["txid"])
        assert recovered.code == 0, (where, recovered)
        net.expire()
        assert net.runs() == {NEW if command == "resume" else OLD}, where
        net.at_rest()
        shown = net.command("status", record["txid"], "-o", "json")
        assert shown.code == 0, where
        (record,) = json.loads(shown.out)
        assert record["state"] == ("done" if command == "resume" else "given up"), where
    again = net.push(NEXT)
    assert again.code == 0, (where, again)
    net.expire()
    assert net.runs() == {NEXT}, where
    net.at_rest()
