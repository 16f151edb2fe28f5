"""Checksums that a sending host left to its network card.  Virtio 1.2 section 5.1.6 (the header
that Linux puts before frames of packet sockets which ask for it).

    flags (1) | GSO type (1) | header length (2) | GSO size (2) | checksum start (2) | offset (2)

A frame that a program on the same machine sent may arrive before anybody computed its UDP
checksum: its field then holds the sum of the pseudo header.  Whoever carries the packet on in
another encapsulation has to finish it.  Byte order is the machine's.  Pure.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from toolkit.inet.checksum import checksum

HEADER: Final = 10
NONE: Final = bytes(HEADER)
"""What goes before a frame that is complete."""
_NEEDS_CHECKSUM: Final = 0x01
_FIELDS: Final = Struct("=BBHHHH")


class Offload(NamedTuple):
    """What is left to do for a frame."""

    checksum_at: int | None = None
    """Offset of what is summed; None: the checksum is there."""
    field_at: int = 0
    """Offset of the checksum field."""
    segments_of: int = 0
    """Octets of each datagram's payload where the frame is several of them; 0: it is one."""


def parse(data: bytes | bytearray | memoryview) -> Offload:
    """Return what the first HEADER octets say."""
    flags, gso, _length, size, start, offset = _FIELDS.unpack_from(data)
    segments = size if gso else 0
    if flags & _NEEDS_CHECKSUM:
        return Offload(start, start + offset, segments)
    return Offload(segments_of=segments)


def completed(frame: bytes, todo: Offload) -> bytes:
    """Return the frame with its checksum; as it is where that does not lie in the frame."""
    start, field = todo.checksum_at, todo.field_at
    if start is None or not start <= field <= len(frame) - 2:
        return frame
    total = checksum(frame[start:]) or 0xFFFF  # 0 would say that there is none (RFC 768)
    return b"".join((frame[:field], total.to_bytes(2, "big"), frame[field + 2 :]))
