"""WebSockets: control messages of receivers that may not send UDP, and news for who watches.

X: part of the HTTP server.  Nothing is queued for a client: it is sent what is new when it is ready
for more, so one that does not read costs one message and is cut off after `STALL` seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import WSMsgType, web

from toolkit.delivery import control
from toolkit.errors import WireError
from toolkit.service.access import SUBPROTOCOL
from toolkit.service.hosted import HostedSession, Snapshot
from toolkit.service.model import EventsMessage
from toolkit.service.tokens import Principal
from toolkit.service.views import event_view, receiver_views, session_view

MAX_MESSAGE: Final = 64 * 1024
"""Bytes of a control message; a UDP datagram cannot hold more."""
BEAT: Final = 15.0
"""Seconds between pings."""
STALL: Final = 30.0
FIRST_EVENTS: Final = 200
"""Past events that a new client is sent."""
MAX_WATCHERS: Final = 64
REMEMBERED: Final = 8
"""Messages that are kept for the next who asks for the same."""
RATE: Final = 2000
"""Control messages in a second from one receiver; more are dropped, as a full queue would."""


class Pulse:
    """Wakes those that wait for news; used in the service's loop only."""

    def __init__(self) -> None:
        self._waiting: asyncio.Event = asyncio.Event()

    def beat(self) -> None:
        self._waiting.set()
        self._waiting = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return at the next beat, or when so many seconds have passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._waiting.wait()
        except TimeoutError:
            return


async def feedback(
    request: web.Request, hosted: HostedSession, principal: Principal
) -> web.WebSocketResponse:
    """Take control messages as binary frames until the client goes.

    Each is for the engine, in the name of the one who has proven to be it and nobody else.
    """
    socket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,), heartbeat=BEAT, max_msg_size=MAX_MESSAGE, compress=False
    )
    await socket.prepare(request)
    loop = asyncio.get_running_loop()
    window, count = loop.time(), 0
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            hosted.refused["not-binary"] += 1
            break
        now = loop.time()
        if now - window >= 1:
            window, count = now, 0
        count += 1
        if count > RATE:
            hosted.refused["too-fast"] += 1
            continue
        _take(hosted, principal, message.data)
    await socket.close()
    return socket


def _take(hosted: HostedSession, principal: Principal, data: bytes) -> None:
    try:
        name = control.parse(data).name
    except WireError:
        hosted.refused["not-a-message"] += 1
        return
    if not principal.may_be(name):
        hosted.refused["other-receiver"] += 1
        return
    if not hosted.feed(name, data):
        hosted.refused["queue-full"] += 1
        return
    hosted.upstream[name] += 1


class Newsroom:
    """Tells all who watch; a message that several wait for is made once."""

    def __init__(self, sessions: Callable[[], Iterable[HostedSession]], pulse: Pulse) -> None:
        self.watchers: Counter[str] = Counter()
        """`now`; `cut`: did not read; `full`: were not let in."""
        self._sessions = sessions
        self._pulse = pulse
        self._made: OrderedDict[tuple[str, int, int, int], tuple[str, int]] = OrderedDict()

    async def tell(self, request: web.Request) -> web.WebSocketResponse:
        """Send an EventsMessage for every session that has news, as long as the client reads."""
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), heartbeat=BEAT, max_msg_size=1024, compress=True
        )
        self.watchers["now"] += 1
        try:
            await socket.prepare(request)
            reader = asyncio.create_task(_drain(socket))
            try:
                await self._tell_news(socket, reader)
            except TimeoutError:
                self.watchers["cut"] += 1
                if request.transport is not None:
                    request.transport.abort()
            except ConnectionError:
                pass
            finally:
                reader.cancel()
            await socket.close()
        finally:
            self.watchers["now"] -= 1
        return socket

    async def _tell_news(self, socket: web.WebSocketResponse, reader: asyncio.Task[None]) -> None:
        told: dict[str, tuple[int, int]] = {}
        while not reader.done():
            for hosted in list(self._sessions()):
                key, snapshot = hosted.offer.session_id, hosted.snapshot
                version, number = told.get(key, (0, 0))
                if snapshot.version == version:
                    continue
                text, last = self._message(hosted, snapshot, version, number)
                async with asyncio.timeout(STALL):
                    await socket.send_str(text)
                told[key] = snapshot.version, last
            await self._pulse.wait(BEAT)

    def _message(
        self, hosted: HostedSession, snapshot: Snapshot, since: int, number: int
    ) -> tuple[str, int]:
        """Return what is new since a version and an event, and the number of the last event."""
        key = hosted.offer.session_id, snapshot.version, since, number
        found = self._made.get(key)
        if found is None:
            news = hosted.events(number)
            if not since:
                news = news[-FIRST_EVENTS:]
            message = EventsMessage(
                session=session_view(hosted, snapshot),
                receivers=receiver_views(hosted, snapshot, since),
                events=[event_view(e) for e in news],
            )
            found = message.model_dump_json(), news[-1].number if news else number
            self._made[key] = found
            if len(self._made) > REMEMBERED:
                self._made.popitem(last=False)
        return found


async def _drain(socket: web.WebSocketResponse) -> None:
    """Notice that the client goes; what it says is of no interest."""
    async for _ in socket:
        pass
