"""What a datagram is: a packet of any kind, read from its header to its payload.

Pure.  The data of a file, which is nearly all that comes, is not read this way: see
`toolkit.delivery.receiver`.
"""

from __future__ import annotations

from typing import NamedTuple

from toolkit.delivery import probe, wire
from toolkit.delivery.manifest import FIRST_TOI
from toolkit.delivery.probe import Probe
from toolkit.delivery.wire import Fti, PayloadId, Poll, Rejection


class Datagram(NamedTuple):
    """One packet of one session."""

    data: bytes
    at: int
    """Where its symbol begins."""
    tsi: int
    toi: int
    closes: bool
    """It says that the session is over."""
    probe: Probe | None = None
    """It is one of a path probe, and nothing else."""
    poll: Poll | None = None
    rejection: Rejection | None = None
    instance: int | None = None
    """FDT Instance ID."""
    fti: Fti | None = None
    symbol: PayloadId | None = None
    """Which symbol it carries; None: none."""

    @property
    def boots(self) -> bool:
        """It belongs to FDT or manifest."""
        return self.toi < FIRST_TOI


def read(data: bytes) -> Datagram:
    """Read a datagram.  Raises WireError."""
    header, at = wire.parse(data)
    tsi, toi, closes = header.tsi, header.toi, header.close_session
    tried = probe.parse(header)
    if tried is not None:
        return Datagram(data, at, tsi, toi, closes, probe=tried)
    poll, rejection = header.poll(), header.rejection()
    instance, fti = header.fdt_instance(), header.fti()
    symbol = None
    if len(data) > at:
        symbol, at = wire.parse_payload_id(header.codepoint, data, at)
    return Datagram(data, at, tsi, toi, closes, None, poll, rejection, instance, fti, symbol)
