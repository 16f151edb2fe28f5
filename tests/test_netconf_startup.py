"""A push ends in startup, whatever stands in between: RFC 6241 section 8.7."""

from __future__ import annotations

import pytest
from netconf_farm import NAMES, network, standings, tree

from toolkit.errors import ExitCode, UsageError
from toolkit.netconf.device import Device
from toolkit.netconf.devicesession import DeviceSession
from toolkit.netconf.journal import Standing
from toolkit.netconf.names import Datastore
from toolkit.netconf.push import PushState
from toolkit.netconf.recovery import recover
from toolkit.netconf.transaction import State
from toolkit.yang.schema import reference_schema


class Killed(BaseException):
    """Nothing more runs, not even an abort."""


@pytest.fixture
def net():
    with network(NAMES[:3]) as running:
        yield running


def restart(net):
    for name in net.farm.devices:
        net.farm.restart(name)


def kill_before_saving(net, tmp_path, monkeypatch, metric):
    """Push and end the process after all confirmations; return the journal."""

    def killed(_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(DeviceSession, "_save", killed)
        with pytest.raises(Killed):
            net.push(metric, journal=tmp_path)
    (journal,) = tmp_path.iterdir()
    return journal


def test_what_was_pushed_is_there_after_a_restart(net):
    net.push(20)
    restart(net)
    assert net.metrics() == {20}
    assert net.push(20).state is PushState.UNCHANGED


def test_what_was_not_saved_is_gone_after_a_restart(net):
    with network(NAMES[:2]) as other:
        device = other.farm.devices["r1"]
        session = other.farm.call(device.open)
        config = device.index.from_json(tree(0))
        root = device.config(Datastore.RUNNING).with_children(config)
        other.farm.call(lambda: device.edit(session, root))
        other.farm.call(lambda: device.commit(session, 0.0))
        assert device.running
        other.farm.restart("r1")
        assert device.running == {}
        assert not device.is_open(session)


def test_an_unconfirmed_commit_does_not_survive_a_restart(net):
    net.push(10)

    def verify():
        net.farm.restart("r2")

    report = net.push(20, verify=verify)
    assert report.exit_code is not ExitCode.OK
    assert net.farm.devices["r2"].running["llmsync-isis:isis"]["interface"][0]["metric"] == 10


def test_a_farm_that_starts_again_boots_its_devices_from_startup(net):
    net.push(20)
    with network(NAMES[:1]) as other:
        assert other.push(20).state is PushState.COMMITTED
        device = other.farm.devices["r1"]
    from toolkit.netconf.device import DeviceFarm

    with DeviceFarm([device]):
        assert device.running == device.schema.parse_json(tree(0, 20), "r1")


def test_a_startup_that_cannot_be_written_is_told_and_written_by_a_resume(tmp_path):
    refusing = {"r2"}
    with network(NAMES[:3]) as net:

        def write(name):
            def on_startup(_):
                if name in refusing:
                    raise UsageError("the flash is full")

            return on_startup

        for name, device in net.farm.devices.items():
            device._on_startup = write(name)
        report = net.push(20, journal=tmp_path)
        assert report.state is PushState.UNSAVED
        assert report.exit_code is ExitCode.IN_DOUBT
        assert [o.state for o in report.outcomes] == [
            State.COMMITTED, State.UNSAVED, State.COMMITTED,
        ]  # fmt: skip
        assert "the flash is full" in str(report.outcomes[1].error)
        assert net.metrics() == {20}
        again = recover(report.journal, net.targets(), resume=True)
        assert again.state is PushState.UNSAVED
        assert [o.state for o in again.outcomes][1] is State.UNSAVED
        refusing.clear()
        assert recover(report.journal, net.targets(), resume=True).exit_code is ExitCode.OK
        assert standings(tmp_path) == [Standing.NEW]
        restart(net)
        assert net.metrics() == {20}


@pytest.mark.parametrize(("resume", "metric"), [(True, 20), (False, 10)])
def test_a_push_killed_between_confirmation_and_copy(net, tmp_path, monkeypatch, resume, metric):
    net.push(10)
    journal = kill_before_saving(net, tmp_path, monkeypatch, 20)
    assert net.metrics() == {20}
    report = recover(journal, net.targets(), resume=resume)
    assert report.exit_code is ExitCode.OK
    ended = [Standing.NEW] if resume else [Standing.OLD, Standing.NEW]
    assert standings(tmp_path) == ended
    restart(net)
    assert net.metrics() == {metric}


def test_until_then_a_restart_brings_the_old_back_and_a_resume_pushes_it_again(
    net, tmp_path, monkeypatch
):
    net.push(10)
    journal = kill_before_saving(net, tmp_path, monkeypatch, 20)
    net.farm.restart("r2")
    assert net.metrics() == {10, 20}
    assert recover(journal, net.targets(), resume=True).state is PushState.COMMITTED
    restart(net)
    assert net.metrics() == {20}


def test_a_device_without_startup_keeps_what_it_runs():
    with network(NAMES[:1], startup=False) as net:
        assert net.push(20).state is PushState.COMMITTED
        net.farm.restart("r1")
        assert net.metrics() == {20}


def test_the_configuration_at_first_is_in_startup_too():
    device = Device("r1", reference_schema(), config=tree(1))
    assert device.config(Datastore.STARTUP) == device.config(Datastore.RUNNING)
