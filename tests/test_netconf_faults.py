"""Faults that the embedded router shows on demand: the engine, and what our push makes of them."""

from __future__ import annotations

import threading

import pytest
from netconf_farm import network
from test_netconf_session import Client

from toolkit.errors import ExitCode, UnreachableError, UsageError
from toolkit.netconf.faults import OPERATIONS, Fault, FaultKind, Trouble, parse_fault
from toolkit.netconf.framing import Deframer, Framing, frame
from toolkit.netconf.messages import parse_reply
from toolkit.netconf.names import BASE_1_0, BASE_1_1, BASE_NS, Datastore
from toolkit.netconf.push import PushState
from toolkit.netconf.recovery import recover
from toolkit.netconf.router import Device
from toolkit.netconf.runtime_ncclient import Connection
from toolkit.netconf.transaction import State
from toolkit.yang.schema import reference_schema

GET = "<get-config><source><running/></source></get-config>"
E0 = (
    '<edit-config><target><candidate/></target><config><interfaces xmlns="urn:ietf:params:xml:ns:'
    'yang:ietf-interfaces"><interface><name>e0</name><type xmlns:t="urn:ietf:params:xml:ns:yang:'
    'iana-if-type">t:ethernetCsmacd</type></interface></interfaces></config></edit-config>'
)
CONFIRMED = "<commit><confirmed/></commit>"


def router(*texts: str) -> Device:
    return Device("r1", reference_schema(), faults=tuple(map(parse_fault, texts)))


def send(client: Client, operation: str, now: float = 0.0) -> list:
    message = f'<rpc xmlns="{BASE_NS}" message-id="1">{operation}</rpc>'.encode()
    return client.send(frame(message, client.framing), now)


# ----- what people write


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop-after:commit#2", Fault(kind=FaultKind.DROP_AFTER, operation="commit", nth=2)),
        ("drop-before#7", Fault(kind=FaultKind.DROP_BEFORE, nth=7)),
        ("ams1/slow:get-config=2.5",
         Fault(kind=FaultKind.SLOW, operation="get-config", value=2.5, router="ams1")),
        ("slow", Fault(kind=FaultKind.SLOW, value=1.0)),
        ("lock-denied", Fault(kind=FaultKind.LOCK_DENIED, operation="lock")),
        ("dirty-candidate", Fault(kind=FaultKind.DIRTY_CANDIDATE)),
        ("huge-reply:get=12", Fault(kind=FaultKind.HUGE_REPLY, operation="get", value=12.0)),
        ("split-delimiter", Fault(kind=FaultKind.SPLIT_DELIMITER, value=0.05)),
        ("gone:confirm", Fault(kind=FaultKind.GONE, operation="confirm")),
        ("x/other-host-key", Fault(kind=FaultKind.OTHER_HOST_KEY, router="x")),
    ],
)  # fmt: skip
def test_a_fault_is_written_in_a_line(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("explode", "KIND is one of drop-before, drop-after, gone, slow"),
        ("slow:reboot", "OPERATION is one of get, get-config"),
        ("dirty-candidate:lock", "depends on no request"),
        ("lock-denied:commit", "concerns no other operation than lock"),
        ("gone=5", "gone takes no =VALUE"),
        ("drop-after#0", "requests are counted from #1"),
        ("slow=61", "the value is at most 60"),
        ("slow=-1", r"it has the form \[ROUTER/\]KIND"),
        ("", r"it has the form \[ROUTER/\]KIND"),
    ],
)
def test_what_is_no_fault_is_refused_with_the_remedy(text, says):
    with pytest.raises(UsageError, match=says):
        parse_fault(text)


def test_requests_are_counted_over_all_sessions():
    trouble = Trouble([parse_fault("drop-after:commit#2"), parse_fault("slow:get=3")])
    assert trouble.strikes(["get"]) == {FaultKind.SLOW: 3.0}
    assert trouble.strikes(["commit"]) == {}
    assert trouble.strikes(["commit", "confirm"]) == {FaultKind.DROP_AFTER: 0.0}
    assert trouble.strikes(["commit"]) == {}
    assert trouble.strikes(["get"]) == {FaultKind.SLOW: 3.0}


