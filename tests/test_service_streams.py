"""WebSockets: a delivery whose feedback is one, messages in others' names, clients that stall."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from contextlib import AsyncExitStack, ExitStack

import aiohttp
import pytest
from net import TRUSTED, MemorySink
from service_site import (
    PEOPLE,
    Api,
    Badge,
    Running,
    badge,
    browse,
    joined,
    make_running,
    serving,
    validate,
    wait_until,
)

from toolkit.delivery.control import Join, Message
from toolkit.delivery.model import Standing
from toolkit.delivery.receiver import Receiver
from toolkit.service import streams
from toolkit.service.access import SUBPROTOCOL
from toolkit.service.client import Client, Credentials
from toolkit.service.openapi import document
from toolkit.service.server import Service, Settings
from toolkit.service.upstream import Upstream, UpstreamWire
from toolkit.transport import udp
from toolkit.transport.address import Address


@pytest.fixture
def people() -> Badge:
    return badge(**PEOPLE)


def guarded(people: Badge) -> Settings:
    return Settings(host="127.0.0.1", port=0, tokens=people.tokens)


def bearer(people: Badge, who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {people.secret[who]}"}


def message(name: str, tsi: int = 0) -> bytes:
    return Message(tsi=tsi, incarnation=1, name=name, body=Join()).encode()


def bound(stack: ExitStack) -> socket.socket:
    sock = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    sock.bind(("127.0.0.1", 0))
    return sock


# ----- feedback


def test_a_delivery_whose_receivers_never_send_a_datagram(people: Badge) -> None:
    """Data by UDP, everything back by WebSocket; the control port hears nothing."""
    running = make_running(timeout=20.0)
    files = running.source.files
    sinks = {name: MemorySink(files) for name in ("fra", "lon")}
    with ExitStack() as stack:
        control = bound(stack)
        service = stack.enter_context(serving(running, settings=guarded(people), engines=False))
        threads, heard = [], []
        for name, sink in sinks.items():
            sock = bound(stack)
            api = Api(service, people.secret)
            body = {"receiver": name, "port": sock.getsockname()[1]}

            def receive(
                name: str = name, sink: MemorySink = sink, sock: socket.socket = sock,
                api: Api = api, body: dict[str, object] = body,
            ) -> None:  # fmt: skip
                told = api("POST", f"{running.path}/receivers", name, body=body).json()
                client = Client(service.url, Credentials(token=people.secret[name]))
                upstream = Upstream(client, told["feedback"])
                receiver = Receiver(
                    name, sink, trusted=TRUSTED, incarnation=1, chance=random.Random(1).random,
                    tsi=told["tsi"], timeout=20.0,
                )  # fmt: skip
                wire = UpstreamWire(udp.SocketWire(sock), upstream)
                udp.run_receiver(receiver, [wire], Address(socket.AF_INET, "x", 1), lambda _: None)
                upstream.close()
                heard.append((name, upstream.sent, upstream.connections))

            threads.append(threading.Thread(target=receive))
            threads[-1].start()

        def watch(outputs: list[object]) -> None:
            running.hosted.turn(outputs, time.monotonic())  # type: ignore[arg-type]

        udp.run_sender(
            running.sender, running.names, udp.SocketWire(control), running.addresses, None, watch,
            (running.hosted.fileno(),),
        )  # fmt: skip
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert [r.standing for r in running.sender.results()] == [Standing.COMPLETE] * 2
        assert all(sink.placed == files for sink in sinks.values())
        control.setblocking(False)
        with pytest.raises(BlockingIOError):
            control.recv(100)
        assert {name for name, sent, connections in heard if sent and connections} == set(sinks)
        assert set(running.hosted.upstream) == set(sinks)
        running.hosted.close(time.monotonic())


def speak(
    service: Service, running: Running, people: Badge, who: str, frames: list[bytes | str]
) -> int | None:
    """Send frames as `who`; return why the service closed, if it did."""

    async def work(session: aiohttp.ClientSession) -> int | None:
        url = f"{service.url}{running.path}/feedback"
        async with session.ws_connect(url, headers=bearer(people, who)) as ws:
            for frame in frames:
                if isinstance(frame, str):
                    await ws.send_str(frame)
                else:
                    await ws.send_bytes(frame)
            with_answer = await ws.receive(timeout=0.5) if frames and _closes(frames) else None
            return None if with_answer is None else ws.close_code

    try:
        code = browse(service, work)
    except TimeoutError:
        return None
    return code if code is None else int(code)


def _closes(frames: list[bytes | str]) -> bool:
    return isinstance(frames[-1], str) or len(frames[-1]) > streams.MAX_MESSAGE


def test_a_message_in_anothers_name_is_refused_and_counted(people: Badge) -> None:
    running = make_running()
    with serving(running, settings=guarded(people)) as service:
        speak(service, running, people, "fra", [message("lon"), b"rubbish", message("fra")])
        wait_until(lambda: running.sender.active == 0b01)
        assert running.hosted.refused == {"other-receiver": 1, "not-a-message": 1}
        assert running.hosted.upstream == {"fra": 1}


def test_text_and_what_is_too_long_end_the_connection(people: Badge) -> None:
    running = make_running()
    with serving(running, settings=guarded(people)) as service:
        speak(service, running, people, "fra", ["hello"])
        wait_until(lambda: running.hosted.refused["not-binary"] == 1)
        huge = bytes(streams.MAX_MESSAGE + 1)
        assert speak(service, running, people, "fra", [huge]) == 1009


def test_too_many_messages_are_dropped_and_memory_is_bounded(
    people: Badge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.service.hosted.MAX_WAITING", 10)
    running = make_running()
    with serving(running, settings=guarded(people), engines=False) as service:
        speak(service, running, people, "fra", [message("fra")] * 50)
        wait_until(lambda: running.hosted.refused["queue-full"] == 40)
        assert running.hosted.upstream["fra"] == 10
    monkeypatch.setattr("toolkit.service.streams.RATE", 5)
    running = make_running(tsi=2)
    with serving(running, settings=guarded(people), engines=False) as service:
        speak(service, running, people, "fra", [message("fra")] * 8)
        wait_until(lambda: running.hosted.refused["too-fast"] >= 1)


@pytest.mark.parametrize(("who", "status"), [("", 401), ("eye", 403)])
def test_feedback_takes_a_receiver(people: Badge, who: str, status: int) -> None:
    running = make_running()
    with serving(running, settings=guarded(people)) as service:
        api = Api(service, people.secret)
        upgrade = {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }  # fmt: skip
        assert api("GET", f"{running.path}/feedback", who, headers=upgrade).status == status
        assert api("GET", f"{running.path}/feedback", "fra").status == 400, "no upgrade"


def test_the_way_back_is_opened_again(people: Badge) -> None:
    running = make_running()
    client = None
    with serving(running, settings=guarded(people)) as service:
        port = service.port
        client = Client(service.url, Credentials(token=people.secret["fra"]))
        upstream = Upstream(client, f"{running.path}/feedback")
        upstream.send(message("fra"))
        wait_until(lambda: running.hosted.upstream["fra"] == 1)
    wait_until(lambda: bool(upstream.problem))
    upstream.send(message("fra"))
    again = make_running()
    same = Settings(host="127.0.0.1", port=port, tokens=people.tokens)
    with serving(again, settings=same):
        wait_until(lambda: again.hosted.upstream["fra"] == 1)
        assert upstream.connections == 2
        upstream.close()


# ----- events


def test_news_as_they_come(people: Badge) -> None:
    running = make_running()
    whole = document()

    async def work(session: aiohttp.ClientSession) -> list[dict[str, object]]:
        got = []
        token = f"bearer.{people.secret['eye']}"
        url = f"{service.url}/v1/events"
        async with session.ws_connect(url, protocols=(SUBPROTOCOL, token)) as ws:
            assert ws.protocol == SUBPROTOCOL, "the token is not said back"
            got.append(json.loads(await ws.receive_str()))
            await asyncio.to_thread(joined, running, "lon")
            while not any(e["kind"] == "joined" for e in got[-1]["events"]):
                got.append(json.loads(await ws.receive_str()))
        return got

    with serving(running, settings=guarded(people)) as service:
        got = browse(service, work)
    for one in got:
        validate(whole, {"$ref": "#/components/schemas/EventsMessage"}, one)
    assert [r["receiver"] for r in got[0]["receivers"]] == ["fra", "lon"]
    assert [r["receiver"] for r in got[-1]["receivers"]] == ["lon"], "only what has changed"
    numbers = [e["number"] for one in got for e in one["events"]]
    assert numbers == sorted(set(numbers)) == [1, 2]


def test_a_client_that_does_not_read_costs_no_memory_and_is_cut(
    people: Badge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.service.streams.STALL", 0.5)
    monkeypatch.setattr("toolkit.service.hosted.PERIOD", 0.0)
    names = tuple(f"r{i}" for i in range(300))
    running = make_running(names)
    with serving(running, settings=guarded(people), engines=False) as service, socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", service.port))
        s.sendall(
            b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Authorization: Bearer " + people.secret["eye"].encode() + b"\r\n\r\n"
        )
        watchers = 0

        def news() -> bool:
            """Every turn is news of all 300 receivers; nobody reads them."""
            nonlocal watchers
            for name in names:
                running.hosted._last.pop(name, None)
            running.hosted._due = 0.0
            running.hosted.turn([], time.monotonic())
            watchers = max(watchers, service.newsroom.watchers["now"])
            return service.newsroom.watchers["cut"] == 1

        wait_until(news, 60)
        assert watchers == 1
        wait_until(lambda: service.newsroom.watchers["now"] == 0)


def test_watchers_are_bounded_and_share_what_is_made_for_them(
    people: Badge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.service.streams.MAX_WATCHERS", 3)
    running = make_running()

    async def work(session: aiohttp.ClientSession) -> list[str]:
        url, headers = f"{service.url}/v1/events", bearer(people, "eye")
        async with AsyncExitStack() as stack:
            got = []
            for _ in range(3):
                ws = await stack.enter_async_context(session.ws_connect(url, headers=headers))
                got.append(await ws.receive_str())
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url, headers=headers)
            assert refused.value.status == 503
        return got

    with serving(running, settings=guarded(people), engines=False) as service:
        got = browse(service, work)
        assert got[0] == got[1] == got[2]
        assert len(service.newsroom._made) == 1
        wait_until(lambda: service.newsroom.watchers["now"] == 0)


def test_connections_are_bounded_so_that_the_sender_keeps_its_descriptors(
    people: Badge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.service.server.MAX_CONNECTIONS", 5)
    running = make_running()
    with ExitStack() as stack:
        service = stack.enter_context(serving(running, settings=guarded(people)))
        for _ in range(12):
            sock = stack.enter_context(socket.socket())
            sock.connect(("127.0.0.1", service.port))
        wait_until(lambda: service.access.refused["connections"] == 7)
