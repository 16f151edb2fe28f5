"""The table of cases against the embedded router: by its engine, and over SSH with ncclient."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ncclient import manager
from ncclient.operations import RaiseMode
from ncclient.xml_ import to_ele
from netconf_cases.case import BASE, Case, Error
from netconf_cases.judge import problems
from netconf_cases.table import CASES

from toolkit.netconf.device import DEFAULT_USER, DeviceFarm
from toolkit.netconf.framing import Deframer, Framing, frame
from toolkit.netconf.messages import hello
from toolkit.netconf.names import BASE_1_1
from toolkit.netconf.router import Device
from toolkit.netconf.session import ServerSession
from toolkit.yang.schema import reference_schema


def numbered(request: str, ids: dict[int, str]) -> str:
    """Put session-ids where the request says {1} or {2}."""
    for session, number in ids.items():
        request = request.replace(f"{{{session}}}", number)
    return request


def rooted(request: str) -> str:
    """Return an operation as a document of its own, in the namespace of <rpc>."""
    start, end = re.match(r"(<[\w-]+)([^>]*)", request).groups()
    own = "" if " xmlns=" in end else f' xmlns="{BASE}"'
    return start + own + request[len(start) :]


class EngineClient:
    """A session of the engine, without a wire."""

    def __init__(self, device: Device) -> None:
        self.session = ServerSession(device)
        self.id = str(self.session.session_id)
        self.incoming = Deframer()
        self.session.receive(frame(hello([BASE_1_1]), Framing.END_OF_MESSAGE), 0.0)
        self.incoming.framing = Framing.CHUNKED

    def ask(self, request: str) -> str:
        message = f'<rpc xmlns="{BASE}" message-id="1">{request}</rpc>'.encode()
        self.incoming.feed(self.session.receive(frame(message, Framing.CHUNKED), 0.0))
        while (reply := self.incoming.next_message()) is not None:
            if b"rpc-reply" in reply:
                return reply.decode()
        raise AssertionError("no reply")


def test_the_judge_sees_what_is_wrong() -> None:
    """A table whose judge passes everything would prove nothing."""
    case = next(c for c in CASES if c.name == "create of what exists")
    device = Device("r1", reference_schema())
    client = EngineClient(device)
    for step in case.steps:
        reply = client.ask(step.request)
        (error,) = step.errors or (None,)
        if error is not None:
            for wrong in (
                Error("data-missing"), replace(error, path="/x:y"), replace(error, type="rpc"),
                replace(error, info=(("bad-element", "x"),)), replace(error, app_tag="x"),
            ):  # fmt: skip
                assert problems(replace(step, errors=(wrong,)), reply, exact=True)
            assert problems(replace(step, errors=(error, error)), reply, exact=True)
        assert problems(replace(step, errors=(), data="<x/>"), reply, exact=True)
        assert problems(replace(step, errors=(Error("x"),)), reply, exact=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_by_the_engine(case: Case) -> None:
    device = Device("r1", reference_schema())
    clients: dict[int, EngineClient] = {}
    for step in case.steps:
        client = clients.setdefault(step.session, None) or EngineClient(device)
        clients[step.session] = client
        request = numbered(step.request, {n: c.id for n, c in clients.items()})
        assert problems(step, client.ask(request), exact=True) == [], step
        assert {n for n, c in clients.items() if c.session.closed} == set(step.ends)
        for ended in step.ends:
            del clients[ended]


@pytest.fixture(scope="module")
def farm():
    """One router a case, so that no case sees what another left."""
    schema = reference_schema()
    with DeviceFarm([Device(f"r{n}", schema) for n in range(len(CASES))]) as running:
        yield running


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.id for case in CASES])
def test_over_ssh_with_ncclient(farm: DeviceFarm, number: int) -> None:
    case = CASES[number]
    host, port = farm.addresses[f"r{number}"]
    managers: dict[int, manager.Manager] = {}

    def connect() -> manager.Manager:
        opened = manager.connect(
            host=host, port=port, username=DEFAULT_USER,
            password=farm.users[DEFAULT_USER].password, hostkey_b64=farm.host_keys[
                f"r{number}"].split()[1], look_for_keys=False, allow_agent=False, timeout=30,
        )  # fmt: skip
        opened.raise_mode = RaiseMode.NONE
        return opened

    try:
        for step in case.steps:
            if step.session not in managers:
                managers[step.session] = connect()
            request = numbered(step.request, {n: m.session_id for n, m in managers.items()})
            element = to_ele(rooted(request))
            reply = managers[step.session].rpc(element)
            assert problems(step, reply.xml, exact=True) == [], step
            for ended in step.ends:
                managers.pop(ended)
    finally:
        for opened in managers.values():
            opened.close_session()
