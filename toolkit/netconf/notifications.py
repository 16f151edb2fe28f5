"""The event stream NETCONF and subscriptions to it.  RFC 5277.  Pure.

Times are Unix seconds.  An event goes to every subscription at the moment at which it is logged;
what a subscription has for its session waits in it until it is taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from toolkit.netconf.events import NOTIFICATION_COMPLETE, REPLAY_COMPLETE
from toolkit.netconf.names import NOTIFICATION_NS, STREAMS_NS
from toolkit.netconf.tree import Node, QName

STREAM: Final = "NETCONF"
LOG_SIZE: Final = 1000
"""Events that are kept for replay."""


@dataclass(frozen=True, slots=True)
class Event:
    time: float
    content: Node


class Subscription:
    """One session's subscription."""

    def __init__(
        self,
        accepts: Callable[[Node], bool],
        *,
        start: float | None = None,
        stop: float | None = None,
    ) -> None:
        """`accepts` is the filter.  `start` asks for a replay, `stop` ends the subscription."""
        self.stop = stop
        self.over = False
        """notificationComplete was sent: the session may subscribe again."""
        self._accepts, self._start = accepts, start
        self._waiting: list[Node] = []

    def replay(self, log: EventLog, now: float) -> None:
        """Queue what was asked of the past (section 2.1.1)."""
        if self._start is None:
            return
        for event in log.events:
            if event.time >= self._start:
                self.offer(event)
        self._waiting.append(notification(now, REPLAY_COMPLETE))

    def offer(self, event: Event) -> None:
        late = self.stop is not None and event.time > self.stop
        if not self.over and not late and self._accepts(event.content):
            self._waiting.append(notification(event.time, event.content))

    def take(self, now: float) -> list[Node]:
        """Return the notifications to send."""
        if self.stop is not None and now >= self.stop and not self.over:
            self.over = True
            self._waiting.append(notification(now, NOTIFICATION_COMPLETE))
        taken, self._waiting = self._waiting, []
        return taken


class EventLog:
    """The stream: the last events, for replay, and who listens."""

    def __init__(self, size: int = LOG_SIZE) -> None:
        self.events: deque[Event] = deque(maxlen=size)
        self.subscriptions: dict[int, Subscription] = {}
        """Subscription by session."""
        self.created: float | None = None
        """When logging began."""
        self.aged: float | None = None
        """Time of the last event that is no longer there."""

    def add(self, time: float, content: Node) -> None:
        if self.created is None:
            self.created = time
        if len(self.events) == self.events.maxlen:
            self.aged = self.events[0].time
        event = Event(time, content)
        self.events.append(event)
        for subscription in self.subscriptions.values():
            subscription.offer(event)

    def subscribe(self, session: int, subscription: Subscription, now: float) -> None:
        subscription.replay(self, now)
        self.subscriptions[session] = subscription

    def take(self, session: int, now: float) -> list[Node]:
        """Return the notifications for `session`; a subscription that is over goes."""
        subscription = self.subscriptions.get(session)
        if subscription is None:
            return []
        taken = subscription.take(now)
        if subscription.over:
            del self.subscriptions[session]
        return taken

    def listed(self) -> Node:
        """Return /netconf/streams (section 3.2.5.1)."""
        times = [
            _leaf(name, date_and_time(time))
            for name, time in (
                ("replayLogCreationTime", self.created), ("replayLogAgedTime", self.aged),
            )
            if time is not None
        ]  # fmt: skip
        stream = _inner(
            "stream",
            _leaf("name", STREAM),
            _leaf("description", "all events of this router"),
            _leaf("replaySupport", "true"),
            *times,
        )
        return _inner("netconf", _inner("streams", stream))


def notification(time: float, content: Node) -> Node:
    moment = Node(QName(NOTIFICATION_NS, "eventTime"), date_and_time(time))
    return Node(QName(NOTIFICATION_NS, "notification"), children=(moment, content))


def date_and_time(time: float) -> str:
    """Return Unix seconds as yang:date-and-time (RFC 6991)."""
    moment = datetime.fromtimestamp(time, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_time(text: str) -> float:
    """Return a dateTime of RFC 3339 in Unix seconds.  Raises ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or "T" not in text:
        raise ValueError(f"{text!r} has no time zone")
    return moment.timestamp()


def _inner(local: str, *children: Node) -> Node:
    return Node(QName(STREAMS_NS, local), children=children)


def _leaf(local: str, value: str) -> Node:
    return Node(QName(STREAMS_NS, local), value)
