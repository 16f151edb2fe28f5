"""ALC packets: bytes to values and back.  RFC 5775 over LCT, RFC 5651.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------+---+---+-+---+-+---+-+-+---------------+---------------+
    |   V   | C |PSI|S| O |H|Res|A|B|   HDR_LEN     | Codepoint (CP)|
    +-------+---+---+-+---+-+---+-+-+---------------+---------------+
    |          Congestion Control Information (32*(C+1) bits)       |
    +---------------------------------------------------------------+
    |          Transport Session Identifier (32*S+16*H bits)        |
    +---------------------------------------------------------------+
    |          Transport Object Identifier (32*O+16*H bits)         |
    +---------------------------------------------------------------+
    |          Header extensions (until HDR_LEN words are full)     |
    +---------------------------------------------------------------+
    |          FEC Payload ID, then the encoding symbol             |
    +---------------------------------------------------------------+

The codepoint is the FEC Encoding ID.  Pure.  `parse` raises WireError on what the RFCs forbid and
on nothing else; unknown header extensions are kept.  The sender and the receiver go around
`Header` where a packet must cost microseconds: `data_prefix` and `FIXED` are their way in.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from toolkit.errors import WireError

VERSION = 1
FEC_NO_CODE = 0
"""Compact No-Code (RFC 5445 section 3)."""
FEC_SMALL_BLOCK = 129
"""Small Block Systematic (RFC 5445 section 5); instance 0 is Reed-Solomon, RFC 5510 section 7."""

EXT_FTI = 64
EXT_REJECTION = 98
EXT_POLL = 99
"""Ours, in the protocol instantiation's range; others skip them.  docs/reference/delivery.md"""
EXT_FDT = 192
FLUTE_VERSION = 2
"""RFC 6726 section 3.4.1."""

FIXED = struct.Struct("!IIIIIHH")
"""First word, CCI, TSI, TOI, then the FEC Payload ID of FEC Encoding ID 129: SBN, SBL, ESI."""
DATA_WORD = VERSION << 28 | 1 << 23 | 1 << 21 | 4 << 8 | FEC_SMALL_BLOCK
"""First word of a packet without extensions: 32 bit CCI, TSI and TOI, no flag, FEC ID 129."""
FLAG_CLOSE_SESSION = 1 << 17
FLAG_CLOSE_OBJECT = 1 << 16

_WORD = struct.Struct("!I")
_ID_129 = struct.Struct("!IHH")
_ID_0 = struct.Struct("!HH")
_FTI = struct.Struct("!HIHHHH")
"""Transfer Length (16 + 32 bit), FEC Instance ID, E, B, max_n (RFC 5445 section 5.2.3)."""
_FTI_0 = struct.Struct("!HIHHI")
"""Transfer Length (16 + 32 bit), reserved, E, B (RFC 5445 section 3.2.3)."""
_POLL = struct.Struct("!BBIII")
"""Spread in units of 2 ms, version, poll id, first block, number of blocks."""


