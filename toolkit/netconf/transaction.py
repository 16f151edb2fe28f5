"""One device's part in a network-wide change, as a table.  RFC 6241 sections 8.3 and 8.4.

Law: everything that affects which request follows which is in `TRANSITIONS`; nothing else decides.
Pure.

    IDLE -> LOCKING -> EDITING -> VALIDATING -> CHECKING -> PREPARED     the candidate holds it
    PREPARED -> COMMITTING -> COMPARING -> PROVISIONAL                   it runs, and may revert
    PROVISIONAL -> CONFIRMING -> CONFIRMED                               it stays
    CONFIRMED -> SAVING -> COMMITTED                                     a restart finds it, too

Nothing is saved before all devices are asked to confirm: confirmations have a deadline, and copying
running to startup (section 8.7) may take long.  On a device without startup saving is nothing.

A commit carries a persist-id, so it outlives its session and can be confirmed or cancelled from
another one. What an event of each kind means:

- ERROR: the device answered and refused.  A refused commit has changed nothing (section 8.3.4). -
LOST: the session broke while a request was out.  Before the commit nothing runs, and the lock takes
the candidate along (section 7.5).  After it the change reverts when its time is over unless it was
confirmed; so only a lost *confirmation* leaves both outcomes possible, and only until another
session can ask.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(Enum):
    """Where a device stands."""

    IDLE = "idle"
    LOCKING = "locking"
    EDITING = "editing"
    VALIDATING = "validating"
    CHECKING = "checking"
    """The candidate is read back and compared with the intent."""
    PREPARED = "prepared"
    COMMITTING = "committing"
    COMPARING = "comparing"
    """Running is read back and compared with the intent."""
    PROVISIONAL = "provisional"
    """The change runs and reverts unless it is confirmed."""
    CONFIRMING = "confirming"
    RECONFIRMING = "reconfirming"
    """The confirmation was lost on its way; it is sent again from a new session."""
    CONFIRMED = "confirmed"
    """It stays, but startup does not hold it yet."""
    SAVING = "saving"
    """Running is copied to startup."""
    RESAVING = "resaving"
    """The copy was lost on its way; it is asked for again from a new session."""
    DISCARDING = "discarding"
    CANCELLING = "cancelling"
    RECANCELLING = "recancelling"
    """The change is cancelled from a new session."""
    RESOLVING = "resolving"
    """Nothing is pending to be confirmed again: what runs tells whether the first one arrived."""
    INSPECTING = "inspecting"
    """Cancelled, or nothing was pending: what ran before should run, and is looked for."""
    COMMITTED = "committed"
    UNSAVED = "unsaved"
    """It has the new configuration for good, but a restart brings the old one back."""
    ROLLED_BACK = "rolled-back"
    EXPIRING = "expiring"
    """Out of reach with an unconfirmed change, which reverts by itself when its time is over."""
    IN_DOUBT = "in-doubt"
    """The confirmation may or may not have arrived, or the device says what cannot be."""


class Event(Enum):
    """What happened."""

    PROCEED = "the whole network is ready for the next phase"
    ABORT = "the change is given up"
    OK = "the request was carried out"
    ERROR = "the device refused the request"
    LOST = "the session broke before the answer"
    NEW = "what runs is the intent"
    OLD = "what runs is what ran before"


class Request(Enum):
    """What to do on the device."""

    LOCK = "lock"
    EDIT = "edit"
    VALIDATE = "validate"
    READ_CANDIDATE = "read candidate"
    COMMIT = "commit, to be confirmed"
    READ_RUNNING = "read running"
    CONFIRM = "confirm"
    DISCARD = "discard"
    CANCEL = "cancel"
    RECONFIRM = "confirm from a new session"
    RECANCEL = "cancel from a new session"
    RESOLVE = "find out what runs"
    SAVE = "copy running to startup"
    RESAVE = "copy running to startup from a new session"


FORWARD: Final = frozenset(
    {
        Request.LOCK,
        Request.EDIT,
        Request.VALIDATE,
        Request.READ_CANDIDATE,
        Request.COMMIT,
        Request.READ_RUNNING,
        Request.CONFIRM,
        Request.SAVE,
    }
)
"""Requests that a change can be given up before; the others settle what has begun."""

S, E, R = State, Event, Request

TRANSITIONS: Final[dict[State, dict[Event, tuple[State, Request | None]]]] = {
    S.IDLE: {E.PROCEED: (S.LOCKING, R.LOCK), E.ABORT: (S.ROLLED_BACK, None)},
    S.LOCKING: {
        E.OK: (S.EDITING, R.EDIT),
        E.ERROR: (S.ROLLED_BACK, None),
        E.LOST: (S.ROLLED_BACK, None),
    },
    S.EDITING: {
        E.OK: (S.VALIDATING, R.VALIDATE),
        E.ERROR: (S.DISCARDING, R.DISCARD),
        E.LOST: (S.ROLLED_BACK, None),
    },
    S.VALIDATING: {
        E.OK: (S.CHECKING, R.READ_CANDIDATE),
        E.ERROR: (S.DISCARDING, R.DISCARD),
        E.LOST: (S.ROLLED_BACK, None),
    },
    S.CHECKING: {
        E.OK: (S.PREPARED, None),
        E.ERROR: (S.DISCARDING, R.DISCARD),
        E.LOST: (S.ROLLED_BACK, None),
    },
    S.PREPARED: {E.PROCEED: (S.COMMITTING, R.COMMIT), E.ABORT: (S.DISCARDING, R.DISCARD)},
    S.COMMITTING: {
        E.OK: (S.COMPARING, R.READ_RUNNING),
        E.ERROR: (S.DISCARDING, R.DISCARD),
        E.LOST: (S.RECANCELLING, R.RECANCEL),
    },
    S.COMPARING: {
        E.OK: (S.PROVISIONAL, None),
        E.ERROR: (S.CANCELLING, R.CANCEL),
        E.LOST: (S.RECANCELLING, R.RECANCEL),
    },
    S.PROVISIONAL: {E.PROCEED: (S.CONFIRMING, R.CONFIRM), E.ABORT: (S.CANCELLING, R.CANCEL)},
    S.CONFIRMING: {
        E.OK: (S.CONFIRMED, None),
        E.ERROR: (S.CANCELLING, R.CANCEL),
        E.LOST: (S.RECONFIRMING, R.RECONFIRM),
    },
    S.RECONFIRMING: {
        E.OK: (S.CONFIRMED, None),
        E.ERROR: (
            S.RESOLVING,
            R.RESOLVE,
        ),  # the first one may have arrived: nothing is pending then
        E.LOST: (S.IN_DOUBT, None),
    },
    # It cannot be given up any more, so giving up saves it like going on.
    S.CONFIRMED: {E.PROCEED: (S.SAVING, R.SAVE), E.ABORT: (S.SAVING, R.SAVE)},
    S.SAVING: {
        E.OK: (S.COMMITTED, None),
        E.ERROR: (S.UNSAVED, None),
        E.LOST: (S.RESAVING, R.RESAVE),
    },
    S.RESAVING: {
        E.OK: (S.COMMITTED, None),
        E.ERROR: (S.UNSAVED, None),
        E.LOST: (S.UNSAVED, None),
    },
    # The lock goes with the session and takes the candidate along; nothing ever ran.
    S.DISCARDING: dict.fromkeys((E.OK, E.ERROR, E.LOST), (S.ROLLED_BACK, None)),
    S.CANCELLING: {
        E.OK: (S.INSPECTING, R.RESOLVE),
        E.ERROR: (S.INSPECTING, R.RESOLVE),
        E.LOST: (S.RECANCELLING, R.RECANCEL),
    },
    S.RECANCELLING: {
        E.OK: (S.INSPECTING, R.RESOLVE),
        E.ERROR: (S.INSPECTING, R.RESOLVE),  # the commit may never have arrived
        E.LOST: (S.EXPIRING, None),
    },
    S.RESOLVING: {
        E.NEW: (S.CONFIRMED, None),
        E.OLD: (S.ROLLED_BACK, None),
        E.ERROR: (S.IN_DOUBT, None),
        E.LOST: (S.IN_DOUBT, None),
    },
    S.INSPECTING: {
        E.NEW: (S.IN_DOUBT, None),  # not confirmed by us, and yet it runs
        E.OLD: (S.ROLLED_BACK, None),
        E.ERROR: (S.IN_DOUBT, None),
        E.LOST: (S.EXPIRING, None),
    },
    S.COMMITTED: {},
    S.UNSAVED: {},
    S.ROLLED_BACK: {},
    S.EXPIRING: {},
    S.IN_DOUBT: {},
}
"""State -> event -> next state, and the request that comes with it."""


LASTING: Final[dict[State, dict[Event, tuple[State, Request | None]]]] = {
    state: {
        event: (S.IN_DOUBT if target is S.EXPIRING else target, request)
        for event, (target, request) in row.items()
    }
    for state, row in TRANSITIONS.items()
}
"""The same for a device on which a change does not go away by itself."""


class Transaction:
    """Feed it events; do what it asks."""

    def __init__(self, *, reverts: bool = True) -> None:
        """`reverts`: a change that nobody confirms goes away by itself."""
        self.state = State.IDLE
        self._table = TRANSITIONS if reverts else LASTING

    def accepts(self, event: Event) -> bool:
        return event in self._table[self.state]

    def handle(self, event: Event) -> Request | None:
        """Return the request that `event` leads to.  Raises ValueError where it cannot happen."""
        try:
            self.state, request = self._table[self.state][event]
        except KeyError:
            raise ValueError(f"{event.name} is not possible in {self.state.name}") from None
        return request
