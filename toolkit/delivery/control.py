"""Control messages, receiver to sender.  Ours, version 1; docs/reference/delivery.md draws them.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------------------------------+---------------+---------------+
    |          "LS" (0x4C53)        |  Version (1)  |     Type      |
    +-------------------------------+---------------+---------------+
    |                              TSI                              |
    +---------------------------------------------------------------+
    |                          Incarnation                          |
    +---------------+-----------------------------------------------+
    |  Name length  |  Name of the receiver (UTF-8), then the body  |
    +---------------+-----------------------------------------------+

A message says who it is from and stands alone: any of them may be lost, doubled or late.  The
*incarnation* grows with every start of a receiver, so that what an earlier start said is known to
be old.  Pure.  `parse` raises WireError and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from toolkit.delivery.model import Receipt
from toolkit.delivery.versions import SPOKEN, Span, Speaks
from toolkit.errors import WireError

MAGIC = b"LS"
VERSION = 1

_HEAD = struct.Struct("!2sBBIIB")
_HAVE = struct.Struct("!32sIIH")
_REPORT = struct.Struct("!IIIIH")
_PROBED = struct.Struct("!IQII")
_FETCH = struct.Struct("!Q?")
_RECEIPT = struct.Struct("!32sIQIIIQQQ")

HAVE_NOTHING, HAVE_ALL, HAVE_PART = range(3)
"""What a receiver holds of an object, one byte each in Have.states."""
LACKS_ALL = 255
"""In Report.lacks: nothing of the block is there; smaller numbers count symbols (k <= 200)."""
DROPPED = 254
"""The same, and it was not the network: the receiver dropped what it had (a wrong digest)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """I am here and know nothing of this session; also: I am still here."""

    speaks: Speaks = SPOKEN
    """Version 1 of everything is said with an empty body, which all have always understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Have:
    """I know the manifest; of its objects from number `first` on I hold `states`.

    Objects are counted from 0 in the order of their TOIs, beginning with TOI 2.
    """

    manifest: bytes
    """BLAKE3 of the manifest."""
    total: int
    first: int
    states: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Answer to a poll: symbols lacking in blocks first, first + 1, ..., one byte each.

    Answer to a mark: no byte.
    """

    poll_id: int
    toi: int
    first: int
    lacks: bytes
    room: int = 0
    """KiB that it can take at once: what its socket and its memory hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Every file is verified and placed."""

    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """I cannot go on."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """Of probing `probe_id` these numbers have come (toolkit.delivery.probe)."""

    probe_id: int
    mask: int
    """Bit n: number n has come; 64 bits."""
    last: int
    """Serial of the one that came last."""
    held: int
    """Microseconds between that and this answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """I fetch blocks by HTTP, for packets do not reach me; so many bytes have come that way."""

    bytes: int
    active: bool
    """False: no more; send me packets again."""


