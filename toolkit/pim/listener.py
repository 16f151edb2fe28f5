"""IGMP and MLD on a host: what it has joined, said at once, repeated, and said again when asked.

RFC 3376 section 5 (state change: `Robustness Variable` times, 1 s apart) and 7.2.1 (older routers);
RFC 3810 sections 6 and 8.2.1.  Pure: packets in, packets out.
"""

from __future__ import annotations

from typing import Final

from toolkit.errors import WireError
from toolkit.pim.igmp import (
    ROBUSTNESS,
    SOURCE_SPECIFIC,
    OldReport,
    Query,
    Record,
    RecordType,
    Report,
    encode,
    parse,
)
from toolkit.state.model import IpAddress

REPEAT: Final = 1.0
"""Seconds between the reports of one change (Unsolicited Report Interval)."""


class Listener:
    """A host that joins one group, of one source or of any."""

    def __init__(self, address: IpAddress, group: IpAddress, source: IpAddress | None) -> None:
        """`address`: that its reports come from."""
        self._address, self._group, self._source = address, group, source
        self._version = SOURCE_SPECIFIC[address.version]
        self._left = 0
        self.deadline: float | None = None

    def join(self, now: float) -> list[bytes]:
        """Join: the change is reported now, and again."""
        self._left = ROBUSTNESS
        return self.expire(now)

    def expire(self, now: float) -> list[bytes]:
        if self._left == 0 or (self.deadline is not None and now < self.deadline):
            return []
        self._left -= 1
        self.deadline = now + REPEAT if self._left else None
        change = RecordType.TO_EXCLUDE if self._source is None else RecordType.ALLOW
        return self._report(change)

    def receive(self, packet: bytes) -> list[bytes]:
        """Answer a query; anything else says nothing."""
        try:
            message = parse(packet)
        except WireError:
            return []
        if not isinstance(message, Query) or message.group not in (None, self._group):
            return []
        self._version = min(message.version, SOURCE_SPECIFIC[self._address.version])
        current = RecordType.IS_EXCLUDE if self._source is None else RecordType.IS_INCLUDE
        return self._report(current)

    def _report(self, kind: RecordType) -> list[bytes]:
        sources = () if self._source is None else (self._source,)
        if self._version >= SOURCE_SPECIFIC[self._address.version]:
            record = Record(kind, self._group, sources)
            return [encode(Report((record,)), self._address)]
        if self._source is not None:
            return []  # the router cannot be told of a source (RFC 4604 section 2.2.4)
        return [encode(OldReport(self._group, self._version), self._address)]
