"""Journals of pushes that ended, were killed or interrupted, and what the next push does."""

from __future__ import annotations

import os

import pytest
from netconf_farm import NAMES, network

from toolkit.errors import ExitCode, UsageError
from toolkit.netconf import journal as module
from toolkit.netconf.journal import (
    Entry,
    InterruptedPush,
    Journal,
    Standing,
    UnfinishedError,
    read_journal,
    refuse_unfinished,
    standing,
)
from toolkit.netconf.recovery import recover
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
    journal = Journal(folder / name, Entry(txid="t", before=texts, after=texts, waves=(devices,)))
    for device, state in states.items():
        journal.record(device, state)
    journal._file.close()
    return journal.path


@pytest.mark.parametrize("check", [True, False])
def test_a_push_after_a_killed_one_is_refused_until_that_one_is_finished(net, tmp_path, check):
    net.push()
    journal = killed_push(net, tmp_path)
    with pytest.raises(UnfinishedError) as caught:
        net.push(20, check=check, journal=tmp_path)
    assert caught.value.exit_code is ExitCode.IN_DOUBT
    assert f"--resume {journal}, or undo it with --abort {journal}" in str(caught.value)
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


@pytest.mark.parametrize("state", [C, B])
def test_a_push_that_ended_leaves_no_journal_however_it_ended(tmp_path, state):
    texts = {"r1": ""}
    entry = Entry(txid="t", before=texts, after=texts, waves=(("r1",),))
    with Journal(tmp_path / "j", entry) as journal:
        journal.record("r1", state)
    assert not list(tmp_path.iterdir())


def test_every_unfinished_journal_is_named_and_what_cannot_be_read_is_too(tmp_path):
    for name in ("push-a.jsonl", "push-b.jsonl"):
        write(tmp_path, {"r1": State.PROVISIONAL}, name)
    (tmp_path / "push-c.jsonl").write_text("nonsense\n")
    (tmp_path / "push-d.jsonl").write_text('{"version": 1, "tx')  # killed in its first line
    (tmp_path / "notes.txt").write_text("nonsense\n")
    with pytest.raises(UnfinishedError) as caught:
        refuse_unfinished(tmp_path, ["r1"])
    a, b, c = str(caught.value).splitlines()
    assert "push-a.jsonl: a push" in a
    assert "push-b.jsonl: a push" in b
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
    assert not list(tmp_path.iterdir())


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
    assert list(tmp_path.iterdir()) == ([journal] if expected is Standing.DOUBT else [])
