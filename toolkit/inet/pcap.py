"""Capture files: read pcap and pcapng, write pcap.

draft-ietf-opsawg-pcap (pcap: both byte orders, microseconds and nanoseconds, also the modified
kind of old Linux), draft-ietf-opsawg-pcapng (Section Header, Interface Description, Enhanced,
Simple and obsolete Packet Blocks; other blocks are skipped).  Bytes in, values out: who has the
file opens it.  Law: a frame says where it came from (its number, counted from 1 as analysers do),
when, and of which link type; a file that ends inside a packet gives every whole frame before
that, and says so.  `write` is the inverse of `read` for frames of one link type.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from toolkit.errors import WireError
from toolkit.inet.ethernet import EtherType

NANOSECOND: Final = 1_000_000_000
_MICRO: Final = 0xA1B2C3D4
_NANO: Final = 0xA1B23C4D
_MODIFIED: Final = 0xA1B2CD34
"""Old Linux: the record header has 8 octets more."""
_SECTION: Final = 0x0A0D0D0A
_BYTE_ORDER: Final = 0x1A2B3C4D
_INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_FILE_HEADER: Final = 24
_RECORD_HEADER: Final = 16
_BLOCK_FRAME: Final = 12
"""Octets of a block around its body: type and length before it, the length again after it."""
_MAX_FRAME: Final = 1 << 18
"""Octets of the largest frame that libpcap takes (MAXIMUM_SNAPLEN); more is a damaged file."""
_IF_TSRESOL: Final = 9
_IF_TSOFFSET: Final = 14
_MICROSECONDS: Final = 6
_VLAN_TAGS: Final = (0x8100, 0x88A8, 0x9100)
"""IEEE 802.1Q, 802.1ad, and what came before it."""
_LENGTH_LIMIT: Final = 0x0600
"""Below: the field is the length of an IEEE 802.3 frame, and LLC follows."""
_COOKED_LLC: Final = 4
"""Protocol field of Linux cooked captures for frames that start with an LLC header."""


class LinkType(IntEnum):
    """What a frame starts with; the registered numbers that `payload` understands."""

    ETHERNET = 1
    RAW = 101
    """An IPv4 or IPv6 header."""
    LINUX_SLL = 113
    """Linux cooked capture, version 1."""
    IPV4 = 228
    IPV6 = 229
    LINUX_SLL2 = 276
    """Version 2: what tcpdump writes of all interfaces at once."""


_COOKED: Final = {LinkType.LINUX_SLL: (16, 14, 5, 6), LinkType.LINUX_SLL2: (20, 0, 11, 12)}
"""Octets of the header; where in it the protocol, the length of the address and the address are."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured frame."""

    data: bytes
    """What was captured of it."""
    time_ns: int = 0
    """Nanoseconds since 1970 (UTC)."""
    link_type: int = LinkType.ETHERNET
    number: int = 0
    """From 1, in the order of the file."""
    length: int = -1
    """Octets it had on the wire; -1 stands for `len(data)`."""

    @property
    def cut(self) -> bool:
        """True where the capture kept only the start of the frame."""
        return self.length > len(self.data)


@dataclass(frozen=True, slots=True)
class Capture:
    """All that could be read of a file."""

    frames: tuple[Frame, ...]
    damage: str = ""
    """Why reading ended before the end of the file; empty where it did not."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What a frame carries, whatever was around it."""

    ethertype: int
    """0 where an LLC header (IEEE 802.2) starts `data`."""
    data: bytes
    vlans: tuple[int, ...] = ()
    """VLAN ids, the outermost first."""
    source: bytes = b""
    """MAC address of the sender; empty where the link type has none."""


def read(data: bytes) -> Capture:
    """Return the frames of a capture file; WireError where it is none at all."""
    if len(data) < 4:
        raise WireError("neither pcap nor pcapng: the file is shorter than 4 octets")
    if int.from_bytes(data[:4], "big") == _SECTION:
        return _PcapNg(data).read()
    for order in ("<", ">"):
        magic = int.from_bytes(data[:4], "little" if order == "<" else "big")
        if magic in {_MICRO, _NANO, _MODIFIED}:
            return _read_pcap(data, order, magic)
    raise WireError(f"neither pcap nor pcapng: it starts with {data[:4].hex()}")


