"""Receiving what other FLUTE senders send.  RFC 6726 over ALC, RFC 5775.

Pure: packets and the time in, files out.  Nothing is reported back and nothing is asked for again:
such senders repeat themselves (a carousel), and what is lost comes from parity or from the next
turn.  FEC Encoding IDs 0 and 129 are understood.  There is no signature: what comes is what
somebody sent, checked against Content-MD5 where the FDT has one.

Objects are collected in memory, `memory` bytes of them together at most.  One whose packets carry
EXT_FTI is collected without waiting for the FDT, and handed out when an FDT names it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from dataclasses import dataclass

from toolkit.delivery import wire
from toolkit.delivery.assembly import Assembly, Verdict
from toolkit.delivery.buffers import Buffers
from toolkit.delivery.fdt import FdtFile, parse_fdt
from toolkit.delivery.fec import Partition
from toolkit.errors import WireError

FDT_TOI = 0
NTP_UNIX = 2_208_988_800
"""Seconds from the beginning of NTP's time to that of Unix's."""
EXT_CENC = 193
"""Content encoding of an FDT Instance (RFC 6726 section 3.4.3)."""
_CENC = {0: "", 1: "zlib", 2: "deflate", 3: "gzip"}
_WINDOW = {"zlib": zlib.MAX_WBITS, "deflate": -zlib.MAX_WBITS, "gzip": zlib.MAX_WBITS | 16}


@dataclass(frozen=True, slots=True, kw_only=True)
class FluteFile:
    """A file that is complete."""

    location: str
    """Content-Location: a URI that the sender chose, not a path to write to."""
    media: str
    content: bytes


class _Collected:
    """An object of which something is known."""

    def __init__(self, toi: int, fti: wire.Fti, buffers: Buffers) -> None:
        self.fti = fti
        self.part = Partition(fti.transfer_length, fti.symbol, fti.block)
        self.assembly = Assembly(toi, self.part, buffers)
        self.content = bytearray(self.part.length)


class FluteReceiver:
    """One session.  `tsi`: None: that of the first packet."""

    def __init__(self, tsi: int | None = None, memory: int = 256 * 2**20) -> None:
        self.ended = False
        """The sender has said that nothing more will come (flag A)."""
        self.ignored: Counter[str] = Counter()
        """Why packets and objects were not used."""
        self._tsi = tsi
        self._memory = self._left = memory
        self._buffers = Buffers(memory)
        self._objects: dict[tuple[int, int], _Collected] = {}
        """(TOI, FDT Instance ID); the latter 0 for all but TOI 0."""
        self._listed: dict[int, FdtFile] = {}
        self._complete: dict[int, bytes] = {}
        """Objects that no FDT has named yet."""
        self._done: set[tuple[int, int]] = set()
        self._early: list[bytes] = []
        """Packets of objects of which nothing is known yet."""

    @property
    def waiting(self) -> list[str]:
        """Content-Location of every file that an FDT names and that is not complete."""
        return [f.location for toi, f in self._listed.items() if (toi, 0) not in self._done]

    def receive(self, datagram: bytes, now: float) -> list[FluteFile]:
        """Take one packet; `now` is Unix time.  Never raises on what is in it."""
        try:
            return self._receive(datagram, now)
        except WireError as error:
            self.ignored[str(error)] += 1
            return []

    def _receive(self, datagram: bytes, now: float) -> list[FluteFile]:
        header, at = wire.parse(datagram)
        if self._tsi is None:
            self._tsi = header.tsi
        if header.tsi != self._tsi:
            raise WireError(f"TSI {header.tsi} is not that of this session")
        self.ended |= header.close_session
        if at == len(datagram):
            return []
        symbol, start = wire.parse_payload_id(header.codepoint, datagram, at)
        instance = 0
        if header.toi == FDT_TOI:
            found = header.fdt_instance()
            if found is None:
                raise WireError("a packet of the FDT without EXT_FDT")
            instance = found
        key = header.toi, instance
        if key in self._done or header.toi in self._complete:
            return []
        collected = self._objects.get(key) or self._open(key, header)
        if collected is None:
            self._keep(datagram)
            return []
        if header.codepoint != collected.fti.fec_id:
            raise WireError(f"TOI {header.toi}: FEC Encoding ID changes on the way")
        sbl = -1 if symbol.sbl is None else symbol.sbl
        verdict = collected.assembly.add(symbol.sbn, sbl, symbol.esi, datagram, start)
        if verdict is Verdict.MISFIT:
            raise WireError(f"TOI {header.toi}: a symbol that does not fit its object")
        if verdict is not Verdict.WHOLE:
            return []
        solved = collected.assembly.solve(symbol.sbn)
        offset = collected.part.offset(symbol.sbn)
        collected.content[offset : offset + len(solved)] = solved
        solved.release()
        collected.assembly.finish(symbol.sbn)
        if collected.assembly.remaining:
            return []
        content = bytes(self._objects.pop(key).content)
        if header.toi != FDT_TOI:
            self._complete[header.toi] = content
            return self._hand_out(header.toi)
        self._left += len(content)
        self._done.add(key)
        return self._describe(content, header, now)

    def _open(self, key: tuple[int, int], header: wire.Header) -> _Collected | None:
        """Begin with an object; None when it is not known how it is cut."""
        listed = self._listed.get(header.toi)
        fti = header.fti() or (listed.fti if listed else None)
        if fti is None:
            return None
        if not (fti.symbol and 1 <= fti.block <= (255 if fti.fec_id else 65535)):
            raise WireError(f"TOI {header.toi}: blocks of {fti.block} x {fti.symbol} octets")
        if not 0 < fti.transfer_length <= self._left:
            raise WireError(
                f"TOI {header.toi}: {fti.transfer_length} octets, and room for {self._left}"
            )
        self._left -= fti.transfer_length
        collected = self._objects[key] = _Collected(header.toi, fti, self._buffers)
        return collected

    def _keep(self, datagram: bytes) -> None:
        if len(datagram) > self._left:
            raise WireError("packets of objects that no FDT names, and no room for more")
        self._left -= len(datagram)
        self._early.append(datagram)

    def _describe(self, content: bytes, header: wire.Header, now: float) -> list[FluteFile]:
        """An FDT Instance is complete."""
        encoded = header.extension(EXT_CENC)
        if encoded is not None:
            content = self._decoded(content, _CENC.get(encoded.content[0], "unknown"))
        instance = parse_fdt(content)
        if instance.expires < now + NTP_UNIX:
            raise WireError("FDT: it has expired")
        out: list[FluteFile] = []
        for file in instance.files:
            if file.toi == FDT_TOI or file.toi in self._listed:
                continue
            self._listed[file.toi] = file
            if file.fti is not None and file.fti.transfer_length == 0:
                self._complete[file.toi] = b""
            out += self._hand_out(file.toi)
        early, self._early = self._early, []
        for datagram in early:
            self._left += len(datagram)
            out += self.receive(datagram, now)
        return out

    def _hand_out(self, toi: int) -> list[FluteFile]:
        file = self._listed.get(toi)
        if file is None or toi not in self._complete:
            return []
        content = self._complete.pop(toi)
        self._left += len(content)
        if file.md5 and hashlib.md5(content, usedforsecurity=False).digest() != file.md5:
            raise WireError(f"{file.location}: its Content-MD5 is another; collected again")
        self._done.add((toi, 0))
        content = self._decoded(content, file.encoding)
        return [FluteFile(location=file.location, media=file.media, content=content)]

    def _decoded(self, content: bytes, encoding: str) -> bytes:
        if not encoding:
            return content
        if encoding not in _WINDOW:
            raise WireError(f"content encoding {encoding!r} is not known")
        decoder = zlib.decompressobj(_WINDOW[encoding])
        try:
            decoded = decoder.decompress(content, self._memory)
        except zlib.error as error:
            raise WireError(f"content encoding {encoding}: {error}") from None
        if not decoder.eof:
            raise WireError(f"content encoding {encoding}: cut short, or too long when decoded")
        return decoded
