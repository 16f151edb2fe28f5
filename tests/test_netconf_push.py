"""Pushes with ncclient to ten embedded routers over SSH."""

from __future__ import annotations

from dataclasses import replace

import pytest
from netconf_farm import NAMES, Payload, Text, network, payloads, standings, tree

from toolkit.errors import DeviceError, ExitCode, PlanError, SchemaError, UsageError
from toolkit.netconf.journal import Standing
from toolkit.netconf.names import Datastore
from toolkit.netconf.push import PushState, push
from toolkit.netconf.transaction import State


@pytest.fixture
def net():
    with network() as running:
        yield running


def outcome(report, name):
    (found,) = [o for o in report.outcomes if o.device == name]
    return found


def test_a_push_brings_every_router_to_its_payload_and_a_second_changes_nothing(net, tmp_path):
    first = net.push(journal=tmp_path)
    assert first.state is PushState.COMMITTED
    assert {o.state for o in first.outcomes} == {State.COMMITTED}
    assert net.running() == {name: p.tree for name, p in payloads().items()}
    second = net.push(journal=tmp_path)
    assert second.state is PushState.UNCHANGED
    assert not any(second.changes.values())
    assert standings(tmp_path) == [Standing.NEW]
    assert all(not device.locks for device in net.farm.devices.values())


def test_check_says_what_would_change_and_changes_nothing(net):
    report = net.push(check=True)
    assert report.exit_code is ExitCode.CHANGES_PENDING
    shown = [str(change) for change in report.changes["r1"]]
    assert "+ /llmsync-isis:isis/system-id: 0000.0000.0000" in shown
    assert net.metrics() == {None}
    net.push()
    assert net.push(check=True).exit_code is ExitCode.OK
    (change,) = net.push(20, check=True).changes["r1"]
    assert (change.path, change.before, change.after) == (
        "/llmsync-isis:isis/interface[name='e0']/metric", "10", "20",
    )  # fmt: skip


def test_only_routers_that_change_take_part(net):
    net.push()
    mixed = {**payloads(), "r4": Payload(tree(3, metric=7))}
    report = push(net.targets(), mixed)
    assert {o.device for o in report.outcomes if o.state is State.COMMITTED} == {"r4"}
    assert report.state is PushState.COMMITTED


def test_what_a_payload_lacks_goes_away(net):
    net.push()
    bare = {"ietf-interfaces:interfaces": tree(0)["ietf-interfaces:interfaces"]}
    report = push(net.targets(), dict.fromkeys(NAMES, Payload(bare)))
    assert report.state is PushState.COMMITTED
    assert set(map(str, net.running().values())) == {str(bare)}


# ----- one router fails: everything is as before


def test_a_data_plane_that_refuses_leaves_all_routers_as_they_were(net, tmp_path):
    net.push()
    net.refusing.add("r7")
    report = net.push(20, journal=tmp_path)
    assert report.exit_code is ExitCode.ROLLED_BACK
    error = outcome(report, "r7").error
    assert isinstance(error, DeviceError)
    assert "r7: operation-failed: r7: the data plane has no room" in str(error)
    assert net.metrics() == {10}
    assert standings(tmp_path) == [Standing.OLD]


def test_a_lock_of_somebody_else_leaves_all_routers_as_they_were(net):
    device = net.farm.devices["r3"]
    net.farm.call(lambda: device.lock(device.open(), Datastore.RUNNING))
    report = net.push()
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert str(outcome(report, "r3").error).startswith("r3: lock-denied: ")
    assert "held by session 1" in str(outcome(report, "r3").error)
    assert net.metrics() == {None}


def test_an_invalid_payload_is_refused_before_anything_is_sent(net):
    broken = tree(2)
    broken["llmsync-isis:isis"]["interface"][0]["name"] = "e9"
    del broken["llmsync-isis:isis"]["system-id"]
    with pytest.raises(SchemaError) as caught:
        push(net.targets(), {**payloads(), "r2": Payload(broken), "r5": Text('<y xmlns="urn:x"/>')})
    assert {p.place.file for p in caught.value.problems} == {"r2", "r5"}
    assert len(caught.value.problems) == 3
    assert all(device.open() == 1 for device in net.farm.devices.values())  # nobody was asked


def test_a_target_without_payload_is_named(net):
    with pytest.raises(SchemaError, match="r3: there is no payload"):
        push(net.targets(), {n: p for n, p in payloads().items() if n != "r3"})


def test_a_dead_router_is_named_and_nothing_is_touched(net):
    net.farm.stop("r2")
    net.farm.stop("r9")
    report = net.push()
    assert report.exit_code is ExitCode.UNREACHABLE
    assert {o.device for o in report.outcomes if o.error is not None} == {"r2", "r9"}
    assert "Connection refused" in str(outcome(report, "r9").error)
    assert net.metrics() == {None}


def test_verification_may_give_the_change_up_while_it_runs(net):
    seen = []

    def verify():
        seen.append(net.metrics())
        raise PlanError([])

    report = net.push(verify=verify)
    assert seen == [{10}]
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert isinstance(report.objection, PlanError)
    assert net.metrics() == {None}


def test_a_change_by_somebody_else_in_between_is_noticed(net):
    def meanwhile(changes):
        assert all(changes.values())
        push([net.target("r4")], {"r4": Payload(tree(99))})
        return True

    report = net.push(approve=meanwhile)
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert "changed since this push looked" in str(outcome(report, "r4").error)
    assert net.running()["r4"] == tree(99)
    assert net.running()["r5"] == {}


def test_a_change_that_is_not_approved_is_not_made(net):
    assert net.push(approve=lambda changes: False).state is PushState.PENDING
    assert net.metrics() == {None}


def test_routers_commit_in_the_order_given(net):
    committed = []
    for name, device in net.farm.devices.items():
        device._on_commit = lambda _, name=name: committed.append(name)
    order = [{"r9", "r8"}, set(NAMES) - {"r8", "r9", "r1"}, {"r1"}]
    net.push(order=order)
    assert set(committed[:2]) == {"r8", "r9"}
    assert committed[-1] == "r1"
    assert len(committed) == 10


# ----- time


def test_a_commit_that_is_confirmed_too_late_has_reverted_everywhere(net):
    def verify():
        net.clock.now = 31.0
        net.farm.tick()

    report = net.push(verify=verify, confirm_timeout=30)
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert {o.state for o in report.outcomes} == {State.ROLLED_BACK}
    assert "invalid-value" in str(report.outcomes[0].error)
    assert net.metrics() == {None}


def test_an_unknown_profile_is_a_usage_error(net):
    with pytest.raises(UsageError, match="profile acme; there are reference, yuma"):
        push(net.targets(profile="acme"), payloads())


# ----- revisions


def test_a_router_with_other_modules_is_refused_before_anything_is_asked_of_it(net):
    assert net.push(check=True, revisions=True).exit_code is ExitCode.CHANGES_PENDING
    device = net.farm.devices["r3"]
    device.modules = tuple(
        replace(m, revision="2031-01-01") if m.name == "llmsync-isis" else m for m in device.modules
    )
    report = net.push(revisions=True)
    assert report.exit_code is ExitCode.ROLLED_BACK
    error = outcome(report, "r3").error
    assert isinstance(error, SchemaError)
    assert "r3: it announces llmsync-isis of 2031-01-01, and its configuration was proven" in str(
        error
    )
    assert [o.device for o in report.outcomes if o.error is not None] == ["r3"]
    assert net.metrics() == {None}
    assert net.push().state is PushState.COMMITTED
