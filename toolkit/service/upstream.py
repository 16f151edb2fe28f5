"""The way back by WebSocket, for a receiver whose UDP does not reach the sender.

X: a thread of its own keeps the connection, and opens it again when it breaks.  Messages may be
lost, as in UDP: those that wait are bounded, and the oldest is the first to go.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import aiohttp

from toolkit.delivery.burst import Burst
from toolkit.delivery.landing import Landing
from toolkit.service.access import SUBPROTOCOL
from toolkit.service.client import Client
from toolkit.transport.udp import Batch, Wire

MAX_WAITING = 1024
FIRST_PAUSE = 0.2
LAST_PAUSE = 5.0


class Upstream:
    """Sends control messages to a session's feedback WebSocket until `close`."""

    def __init__(self, client: Client, path: str) -> None:
        self.sent = 0
        self.connections = 0
        self.problem = ""
        """Why it is not connected now."""
        self._client = client
        self._url = client.url.rstrip("/") + path
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._context = client.credentials.context() if client.url.startswith("https") else None
        self._loop = asyncio.new_event_loop()
        self._news = asyncio.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="llmsync-upstream", daemon=True)
        self._thread.start()

    def send(self, message: bytes) -> None:
        """Send it when there is a connection; never blocks."""
        self._waiting.append(message)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)

    def close(self) -> None:
        """Send what waits, if that is possible at once, and end."""
        self._closing = True
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)
        self._thread.join(LAST_PAUSE)

    def _run(self) -> None:
        self._loop.run_until_complete(self._keep())
        self._loop.close()

    async def _keep(self) -> None:
        await self._connect()
        await asyncio.sleep(0.05)  # So that the loop hears of the connection's end.

    async def _connect(self) -> None:
        pause = FIRST_PAUSE
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(
            timeout=timeout, headers=self._client.credentials.headers()
        ) as session:
            while not self._closing or (self._waiting and pause == FIRST_PAUSE):
                try:
                    async with session.ws_connect(
                        self._url, ssl=self._context if self._context is not None else True,
                        protocols=(SUBPROTOCOL,), heartbeat=15.0, max_msg_size=1024,
                    ) as socket:  # fmt: skip
                        self.problem, pause = "", FIRST_PAUSE
                        self.connections += 1
                        await self._pass_on(socket)
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    self.problem = str(error) or type(error).__name__
                if self._closing:
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE)

    async def _pass_on(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        reader = asyncio.create_task(_drain(socket))
        try:
            while not socket.closed:
                while self._waiting:
                    message = self._waiting[0]
                    await socket.send_bytes(message)
                    self.sent += 1
                    with suppress(IndexError):
                        if self._waiting[0] is message:
                            self._waiting.popleft()
                if self._closing:
                    return
                self._news.clear()
                waiting = asyncio.create_task(self._news.wait())
                await asyncio.wait({waiting, reader}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
        finally:
            reader.cancel()


class UpstreamWire:
    """A Wire whose datagrams arrive by UDP and leave by WebSocket."""

    def __init__(self, wire: Wire, upstream: Upstream) -> None:
        self._wire = wire
        self._upstream = upstream

    def fileno(self) -> int:
        return self._wire.fileno()

    def send(self, parts: Sequence[bytes | memoryview], to: tuple[str, int]) -> None:  # noqa: ARG002 - the WebSocket leads to one
        self._upstream.send(b"".join(parts))

    def send_burst(self, burst: Burst, to: tuple[str, int]) -> None:
        for packet in burst.packets():
            self.send((packet.header, packet.payload), to)

    def receive(self) -> tuple[bytes, tuple[str, int]] | None:
        return self._wire.receive()

    def receive_batch(self, landing: Landing) -> Batch | None:
        return self._wire.receive_batch(landing)


async def _drain(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass
