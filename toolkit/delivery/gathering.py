"""Who must be there before files are sent: a quorum, and a little time for the others.

Pure.  Those that are ready wait until they are as many as the quorum, then `Session.gather` seconds
for the others; whoever comes later is served what it has missed.  A quorum that cannot be reached
any more, because too many have failed or were waited for long enough, ends the session before
anything was sent.
"""

from __future__ import annotations

import math

from toolkit.delivery.members import Roster
from toolkit.delivery.model import Session
from toolkit.errors import DeliveryError


class Gathering:
    """The start of one session."""

    def __init__(self, session: Session, members: Roster) -> None:
        self.until = math.inf
        """When to look again although nobody was heard."""
        self.failure: DeliveryError | None = None
        """There is no quorum, and there will be none."""
        self._session, self._members = session, members
        self._over = False

    def look(self, now: float, *, begun: bool) -> bool:
        """Whether those that are ready still wait.  `begun`: something was sent already."""
        if self._over:
            return False
        self._over = begun or self._look(now)
        if self._over:
            self.until = math.inf
        return not self._over

    def _look(self, now: float) -> bool:
        members = self._members
        ready = (members.ready | members.complete).bit_count()
        waited_for = (members.unsettled & ~members.ready).bit_count()
        quorum = self._session.quorum
        if ready < quorum:
            if ready + waited_for < quorum and members.active:
                self.failure = DeliveryError(
                    f"{self._session.name}: {quorum} receivers must be ready before it starts, and "
                    f"only {ready} are; nothing was sent (start the others, or ask for fewer)"
                )
            return False
        if not waited_for:
            return True
        if self.until == math.inf:
            self.until = now + self._session.gather
        return now >= self.until