Body = Join | Have | Report | Done | Fail | Probed | Fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One control message.  Constructible means encodable."""

    tsi: int
    """0 in a Join: whatever you deliver."""
    incarnation: int
    name: str
    body: Body

    def __post_init__(self) -> None:
        if not 0 <= self.tsi < 1 << 32 or not 0 <= self.incarnation < 1 << 32:
            raise ValueError("tsi and incarnation have 32 bits")
        if not 1 <= len(self.name.encode()) <= 255:
            raise ValueError(f"a receiver's name takes 1 to 255 bytes: {self.name!r}")

    def encode(self) -> bytes:
        name = self.name.encode()
        kind, body = _encode_body(self.body)
        head = _HEAD.pack(MAGIC, VERSION, kind, self.tsi, self.incarnation, len(name))
        return head + name + body


def parse(data: bytes | memoryview) -> Message:
    """Return the message that `data` is."""
    if len(data) < _HEAD.size:
        raise WireError(f"control message: {len(data)} bytes are too few")
    magic, version, kind, tsi, incarnation, length = _HEAD.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise WireError("control message: not one of ours, or of another version")
    if kind not in _PARSERS:
        raise WireError(f"control message: type {kind} is unknown")
    at = _HEAD.size + length
    if length == 0 or at > len(data):
        raise WireError("control message: the name does not fit the message")
    try:
        name = bytes(data[_HEAD.size : at]).decode()
    except UnicodeDecodeError:
        raise WireError("control message: the name is not UTF-8") from None
    body = _PARSERS[kind](name, bytes(data[at:]))
    return Message(tsi=tsi, incarnation=incarnation, name=name, body=body)


def _encode_body(body: Body) -> tuple[int, bytes]:
    match body:
        case Join():
            control, manifest = body.speaks.control, body.speaks.manifest
            versions = bytes([control.low, control.high, manifest.low, manifest.high])
            return 1, b"" if body.speaks == SPOKEN else versions
        case Have():
            head = _HAVE.pack(body.manifest, body.total, body.first, len(body.states))
            return 2, head + body.states
        case Report():
            head = _REPORT.pack(body.poll_id, body.toi, body.first, body.room, len(body.lacks))
            return 3, head + body.lacks
        case Done(receipt=r):
            times = (round(t * 1e6) for t in (r.first_byte, r.last_byte, r.verified))
            return 4, _RECEIPT.pack(
                r.manifest, r.files, r.bytes, r.repaired, r.duplicates, r.polluted, *times
            )
        case Fail():
            return 5, body.reason.encode()[:1024]
        case Probed():
            return 6, _PROBED.pack(body.probe_id, body.mask, body.last, body.held)
        case Fetch():
            return 7, _FETCH.pack(body.bytes, body.active)


def _parse_join(_: str, data: bytes) -> Join:
    if not data:
        return Join()
    try:  # What follows the four is of a later version, which says more.
        control, manifest = Span(data[0], data[1]), Span(data[2], data[3])
    except (ValueError, IndexError):
        raise WireError("control message: the versions of a JOIN are none") from None
    return Join(speaks=Speaks(control=control, manifest=manifest))


def _parse_have(_: str, data: bytes) -> Have:
    if len(data) < _HAVE.size:
        raise WireError("control message: HAVE is too short")
    manifest, total, first, count = _HAVE.unpack_from(data)
    states = data[_HAVE.size :]
    if len(states) != count or first + count > total or set(states) - {0, 1, 2}:
        raise WireError("control message: HAVE contradicts itself")
    return Have(manifest=manifest, total=total, first=first, states=states)


def _parse_report(_: str, data: bytes) -> Report:
    if len(data) < _REPORT.size:
        raise WireError("control message: REPORT is too short")
    poll_id, toi, first, room, count = _REPORT.unpack_from(data)
    lacks = data[_REPORT.size :]
    if len(lacks) != count:
        raise WireError("control message: REPORT contradicts itself")
    return Report(poll_id=poll_id, toi=toi, first=first, lacks=lacks, room=room)


def _parse_done(name: str, data: bytes) -> Done:
    if len(data) != _RECEIPT.size:
        raise WireError("control message: DONE has another length")
    manifest, files, size, repaired, duplicates, polluted, *times = _RECEIPT.unpack(data)
    return Done(
        receipt=Receipt(
            receiver=name, manifest=manifest, files=files, bytes=size, repaired=repaired,
            duplicates=duplicates, polluted=polluted, first_byte=times[0] / 1e6,
            last_byte=times[1] / 1e6, verified=times[2] / 1e6,
        )
    )  # fmt: skip


def _parse_fail(_: str, data: bytes) -> Fail:
    return Fail(reason="".join(c for c in data.decode(errors="replace") if c.isprintable()))


def _parse_probed(_: str, data: bytes) -> Probed:
    if len(data) != _PROBED.size:
        raise WireError("control message: PROBED has another length")
    probe_id, mask, last, held = _PROBED.unpack(data)
    return Probed(probe_id=probe_id, mask=mask, last=last, held=held)


def _parse_fetch(_: str, data: bytes) -> Fetch:
    if len(data) != _FETCH.size:
        raise WireError("control message: FETCH has another length")
    size, active = _FETCH.unpack(data)
    return Fetch(bytes=size, active=active)


_PARSERS: dict[int, Callable[[str, bytes], Body]] = {
    1: _parse_join,
    2: _parse_have,
    3: _parse_report,
    4: _parse_done,
    5: _parse_fail,
    6: _parse_probed,
    7: _parse_fetch,
}
