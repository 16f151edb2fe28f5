"""IGMP and MLD on a router's edge interface: queries out, reports in, who is a member.

RFC 3376 section 6 and RFC 3810 section 7 (router's part), RFC 4604 (source-specific groups).  One
host an interface, so a leave is believed at once: nobody else can still want the group.  Law:
what is joined is known from reports alone.  Pure: the caller has the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from toolkit.pim.igmp import (
    ROBUSTNESS,
    SOURCE_SPECIFIC,
    Message,
    OldReport,
    Query,
    RecordType,
    Report,
    encode,
)
from toolkit.state.model import IpAddress

INTERVAL: Final = 10.0
"""Seconds between general queries; RFC 3376 section 8.2 says 125, for hosts that stay longer than a
delivery."""
RESPONSE: Final = 1.0
"""Seconds in which hosts answer (section 8.3)."""
MEMBERSHIP: Final = ROBUSTNESS * INTERVAL + RESPONSE
"""Seconds after which a host that does not answer is no member (section 8.4)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A membership that began or ended; a source of None is any."""

    group: IpAddress
    source: IpAddress | None
    joined: bool


class Querier:
    """One interface."""

    def __init__(self, address: IpAddress, version: int) -> None:
        """`address`: that its queries come from."""
        self._address, self._version = address, version
        self._specific = version >= SOURCE_SPECIFIC[address.version]
        self.members: dict[tuple[IpAddress, IpAddress | None], float] = {}
        """(G, S or None) -> until when."""
        self._next: float | None = None

    @property
    def deadline(self) -> float | None:
        return min((d for d in (self._next, *self.members.values()) if d is not None), default=None)

    def start(self, now: float) -> bytes:
        """Return the first general query."""
        return self._query(now)

    def _query(self, now: float) -> bytes:
        self._next = now + INTERVAL
        query = Query(self._version, None, round(INTERVAL), RESPONSE)
        return encode(query, self._address)

    def expire(self, now: float) -> tuple[list[bytes], list[Change]]:
        """Return the queries that are due, and the members that are gone."""
        packets = [self._query(now)] if self._next is not None and self._next <= now else []
        gone = [key for key, until in self.members.items() if until <= now]
        for key in gone:
            del self.members[key]
        return packets, [Change(group, source, joined=False) for group, source in gone]

    def receive(self, message: Message, now: float) -> list[Change] | None:
        """Return what a report changes; None: this version does not understand it."""
        if isinstance(message, OldReport):
            kept = not message.leave
            return list(self._set(message.group, None, now, joined=kept))
        if not isinstance(message, Report) or not self._specific:
            return None
        changes: list[Change] = []
        for record in message.records:
            if record.kind in (RecordType.IS_EXCLUDE, RecordType.TO_EXCLUDE):
                changes += self._set(record.group, None, now, joined=True)
                continue
            joined = record.kind != RecordType.BLOCK
            if record.kind in (RecordType.IS_INCLUDE, RecordType.TO_INCLUDE):
                # include mode: these sources and no others
                changes += self._set(record.group, None, now, joined=False)
                for group, source in list(self.members):
                    if group == record.group and source not in record.sources:
                        changes += self._set(group, source, now, joined=False)
            for source in record.sources:
                changes += self._set(record.group, source, now, joined=joined)
        return changes

    def _set(
        self, group: IpAddress, source: IpAddress | None, now: float, *, joined: bool
    ) -> Iterator[Change]:
        key = group, source
        known = key in self.members
        if joined:
            self.members[key] = now + MEMBERSHIP
        elif known:
            del self.members[key]
        if joined != known:
            yield Change(group, source, joined)
