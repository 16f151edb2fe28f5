"""BIER OAM: echo requests and replies, bytes to values and back.  draft-ietf-bier-ping-23.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------+-----------+-----------+-------------------------------+
    |  Ver  |MessageType|   Proto   |           Reserved            |
    +-------+-----------+-----------+-------------------------------+
    |                   BIER OAM Message Length                     |
    +-------+-------+---------------+---------------+---------------+
    |  QTF  |  RTF  |  Reply Mode   |  Return Code  |   Reserved2   |
    +-------+-------+---------------+---------------+---------------+
    |                        Sender's Handle                        |
    +---------------------------------------------------------------+
    |                        Sequence Number                        |
    +---------------------------------------------------------------+
    |                Timestamp Sent, 64 bits                        |
    +---------------------------------------------------------------+
    |                Timestamp Received, 64 bits                    |
    +---------------------------------------------------------------+
    |                            TLVs                               |
    +---------------------------------------------------------------+

Sections 3.1 and 3.2.  Follows a BIER header with Proto 5, or UDP.  Law: `parse` raises OamError and
nothing else; what it returns can be encoded.  What the values mean together is the responder's and
the initiator's.  Pure.

The draft draws the type twice, 6 bits wide (figure 1) and 8 (figure 2).  Here it has the 6 of the
header that all OAM messages share, 1 is a request and 2 a reply as sections 4.3 and 4.5 say; the
registry of 8-bit echo types has gone from what IANA registered (BIER Echo Request/Reply).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from toolkit.bier.oam_tlv import OamError, SiBitString, Tlv, TlvType, parse_tlvs

VERSION: Final = 1
HEADER: Final = 8
"""Octets of the OAM header (figure 1)."""
FIXED: Final = 36
"""Octets before the TLVs."""
PING_TTL: Final = 255
"""Section 4.3."""
_FIXED: Final = Struct("!HHIBBBBIIQQ")


class MessageType(IntEnum):
    ECHO_REQUEST = 1
    ECHO_REPLY = 2


class ReplyMode(IntEnum):
    """Table 2."""

    NO_REPLY = 1
    UDP = 2
    BIER = 3


class ReturnCode(IntEnum):
    """Table 3; `str` gives IANA's words."""

    NONE = 0
    MALFORMED = 1
    TLV_NOT_SUPPORTED = 2
    ONLY_BFER = 3
    ONE_OF_THE_BFERS = 4
    FORWARD_SUCCESS = 5
    INVALID_MULTIPATH = 6
    NO_MATCHING_ENTRY = 8
    SET_MISMATCH = 9
    DDMAP_MISMATCH = 10

    @property
    def of_bfer(self) -> bool:
        """The request has reached a BFER that it was for."""
        return self in (ReturnCode.ONLY_BFER, ReturnCode.ONE_OF_THE_BFERS)

    def __str__(self) -> str:
        return _WORDS[self]


_WORDS: Final = {
    ReturnCode.NONE: "No Return Code",
    ReturnCode.MALFORMED: "Malformed Echo Request received",
    ReturnCode.TLV_NOT_SUPPORTED: "One or more of the TLVs is not supported",
    ReturnCode.ONLY_BFER: "Replying BFR is the only BFER in the BIER header BitString",
    ReturnCode.ONE_OF_THE_BFERS: "Replying BFR is one of the BFERs in the BIER header BitString",
    ReturnCode.FORWARD_SUCCESS: "Packet-Forward-Success",
    ReturnCode.INVALID_MULTIPATH: "Invalid Multipath Info Request",
    ReturnCode.NO_MATCHING_ENTRY: "No matching entry in the forwarding table",
    ReturnCode.SET_MISMATCH: "Set-Identifier Mismatch",
    ReturnCode.DDMAP_MISMATCH: "DDMAP Mismatch",
}


class TimestampFormat(IntEnum):
    """QTF and RTF (section 3.2)."""

    NTP = 2
    """RFC 5905: 32 bits of seconds since 1900, 32 of their fraction."""
    PTP = 3
    """IEEE 1588 truncated, as RFC 8877 section 4.3 has it: seconds and nanoseconds, 32 bits each.
    The draft's "48-bit sec + 16-bit nsec" has no room for the nanoseconds of a second."""


NTP_EPOCH: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""


