"""Where the engine's thread and the service's meet: one session.

The engine's loop calls `turn` each time round; the service's thread reads what `turn` has published
and leaves commands and control messages, which `turn` takes.  Nothing of the engine is touched by
another thread, and nothing the service does can stop a delivery but a command that says so: an
error in here ends the publishing, never the loop.

Runs in two threads; every method says which may call it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from toolkit.delivery.admission import AuditRecord
from toolkit.delivery.events import Ignored, Joined, SenderOutput, Settled
from toolkit.delivery.model import ReceiverResult, Standing
from toolkit.delivery.ports import Source
from toolkit.delivery.progress import Cohort, ReceiverProgress, SessionProgress
from toolkit.service.offer import Event, Kind, Offer

PERIOD = 0.5
"""Seconds between two snapshots, at least; making one takes 2 % of the engine's time at most."""
HISTORY = 2000
"""Events that are kept."""
MAX_WAITING = 4096
"""Control messages that may wait for the engine; more are dropped, as UDP would."""


class Engine(Protocol):
    """What is asked of a Sender."""

    @property
    def finished(self) -> bool: ...

    def receive(self, receiver: str, message: bytes, now: float) -> list[SenderOutput]: ...

    def progress(self, now: float) -> SessionProgress: ...

    def results(self) -> list[ReceiverResult]: ...

    def abort(self, reason: str) -> None: ...

    def evict(self, receiver: str, reason: str) -> bool:
        """Serve a receiver no longer; False: it is not of this session."""
        ...

    def admit(self, receiver: str, now: float) -> bool:
        """Let a receiver join, whether it was listed or not; False: there is no room for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """End the session for all."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict:
    """End the session for one receiver."""

    receiver: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """Let a receiver in, and send its packets to `address`."""

    receiver: str
    by: str
    address: tuple[str, int] | None = None


