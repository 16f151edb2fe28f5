"""Roll-outs over devices that answer as each test says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import DeviceError, PlanError
from toolkit.netconf.rollout import roll_out
from toolkit.netconf.transaction import Event, Request, State

C, B, D, X = State.COMMITTED, State.ROLLED_BACK, State.IN_DOUBT, State.EXPIRING
U = State.UNSAVED


class Device:
    reverts = True

    """Knows what runs on it: `old` or `new`, and whether `new` is pending."""

    def __init__(self, name, log, **faults):
        self.device, self.log = name, log
        self.faults = {Request[k.upper()]: v for k, v in faults.items()}
        self.running, self.pending, self.dead, self.startup = "old", False, False, "old"
        self.told = []

    def perform(self, request):
        self.log.append((self.device, request))
        fault = self.faults.pop(request, None)
        self.told.append((fault, request))
        if fault == "refused":
            raise DeviceError(self.device, "operation-failed", request.value)
        if fault == "dead":
            self.dead = True
        if fault == "lost after":
            self._do(request)
        if fault is not None or self.dead:
            raise ConnectionError(f"{self.device}: lost")
        return self._do(request)

    def _do(self, request):
        if request is Request.COMMIT:
            self.running, self.pending = "new", True
        elif request in (Request.CONFIRM, Request.RECONFIRM, Request.CANCEL, Request.RECANCEL):
            if not self.pending:
                raise DeviceError(self.device, "invalid-value", "nothing is pending")
            self.pending = False
            if request in (Request.CANCEL, Request.RECANCEL):
                self.running = "old"
        elif request in (Request.SAVE, Request.RESAVE):
            self.startup = self.running
        elif request is Request.RESOLVE:
            return Event.NEW if self.running == "new" else Event.OLD
        return Event.OK


def run(*faults, run=map, verify=None):
    """Roll out to a device for each of `faults`; return the states, the devices and the log."""
    log = []
    devices = [Device(f"r{n}", log, **fault) for n, fault in enumerate(faults, 1)]
    outcomes, objection = roll_out([devices], run=run, verify=verify)
    assert [o.device for o in outcomes] == [d.device for d in devices]
    return [o.state for o in outcomes], devices, log, outcomes, objection


def test_all_go_well():
    states, devices, _log, outcomes, _ = run({}, {}, {})
    assert states == [C, C, C]
    assert all(d.running == "new" and not d.pending for d in devices)
    assert all(o.error is None for o in outcomes)


def test_the_second_is_lost_while_confirming():
    states, devices, *_ = run({}, {"confirm": "lost after", "reconfirm": "dead"}, {})
    assert states == [C, D, B]
    assert [d.running for d in devices] == ["new", "new", "old"]


@pytest.mark.parametrize("request_", ["lock", "edit", "validate", "read_candidate"])
@pytest.mark.parametrize("fault", ["refused", "lost", "dead"])
def test_a_failure_while_preparing_touches_nothing(request_, fault):
    states, devices, log, outcomes, _ = run({}, {request_: fault}, {})
    assert states == [B, B, B]
    assert all(d.running == "old" for d in devices)
    assert Request.COMMIT not in {request for _, request in log}
    assert [o.error is not None for o in outcomes] == [False, True, False]


def test_a_refused_commit_cancels_those_that_run_it_already():
    states, devices, log, *_ = run({}, {"commit": "refused"}, {})
    assert states == [B, B, B]
    assert all(d.running == "old" for d in devices)
    assert ("r1", Request.CANCEL) in log
    assert ("r3", Request.DISCARD) in log


@pytest.mark.parametrize("fault", ["lost", "lost after"])
def test_a_lost_commit_is_cancelled_from_a_new_session(fault):
    states, devices, *_ = run({}, {"commit": fault}, {})
    assert states == [B, B, B]
    assert all(d.running == "old" for d in devices)


def test_a_device_that_dies_in_its_commit_reverts_by_itself():
    states, *_ = run({}, {"commit": "lost after", "recancel": "dead"}, {})
    assert states == [B, X, B]


def test_a_running_configuration_that_is_not_the_intent_is_given_up():
    states, devices, *_ = run({}, {}, {"read_running": "refused"})
    assert states == [B, B, B]
    assert all(d.running == "old" for d in devices)


@pytest.mark.parametrize("fault", ["lost", "lost after"])
def test_a_lost_confirmation_is_repeated_and_the_change_stays(fault):
    states, devices, _, outcomes, _ = run({}, {"confirm": fault}, {})
    assert states == [C, C, C]
    assert outcomes[1].error is None
    assert not any(d.pending for d in devices)


def test_a_confirmation_that_came_too_late_is_found_out():
    expired = {"confirm": "refused", "cancel": "refused"}
    log = []
    late = Device("r1", log, **expired)
    original = late.perform

    def perform(request):
        if request is Request.CONFIRM:  # its time is over: the device has reverted
            late.running, late.pending = "old", False
        return original(request)

    late.perform = perform
    outcomes, _ = roll_out([[late]])
    assert outcomes[0].state is B


def test_nothing_is_saved_before_everything_is_confirmed():
    _, devices, log, *_ = run({}, {}, {})
    assert [d.startup for d in devices] == ["new"] * 3
    first = min(n for n, (_, request) in enumerate(log) if request is Request.SAVE)
    assert all(request is Request.SAVE for _, request in log[first:])


@pytest.mark.parametrize(
    ("fault", "state", "startup"),
    [
        ({"save": "refused"}, U, "old"),
        ({"save": "lost"}, C, "new"),
        ({"save": "lost after"}, C, "new"),
        ({"save": "dead"}, U, "old"),
        ({"save": "lost", "resave": "refused"}, U, "old"),
    ],
)
def test_a_device_that_does_not_save_says_so_and_the_others_do(fault, state, startup):
    states, devices, *_ = run(fault, {}, {})
    assert states == [state, C, C]
    assert [d.startup for d in devices] == [startup, "new", "new"]
    assert all(d.running == "new" for d in devices)


def test_what_was_confirmed_when_another_failed_is_saved():
    states, devices, *_ = run({}, {"confirm": "lost after", "reconfirm": "dead"}, {})
    assert states == [C, D, B]
    assert [d.startup for d in devices] == ["new", "old", "old"]


def test_what_verification_does_not_like_is_given_up():
    def object_():
        raise PlanError([])

    states, _devices, _, outcomes, objection = run({}, {}, verify=object_)
    assert states == [B, B]
    assert isinstance(objection, PlanError)
    assert all(o.error is None for o in outcomes)


def test_verification_sees_the_change_running_everywhere():
    seen = []
    log = []
    devices = [Device(f"r{n}", log) for n in range(3)]
    roll_out([devices], verify=lambda: seen.extend((d.running, d.pending) for d in devices))
    assert seen == [("new", True)] * 3


def test_a_wave_commits_after_the_one_before_it():
    def egress_first(devices):
        return [[devices[2]], [devices[0], devices[1]]]

    log = []
    devices = [Device(f"r{n}", log) for n in (1, 2, 3)]
    roll_out(egress_first(devices))
    assert [d for d, r in log if r is Request.COMMIT] == ["r3", "r1", "r2"]
    assert [d for d, r in log if r is Request.LOCK] == ["r3", "r1", "r2"]
    read = log.index(("r3", Request.READ_RUNNING))
    assert read < log.index(("r1", Request.COMMIT))


def test_an_interrupt_leaves_no_device_provisional():
    log = []
    devices = [Device(f"r{n}", log) for n in range(3)]
    original = devices[1].perform

    def interrupted(request):
        if request is Request.READ_RUNNING:
            raise KeyboardInterrupt
        return original(request)

    devices[1].perform = interrupted
    with pytest.raises(KeyboardInterrupt):
        roll_out([devices])
    assert [d.running for d in devices] == ["old", "new", "old"]


def test_the_journal_hears_of_a_state_before_its_request_goes_out():
    heard = []
    log = []

    class Listening(Device):
        def perform(self, request):
            assert heard[-1][0] == self.device
            heard.append((self.device, request))
            return super().perform(request)

    roll_out([[Listening("r1", log)]], record=lambda d, s: heard.append((d, s)))
    assert heard[:2] == [("r1", State.LOCKING), ("r1", Request.LOCK)]
    assert heard[-1] == ("r1", State.COMMITTED)


def refused_while_pending(device):
    """It said that nothing was pending when something was: no client can know better."""
    return ("refused", Request.RECONFIRM) in device.told


faults = st.dictionaries(
    st.sampled_from([r.name.lower() for r in Request]),
    st.sampled_from(["refused", "lost", "lost after", "dead"]),
    max_size=3,
)


@given(st.lists(faults, min_size=1, max_size=4), st.booleans())
def test_no_outcome_ever_claims_what_is_not_so(plan, threads):
    """Whatever fails: COMMITTED runs the new, ROLLED_BACK the old, and doubt is real doubt."""
    if threads:
        with ThreadPoolExecutor(4) as pool:
            states, devices, *_ = run(*plan, run=lambda f, m: list(pool.map(f, m)))
    else:
        states, devices, *_ = run(*plan)
    for state, device in zip(states, devices, strict=True):
        assert state in (C, B, D, X, U)
        if state in (C, U):
            assert device.running == "new"
        if state is C:
            assert device.startup == "new"
            assert not device.pending or refused_while_pending(device)
        if state is B:
            assert (device.running, device.startup) == ("old", "old")
        if state is X:
            assert device.running == "old" or device.pending


def test_a_server_that_says_ok_to_a_cancel_and_does_nothing_is_in_doubt():
    log = []
    liar, honest = Device("r1", log), Device("r2", log, read_running="refused")
    original = liar.perform
    liar.perform = lambda r: Event.OK if r is Request.CANCEL else original(r)
    outcomes, _ = roll_out([[liar, honest]])
    assert [o.state for o in outcomes] == [D, B]