def write(frames: Iterable[Frame], link_type: int = LinkType.ETHERNET) -> bytes:
    """Return a pcap file (little endian, nanoseconds) of frames of one link type.

    ValueError for a frame of another link type, and for what the format cannot hold: times before
    1970 or after 2106, and frames above 262144 octets.
    """
    parts = [Struct("<IHHiIII").pack(_NANO, 2, 4, 0, 0, _MAX_FRAME, link_type)]
    for frame in frames:
        if frame.link_type != link_type:
            raise ValueError(f"a frame of link type {frame.link_type} in a file of {link_type}")
        length = len(frame.data) if frame.length < 0 else frame.length
        seconds, rest = divmod(frame.time_ns, NANOSECOND)
        if not 0 <= seconds <= 0xFFFFFFFF:
            raise ValueError(f"pcap has no time {frame.time_ns} ns")
        if not len(frame.data) <= length <= 0xFFFFFFFF or len(frame.data) > _MAX_FRAME:
            raise ValueError(f"pcap has no frame of {len(frame.data)} octets out of {length}")
        parts += (Struct("<IIII").pack(seconds, rest, len(frame.data), length), frame.data)
    return b"".join(parts)


def payload(frame: Frame) -> Payload:
    """Return what a frame carries, past its VLAN tags.

    WireError on a frame that is too short, and on a link type that is not in LinkType.
    """
    data = frame.data
    if frame.link_type in {LinkType.RAW, LinkType.IPV4, LinkType.IPV6}:
        if not data:
            raise WireError("IP: empty packet")
        version = data[0] >> 4
        if version not in {4, 6}:
            raise WireError(f"IP: version {version} is neither 4 nor 6")
        return Payload(EtherType.IPV4 if version == 4 else EtherType.IPV6, data)
    if frame.link_type == LinkType.ETHERNET:
        if len(data) < 14:
            raise WireError(f"Ethernet: {len(data)} octets are less than 14")
        return _untagged(data, 12, data[6:12])
    if frame.link_type in _COOKED:
        return _cooked(data, *_COOKED[LinkType(frame.link_type)])
    raise WireError(f"link type {frame.link_type} is not Ethernet, raw IP or Linux cooked")


def _cooked(data: bytes, size: int, protocol: int, octets_at: int, address: int) -> Payload:
    if len(data) < size:
        raise WireError(f"Linux cooked capture: {len(data)} octets are less than {size}")
    source = data[address : address + min(data[octets_at], 8)]
    kind = int.from_bytes(data[protocol : protocol + 2], "big")
    if kind == _COOKED_LLC:
        return Payload(0, data[size:], (), source)
    return _untagged(data[protocol : protocol + 2] + data[size:], 0, source)


def _untagged(data: bytes, at: int, source: bytes) -> Payload:
    """`at`: where the EtherType, or the length of an 802.3 frame, stands."""
    vlans: list[int] = []
    while True:
        if len(data) < at + 2:
            raise WireError("Ethernet: the frame ends inside its VLAN tags")
        kind = int.from_bytes(data[at : at + 2], "big")
        if kind not in _VLAN_TAGS:
            break
        if len(data) < at + 4:
            raise WireError("Ethernet: the frame ends inside its VLAN tags")
        vlans.append(int.from_bytes(data[at + 2 : at + 4], "big") & 0xFFF)
        at += 4
    start = at + 2
    if kind < _LENGTH_LIMIT:
        return Payload(0, data[start : start + kind], tuple(vlans), source)
    return Payload(kind, data[start:], tuple(vlans), source)


def _read_pcap(data: bytes, order: str, magic: int) -> Capture:
    if len(data) < _FILE_HEADER:
        raise WireError(f"pcap: {len(data)} octets are less than the file header of 24")
    major, _minor, _zone, _sigfigs, _snap, network = Struct(order + "HHiIII").unpack_from(data, 4)
    if major != 2:
        raise WireError(f"pcap: version {major} is not 2")
    link_type = network & 0xFFFF  # the upper bits say whether a frame check sequence follows
    unit = 1 if magic == _NANO else 1000
    record = Struct(order + "IIII")
    extra = 8 if magic == _MODIFIED else 0
    frames: list[Frame] = []
    at = _FILE_HEADER
    while at < len(data):
        if len(data) - at < _RECORD_HEADER + extra:
            return Capture(tuple(frames), f"the file ends inside the header of {_nth(frames)}")
        seconds, rest, captured, length = record.unpack_from(data, at)
        if captured > _MAX_FRAME:
            return Capture(tuple(frames), f"{_nth(frames)} would have {captured} octets")
        at += _RECORD_HEADER + extra
        if len(data) - at < captured:
            return Capture(tuple(frames), f"the file ends inside {_nth(frames)}")
        time_ns = seconds * NANOSECOND + rest * unit
        octets = data[at : at + captured]
        frames.append(Frame(octets, time_ns, link_type, len(frames) + 1, max(length, captured)))
        at += captured
    return Capture(tuple(frames))


