"""What a BIER packet carries, in one line.  IANA "BIER Next Protocol Identifiers"; for OAM
draft-ietf-bier-ping.

A summary for people: what cannot be read is said, never raised.  Pure.
"""

from __future__ import annotations

from toolkit.bier import oam
from toolkit.bier.wire import BOTTOM, Proto
from toolkit.errors import WireError
from toolkit.inet import ethernet, ip, udp


def summary(proto: int, data: bytes) -> str:
    """Return one line about the octets after the BitString."""
    if not data:
        return "nothing"
    try:
        match proto:
            case Proto.IPV4 | Proto.IPV6:
                return _ip(data, 4 if proto == Proto.IPV4 else 6)
            case Proto.ETHERNET:
                return _ethernet(data)
            case Proto.MPLS_DOWNSTREAM | Proto.MPLS_UPSTREAM:
                return _mpls(data)
            case Proto.OAM:
                return _oam(data)
    except WireError as error:
        return f"{len(data)} octets that cannot be read: {error}"
    return f"{len(data)} octets"


def _ip(data: bytes, version: int) -> str:
    header, offset = ip.parse(data)
    if header.source.version != version:
        raise WireError(f"IP: version {header.source.version} where Proto says {version}")
    between = f"IPv{version} {header.source} > {header.destination} TTL {header.ttl}"
    if header.fragment:
        return f"{between}, fragment, {header.end - offset} octets"
    if header.protocol != udp.PROTOCOL:
        return f"{between}, protocol {header.protocol}, {header.end - offset} octets"
    try:
        ports, datagram = udp.parse(data, header, offset)
    except WireError as error:
        return f"{between}, {error}"
    ends = f"UDP {ports.source_port} > {ports.destination_port}"
    return f"{between}, {ends}, {len(datagram)} octets"


def _ethernet(data: bytes) -> str:
    header, offset = ethernet.parse(data)
    return (
        f"Ethernet {header.source.hex(':')} > {header.destination.hex(':')} "
        f"type {header.ethertype:#06x}, {len(data) - offset} octets"
    )


def _mpls(data: bytes) -> str:
    labels = []
    for offset in range(0, len(data) - 3, 4):
        word = int.from_bytes(data[offset : offset + 4], "big")
        labels.append(str(word >> 12))
        if word & BOTTOM:
            return f"MPLS label {' '.join(labels)}, {len(data) - offset - 4} octets"
    raise WireError(f"MPLS: {len(data)} octets end inside the label stack")


def _oam(data: bytes) -> str:
    message = oam.parse(data)
    about = f"handle {message.handle:#010x} sequence {message.sequence}"
    if message.message is oam.MessageType.ECHO_REQUEST:
        return f"BIER OAM echo request, {about}, reply mode {message.reply_mode}"
    code = message.return_code
    known = code in {*oam.ReturnCode}
    words = str(oam.ReturnCode(code)) if known else "unassigned"
    return f"BIER OAM echo reply, {about}, return code {code} ({words})"