# ----- the engine


def test_a_dropped_request_has_its_effect_or_has_not():
    for kind, candidate_changed in (("drop-before", False), ("drop-after", True)):
        device = router(f"{kind}:edit-config")
        client = Client(device)
        assert send(client, E0) == []
        assert client.session.closed
        assert device.dirty is candidate_changed
        again = Client(device)
        assert again.ask(E0).errors == ()  # once


def test_the_third_request_of_all():
    client = Client(router("drop-before#3"))
    assert [len(send(client, GET)) for _ in range(3)] == [1, 1, 0]
    assert client.session.closed


@pytest.mark.parametrize(
    ("name", "strikes"),
    [("commit", 1), ("confirmed-commit", 1), ("confirm", 2), ("cancel-commit", 3)],
)
def test_commits_have_names_of_their_own(name, strikes):
    client = Client(router(f"drop-before:{name}"))
    client.ask(E0)
    answers = [len(send(client, request)) for request in (CONFIRMED, "<commit/>")]
    if not client.session.closed:
        answers.append(len(send(client, "<cancel-commit/>")))
    assert answers.index(0) + 1 == strikes
    assert name in OPERATIONS


def test_a_slow_answer_waits_for_its_time_and_those_behind_it_too():
    device = router("slow:get-config=5")
    client = Client(device)
    assert send(client, GET, 10.0) == []
    assert send(client, "<discard-changes/>", 11.0) == []
    assert client.session.deadline == 15.0
    assert client.session.pending(14.9) == b""
    client.incoming.feed(client.session.pending(15.0))
    replies = [client.incoming.next_message() for _ in range(2)]
    assert b"<data/>" in replies[0]
    assert b"<ok/>" in replies[1]
    assert client.session.deadline is None


def test_a_slow_farewell_still_goes_out():
    client = Client(router("slow:close-session=5"))
    assert send(client, "<close-session/>", 0.0) == []
    assert client.session.closed
    assert not client.session.finished
    assert b"<ok/>" in client.session.pending(5.0)
    assert client.session.finished


@pytest.mark.parametrize("version", [BASE_1_0, BASE_1_1])
def test_an_answer_in_two_pieces_is_cut_inside_its_end(version):
    client = Client(router("split-delimiter:get-config=2"), version)
    message = f'<rpc xmlns="{BASE_NS}" message-id="1">{GET}</rpc>'.encode()
    first = client.session.receive(frame(message, client.framing), 0.0)
    deframer = Deframer()
    deframer.framing = client.framing
    deframer.feed(first)
    assert deframer.next_message() is None
    second = client.session.pending(2.0)
    assert second == (b"#\n" if client.framing is Framing.CHUNKED else b"]>")
    deframer.feed(second)
    assert parse_reply(deframer.next_message()).errors == ()


def test_a_huge_answer_is_an_answer():
    client = Client(router("huge-reply:get-config=11"))
    (reply,) = send(client, GET)
    assert len(reply) > 11_000_000
    assert [c.name.local for c in parse_reply(reply).content] == ["data"]


def test_a_lock_that_is_denied_names_nobody():
    device = router("lock-denied")
    (error,) = Client(device).ask("<lock><target><running/></target></lock>").errors
    assert (error.tag, dict(error.info)) == ("lock-denied", {"session-id": "0"})
    assert device.locks == {}


def test_a_dirty_candidate_is_so_until_it_is_discarded():
    device = router("dirty-candidate")
    client = Client(device)
    lock = "<lock><target><candidate/></target></lock>"
    (error,) = client.ask(lock).errors
    assert (error.tag, dict(error.info)) == ("lock-denied", {"session-id": "0"})
    assert client.ask("<discard-changes/>").errors == ()
    assert client.ask(lock).errors == ()


# ----- what a push makes of them