def _nth(frames: list[Frame]) -> str:
    return f"frame {len(frames) + 1}"


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    snap: int
    resolution: int
    """As in if_tsresol: a power of ten, or of two with the top bit set."""
    offset: int
    """Seconds."""

    def time_ns(self, units: int) -> int:
        exponent = self.resolution & 0x7F
        if self.resolution & 0x80:
            return self.offset * NANOSECOND + (units * NANOSECOND >> exponent)
        per_second: int = 10**exponent
        return self.offset * NANOSECOND + units * NANOSECOND // per_second


class _PcapNg:
    """Reads one file, block by block."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._frames: list[Frame] = []

    def read(self) -> Capture:
        at, data = 0, self._data
        while at < len(data):
            try:
                at = self._block(at)
            except WireError as error:
                if not self._frames:
                    raise
                return Capture(tuple(self._frames), str(error))
        return Capture(tuple(self._frames))

    def _block(self, at: int) -> int:
        data = self._data
        if len(data) - at < _BLOCK_FRAME:
            raise WireError(f"pcapng: the file ends inside a block, at octet {at}")
        if int.from_bytes(data[at : at + 4], "big") == _SECTION:
            self._section(at)
        kind, total = self._ints("II", at)
        if total < _BLOCK_FRAME or total % 4 or total > len(data) - at:
            raise WireError(f"pcapng: a block of {total} octets at octet {at} does not fit")
        if self._ints("I", at + total - 4)[0] != total:
            raise WireError(f"pcapng: the two lengths of the block at octet {at} differ")
        body = data[at + 8 : at + total - 4]
        if kind == _INTERFACE:
            self._interface(body)
        elif kind in {_ENHANCED, _PACKET}:
            self._packet(kind, body)
        elif kind == _SIMPLE:
            self._simple(body)
        return at + total

    def _ints(self, layout: str, at: int, data: bytes | None = None) -> tuple[int, ...]:
        source = self._data if data is None else data
        struct = Struct(self._order + layout)
        if len(source) - at < struct.size:
            raise WireError("pcapng: a block is shorter than its fields")
        return struct.unpack_from(source, at)

    def _section(self, at: int) -> None:
        mark = self._data[at + 8 : at + 12]
        for order, name in (("<", "little"), (">", "big")):
            if mark == _BYTE_ORDER.to_bytes(4, "little" if name == "little" else "big"):
                self._order = order
                self._interfaces = []
                if self._ints("H", at + 12)[0] != 1:
                    raise WireError("pcapng: the version of a section is not 1")
                return
        raise WireError(f"pcapng: {mark.hex()} is no byte-order magic")

    def _interface(self, body: bytes) -> None:
        link_type, _reserved, snap = self._ints("HHI", 0, body)
        resolution, offset, at = _MICROSECONDS, 0, 8
        while len(body) - at >= 4:
            code, length = self._ints("HH", at, body)
            value = body[at + 4 : at + 4 + length]
            if not code or len(value) < length:
                break
            if code == _IF_TSRESOL and length == 1:
                resolution = value[0]
            elif code == _IF_TSOFFSET and length == 8:
                (offset,) = Struct(self._order + "q").unpack(value)
            at += 4 + (length + 3 & ~3)
        self._interfaces.append(_Interface(link_type, snap, resolution, offset))

    def _packet(self, kind: int, body: bytes) -> None:
        layout = "IIIII" if kind == _ENHANCED else "HxxIIII"
        number, high, low, captured, length = self._ints(layout, 0, body)
        interface = self._of(number)
        self._add(interface, body[20:], captured, length, interface.time_ns(high << 32 | low))

    def _simple(self, body: bytes) -> None:
        (length,) = self._ints("I", 0, body)
        interface = self._of(0)
        captured = min(length, interface.snap or length, len(body) - 4)
        self._add(interface, body[4:], captured, length, 0)

    def _of(self, number: int) -> _Interface:
        if number >= len(self._interfaces):
            raise WireError(f"pcapng: a packet of interface {number}, which nothing describes")
        return self._interfaces[number]

    def _add(
        self, interface: _Interface, data: bytes, captured: int, length: int, time_ns: int
    ) -> None:
        if captured > len(data):
            raise WireError(f"pcapng: a packet of {captured} octets in a block of {len(data)}")
        number = len(self._frames) + 1
        octets = max(length, captured)
        frame = Frame(data[:captured], time_ns, interface.link_type, number, octets)
        self._frames.append(frame)
