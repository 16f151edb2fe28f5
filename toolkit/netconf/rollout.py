"""One change on many devices: prepare, commit, confirm, save; each everywhere before the next.

Pure: sessions, the way to run work side by side, and the journal are given.  A phase begins when
all devices have ended the one before; the first failure gives the change up on every device that
still can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from toolkit.errors import DeviceError, ExitCode, ToolkitError
from toolkit.netconf.transaction import FORWARD, Event, Request, State, Transaction


class JournalError(ToolkitError):
    """What was about to be done cannot be written down, so it is not done."""

    exit_code = ExitCode.ROLLED_BACK


class Session(Protocol):
    """A way to one device."""

    @property
    def device(self) -> str: ...

    @property
    def reverts(self) -> bool:
        """A change that nobody confirms goes away by itself there."""
        ...

    def perform(self, request: Request) -> Event:
        """Carry out `request` and return OK (RESOLVE: NEW or OLD).

        Raises DeviceError when the device refuses, ConnectionError when it is lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the change ended on one device."""

    device: str
    state: State
    error: Exception | None = None
    """The first thing that went wrong there."""


class Map(Protocol):
    """`map`, or one that works side by side and ends when all of it has ended."""

    def __call__(
        self, function: Callable[[Member], bool], members: Iterable[Member], /
    ) -> Iterable[bool]: ...


Record = Callable[[str, State], None]
"""Told each state that a device enters, before its request goes out.

Its JournalError keeps a request from going out, unless that settles what has begun."""


class Member:
    """One device of the roll-out."""

    def __init__(self, session: Session, record: Record) -> None:
        self.session = session
        self.transaction = Transaction(reverts=session.reverts)
        self.error: Exception | None = None
        self._record = record

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.session.device, self.transaction.state, self.error)

    def proceed(self) -> bool:
        """Go through the next phase.  True when it ended as it should."""
        self._drive(Event.PROCEED)
        done = self.transaction.state in (State.CONFIRMED, State.COMMITTED)
        if done and not isinstance(self.error, JournalError):
            self.error = None  # a confirmation that had to be repeated is one all the same
        return self.error is None

    def abort(self) -> bool:
        """Undo what can be undone.  True when nothing of the change is left."""
        if self.transaction.accepts(Event.ABORT):
            self._drive(Event.ABORT)
        return self.transaction.state is State.ROLLED_BACK

    def _drive(self, event: Event) -> None:
        """Feed `event` and answer every request that follows."""
        request = self.transaction.handle(event)
        noted = self._note()
        while request is not None:
            try:
                if request in FORWARD and not noted:
                    event = Event.ERROR  # as if it were refused: it does not go out
                else:
                    event = self.session.perform(request)
            except DeviceError as error:
                self.error, event = self.error or error, Event.ERROR
            except ConnectionError as error:
                self.error, event = self.error or error, Event.LOST
            request = self.transaction.handle(event)
            noted = self._note()

    def _note(self) -> bool:
        """Record the state that was entered.  False: that could not be written down."""
        try:
            self._record(self.session.device, self.transaction.state)
        except JournalError as error:
            self.error = self.error or error
            return False
        return True


def _nothing(device: str, state: State) -> None:
    """Keep no journal."""


def roll_out(
    waves: Sequence[Sequence[Session]],
    *,
    verify: Callable[[], None] | None = None,
    run: Map = map,
    record: Record = _nothing,
) -> tuple[list[Outcome], ToolkitError | None]:
    """Bring the change to all devices and return how it ended on each, and why `verify` objected.

    `waves` is the order of commits: all of one wave run the change before the next wave begins
    (make before break: egress, then transit, then ingress).  `verify` is asked once everything runs
    provisionally; its ToolkitError gives the change up.

    With the built-in `map` a phase ends at its first failure; with one that works side by side
    every device of the wave has gone through it.
    """
    groups = [[Member(session, record) for session in wave] for wave in waves]
    members = [member for group in groups for member in group]
    objection: ToolkitError | None = None
    try:
        going = all(run(Member.proceed, members))
        for group in groups:
            going = going and all(run(Member.proceed, group))
        if going and verify is not None:
            try:
                verify()
            except ToolkitError as error:
                going, objection = False, error
        going = going and all(run(Member.proceed, members))
        # Saving does not stop at a failure: what is confirmed stays, wherever it is saved.
        going = going and all(list(run(Member.proceed, members)))
        if not going:
            all(list(run(Member.abort, members)))
    except BaseException:  # interrupted: no device may be left provisional
        all(list(run(Member.abort, members)))
        raise
    return [member.outcome for member in members], objection
