"""One transaction over servers of two kinds: four of Debian's netconfd, each alone in its folder,
and two embedded routers; each target has the profile of its server.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
from netconf_farm import Payload, network, tree
from netconfd_server import MISSING, netconfd

from toolkit.errors import DeviceError, ExitCode, PlanError
from toolkit.netconf.journal import Standing, read_journal
from toolkit.netconf.push import PushReport, PushState, Target, push
from toolkit.netconf.recovery import recover, roll_back
from toolkit.netconf.runtime_ncclient import Connection
from toolkit.netconf.transaction import State

pytestmark = [
    pytest.mark.interop, pytest.mark.timeout(240),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]  # fmt: skip
YUMA = tuple(f"y{n}" for n in range(1, 5))
OURS = ("r1", "r2")
NAMES = (*YUMA, *OURS)


class Mixed:
    """All six."""

    def __init__(self, targets: list[Target]) -> None:
        self.targets = targets

    def target(self, name: str) -> Target:
        (found,) = [t for t in self.targets if t.device == name]
        return found

    def push(self, metric: int, **options: Any) -> PushReport:
        return push(self.targets, payloads(metric), timeout=20.0, **options)

    def run(self, metric: int) -> bool:
        """Tell whether every server runs its own configuration with that metric."""
        report = self.push(metric, check=True)
        assert report.state in (PushState.UNCHANGED, PushState.PENDING), report
        return report.state is PushState.UNCHANGED


def payloads(metric: int) -> dict[str, Payload]:
    return {name: Payload(tree(n, metric)) for n, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with ExitStack() as stack:
        targets = [
            replace(stack.enter_context(netconfd(tmp_path_factory.mktemp(name))), device=name)
            for name in YUMA
        ]
        routers = stack.enter_context(network(OURS, standing=False))
        yield Mixed([*targets, *routers.targets()])


@pytest.fixture
def mixed(started):
    """Every test begins with metric 10 everywhere."""
    assert started.push(10).state in (PushState.COMMITTED, PushState.UNCHANGED)
    return started


def test_a_push_over_both_kinds_changes_all_and_a_second_nothing(mixed, tmp_path):
    report = mixed.push(20, journal=tmp_path)
    assert report.state is PushState.COMMITTED, report
    assert mixed.run(20)
    assert {t.profile for t in mixed.targets} == {"yuma", "reference"}
    undone = roll_back(tmp_path / f"push-{report.txid}.jsonl", mixed.targets, timeout=20.0)
    assert undone.state is PushState.COMMITTED
    assert mixed.run(10)


def test_servers_side_by_side_have_each_their_own_configuration_and_backup(mixed):
    """A cancelled commit restores the server's own: state files of instances are not shared."""

    def verify():
        raise PlanError([])

    assert mixed.push(30, verify=verify).state is PushState.ROLLED_BACK
    assert mixed.run(10)
    lone = push([mixed.target("y2")], {"y2": Payload(tree(7, 77))}, timeout=20.0)
    assert lone.state is PushState.COMMITTED
    report = mixed.push(10, check=True)
    assert {name for name, changes in report.changes.items() if changes} == {"y2"}


def judge(mixed: Mixed, report: PushReport, word: str) -> None:
    """Only y3 has failed, and all are as they were."""
    assert report.exit_code is ExitCode.ROLLED_BACK, report
    (error,) = [str(o.error) for o in report.outcomes if o.error is not None]
    assert error.startswith("y3: ")
    assert word in error
    assert {o.state for o in report.outcomes} == {State.ROLLED_BACK}
    assert mixed.run(10)


def test_one_netconfd_that_is_locked_leaves_all_as_they_were(mixed):
    other = Connection(mixed.target("y3"), timeout=20.0, settle=0.06)
    other.request("<lock><target><candidate/></target></lock>")
    report = mixed.push(20)
    other.leave()
    judge(mixed, report, "lock-denied")


def end_sessions(target: Target) -> bool:
    """Let a server end every session but one."""
    own = Connection(target, timeout=20.0, settle=0.06)
    ended = 0
    for number in range(1, 200):
        with suppress(DeviceError):
            own.request(f"<kill-session><session-id>{number}</session-id></kill-session>")
            ended += 1
    own.leave()
    assert ended == 1
    return True


def test_one_netconfd_whose_session_ends_before_the_commit_leaves_all_as_they_were(mixed):
    report = mixed.push(20, approve=lambda _: end_sessions(mixed.target("y3")))
    judge(mixed, report, "the session was lost")


def test_one_whose_session_ends_before_the_confirmation_is_confirmed_from_another(mixed):
    report = mixed.push(20, verify=lambda: end_sessions(mixed.target("y3")) and None)
    assert report.state is PushState.COMMITTED, report
    assert mixed.run(20)


class Killed(BaseException):
    """The controller is no more."""


@pytest.mark.parametrize(
    ("resume", "late"), [(True, False), (False, False), (True, True), (False, True)]
)
def test_a_controller_killed_between_commit_and_confirmation(mixed, tmp_path, resume, late):
    def kill():
        raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("toolkit.netconf.rollout.Member.abort", lambda _: False)
        patched.setattr(Connection, "leave", Connection.close)  # no farewell
        with pytest.raises(Killed):
            mixed.push(20, verify=kill, journal=tmp_path, confirm_timeout=3 if late else 60)
    (journal,) = tmp_path.iterdir()
    assert read_journal(journal).standing is Standing.DOUBT
    if late:
        time.sleep(6)  # netconfd looks at its timer when it has had nothing to do for a second
        assert mixed.run(10)
    else:
        assert mixed.run(20)
    report = recover(journal, mixed.targets, resume=resume, timeout=20.0)
    assert report.exit_code is ExitCode.OK, report
    assert mixed.run(20 if resume else 10)
    assert read_journal(journal).standing is (Standing.NEW if resume else Standing.OLD)
