"""Journals of pushes that ended, were killed or interrupted, and what the next push does."""

from __future__ import annotations

import json
import os

import pytest
from netconf_farm import NAMES, Payload, network, standings, tree

from toolkit.errors import ExitCode, UsageError
from toolkit.netconf import journal as module
from toolkit.netconf.devicesession import DriftError
from toolkit.netconf.journal import (
    Entry,
    InterruptedPush,
    Journal,
    Standing,
    read_journal,
    settle,
    standing,
)
from toolkit.netconf.push import PushState, push
from toolkit.netconf.records import UnfinishedError, find, prune, records, refuse_unfinished
from toolkit.netconf.recovery import recover, roll_back
from toolkit.netconf.transaction import State

C, B = State.COMMITTED, State.ROLLED_BACK


@pytest.fixture
def net():
    with network(NAMES[:3]) as running:
        yield running


class Killed(BaseException):
    """Nothing more runs, not even an abort."""


def killed_push(net, folder):
    """Kill a push while everything runs provisionally; return its journal."""
    calls = {name: device.cancel for name, device in net.farm.devices.items()}

    def kill():
        for device in net.farm.devices.values():
            device.cancel = lambda *_: None  # a killed client asks for nothing
        raise Killed

    with pytest.raises(Killed):
        net.push(20, verify=kill, journal=folder)
    for name, device in net.farm.devices.items():
        device.cancel = calls[name]
    (journal,) = folder.iterdir()
    return journal


def write(folder, states, name="push-t.jsonl", devices=("r1", "r2")):
    """Write the journal of a push that was killed in `states`."""
    texts = dict.fromkeys(devices, "")
    txid = name.removeprefix("push-").removesuffix(".jsonl")
    journal = Journal(folder / name, Entry(txid=txid, before=texts, after=texts, waves=(devices,)))
    for device, state in states.items():
        journal.record(device, state)
    os.close(journal._file)
    return journal.path


@pytest.mark.parametrize("check", [True, False])
def test_a_push_after_a_killed_one_is_refused_until_that_one_is_finished(net, tmp_path, check):
    net.push()
    journal = killed_push(net, tmp_path)
    with pytest.raises(UnfinishedError) as caught:
        net.push(20, check=check, journal=tmp_path)
    assert caught.value.exit_code is ExitCode.IN_DOUBT
    txid = read_journal(journal).txid
    assert str(caught.value) == (
        f"{txid}: a push of r1, r2, r3 has not ended: finish it with `llmsync resume {txid}`, "
        f"or undo it with `llmsync abort {txid}`"
    )
    assert recover(journal, net.targets(), resume=True).exit_code is ExitCode.OK
    assert net.push(20, check=check, journal=tmp_path).exit_code is ExitCode.OK
    net.clock.now = 1e6
    net.farm.tick()
    assert net.metrics() == {20}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({}, Standing.OLD),
        ({"r1": State.PREPARED, "r2": B}, Standing.OLD),
        ({"r1": C, "r2": C}, Standing.NEW),
        ({"r1": C}, Standing.DOUBT),
        ({"r1": C, "r2": B}, Standing.DOUBT),
        ({"r1": State.COMMITTING}, Standing.DOUBT),
        ({"r1": B, "r2": State.EXPIRING}, Standing.DOUBT),
    ],
)
def test_a_leftover_counts_where_a_commit_may_have_gone_out(tmp_path, states, expected):
    assert standing(states, ("r1", "r2")) is expected
    path = write(tmp_path, states)
    assert read_journal(path).standing is expected
    if expected is Standing.DOUBT:
        with pytest.raises(UnfinishedError, match="a push of r1, r2 has not ended"):
            refuse_unfinished(tmp_path, ["r2", "r3"])
    else:
        refuse_unfinished(tmp_path, ["r2", "r3"])
    refuse_unfinished(tmp_path, ["r3"])


@pytest.mark.parametrize(("state", "expected"), [(C, Standing.NEW), (B, Standing.OLD)])
def test_a_push_that_ended_is_remembered_however_it_ended(tmp_path, state, expected):
    texts = {"r1": ""}
    entry = Entry(
        txid="t", before=texts, after=texts, waves=(("r1",),), platforms={"r1": "ietf"},
        ways={"r1": "persist"}, began=12.5, about={"inventory": "/x"},
    )  # fmt: skip
    with Journal(tmp_path / "push-t.jsonl", entry) as journal:
        journal.record("r1", state)
    (record,) = records(tmp_path)
    assert record.entry.standing is expected
    assert (record.entry.platforms, record.entry.ways) == ({"r1": "ietf"}, {"r1": "persist"})
    assert (record.entry.began, record.entry.about) == (12.5, {"inventory": "/x"})