Command = Abort | Evict | Admit


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A session as it was published last."""

    version: int
    progress: SessionProgress
    results: tuple[ReceiverResult, ...]
    changed: dict[str, int]
    """Receiver -> version in which it last changed."""
    refused: dict[str, int]
    """Control messages that were refused, by reason."""
    settled: bool
    """Nothing more will change."""


@dataclass(slots=True, eq=False)
class _Asked:
    command: Command
    answer: Future[bool]


class HostedSession:
    """One sender's session, seen from both sides."""

    def __init__(
        self,
        engine: Engine,
        source: Source,
        offer: Offer,
        addresses: dict[str, tuple[str, int]],
        names: list[str],
        refused: Counter[str] | None = None,
    ) -> None:
        """`addresses` and `names` are those that the runtime sends by; an Admit adds to both.

        `refused`: where the runtime counts control messages that it refuses, by reason; what comes
        by WebSocket and is refused by the engine is counted there, too.
        """
        self.offer = offer
        self.source = source
        self.refused: Counter[str] = Counter()
        """Service's thread: what was turned away, by reason."""
        self.https_bytes: Counter[str] = Counter()
        """Service's thread: bytes of files fetched over HTTPS, by receiver."""
        self.upstream: Counter[str] = Counter()
        """Service's thread: control messages that came by WebSocket, by receiver."""
        self._engine = engine
        self._refused = Counter() if refused is None else refused
        """Engine's thread."""
        self._addresses = addresses
        self._configured = frozenset(addresses)
        self._names = names
        self._inbox: deque[_Asked | tuple[str, bytes]] = deque()
        self._events: deque[Event] = deque(maxlen=HISTORY)
        self._records: deque[AuditRecord] = deque(maxlen=HISTORY)
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._last: dict[str, ReceiverProgress] = {}
        self._changed: dict[str, int] = {}
        self._due = 0.0
        self._closed = False
        self._broken = ""
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._begun = time.time()
        self._number = 0
        self._note(Kind.STARTED)
        self._snapshot = self._take(time.monotonic(), 1)

    # ----- any thread

    @property
    def snapshot(self) -> Snapshot:
        """What was published last; a value that does not change."""
        return self._snapshot

    @property
    def begun(self) -> float:
        """Seconds since the epoch when it was offered."""
        return self._begun

    @property
    def broken(self) -> str:
        """Why nothing is published any more; empty: all is well."""
        return self._broken

    def listed(self, receiver: str) -> bool:
        return receiver in self._snapshot.changed

    def events(self, after: int = 0) -> list[Event]:
        """The events with a number above `after` that are still kept."""
        while True:
            try:
                return [e for e in self._events if e.number > after]
            except RuntimeError:
                continue  # The other thread appended meanwhile; it does so rarely.

    # ----- the service's thread

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` (from the engine's thread) whenever something was published."""
        self._listeners = (*self._listeners, heard)

    def ask(self, command: Command) -> Future[bool]:
        """Leave a command for the engine; the answer says whether it made a difference."""
        answer: Future[bool] = Future()
        self._inbox.append(_Asked(command, answer))
        if self._closed:
            self._refuse_waiting()
        self._ring()
        return answer

    def feed(self, receiver: str, message: bytes) -> bool:
        """Leave a control message of `receiver`; False: too many wait and it was dropped."""
        if self._closed or len(self._inbox) >= MAX_WAITING:
            return False
        self._inbox.append((receiver, message))
        self._ring()
        return True

    def note(self, record: AuditRecord) -> None:
        """Leave something for the audit log."""
        self._records.append(record)

    # ----- the engine's thread

    def records(self) -> list[AuditRecord]:
        """Take what was left for the audit log since the last call."""
        return [self._records.popleft() for _ in range(len(self._records))]

    def fileno(self) -> int:
        """Becomes readable when there is something for `turn`."""
        return self._bell

    def turn(self, outputs: Iterable[SenderOutput], now: float) -> list[SenderOutput]:
        """Take what the service left and publish what is new; return what came of it."""
        answers: list[Callable[[], None]] = []
        more = self._take_inbox(now, answers) if self._inbox else []
        if not self._broken:
            try:
                self._publish([*outputs, *more], now)
            except Exception as error:  # noqa: BLE001 - watching must never end what is watched
                self._broken = f"{type(error).__name__}: {error}"
        for answer in answers:
            answer()  # After publishing: whoever asked sees what came of it.
        return more

    def close(self, now: float) -> None:
        """The engine has ended: publish the last state; commands are refused from now on."""
        if self._closed:
            return
        self._closed = True
        self._refuse_waiting()
        if not self._broken:
            progress = self._engine.progress(now)
            kind = Kind.ABORTED if progress.failure else Kind.FINISHED
            self._note(kind, text=progress.failure)
            self._snapshot = self._take(now, self._snapshot.version + 1)
            self._tell()

    def release(self) -> None:
        """Give the bell back, when neither thread uses this any more."""
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1

    def _ring(self) -> None:
        if self._bell >= 0:
            os.eventfd_write(self._bell, 1)

    def _take_inbox(self, now: float, answers: list[Callable[[], None]]) -> list[SenderOutput]:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        more: list[SenderOutput] = []
        for _ in range(len(self._inbox)):
            item = self._inbox.popleft()
            if isinstance(item, tuple):
                came = self._engine.receive(item[0], item[1], now)
                self._refused.update(str(o.kind) for o in came if isinstance(o, Ignored))
                more += came
            elif item.answer.set_running_or_notify_cancel():
                try:
                    done = self._obey(item.command, now)
                except Exception as error:  # noqa: BLE001 - the one who asked must hear of it
                    answers.append(partial(item.answer.set_exception, error))
                else:
                    answers.append(partial(item.answer.set_result, done))
                self._due = 0.0
        return more

    def _obey(self, command: Command, now: float) -> bool:
        match command:
            case Abort(by=by, reason=reason):
                self._engine.abort(reason)
                self._note(Kind.ABORTED, by=by, text=reason)
                return True
            case Evict(receiver=name, by=by, reason=reason):
                gone = self._engine.evict(name, reason)
                if gone:
                    self._note(Kind.EVICTED, name, by=by, text=reason)
                return gone
            case Admit(receiver=name, by=by, address=address):
                admitted = self._engine.admit(name, now)
                if admitted:
                    if name not in self._names:
                        self._names.append(name)
                    if address is not None and name not in self._configured:
                        self._addresses[name] = address
                    self._note(Kind.ADMITTED, name, by=by)
                return admitted

    def _refuse_waiting(self) -> None:
        while True:
            try:
                item = self._inbox.popleft()
            except IndexError:
                return
            if isinstance(item, _Asked) and item.answer.set_running_or_notify_cancel():
                item.answer.set_result(False)

    def _publish(self, outputs: list[SenderOutput], now: float) -> None:
        for output in outputs:
            match output:
                case Joined(receiver=name):
                    self._note(Kind.JOINED, name)
                case Settled(result=result):
                    kind = Kind.COMPLETE if result.complete else Kind.FAILED
                    self._note(kind, result.receiver, text=result.reason)
                    self._due = 0.0
                case Ignored():
                    pass
        if now < self._due:
            return
        begin = time.monotonic()
        self._snapshot = self._take(now, self._snapshot.version + 1)
        self._due = now + max(PERIOD, 50 * (time.monotonic() - begin))
        self._tell()

    def _take(self, now: float, version: int) -> Snapshot:
        progress = self._engine.progress(now)
        for row in progress.receivers:
            before = self._last.get(row.receiver)
            if row != before:
                self._changed[row.receiver] = version
                self._last[row.receiver] = row
                if before is not None:
                    self._compare(before, row)
        return Snapshot(
            version=version, progress=progress, results=tuple(self._engine.results()),
            changed=dict(self._changed), refused=dict(self._refused), settled=self._closed,
        )  # fmt: skip

    def _compare(self, before: ReceiverProgress, row: ReceiverProgress) -> None:
        """Note what no output of the engine says."""
        if row.standing is Standing.LOST and before.standing is not Standing.LOST:
            self._note(Kind.LOST, row.receiver, text=row.why)
        if row.cohort is not before.cohort and row.cohort is not Cohort.MAIN:
            self._note(Kind.COHORT, row.receiver, text=f"{row.cohort}: {row.why}".strip(": "))

    def _note(self, kind: Kind, receiver: str = "", *, by: str = "", text: str = "") -> None:
        self._number += 1
        self._events.append(
            Event(
                number=self._number, at=time.time(), kind=kind, receiver=receiver, by=by, text=text
            )
        )

    def _tell(self) -> None:
        for heard in self._listeners:
            heard()
