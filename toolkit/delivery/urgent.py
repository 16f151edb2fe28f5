"""What a sender says beside the data: questions, and that the session is over.

Pure.  Packets without a payload; they go before anything else.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from toolkit.delivery.burst import Burst
from toolkit.delivery.manifest import MANIFEST_TOI
from toolkit.delivery.manifest import VERSION as MANIFEST_VERSION
from toolkit.delivery.model import Coding, Session
from toolkit.delivery.versions import Agreement
from toolkit.delivery.wire import FEC_NO_CODE, FEC_SMALL_BLOCK, Extension, Header, Poll, Rejection


class Urgent(deque[Burst]):
    """The packets of one session that wait to be sent."""

    def __init__(self, session: Session, coding: Coding, everybody: int | None) -> None:
        """`everybody`: mask of every packet, where packets cannot be addressed."""
        super().__init__()
        self.agreement = Agreement(session.speaks, MANIFEST_VERSION)
        self._session, self._everybody = session, everybody
        self._fec_id = FEC_SMALL_BLOCK if coding.parity else FEC_NO_CODE

    def ask(self, mask: int, toi: int, poll: Poll) -> None:
        """Send a poll."""
        version = self.agreement.control
        asked = poll if version == poll.version else replace(poll, version=version)
        self._say(mask, toi, asked.extension(), close=False)

    def close(self, mask: int, rejection: Rejection | None = None, *, over: bool = True) -> None:
        """End the session for some, or only say who is rejected (`over` False)."""
        if over or rejection:
            extensions = () if rejection is None else (rejection.extension(),)
            self._say(mask, MANIFEST_TOI, *extensions, close=over)

    def spare(self, mask: int) -> None:
        """What was not sent yet is not for these."""
        if self._everybody is None:
            kept = [b._replace(mask=b.mask & ~mask) for b in self]
            self.clear()
            self.extend(b for b in kept if b.mask)

    def _say(self, mask: int, toi: int, *extensions: Extension, close: bool) -> None:
        header = Header(
            tsi=self._session.tsi, toi=toi, codepoint=self._fec_id, extensions=extensions,
            close_session=close,
        )  # fmt: skip
        self.append(Burst(self._everybody or mask, header.encode(), toi))
