"""What a sender puts out: runs of packets that differ only in their Encoding Symbol ID.

Pure.  A burst costs the engine what one packet would; a runtime makes its packets without an object
for each (`headers`), and whoever wants them one by one iterates over `packets`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from toolkit.delivery.model import Transmission
from toolkit.delivery.wire import FEC_NO_CODE

MAX_BURST = 64
"""Packets of a burst at most, as it leaves the sender."""

_ID_129 = struct.Struct("!IHH")
_ID_0 = struct.Struct("!HH")
_TAIL_129 = np.dtype([("prefix", "V16"), ("sbn", ">u4"), ("sbl", ">u2"), ("esi", ">u2")])
_TAIL_0 = np.dtype([("prefix", "V16"), ("sbn", ">u2"), ("esi", ">u2")])
_COUNTING = np.arange(256, dtype=np.uint16)


class Burst(NamedTuple):
    """`symbols` packets, or one packet without a payload (`symbols` 0)."""

    mask: int
    """Receivers to address."""
    prefix: bytes
    """LCT header of every packet; whole, where there is no payload."""
    toi: int
    repair: bool = False
    """It is for receivers that reported a lack of what had been sent to them."""
    late: bool = False
    """What others were sent before goes out again, for receivers that were not there."""
    fec_id: int = 0
    sbn: int = 0
    k: int = 0
    """Source block length."""
    esi: int = 0
    """Encoding Symbol ID of the first packet; the next ones count on."""
    symbols: int = 0
    symbol: int = 0
    """Encoding symbol length E."""
    payload: memoryview = memoryview(b"")
    """`symbols` encoding symbols without gaps; the last one may be shorter."""

    @property
    def size(self) -> int:
        """Bytes of all packets: headers and payload."""
        return (
            self.symbols * self.header_size + len(self.payload)
            if self.symbols
            else len(self.prefix)
        )

    @property
    def header_size(self) -> int:
        """Bytes of a packet before its payload."""
        if not self.symbols:
            return len(self.prefix)
        return len(self.prefix) + (4 if self.fec_id == FEC_NO_CODE else 8)

    def split(self, count: int) -> tuple[Burst, Burst | None]:
        """Return the first `count` packets, and what is left of it."""
        if count >= self.symbols:
            return self, None
        at = count * self.symbol
        return (
            self._replace(symbols=count, payload=self.payload[:at]),
            self._replace(
                esi=self.esi + count, symbols=self.symbols - count, payload=self.payload[at:]
            ),
        )

    def headers(self) -> npt.NDArray[np.uint8]:
        """Return the packets' headers: uint8 of shape (count, header size)."""
        if len(self.prefix) != 16:
            whole = b"".join(bytes(p.header) for p in self.packets())
            return np.frombuffer(whole, np.uint8).reshape(max(self.symbols, 1), -1)
        rows = np.empty(self.symbols, _TAIL_0 if self.fec_id == FEC_NO_CODE else _TAIL_129)
        rows["prefix"] = np.void(self.prefix)
        rows["sbn"] = self.sbn
        if self.fec_id != FEC_NO_CODE:
            rows["sbl"] = self.k
        np.add(_COUNTING[: self.symbols], self.esi, out=rows["esi"], casting="unsafe")
        return rows.view(np.uint8).reshape(self.symbols, -1)

    def packets(self) -> Iterator[Transmission]:
        """The packets one by one."""
        if not self.symbols:
            yield Transmission(self.mask, self.prefix, b"", self.repair, self.toi, self.late)
        for i in range(self.symbols):
            esi = self.esi + i
            identity = (
                _ID_0.pack(self.sbn, esi)
                if self.fec_id == FEC_NO_CODE
                else _ID_129.pack(self.sbn, self.k, esi)
            )
            at = i * self.symbol
            yield Transmission(
                self.mask, self.prefix + identity, self.payload[at : at + self.symbol],
                self.repair, self.toi, self.late,
            )  # fmt: skip
