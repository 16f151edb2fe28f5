"""How a session stands, made from what the sender's parts know.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.delivery.cohorts import Cohorts
from toolkit.delivery.ledger import Ledger
from toolkit.delivery.manifest import Manifest
from toolkit.delivery.members import Member
from toolkit.delivery.model import ReceiverResult, Session
from toolkit.delivery.progress import Cohort, ReceiverProgress, SessionProgress
from toolkit.delivery.tally import Gauge, Tally

_FETCHES = "packets do not reach it: it fetches by HTTP"


class Monitor:
    """Watches the parts of one sender."""

    def __init__(
        self, session: Session, manifest: Manifest, ledger: Ledger, dispatch: Cohorts, tally: Tally
    ) -> None:
        self._session, self._manifest, self._tally = session, manifest, tally
        self._ledger, self._dispatch = ledger, dispatch
        self._sending = Gauge()
        self._growing: dict[int, Gauge] = {}

    def progress(
        self,
        members: Sequence[Member],
        elapsed: float,
        now: float,
        results: Sequence[ReceiverResult],
        *,
        finished: bool,
        failure: str,
    ) -> SessionProgress:
        """Return how it stands; `results`: one for each of `members`."""
        session, manifest, tally = self._session, self._manifest, self._tally
        return SessionProgress(
            delivery=session.name, tsi=session.tsi, size=manifest.size,
            files=len(manifest.files), elapsed=elapsed, rate=session.rate,
            sending=8 * self._sending.read(self._dispatch.sent, now),
            packets=tally.packets, repairs=tally.repairs, late=tally.late,
            bytes_read=self._dispatch.bytes_read,
            receivers=tuple(
                self._receiver(member, result, now)
                for member, result in zip(members, results, strict=True)
            ),
            finished=finished, failure=failure,
        )  # fmt: skip

    def _receiver(self, member: Member, result: ReceiverResult, now: float) -> ReceiverProgress:
        bit = member.bit
        held = self._manifest.size if result.complete else self._ledger.got[bit]
        cohort, why = self._dispatch.cohort(bit)
        gauge = self._growing.setdefault(bit, Gauge())
        return ReceiverProgress(
            receiver=member.name, standing=member.standing,
            cohort=Cohort.HTTPS if member.fetching or member.fetched else cohort,
            why=result.reason or _FETCHES * member.fetching or why, held=max(held, member.fetched),
            rate=8 * gauge.read(held, now), packets=result.packets, repairs=result.repairs,
            lost=result.lost, room=self._dispatch.flow(bit).room(bit), rtt=member.rtt,
            joined=result.joined, completed=result.completed,
        )  # fmt: skip