def test_the_last_pushes_are_remembered_and_those_in_doubt_are_never_forgotten(tmp_path):
    for number in range(6):
        state = State.PROVISIONAL if number == 1 else C
        entry = Entry(
            txid=f"llmsync-{number}0", before={"r1": ""}, after={"r1": ""}, waves=(("r1",),),
            began=float(number),
        )  # fmt: skip
        with Journal(tmp_path / f"push-llmsync-{number}0.jsonl", entry) as journal:
            journal.record("r1", state)
    prune(tmp_path, 2)
    assert [r.entry.txid for r in records(tmp_path)] == ["llmsync-10", "llmsync-40", "llmsync-50"]
    assert find(tmp_path, "llmsync-4") == find(tmp_path, "40") == find(tmp_path, "llmsync-40")
    write(tmp_path, {"r1": C}, "push-llmsync-41.jsonl")
    with pytest.raises(UsageError, match="2 transactions begin like this"):
        find(tmp_path, "4")
    with pytest.raises(UsageError, match=r"x: no such transaction in .*`llmsync status` lists"):
        find(tmp_path, "x")


def test_a_push_that_was_settled_by_another_has_ended(tmp_path):
    path = write(tmp_path, {"r1": State.PROVISIONAL})
    assert read_journal(path).standing is Standing.DOUBT
    settle(path, Standing.NEW)
    assert read_journal(path).standing is Standing.NEW
    settle(path, Standing.OLD)
    assert read_journal(path).standing is Standing.OLD


def test_every_unfinished_journal_is_named_and_what_cannot_be_read_is_too(tmp_path):
    for name in ("push-a.jsonl", "push-b.jsonl"):
        write(tmp_path, {"r1": State.PROVISIONAL}, name)
    (tmp_path / "push-c.jsonl").write_text("nonsense\n")
    (tmp_path / "push-d.jsonl").write_text('{"version": 1, "tx')  # killed in its first line
    (tmp_path / "notes.txt").write_text("nonsense\n")
    with pytest.raises(UnfinishedError) as caught:
        refuse_unfinished(tmp_path, ["r1"])
    a, b, c = str(caught.value).splitlines()
    assert a.startswith("a: a push of r1, r2 has not ended")
    assert b.startswith("b: a push of r1, r2 has not ended")
    assert "push-c.jsonl: no journal of a push" in c
    refuse_unfinished(tmp_path / "no such folder", ["r1"])


def test_an_interrupt_while_the_journal_is_created_leaves_none(net, tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.os, "fsync", interrupted)
    with pytest.raises(InterruptedPush) as caught:
        net.push(journal=tmp_path)
    assert (caught.value.standing, caught.value.journal) == (Standing.OLD, None)
    assert not list(tmp_path.iterdir())
    assert net.metrics() == {None}