@pytest.fixture
def net():
    with network(("r1", "r2", "r3")) as running:
        yield running


def strike(net, name: str, *texts: str) -> None:
    """Let faults come over a router that runs already."""
    device = net.farm.devices[name]
    device.trouble = Trouble(map(parse_fault, texts))
    device._stores.meddled = device.trouble.dirty_candidate


def states(report) -> list[State]:
    return [outcome.state for outcome in report.outcomes]


@pytest.mark.parametrize(
    "fault",
    [
        "drop-before:lock", "drop-after:lock", "drop-before:edit-config", "drop-after:edit-config",
        "drop-after:validate", "drop-before:confirmed-commit", "drop-after:confirmed-commit",
        "lock-denied", "dirty-candidate",
    ],
)  # fmt: skip
def test_a_fault_before_everything_runs_leaves_all_as_it_was(net, fault):
    net.push(10)
    strike(net, "r2", fault)
    report = net.push(20)
    assert report.state is PushState.ROLLED_BACK
    assert net.metrics() == {10}
    assert states(report) == [State.ROLLED_BACK] * 3


@pytest.mark.parametrize(
    "fault",
    [
        "drop-before:confirm", "drop-after:confirm", "drop-before:copy-config",
        "drop-after:copy-config", "huge-reply:confirmed-commit=11",
    ],
)  # fmt: skip
def test_a_fault_after_that_is_got_over(net, fault):
    net.push(10)
    strike(net, "r2", fault)
    report = net.push(20)
    assert report.state is PushState.COMMITTED, report
    assert net.metrics() == {20}
    assert {d.config(Datastore.STARTUP) == d.config(Datastore.RUNNING)
            for d in net.farm.devices.values()} == {True}  # fmt: skip


def test_answers_cut_inside_their_end_are_put_together():
    faults = (parse_fault("split-delimiter=0.01"),)
    with network(("r1", "r2"), standing=False, faults=faults) as net:
        assert net.push(20).state is PushState.COMMITTED
        assert net.metrics() == {20}


def test_a_router_that_is_gone_at_its_confirmation_is_in_doubt_and_resumed(net, tmp_path):
    net.push(10)
    strike(net, "r2", "gone:confirm")
    report = net.push(20, journal=tmp_path)
    assert report.exit_code is ExitCode.IN_DOUBT
    assert states(report) == [State.COMMITTED, State.IN_DOUBT, State.COMMITTED]
    with pytest.raises(UnreachableError):
        Connection(net.target("r2"), timeout=2.0)
    net.farm.start("r2")
    assert recover(report.journal, net.targets(), resume=True).exit_code is ExitCode.OK
    assert net.metrics() == {20}


def test_and_one_that_reverted_meanwhile_is_pushed_again(net, tmp_path):
    net.push(10)
    strike(net, "r2", "gone:confirm")
    report = net.push(20, journal=tmp_path)
    net.clock.now = 1e6
    net.farm.tick()
    assert net.metrics() == {10, 20}
    net.farm.start("r2")
    assert recover(report.journal, net.targets(), resume=True).state is PushState.COMMITTED
    assert net.metrics() == {20}


def test_a_router_with_another_key_is_not_talked_to():
    with network(("r1",), faults=(parse_fault("other-host-key"),)) as net:
        report = net.push()
        assert report.exit_code is ExitCode.UNREACHABLE
        assert "its host key is SHA256:" in str(report.outcomes[0].error)


def test_a_slow_answer_comes_when_the_devices_clock_says_so():
    with network(("r1",), faults=(parse_fault("slow:get-config=30"),)) as net:
        connection = Connection(net.target("r1"), timeout=20.0)
        session = next(iter(net.farm._wires["r1"])).session
        net.farm.call(lambda: None)

        def advance() -> None:
            while session.deadline is None:  # until the request is there
                net.farm.tick()
            net.clock.now = 30.0
            net.farm.tick()

        helper = threading.Thread(target=advance)
        helper.start()
        assert connection.request(GET).errors == ()
        helper.join()
        connection.leave()
