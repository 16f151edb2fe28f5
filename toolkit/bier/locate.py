"""Where BIER is in a frame, and what is around it.  RFC 8296 sections 2.1.3 and 2.2.3.

EtherType 0xAB37 says that a BIER header follows.  Under 0x8847 nothing in the frame says that a
label is a BIFT-id: it is one where the caller knows it, or where the last label is followed by what
looks like a BIER header (nibble 0101, Ver 0, an assigned BSL code), which is as far as an analyser
can see.  Both also inside GRE (RFC 8279 section 6.9), VLAN tags and VXLAN.  Pure.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from toolkit.bier.bitstring import Bsl
from toolkit.bier.wire import BOTTOM, FIXED, VERSION, WORDS, Encapsulation
from toolkit.errors import WireError
from toolkit.inet import ethernet, gre, ip, udp
from toolkit.inet.ethernet import EtherType

VLAN: Final = frozenset({0x8100, 0x88A8})
"""IEEE 802.1Q: customer and service tags."""
VXLAN_PORT: Final = 4789
VXLAN_HEADER: Final = 8
_DEPTH: Final = 8
"""Tunnels in tunnels that are followed; more is an attack or a mistake."""


@dataclass(frozen=True, slots=True)
class Found:
    """A BIER header somewhere in a frame."""

    encapsulation: Encapsulation
    offset: int
    """Of its first octet, the BIFT-id's."""
    around: tuple[str, ...]
    """What is before it, outermost first, in words."""


def mac(octets: bytes) -> str:
    return octets.hex(":")


def in_frame(frame: bytes, labels: Container[int] = ()) -> Found | None:
    """Return where the BIER header of an Ethernet frame is, or None where there is none.

    `labels`: those known to be BIFT-ids.  WireError where the frame ends before it can be told.
    """
    return _ethernet(frame, 0, (), labels)


def in_labels(data: bytes, labels: Container[int] = (), offset: int = 0) -> tuple[int, bool]:
    """Return (offset of the BIFT-id in a label stack, whether it is known or looks like one).

    That is the first label known; else the first that is the last of its stack (S 1), or that is
    followed by what looks like a header.
    """
    while len(data) >= offset + 4:
        word = int.from_bytes(data[offset : offset + 4], "big")
        likely = looks_like(data[offset:], Encapsulation.MPLS)
        if word >> 12 in labels:
            return offset, True
        if likely or word & BOTTOM:
            return offset, likely
        offset += 4
    raise WireError(f"MPLS: {len(data)} octets end inside the label stack")


def looks_like(data: bytes, encapsulation: Encapsulation, *, strictly: bool = False) -> bool:
    """Whether `data` may begin with a BIER header, as far as its fixed fields tell.

    `strictly`: also by S, by Rsv, and by its length: for octets of which nothing else is known.
    """
    if len(data) < (FIXED if strictly else 8):
        return False
    second = int.from_bytes(data[4:8], "big")
    code = second >> 20 & 0xF
    if second >> 28 != encapsulation.nibble or second >> 24 & 0xF != VERSION:
        return False
    if code not in {*Bsl}:
        return False
    if not strictly:
        return True
    first, _, third = WORDS.unpack_from(data)
    whole = len(data) >= FIXED + Bsl(code).octets
    return whole and bool(first & BOTTOM) and not third >> 28 & 3


def _ethernet(
    frame: bytes, offset: int, around: tuple[str, ...], labels: Container[int]
) -> Found | None:
    outer, payload = ethernet.parse(frame[offset:])
    payload += offset
    around = (*around, f"Ethernet {mac(outer.source)} > {mac(outer.destination)}")
    ethertype = outer.ethertype
    while ethertype in VLAN:
        if len(frame) < payload + 4:
            raise WireError("Ethernet: the frame ends inside a VLAN tag")
        around = (*around, f"VLAN {int.from_bytes(frame[payload : payload + 2], 'big') & 0xFFF}")
        ethertype = int.from_bytes(frame[payload + 2 : payload + 4], "big")
        payload += 4
    return _by_ethertype(ethertype, frame, payload, around, labels)


def _by_ethertype(
    ethertype: int, frame: bytes, offset: int, around: tuple[str, ...], labels: Container[int]
) -> Found | None:
    if len(around) > _DEPTH:
        return None
    if ethertype == EtherType.BIER:
        return Found(Encapsulation.NON_MPLS, offset, around)
    if ethertype == EtherType.MPLS:
        return _mpls(frame, offset, around, labels)
    if ethertype in {EtherType.IPV4, EtherType.IPV6}:
        return _ip(frame, offset, around, labels)
    return None


def _mpls(
    frame: bytes, offset: int, around: tuple[str, ...], labels: Container[int]
) -> Found | None:
    start, is_bier = in_labels(frame, labels, offset)
    if not is_bier:
        return None
    for place in range(offset, start, 4):
        word = int.from_bytes(frame[place : place + 4], "big")
        around = (*around, f"MPLS label {word >> 12} TTL {word & 0xFF}")
    return Found(Encapsulation.MPLS, start, around)


def _ip(frame: bytes, offset: int, around: tuple[str, ...], labels: Container[int]) -> Found | None:
    packet = frame[offset:]
    outer, payload = ip.parse(packet)
    if outer.fragment:
        return None
    around = (*around, f"IP {outer.source} > {outer.destination}")
    if outer.protocol == gre.PROTOCOL:
        ethertype, size = gre.parse(packet[payload : outer.end])
        inside = (*around, "GRE")
        return _by_ethertype(ethertype, frame[: offset + outer.end], offset + payload + size,
                             inside, labels)  # fmt: skip
    if outer.protocol == udp.PROTOCOL:
        header, datagram = udp.parse(packet, outer, payload)
        if header.destination_port == VXLAN_PORT and len(datagram) >= VXLAN_HEADER:
            start = offset + payload + udp.HEADER + VXLAN_HEADER
            vni = int.from_bytes(datagram[4:7], "big")
            if len(around) < _DEPTH:
                return _ethernet(frame, start, (*around, f"VXLAN VNI {vni}"), labels)
    return None
