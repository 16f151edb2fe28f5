"""UDP datagrams.  RFC 768; RFC 8200 section 8.1 (IPv6); RFC 8085 (when a checksum may be left out).

    +---------------+---------------+
    |  source port  |   dest. port  |
    +---------------+---------------+
    |    length     |   checksum    |
    +---------------+---------------+

Law: a checksum is sent unless the caller asks otherwise, over IPv4 only: there 0 means "not
computed" (RFC 768), which RFC 8085 section 3.4 allows where something above checks the data, as our
digests do. Over IPv6 a zero checksum is refused (RFC 8200; the tunnel exception of RFC 6935 is not
ours).  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from toolkit.errors import WireError
from toolkit.inet import ip
from toolkit.inet.checksum import add, checksum, ones_sum

PROTOCOL: Final = 17
HEADER: Final = 8
_UDP: Final = Struct("!HHHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    source_port: int
    destination_port: int
    checked: bool
    """A checksum was there, and right."""


def parse(packet: bytes, outer: ip.Header, offset: int) -> tuple[Header, bytes]:
    """Return the UDP header and payload of an IP packet; `offset` is where UDP starts in it.

    WireError on a wrong length or checksum, and over IPv6 on a missing one.
    """
    if outer.protocol != PROTOCOL:
        raise WireError(f"UDP: protocol {outer.protocol} is not UDP")
    if outer.fragment:
        raise WireError("UDP: a fragment is no datagram")
    room = outer.end - offset
    if room < HEADER:
        raise WireError(f"UDP: {room} octets are less than {HEADER}")
    source_port, destination_port, length, check = _UDP.unpack_from(packet, offset)
    if not HEADER <= length <= room:
        raise WireError(f"UDP: length {length} does not fit {room} octets")
    if check:
        pseudo = ones_sum(outer.source.packed + outer.destination.packed)
        pseudo = add(pseudo, PROTOCOL + length)
        if checksum(packet[offset : offset + length], pseudo):
            raise WireError("UDP: wrong checksum")
    elif outer.source.version == 6:
        raise WireError("UDP: no checksum over IPv6")
    header = Header(source_port=source_port, destination_port=destination_port, checked=bool(check))
    return header, packet[offset + HEADER : offset + length]


class Template:
    """Datagrams of one flow, as whole IP packets."""

    __slots__ = ("_checked", "_ip", "_ports", "_sum")

    def __init__(
        self,
        source: ip.IpAddress,
        source_port: int,
        destination: ip.IpAddress,
        destination_port: int,
        *,
        ttl: int = ip.DEFAULT_TTL,
        dscp: int = 0,
        checked: bool = True,
    ) -> None:
        """ValueError where a field does not fit, or `checked` is False over IPv6."""
        for port in (source_port, destination_port):
            if not 0 <= port <= 0xFFFF:
                raise ValueError(f"port {port} is not 0..65535")
        if not checked and source.version == 6:
            raise ValueError("UDP over IPv6 needs its checksum (RFC 8200 section 8.1)")
        self._ip = ip.Template(source, destination, PROTOCOL, ttl=ttl, dscp=dscp)
        self._ports = source_port << 16 | destination_port
        self._checked = checked
        self._sum = add(add(self._ip.pseudo_sum, PROTOCOL), add(source_port, destination_port))

    @property
    def overhead(self) -> int:
        """Octets of the IP and UDP headers."""
        return self._ip.size + HEADER

    def packet(self, payload: bytes) -> bytes:
        """Return the IP packet that carries `payload`; ValueError where it is too long."""
        length = HEADER + len(payload)
        header = self._ip.header(length)
        check = 0
        if self._checked:
            # the length counts twice: in the header and in the pseudo header
            total = add(self._sum, add(length, length))
            check = checksum(payload, total) or 0xFFFF  # 0 would say that there is none (RFC 768)
        words = self._ports << 32 | length << 16 | check
        return b"".join((header, words.to_bytes(8, "big"), payload))
