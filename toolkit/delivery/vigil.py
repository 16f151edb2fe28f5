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
        self._look_at = 0.0
        """When to look again who is silent."""

    def due(self) -> float:
        """When `expire` wants to be called."""
        return min(
            min((poll.due for _, poll in self._cohorts.polls()), default=math.inf),
            self._look_at,
        )

    def expire(self, now: float, started: float) -> bool:
        """Repeat questions; give up whom nothing was heard of for too long.  True: somebody was.

        `started`: since when absent receivers are waited for.
        """
        self._started = started
        given_up = now >= self._look_at and self._look(now)
        for dispatch, poll in self._cohorts.polls():
            if poll.due <= now:
                dispatch.repeat(poll, now)
        return given_up

    def _look(self, now: float) -> bool:
        """Look who has been silent for too long; not at every packet, they may be many."""
        patience = self._session.timeout / 4
        dues, given_up = [now + patience / 4], False
        for member in self._members:
            if member.settled:
                continue
            if now < self._gives_up(member):
                dues.append(self._gives_up(member))
                continue
            given_up = member.given_up = True
            if member.standing is not Standing.ABSENT:
                member.standing = Standing.LOST
                member.reason = f"it was silent for {self._session.timeout:g} s"
            self._cohorts.release(member)
        self._look_at = min(dues)
        self._ask_the_silent(now, patience)
        return given_up

    def _gives_up(self, member: Member) -> float:
        """When a receiver that is silent until then is given up."""
        since = member.heard if member.active else max(member.heard, self._started)
        return since + self._session.timeout

    def _ask_the_silent(self, now: float, patience: float) -> None:
        """Ask for a sign of life where nobody would be asked for long: a slow sender takes longer
        for one segment than a receiver may be silent."""
        mask = asked = 0
        for _, poll in self._cohorts.polls():
            asked |= poll.awaited
        for member in self._members:
            quiet = min(now - member.heard, now - member.asked) >= patience
            if member.active and quiet and not asked >> member.bit & 1:
                member.asked = now
                mask |= 1 << member.bit
        if mask:
            self._cohorts.urge(mask, MANIFEST_TOI, INTRODUCE_YOURSELF)