def test_a_disk_without_room_for_the_journal_stops_the_push(net, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(UsageError, match="cannot write the journal: No space left"):
        net.push(journal=tmp_path)
    assert not list(tmp_path.iterdir())
    assert net.metrics() == {None}


class FullDisk:
    """A disk that has no room from the `nth` line of a journal on: five bytes of it still fit."""

    def __init__(self, monkeypatch, nth):
        self.count, self.nth, self.append = 0, nth, module._append
        monkeypatch.setattr(module, "_append", self)

    def __call__(self, file, data):
        self.count += 1
        if self.count < self.nth:
            self.append(file, data)
            return
        os.write(file, data[:5])
        raise OSError(28, os.strerror(28))


def test_a_disk_that_is_full_when_a_push_begins_stops_it(net, tmp_path, monkeypatch):
    FullDisk(monkeypatch, 1)
    with pytest.raises(UsageError, match=r"No space left on device \(nothing was changed\)"):
        net.push(20, journal=tmp_path)
    assert net.metrics() == {None}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("nth", range(2, 60))
def test_a_disk_that_fills_up_gives_the_push_up_and_nothing_is_lost(
    net, tmp_path, monkeypatch, nth
):
    net.push()
    with monkeypatch.context() as patched:
        full = FullDisk(patched, nth)
        report = net.push(20, journal=tmp_path)
    if report.state is PushState.ROLLED_BACK:
        assert net.metrics() == {10}
        assert list(tmp_path.iterdir()) == []
        errors = [str(outcome.error) for outcome in report.outcomes]
        assert any("cannot write the journal: No space" in error for error in errors)
    elif report.state is PushState.COMMITTED:
        assert net.metrics() == {20}
        assert standings(tmp_path) == ([Standing.NEW] if full.count < nth else [])
    else:
        assert report.exit_code is ExitCode.IN_DOUBT
        assert standings(tmp_path) == [Standing.DOUBT]
        resume = bool(nth % 2)
        again = recover(report.journal, net.targets(), resume=resume)
        assert again.exit_code is ExitCode.OK
        net.clock.now = 1e6
        net.farm.tick()
        assert net.metrics() == {20 if resume else 10}


def interrupt():
    raise KeyboardInterrupt


def test_an_interrupt_that_could_be_undone_everywhere_says_so(net, tmp_path):
    net.push()
    with pytest.raises(InterruptedPush) as caught:
        net.push(20, verify=interrupt, journal=tmp_path)
    assert (caught.value.standing, caught.value.journal) == (Standing.OLD, None)
    assert net.metrics() == {10}


def test_an_interrupt_that_could_not_be_undone_names_the_journal(net, tmp_path):
    def lose():
        net.farm.stop("r3")
        raise KeyboardInterrupt

    with pytest.raises(InterruptedPush) as caught:
        net.push(20, verify=lose, journal=tmp_path)
    assert caught.value.standing is Standing.DOUBT
    assert [caught.value.journal] == list(tmp_path.iterdir())


def test_an_interrupt_after_the_last_confirmation_says_that_all_changed(net, tmp_path, monkeypatch):
    monkeypatch.setattr("toolkit.netconf.push._reported", lambda *_: interrupt())
    with pytest.raises(InterruptedPush) as caught:
        net.push(20, journal=tmp_path)
    assert (caught.value.standing, caught.value.count) == (Standing.NEW, 3)
    assert net.metrics() == {20}
    assert standings(tmp_path) == [Standing.NEW]


@pytest.mark.parametrize(
    ("where", "expected"), [("roll_out", Standing.DOUBT), ("_reported", Standing.NEW)]
)
def test_an_interrupted_recovery_keeps_its_journal_until_it_is_done(
    net, tmp_path, monkeypatch, where, expected
):
    journal = write(tmp_path, {"r1": State.PROVISIONAL}, devices=NAMES[:3])
    net.push()  # without a journal folder: nothing to refuse it
    with monkeypatch.context() as patched:
        patched.setattr(f"toolkit.netconf.push.{where}", lambda *_, **__: interrupt())
        with pytest.raises(InterruptedPush) as caught:
            recover(journal, net.targets(), resume=False)
    assert caught.value.standing is expected
    assert read_journal(journal).standing is (
        expected if expected is Standing.DOUBT else Standing.OLD
    )


# ----- rollback


def test_a_push_that_ended_well_is_undone_once(net, tmp_path):
    net.push()
    report = net.push(20, journal=tmp_path)
    path = find(tmp_path, report.txid)
    assert roll_back(path, net.targets(), check=True).exit_code is ExitCode.CHANGES_PENDING
    assert net.metrics() == {20}
    undone = roll_back(path, net.targets())
    assert undone.state is PushState.COMMITTED
    assert net.metrics() == {10}
    again = roll_back(path, net.targets())
    assert again.exit_code is ExitCode.ROLLED_BACK  # it runs something else since
    assert {type(o.error) for o in again.outcomes} == {DriftError}
    roll_back(find(tmp_path, undone.txid), net.targets())
    assert net.metrics() == {20}


def test_what_has_drifted_since_is_not_overwritten_by_a_rollback(net, tmp_path):
    net.push()
    report = net.push(20, journal=tmp_path)
    push([net.target("r2")], {"r2": Payload(tree(1, 33))})
    undone = roll_back(find(tmp_path, report.txid), net.targets())
    assert undone.exit_code is ExitCode.ROLLED_BACK
    (error,) = [o.error for o in undone.outcomes if o.error is not None]
    assert str(error) == (
        "r2: in-use: its configuration was changed since that push "
        "at /llmsync-isis:isis/interface[name='e0']/metric"
    )
    (change,) = error.changes
    assert (change.before, change.after) == ("20", "33")
    assert net.metrics() == {20, 33}


def test_only_what_was_changed_can_be_undone(net, tmp_path):
    path = write(tmp_path, {"r1": State.PROVISIONAL}, devices=NAMES[:3])
    with pytest.raises(UsageError, match="has not ended: `llmsync abort t` undoes it"):
        roll_back(path, net.targets())
    settle(path, Standing.OLD)
    with pytest.raises(UsageError, match="given up and has changed nothing"):
        roll_back(path, net.targets())


@pytest.mark.parametrize(
    "wrong",
    [
        {"txid": 5}, {"txid": ""}, {"began": "x"}, {"began": float("nan")}, {"began": 1e300},
        {"began": -1}, {"began": True}, {"about": []}, {"about": {"inventory": 5}},
        {"after": ["r1"]}, {"after": {"r1": 7}}, {"before": {}}, {"ways": None},
        {"platforms": "ietf"}, {"waves": 5}, {"waves": [["r9"]]},
    ],
    ids=str,
)  # fmt: skip
def test_a_journal_with_something_else_in_it_is_unreadable_and_no_bug(tmp_path, wrong):
    path = write(tmp_path, {"r1": C})
    head, *rest = path.read_text().splitlines()
    path.write_text("\n".join((json.dumps({**json.loads(head), **wrong}), *rest, "")))
    (record,) = records(tmp_path)
    assert (record.entry, record.reason.partition(" (")[0]) == (None, "no journal of a push")
    with pytest.raises(UnfinishedError, match="which routers it concerns is unknown"):
        refuse_unfinished(tmp_path, ["r1"])


def test_a_journal_of_brackets_is_unreadable(tmp_path):
    (tmp_path / "push-a.jsonl").write_text("[" * 100_000 + "\n")
    (record,) = records(tmp_path)
    assert "no journal of a push" in record.reason
