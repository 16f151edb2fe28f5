"""The sender's door for control messages: who may say what in whose name.

Without a token a message must come from its receiver's address, the one that is given or the one
it first spoke from; with a token its authentication code says who it is from.  Starts of receivers
are counted against a quota.  What is refused is counted by reason, and noted for an audit log: the
first of each reason and source in a minute, so that a flood of messages is no flood of notes.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from toolkit.delivery import control
from toolkit.delivery.admission import Admission, AuditRecord, Quota
from toolkit.delivery.authentic import AuthenticError, Listener
from toolkit.delivery.control import Message
from toolkit.delivery.refusal import Refusal
from toolkit.errors import WireError

Source = tuple[str, int]

REBIND = 5.0
"""Seconds of silence after which a receiver may speak from another address, if none was given."""
NOTE_EVERY = 60.0
MAX_NOTED = 1024
"""Reasons and sources within NOTE_EVERY that are noted at most; all are counted."""


class Doorkeeper:
    """`names` and `addresses` are looked up each time: whoever runs the sender may add to them.

    `addresses`: where each receiver is, as far as it is given; what is learnt is added.
    """

    def __init__(
        self,
        names: Sequence[str],
        addresses: dict[str, Source],
        *,
        token: bytes | None = None,
        quota: Quota | None = None,
        session: str = "",
    ) -> None:
        self.refused: Counter[str] = Counter()
        """By Refusal."""
        self.records: list[AuditRecord] = []
        """Whoever keeps an audit log takes them from here."""
        self._names = names
        self._addresses = addresses
        self._learnt: set[str] = set()
        """Whose address nobody gave."""
        self._listener = None if token is None else Listener(token)
        self._admission = Admission(quota or Quota())
        self._session = session
        self._heard: dict[str, float] = {}
        self._starts: dict[str, int] = {}
        """Name -> incarnation of the last start that was admitted."""
        self._noted: dict[tuple[str, str], float] = {}

    def admit(self, data: bytes, source: Source, now: float, active: int) -> Message | None:
        """Return the message in a datagram from `source`; None: it is refused.

        `active`: how many receivers are served.
        """
        try:
            message = control.parse(data) if self._listener is None else self._listener.unwrap(data)
        except AuthenticError as error:
            return self.refuse(error.kind, "", source, str(error), now)
        except WireError as error:
            return self.refuse(Refusal.MALFORMED, "", source, str(error), now)
        name = message.name
        if name not in self._names:
            reason = f"{name!r} is not a receiver of this session"
            return self.refuse(Refusal.STRANGER, name, source, reason, now)
        if self._listener is None:
            place = self._place(name, now)
            if place not in (None, source):
                reason = f"it speaks for {name}, which is at {place[0]}:{place[1]}"
                return self.refuse(Refusal.FOREIGN_SOURCE, name, source, reason, now)
        if self._starts.get(name) != message.incarnation:
            reason = self._admission.join(name, source[0], now, active=active)
            if reason:
                return self.refuse(Refusal.QUOTA, name, source, reason, now)
            self._starts[name] = message.incarnation
            self._note("join", name, source, "ok")
        self._heard[name] = now
        if name not in self._addresses or name in self._learnt:
            self._addresses[name] = source
            self._learnt.add(name)
        return message

    def refuse(
        self, kind: Refusal, who: str, source: Source, reason: str, now: float
    ) -> Message | None:
        """Count something that is refused, here or by the engine; returns None."""
        self.refused[kind] += 1
        key = kind, source[0]
        last = self._noted.get(key)
        if last is not None and now < last + NOTE_EVERY:
            return None
        if len(self._noted) >= MAX_NOTED:
            self._noted = {k: t for k, t in self._noted.items() if now < t + NOTE_EVERY}
            if len(self._noted) >= MAX_NOTED:
                return None
        self._noted[key] = now
        self._note("refused", who, source, reason)
        return None

    def _place(self, name: str, now: float) -> Source | None:
        """Where a receiver must speak from; None: from anywhere."""
        if name in self._learnt and now >= self._heard[name] + REBIND:
            return None  # It may have been started again, behind another address.
        return self._addresses.get(name)

    def _note(self, event: str, who: str, source: Source, outcome: str) -> None:
        self.records.append(
            AuditRecord(
                event=event, who=who, source=f"{source[0]}:{source[1]}", session=self._session,
                outcome=outcome,
            )
        )  # fmt: skip