def ntp(now: float) -> int:
    """Return seconds since 1970 as an NTP timestamp; RFC 5905 section 6 wraps it in 2036."""
    whole = int(now // 1)
    return (whole + NTP_EPOCH) % (1 << 32) << 32 | int((now - whole) * (1 << 32))


def seconds_of(timestamp: int, kind: int) -> float | None:
    """Return seconds since 1970; None where there is no timestamp, or of no known format."""
    whole, part = timestamp >> 32, timestamp & 0xFFFFFFFF
    if not timestamp or kind not in (TimestampFormat.NTP, TimestampFormat.PTP):
        return None
    if kind == TimestampFormat.PTP:
        return whole + part / 1e9
    era = 0 if whole >= 1 << 31 else 1 << 32  # RFC 4330 section 3: era 1 begins in 2036
    return whole + era - NTP_EPOCH + part / (1 << 32)


_WIDTHS: Final = {
    "qtf": 4,
    "rtf": 4,
    "reply_mode": 8,
    "return_code": 8,
    "handle": 32,
    "sequence": 32,
    "sent": 64,
    "received": 64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """An echo request or reply.  Constructible means encodable."""

    message: MessageType
    handle: int
    """Sender's Handle: says whose reply it is."""
    sequence: int
    reply_mode: int = ReplyMode.UDP
    return_code: int = ReturnCode.NONE
    qtf: int = TimestampFormat.NTP
    rtf: int = 0
    sent: int = 0
    """Timestamp Sent, in QTF."""
    received: int = 0
    """Timestamp Received, in RTF."""
    tlvs: tuple[Tlv, ...] = ()

    def __post_init__(self) -> None:
        for name, width in _WIDTHS.items():
            value = getattr(self, name)
            if not 0 <= value < 1 << width:
                raise ValueError(f"{name} {value} does not fit its {width} bits")

    def encode(self) -> bytes:
        """Return the message from its OAM header on; ValueError where a TLV is too long."""
        tlvs = b"".join(tlv.encode() for tlv in self.tlvs)
        return (
            _FIXED.pack(
                VERSION << 12 | self.message << 6, 0, FIXED + len(tlvs),
                self.qtf << 4 | self.rtf, self.reply_mode, self.return_code, 0,
                self.handle, self.sequence, self.sent, self.received,
            )
            + tlvs
        )  # fmt: skip

    def set_bits(self, kind: TlvType) -> list[SiBitString]:
        """Return the SI-BitString TLVs of this kind."""
        return [tlv for tlv in self.tlvs if isinstance(tlv, SiBitString) and tlv.kind is kind]

    def offset_of(self, tlv: Tlv) -> int:
        """Return where a TLV of this message starts in its octets."""
        at = FIXED
        for ours in self.tlvs:
            if ours is tlv:
                return at
            at += len(ours.encode())
        raise ValueError("the TLV is not in this message")


def parse_fixed(data: bytes) -> Echo:
    """Return a message without its TLVs: what a reply to a malformed request needs.

    OamError where the message cannot be told at all: too short, another version, no echo.
    """
    if len(data) < FIXED:
        raise OamError(len(data), f"{len(data)} octets are less than {FIXED}")
    first, _, _, formats, mode, code, _, handle, sequence, sent, received = _FIXED.unpack_from(data)
    if first >> 12 != VERSION:
        raise OamError(0, f"Ver {first >> 12} is not {VERSION}")
    kind = first >> 6 & 0x3F
    if kind not in (MessageType.ECHO_REQUEST, MessageType.ECHO_REPLY):
        raise OamError(0, f"message type {kind} is not known")
    return Echo(
        message=MessageType(kind), handle=handle, sequence=sequence, reply_mode=mode,
        return_code=code, qtf=formats >> 4, rtf=formats & 0xF, sent=sent, received=received,
    )  # fmt: skip


def parse(data: bytes) -> Echo:
    """Return the message in `data`; what follows its length is padding.  Raises OamError."""
    fixed = parse_fixed(data)
    proto = int.from_bytes(data[:2]) & 0x3F
    if proto:
        raise OamError(1, f"Proto {proto} after an echo message is not 0")
    length = int.from_bytes(data[4:8])
    if not FIXED <= length <= len(data):
        raise OamError(4, f"the message length is {length}, not {FIXED} to {len(data)}")
    return Echo(
        message=fixed.message, handle=fixed.handle, sequence=fixed.sequence,
        reply_mode=fixed.reply_mode, return_code=fixed.return_code, qtf=fixed.qtf, rtf=fixed.rtf,
        sent=fixed.sent, received=fixed.received, tlvs=parse_tlvs(data, FIXED, length),
    )  # fmt: skip
