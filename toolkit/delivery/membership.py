"""Which session a receiver is in, and how it makes itself known to its sender.

Pure.  On its own a receiver says JOIN until it has the manifest, and HAVE when it hears nothing for
long.  A sender that was started again has another session: a receiver follows it when nothing
comes of its own any more.
"""

from __future__ import annotations

from collections.abc import Callable

from toolkit.delivery.backoff import Backoff
from toolkit.delivery.catalog import Catalog
from toolkit.delivery.control import Body, Join, Message
from toolkit.delivery.datagram import Datagram
from toolkit.delivery.events import Feedback
from toolkit.delivery.versions import Speaks

JOIN_INTERVAL = 0.1, 2.0
"""Seconds between the first two JOINs, and at most."""
FALLEN_SILENT = 1.0
"""Seconds without a word of a session that has not proven itself, before another is listened to."""


class Membership:
    """Of the receiver `name` in one session at a time.

    `tsi`: None: that of the sender it joins.  `silence`: seconds after which it speaks unasked.
    """

    def __init__(
        self,
        name: str,
        incarnation: int,
        tsi: int | None,
        *,
        silence: float,
        speaks: Speaks,
        chance: Callable[[], float],
    ) -> None:
        self.name = name
        self.tsi = tsi
        self.heard = 0.0
        """When something came of our session last."""
        self.answered = False
        """Something came that only a sender who knows us sends."""
        self.retry = Backoff(*JOIN_INTERVAL, chance)
        self._incarnation = incarnation & 0xFFFFFFFF
        self._given = tsi
        self._former: int | None = None
        """TSI of the session that it was in before it followed another."""
        self._silence = silence
        self._speaks = speaks
        self._boot_at = 0.0
        """When FDT or manifest of a session without proof last came."""

    # ----- which session

    @property
    def free(self) -> bool:
        """Any session will do."""
        return self._given is None

    def find(self, packet: Datagram, now: float, *, proven: bool) -> bool:
        """Look whether a packet is of a session to be in; `proven`: ours has a manifest.

        True: of another one than before, and what came of that is to be forgotten.
        """
        if self.tsi is None and (proven or packet.boots):
            self.tsi = packet.tsi
        elif not proven and self.free and packet.boots:
            if packet.tsi == self.tsi:
                self._boot_at = now
            elif now >= self._boot_at + FALLEN_SILENT:
                # Nothing proves that the session we had found is the one we wait for.
                self.tsi, self._boot_at = packet.tsi, now
                return True
        return False

    def forget(self) -> None:
        """It may have been a stranger's session."""
        self.tsi = self._given

    def succeeds(self, tsi: int, now: float) -> bool:
        """Whether another session takes the place of ours."""
        return tsi == self._former or self._orphaned(now)

    def follow(self, tsi: int, now: float) -> None:
        """Be in another session from now on."""
        self._former, self.tsi = self.tsi, tsi
        self.heard = now

    def _orphaned(self, now: float) -> bool:
        """Whether nothing has come of our session for so long that another may take its place."""
        return self.free and now >= self.heard + self._silence

    # ----- what is said

    def speaks_up(self, now: float) -> bool:
        """Whether it is time to introduce itself unasked."""
        if now < self.retry.due:
            return False
        patience = self.heard + self._silence
        if not self.answered or now >= patience:
            return True
        self.retry.reset()
        self.retry.due = patience
        return False

    def introduce(self, catalog: Catalog | None, now: float) -> list[Feedback]:
        """Say that it is there, and what it has."""
        self.retry.said(now)
        # Whoever is there now may be a sender that was started again, with another session.
        anybody = self._orphaned(now)
        if catalog is None:
            return [self.message(Join(speaks=self._speaks), anybody=anybody)]
        return [self.message(have, anybody=anybody) for have in catalog.haves()]

    def message(self, body: Body, *, anybody: bool = False) -> Feedback:
        """`anybody`: it is for whatever session the sender has now."""
        tsi = 0 if anybody else self.tsi or 0
        said = Message(tsi=tsi, incarnation=self._incarnation, name=self.name, body=body)
        return Feedback(said.encode())
