"""The sender's timers: questions that are repeated, receivers that are given up.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from toolkit.delivery.cohorts import Cohorts
from toolkit.delivery.manifest import MANIFEST_TOI
from toolkit.delivery.members import Member
from toolkit.delivery.model import Session, Standing
from toolkit.delivery.wire import Poll

STILL_HERE = Poll(poll_id=0, first=0, count=0)
"""Wants no answer."""
INTRODUCE_YOURSELF = Poll(poll_id=0, first=0, count=1)
"""Wants a JOIN or a HAVE."""


class Vigil:
    """Watches over the receivers of one session."""

    def __init__(self, session: Session, members: Sequence[Member], cohorts: Cohorts) -> None:
        self._session, self._members, self._cohorts = session, members, cohorts
        self._started = math.inf

    def due(self) -> float:
        """When `expire` wants to be called."""
        return min(
            min((poll.due for _, poll in self._cohorts.polls()), default=math.inf),
            min((self._gives_up(m) for m in self._members if not m.settled), default=math.inf),
        )

    def expire(self, now: float) -> bool:
        """Repeat questions; give up whom nothing was heard of for too long.  True: somebody was."""
        self._started = min(self._started, now)
        given_up = False
        for member in self._members:
            if not member.settled and now >= self._gives_up(member):
                given_up = member.given_up = True
                if member.standing is not Standing.ABSENT:
                    member.standing = Standing.LOST
                    member.reason = f"it was silent for {self._session.timeout:g} s"
                self._cohorts.release(member)
        asked = 0
        for dispatch, poll in self._cohorts.polls():
            asked |= poll.awaited
            if poll.due <= now:
                dispatch.repeat(poll, now)
        self._ask_the_silent(asked, now)
        return given_up

    def _gives_up(self, member: Member) -> float:
        """When a receiver that is silent until then is given up."""
        since = member.heard if member.active else max(member.heard, self._started)
        return since + self._session.timeout

    def _ask_the_silent(self, asked: int, now: float) -> None:
        """Ask for a sign of life where nobody would be asked for long: a slow sender takes longer
        for one segment than a receiver may be silent."""
        patience = self._session.timeout / 4
        mask = 0
        for member in self._members:
            quiet = min(now - member.heard, now - member.asked) >= patience
            if member.active and quiet and not asked >> member.bit & 1:
                member.asked = now
                mask |= 1 << member.bit
        if mask:
            self._cohorts.urge(mask, MANIFEST_TOI, INTRODUCE_YOURSELF)