@dataclass(frozen=True, slots=True)
class Extension:
    """A header extension (RFC 5651 section 5.2): HET, and what follows HET and HEL."""

    het: int
    content: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.het <= 255:
            raise ValueError(f"header extension type {self.het} does not fit 8 bits")
        if self.het >= 128:
            if len(self.content) != 3:
                raise ValueError(f"header extension {self.het} has 3 bytes of content")
        elif len(self.content) % 4 != 2 or len(self.content) > 255 * 4 - 2:
            raise ValueError(f"header extension {self.het}: {len(self.content)} bytes of content")

    def encode(self) -> bytes:
        if self.het >= 128:
            return bytes([self.het]) + self.content
        return bytes([self.het, (len(self.content) + 2) // 4]) + self.content


@dataclass(frozen=True, slots=True, kw_only=True)
class Fti:
    """FEC Object Transmission Information (RFC 5052 section 6.2)."""

    fec_id: int
    transfer_length: int
    symbol: int
    block: int
    """Maximum source block length."""
    max_n: int = 0
    """Max number of encoding symbols; FEC Encoding ID 129 only."""
    instance: int = 0

    def __post_init__(self) -> None:
        if self.fec_id not in (FEC_NO_CODE, FEC_SMALL_BLOCK):
            raise ValueError(f"FEC Encoding ID {self.fec_id} is not ours")
        for name, width in (("transfer_length", 48), ("symbol", 16), ("block", 16),
                            ("max_n", 16), ("instance", 16)):  # fmt: skip
            if not 0 <= getattr(self, name) < 1 << width:
                raise ValueError(f"{name} {getattr(self, name)} does not fit {width} bits")

    def extension(self) -> Extension:
        high, low = divmod(self.transfer_length, 1 << 32)
        if self.fec_id == FEC_NO_CODE:
            return Extension(EXT_FTI, _FTI_0.pack(high, low, 0, self.symbol, self.block))
        return Extension(
            EXT_FTI, _FTI.pack(high, low, self.instance, self.symbol, self.block, self.max_n)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """The sender's question: what do you lack of blocks first .. first + count - 1?"""

    poll_id: int
    first: int
    count: int
    version: int = 1
    """Of the control messages that are expected in answer."""

    spread: int = 0
    """Milliseconds over which the answers of all that are asked are to be spread; 510 at most."""

    def extension(self) -> Extension:
        version = 0 if self.version == 1 else self.version
        spread = min(-(-self.spread // 2), 255)
        return Extension(
            EXT_POLL, _POLL.pack(spread, version, self.poll_id, self.first, self.count)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """The sender cannot serve the receiver of this name."""

    name: str
    reason: str

    def extension(self) -> Extension:
        name, reason = self.name.encode(), self.reason.encode()[:400]
        content = bytes([len(name)]) + name + reason
        return Extension(EXT_REJECTION, content + bytes(-(len(content) + 2) % 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadId:
    """FEC Payload ID.  `sbl` is absent (None) in FEC Encoding ID 0."""

    sbn: int
    esi: int
    sbl: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """An LCT header.  Constructible means encodable; we write 32 bit TSI, TOI and CCI."""

    tsi: int
    toi: int
    codepoint: int = FEC_SMALL_BLOCK
    cci: int = 0
    close_session: bool = False
    close_object: bool = False
    extensions: tuple[Extension, ...] = ()

    def __post_init__(self) -> None:
        for name, width in (("tsi", 48), ("toi", 112), ("codepoint", 8), ("cci", 128)):
            if not 0 <= getattr(self, name) < 1 << width:
                raise ValueError(f"{name} does not fit {width} bits")
        if sum(len(e.encode()) for e in self.extensions) > 255 * 4 - 44:
            raise ValueError("header extensions do not fit the header")

    def encode(self) -> bytes:
        s, h = 1, int(self.tsi >> 32 > 0 or self.toi >> 96 > 0)
        o = -(-max(self.toi.bit_length() - 16 * h, 1) // 32)
        c = -(-max(self.cci.bit_length(), 1) // 32) - 1
        body = (
            self.cci.to_bytes(4 * (c + 1))
            + self.tsi.to_bytes(4 * s + 2 * h)
            + self.toi.to_bytes(4 * o + 2 * h)
            + b"".join(e.encode() for e in self.extensions)
        )
        word = (
            VERSION << 28 | c << 26 | s << 23 | o << 21 | h << 20
            | self.close_session * FLAG_CLOSE_SESSION | self.close_object * FLAG_CLOSE_OBJECT
            | (1 + len(body) // 4) << 8 | self.codepoint
        )  # fmt: skip
        return _WORD.pack(word) + body

    def extension(self, het: int) -> Extension | None:
        return next((e for e in self.extensions if e.het == het), None)

    def fdt_instance(self) -> int | None:
        """FDT Instance ID of EXT_FDT (RFC 6726 section 3.4.1), None without one."""
        found = self.extension(EXT_FDT)
        if found is None:
            return None
        if found.content[0] >> 4 not in (1, FLUTE_VERSION):
            raise WireError(f"EXT_FDT: FLUTE version {found.content[0] >> 4} is unknown")
        return int.from_bytes(found.content) & 0xFFFFF

    def fti(self) -> Fti | None:
        """What EXT_FTI says, None without one or for an FEC Encoding ID that is not ours."""
        found = self.extension(EXT_FTI)
        if found is None or self.codepoint not in (FEC_NO_CODE, FEC_SMALL_BLOCK):
            return None
        if len(found.content) != 14:
            raise WireError(f"EXT_FTI: {len(found.content)} bytes of content, 14 expected")
        if self.codepoint == FEC_NO_CODE:
            high, low, _, symbol, block = _FTI_0.unpack(found.content)
            if block >= 1 << 16:
                raise WireError(f"EXT_FTI: source blocks of {block} symbols")
            return Fti(fec_id=0, transfer_length=high << 32 | low, symbol=symbol, block=block)
        high, low, instance, symbol, block, max_n = _FTI.unpack(found.content)
        return Fti(
            fec_id=self.codepoint, transfer_length=high << 32 | low, symbol=symbol,
            block=block, max_n=max_n, instance=instance,
        )  # fmt: skip

    def poll(self) -> Poll | None:
        found = self.extension(EXT_POLL)
        if found is None:
            return None
        if len(found.content) != _POLL.size:
            raise WireError(f"EXT_POLL: {len(found.content)} bytes of content, 14 expected")
        spread, version, poll_id, first, count = _POLL.unpack(found.content)
        return Poll(
            poll_id=poll_id, first=first, count=count, version=version or 1, spread=2 * spread
        )

    def rejection(self) -> Rejection | None:
        found = self.extension(EXT_REJECTION)
        if found is None:
            return None
        length = found.content[0]
        if length >= len(found.content):
            raise WireError("EXT_REJECTION: the name does not fit it")
        text = [found.content[1 : 1 + length], found.content[1 + length :].rstrip(b"\0")]
        name, reason = (
            "".join(c for c in t.decode(errors="replace") if c.isprintable()) for t in text
        )
        return Rejection(name=name, reason=reason)


def fdt_extension(instance: int) -> Extension:
    """EXT_FDT for FDT Instance `instance` (20 bit)."""
    if not 0 <= instance < 1 << 20:
        raise ValueError(f"FDT Instance ID {instance} does not fit 20 bits")
    return Extension(EXT_FDT, (FLUTE_VERSION << 20 | instance).to_bytes(3))


def encode_payload_id(fec_id: int, sbn: int, k: int, esi: int) -> bytes:
    """FEC Payload ID: 8 bytes for FEC Encoding ID 129, 4 for 0 (which has no SBL)."""
    return _ID_0.pack(sbn, esi) if fec_id == FEC_NO_CODE else _ID_129.pack(sbn, k, esi)


def parse(data: bytes | memoryview) -> tuple[Header, int]:
    """Return the LCT header at the start of `data` and the offset of what follows it."""
    if len(data) < 4:
        raise WireError(f"LCT header: {len(data)} bytes are too few")
    (word,) = _WORD.unpack_from(data)
    if word >> 28 != VERSION:
        raise WireError(f"LCT header: version {word >> 28} is unknown")
    end = (word >> 8 & 0xFF) * 4
    cci = 4 + 4 * ((word >> 26 & 0x3) + 1)
    half = word >> 20 & 0x1
    tsi = cci + 4 * (word >> 23 & 0x1) + 2 * half
    toi = tsi + 4 * (word >> 21 & 0x3) + 2 * half
    if toi > end:
        raise WireError(f"LCT header: HDR_LEN says {end} bytes, its fields take {toi}")
    if end > len(data):
        raise WireError(f"LCT header: {end} bytes expected, {len(data)} present")
    header = Header(
        cci=int.from_bytes(data[4:cci]),
        tsi=int.from_bytes(data[cci:tsi]),
        toi=int.from_bytes(data[tsi:toi]),
        codepoint=word & 0xFF,
        close_session=bool(word & FLAG_CLOSE_SESSION),
        close_object=bool(word & FLAG_CLOSE_OBJECT),
        extensions=_parse_extensions(bytes(data[toi:end])),
    )
    return header, end


def _parse_extensions(region: bytes) -> tuple[Extension, ...]:
    found, at = [], 0
    while at < len(region):
        het = region[at]
        start, size = (at + 1, 4) if het >= 128 else (at + 2, 4 * region[at + 1])
        if size == 0 or at + size > len(region):
            raise WireError(f"LCT header: extension {het} does not fit the header")
        found.append(Extension(het, region[start : at + size]))
        at += size
    return tuple(found)


def parse_payload_id(fec_id: int, data: bytes | memoryview, at: int) -> tuple[PayloadId, int]:
    """Return the FEC Payload ID at `at` and the offset of the encoding symbol."""
    layout = _ID_0 if fec_id == FEC_NO_CODE else _ID_129
    if fec_id not in (FEC_NO_CODE, FEC_SMALL_BLOCK):
        raise WireError(f"FEC Encoding ID {fec_id} is unknown")
    if len(data) - at < layout.size:
        raise WireError(f"FEC Payload ID: {len(data) - at} bytes are too few")
    if fec_id == FEC_NO_CODE:
        sbn, esi = _ID_0.unpack_from(data, at)
        return PayloadId(sbn=sbn, esi=esi), at + layout.size
    sbn, sbl, esi = _ID_129.unpack_from(data, at)
    return PayloadId(sbn=sbn, esi=esi, sbl=sbl), at + layout.size


def data_prefix(tsi: int, toi: int, fec_id: int) -> bytes:
    """The 16 bytes that every data packet of an object begins with."""
    return Header(tsi=tsi, toi=toi, codepoint=fec_id).encode()
