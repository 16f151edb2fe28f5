"""Servers that differ from RFC 6241: refused unless that is allowed, and then all or nothing.

Controllers that are killed while they push to such servers: test_push_kill.
"""

from __future__ import annotations

import pytest
from netconf_farm import payloads, standings
from netconf_memory import memory

from toolkit.errors import ExitCode, PlanError
from toolkit.netconf.faults import parse_fault
from toolkit.netconf.flavours import Flavour
from toolkit.netconf.journal import Standing
from toolkit.netconf.push import PushState, push
from toolkit.netconf.records import records
from toolkit.netconf.recovery import recover, roll_back
from toolkit.netconf.router import Device
from toolkit.yang.schema import reference_schema

__all__ = ["memory"]

NAMES = ("r1", "r2")
WAYS = {
    "rfc": (set(), "reference", "persist"),
    "base-1.0": ({Flavour.BASE_1_0}, "reference", "persist"),
    "no-running-lock": ({Flavour.NO_RUNNING_LOCK}, "no-running-lock", "persist"),
    "validate-broken": ({Flavour.VALIDATE_BROKEN}, "validate-broken", "persist"),
    "session-confirm": ({Flavour.SESSION_CONFIRM}, "reference", "session"),
    "junos": ({Flavour.JUNOS}, "junos", "junos"),
    "no-confirmed": ({Flavour.NO_CONFIRMED}, "reference", "final"),
    "writable-running": ({Flavour.WRITABLE_RUNNING}, "reference", "direct"),
}
DEGRADED = ["session-confirm", "junos", "no-confirmed", "writable-running"]
"""The ways that keep less of the promise."""


class Net:
    """Two routers of a flavour, and pushes to them."""

    def __init__(self, net):
        self.net, self.expire, self.refusing = net, net.expire, net.refusing

    @property
    def targets(self):
        return self.net.targets

    def push(self, metric=10, **options):
        return push(self.targets, payloads(metric), workers=1, **options)

    def metrics(self):
        return {
            d.running["llmsync-isis:isis"]["interface"][0]["metric"] if d.running else None
            for d in self.net.devices.values()
        }


@pytest.fixture
def start(memory):
    def run(way, *faults):
        flavours, profile, _ = WAYS[way]
        devices = [
            Device(
                name, reference_schema(), flavours=frozenset(flavours),
                faults=[f for f in map(parse_fault, faults) if f.router in ("", name)],
            )
            for name in NAMES
        ]  # fmt: skip
        return Net(memory(devices, profile))

    return run


@pytest.mark.parametrize("way", WAYS)
def test_a_push_works_changes_nothing_twice_and_can_be_undone(start, tmp_path, way):
    net = start(way)
    first = net.push(journal=tmp_path, degraded=way in DEGRADED)
    assert first.state is PushState.COMMITTED, first.outcomes
    assert net.metrics() == {10}
    (record,) = records(tmp_path)
    assert set(record.entry.ways.values()) == {WAYS[way][2]}
    assert net.push(degraded=True).state is PushState.UNCHANGED
    second = net.push(20, journal=tmp_path, degraded=True)
    net.expire()
    assert net.metrics() == {20}
    undone = roll_back(tmp_path / f"push-{second.txid}.jsonl", net.targets)
    assert undone.state is PushState.COMMITTED
    net.expire()
    assert net.metrics() == {10}
    assert standings(tmp_path) == [Standing.NEW] * 3


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (
            "session-confirm",
            "the server does not offer urn:ietf:params:netconf:capability:confirmed-commit:1.1; "
            "--allow-degraded pushes all the same: the change cannot be confirmed when the session "
            "is lost",
        ),
        (
            "junos",
            "Junos confirms no commit by persist-id; --allow-degraded pushes all the same: the "
            "change has no persist-id, and is undone by the reverse change",
        ),
        (
            "no-confirmed",
            "the server does not offer urn:ietf:params:netconf:capability:confirmed-commit:1.1; "
            "--allow-degraded pushes all the same: the change stays at once, and is undone by the "
            "reverse change",
        ),
        (
            "writable-running",
            "the server does not offer urn:ietf:params:netconf:capability:candidate:1.0, "
            "urn:ietf:params:netconf:capability:confirmed-commit:1.1; --allow-degraded pushes all "
            "the same: running is edited without a candidate, and undone by the reverse change",
        ),
    ],
)
def test_what_keeps_less_of_the_promise_is_asked_for(start, way, message):
    net = start(way)
    report = net.push()
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert [str(o.error) for o in report.outcomes] == [
        f"{name}: operation-not-supported: {message}" for name in NAMES
    ]
    assert net.metrics() == {None}


def test_the_wrong_profile_is_noticed_where_validate_is_broken(start):
    net = start("validate-broken")
    net.net.profile = "reference"
    report = net.push()
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert "running is not what was written" in str(report.outcomes[0].error)
    assert net.metrics() == {None}


@pytest.mark.parametrize("way", WAYS)
def test_verification_gives_the_change_up_on_all(start, way):
    net = start(way)
    net.push(degraded=True)

    def verify():
        assert net.metrics() == {20}
        raise PlanError([])

    report = net.push(20, verify=verify, degraded=True)
    assert report.state is PushState.ROLLED_BACK, report.outcomes
    assert net.metrics() == {10}
    net.expire()
    assert net.metrics() == {10}


@pytest.mark.parametrize("way", WAYS)
def test_a_router_that_refuses_the_commit_leaves_all_as_they_were(start, way):
    net = start(way)
    net.push(degraded=True)
    net.refusing.add("r2")
    report = net.push(20, degraded=True)
    assert report.state is PushState.ROLLED_BACK, report.outcomes
    assert net.metrics() == {10}


LOSSES = [
    f"r2/{kind}:{operation}"
    for kind in ("drop-before", "drop-after")
    for operation in ("lock", "edit-config", "validate", "commit", "confirm", "get-config#4")
]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("way", WAYS)
def test_a_session_that_is_lost_ends_all_new_or_all_old(start, tmp_path, way, loss):
    """In doubt it may be, but not half changed, and a recovery ends it either way."""
    net = start(way, loss)
    report = net.push(20, journal=tmp_path, degraded=True)
    for router in net.metrics():
        assert router in (None, 20)
    if report.state is PushState.COMMITTED:
        assert net.metrics() == {20}
    elif report.state in (PushState.ROLLED_BACK, PushState.UNREACHABLE):
        net.expire()
        assert net.metrics() == {None}
    else:
        resume = loss.startswith("r2/drop-before")
        again = recover(report.journal, net.targets, resume=resume)
        assert again.exit_code is ExitCode.OK, again.outcomes
        net.expire()
        assert net.metrics() == {20 if resume else None}
