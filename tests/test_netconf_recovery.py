"""Pushes that lost a router at the worst moment or were killed: finished, or undone."""

from __future__ import annotations

import json

import pytest
from netconf_farm import NAMES, network, standings

from toolkit.errors import ExitCode, UsageError
from toolkit.netconf.journal import Entry, Journal, Standing, read_journal
from toolkit.netconf.push import PushState
from toolkit.netconf.recovery import recover
from toolkit.netconf.transaction import State


@pytest.fixture
def net():
    with network(NAMES[:5]) as running:
        yield running


def lose(net, name, tmp_path, metric=20):
    """Push, and let router `name` die when everything runs provisionally."""
    return net.push(metric, verify=lambda: net.farm.stop(name), journal=tmp_path)


def test_a_router_that_dies_before_its_confirmation_is_in_doubt_until_resumed(net, tmp_path):
    net.push()
    report = lose(net, "r5", tmp_path)
    assert report.exit_code is ExitCode.IN_DOUBT
    assert {o.device: o.state for o in report.outcomes}["r5"] is State.IN_DOUBT
    assert report.journal is not None
    still = recover(report.journal, net.targets(), resume=True)
    assert still.exit_code is ExitCode.UNREACHABLE
    net.farm.start("r5")
    done = recover(report.journal, net.targets(), resume=True)
    assert done.exit_code is ExitCode.OK
    assert net.metrics() == {20}
    net.clock.now = 1e6
    net.farm.tick()
    assert net.metrics() == {20}
    assert standings(tmp_path) == [Standing.NEW]


def test_or_it_is_undone_on_the_routers_that_had_confirmed_already(net, tmp_path):
    net.push()
    report = lose(net, "r5", tmp_path)
    waiting = recover(report.journal, net.targets(), resume=False)
    assert waiting.exit_code is ExitCode.IN_DOUBT
    assert [o.device for o in waiting.outcomes if o.error is not None] == ["r5"]
    net.farm.start("r5")
    undone = recover(report.journal, net.targets(), resume=False)
    assert undone.exit_code is ExitCode.OK
    assert net.metrics() == {10}
    net.clock.now = 1e6
    net.farm.tick()
    assert net.metrics() == {10}
    assert standings(tmp_path) == [Standing.OLD, Standing.NEW]


def test_a_router_that_reverted_in_the_meantime_is_pushed_again(net, tmp_path):
    net.push()
    report = lose(net, "r5", tmp_path)
    net.clock.now = 1e6
    net.farm.tick()
    net.farm.start("r5")
    assert net.metrics() == {10, 20}
    assert recover(report.journal, net.targets(), resume=True).state is PushState.COMMITTED
    assert net.metrics() == {20}


@pytest.mark.parametrize(("resume", "metric"), [(True, 20), (False, 10)])
def test_a_push_that_was_killed_while_everything_ran_provisionally(net, tmp_path, resume, metric):
    class Killed(BaseException):
        """Nothing more runs, not even an abort."""

    net.push()
    calls = {name: d.cancel for name, d in net.farm.devices.items()}

    def kill():
        for device in net.farm.devices.values():
            device.cancel = lambda *_: None  # a killed client asks for nothing
        raise Killed

    with pytest.raises(Killed):
        net.push(20, verify=kill, journal=tmp_path)
    for name, device in net.farm.devices.items():
        device.cancel = calls[name]
    assert net.metrics() == {20}
    (journal,) = tmp_path.iterdir()
    report = recover(journal, net.targets(), resume=resume)
    assert report.exit_code is ExitCode.OK
    assert net.metrics() == {metric}
    net.clock.now = 1e6
    net.farm.tick()
    assert net.metrics() == {metric}


def test_a_journal_says_what_was_to_be_done_and_how_far_it_came(net, tmp_path):
    net.push()
    report = lose(net, "r5", tmp_path)
    entry = read_journal(report.journal)
    assert entry.txid == report.txid
    assert set(entry.states) == set(NAMES[:5])
    assert entry.states["r1"] is State.COMMITTED
    assert entry.states["r5"] is State.IN_DOUBT
    assert "<metric>20</metric>" in entry.after["r1"]
    assert "<metric>20</metric>" not in entry.before["r1"]
    assert report.journal.stat().st_mode & 0o077 == 0
    assert net.target("r1").password not in report.journal.read_text()


def test_an_interrupted_push_that_was_given_up_everywhere_is_remembered_as_such(net, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net.push(20, verify=interrupt, journal=tmp_path)
    assert net.metrics() == {None}
    assert standings(tmp_path) == [Standing.OLD]


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    path = tmp_path / "j.jsonl"
    with Journal(
        path, Entry(txid="t", before={"r1": ""}, after={"r1": ""}, waves=(("r1",),))
    ) as journal:
        journal.record("r1", State.COMMITTING)
    path.write_text(path.read_text() + '{"device": "r1", "sta')
    assert read_journal(path).states == {"r1": State.COMMITTING}


@pytest.mark.parametrize(
    "text", ["", "nonsense\n", "[]\n", '{"version": 1}\n', json.dumps({"version": 9}) + "\n"]
)
def test_what_is_no_journal_is_a_usage_error(tmp_path, text):
    path = tmp_path / "j.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match="journal"):
        read_journal(path)


def test_a_journal_that_cannot_be_written_stops_the_push(net, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write the journal"):
        net.push(journal=tmp_path / "file" / "below")
    assert net.metrics() == {None}


def test_a_journal_of_other_routers_is_refused(net, tmp_path):
    path = tmp_path / "j.jsonl"
    entry = Entry(txid="t", before={"x": ""}, after={"x": ""}, waves=(("x",),))
    with Journal(path, entry) as journal:
        journal.record("x", State.PROVISIONAL)
    with pytest.raises(UsageError, match="not known: x"):
        recover(path, net.targets(), resume=True)
