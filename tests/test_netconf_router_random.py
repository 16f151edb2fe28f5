"""Requests of the whole table in any order, from several sessions, while time passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from netconf_cases.table import CASES
from test_netconf_cases import EngineClient, numbered

from toolkit.netconf.access import read_only
from toolkit.netconf.messages import parse_reply
from toolkit.netconf.names import Datastore
from toolkit.netconf.router import Device
from toolkit.netconf.tree import to_xml
from toolkit.yang.schema import reference_schema

REQUESTS = sorted({step.request for case in CASES for step in case.steps})
SCHEMA = reference_schema()
steps = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(REQUESTS), st.sampled_from([0.0, 1.0, 400.0])),
    max_size=25,
)


class Timed(EngineClient):
    """A client whose requests come at a time."""

    def at(self, now: float, request: str) -> str:
        receive = self.session.receive
        self.session.receive = lambda data, _: receive(data, now)
        try:
            return self.ask(request)
        finally:
            self.session.receive = receive


def check(device: Device, told: list) -> None:
    """Running and startup are valid whatever was asked, and the data plane knows what runs."""
    for store in (Datastore.RUNNING, Datastore.STARTUP):
        SCHEMA.parse_xml(to_xml(device.config(store).children), "r1")
    assert device.index.from_json(device.running) == device.config(Datastore.RUNNING).children
    assert told[-1] == device.running
    assert all(device.is_open(holder) for holder in device.locks.values())
    assert set(device.stream.subscriptions) <= {peer.session for peer in device.sessions}


@given(steps)
def test_running_and_startup_are_valid_and_every_request_is_answered(sequence):
    told: list = [{}]
    device = Device("r1", SCHEMA, on_commit=told.append)
    clients: dict[int, Timed] = {}
    now = 0.0
    for session, request, pause in sequence:
        now += pause
        if session not in clients or clients[session].session.closed:
            clients[session] = Timed(device)
        text = numbered(request, {n: clients[n].id if n in clients else "9" for n in (1, 2)})
        parse_reply(clients[session].at(now, text))
        check(device, told)
    device.boot(now)
    check(device, told)
    assert device.config(Datastore.RUNNING) == device.config(Datastore.STARTUP)
    assert not device.dirty
    assert device.locks == {}


@given(steps)
def test_a_reader_changes_nothing_that_lasts(sequence):
    told: list = [{}]
    device = Device("r1", SCHEMA, on_commit=told.append, access=read_only([""], ["ann"]))
    before = [device.config(store) for store in Datastore]
    client = Timed(device)
    now = 0.0
    for _, request, pause in sequence:
        now += pause
        if client.session.closed:
            client = Timed(device)
        client.at(now, numbered(request, {1: client.id, 2: "9"}))
        assert [device.config(store) for store in Datastore] == before
    assert told == [{}]
