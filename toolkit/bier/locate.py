"""Where BIER is in a frame or in given octets, and what is around it.  RFC 8296 2.1.3, 2.2.3.

EtherType 0xAB37 says that a BIER header follows.  Under 0x8847 nothing in the frame says that a
label is a BIFT-id: it is one where the caller knows it, or where the last label is followed by what
looks like a BIER header (nibble 0101, Ver 0, an assigned BSL code), which is as far as an analyser
can see.  Both also inside VLAN tags, GRE (RFC 8279 section 6.9) and VXLAN (RFC 7348).  Pure.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from toolkit.bier.bitstring import Bsl
from toolkit.bier.wire import BOTTOM, FIXED, VERSION, WORDS, Encapsulation
from toolkit.errors import WireError
from toolkit.inet import gre, ip, pcap, udp
from toolkit.inet.ethernet import EtherType

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


def in_frame(
    frame: bytes, labels: Container[int] = (), link_type: int = pcap.LinkType.ETHERNET
) -> Found | None:
    """Return where the BIER header of a frame is, or None where there is none.

    `labels`: those known to be BIFT-ids.  WireError where the frame ends before it can be told.
    """
    return _link(frame, 0, link_type, (), labels)


def start(data: bytes, encapsulation: str | None, labels: Container[int] = ()) -> Found:
    """Return where the header is in octets of which a person knows little.

    `encapsulation`: `frame`, or a value of Encapsulation where they begin at a label or a BIFT-id;
    None: as they look.  WireError, naming the flag that helps, where they look like nothing of it,
    or like more than one.
    """
    if encapsulation == "frame":
        found = in_frame(data, labels)
        if found is None:
            raise WireError("the frame carries no BIER that can be seen; --bift-id names its label")
        return found
    if encapsulation is not None:
        return _at_bift_id(data, Encapsulation(encapsulation), labels)
    seen = {e.value: e for e in Encapsulation if looks_like(data, e, strictly=True)}
    guesses = {name: _at_bift_id(data, e, labels) for name, e in seen.items()}
    try:
        found = in_frame(data, labels)
    except WireError:
        found = None
    if found is not None:
        guesses["frame"] = found
    if len(guesses) == 1:
        return guesses.popitem()[1]
    many = f"may begin with either of: {', '.join(guesses)}"
    none = "begin neither with an Ethernet header before BIER nor with a BIER header without faults"
    raise WireError(f"the octets {many if guesses else none}; --encapsulation says what it is")


def _at_bift_id(data: bytes, encapsulation: Encapsulation, labels: Container[int]) -> Found:
    if encapsulation is Encapsulation.NON_MPLS or len(data) < 4:
        return Found(encapsulation, 0, ())
    try:
        offset, _ = in_labels(data, labels)
    except WireError:
        offset = 0  # S is 0 in every word: the header is told by its first, which is then wrong
    return Found(encapsulation, offset, _stack(data, 0, offset))


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


def _link(
    frame: bytes, offset: int, link_type: int, around: tuple[str, ...], labels: Container[int]
) -> Found | None:
    carried = pcap.payload(pcap.Frame(frame[offset:], link_type=link_type))
    if link_type == pcap.LinkType.ETHERNET:
        around = (*around, f"Ethernet {mac(carried.source)} > {mac(frame[offset : offset + 6])}")
    elif carried.source:
        around = (*around, f"Linux cooked capture, from {mac(carried.source)}")
    around = (*around, *(f"VLAN {number}" for number in carried.vlans))
    place = len(frame) - len(carried.data)
    return _by_ethertype(carried.ethertype, frame, place, around, labels)


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
    place, is_bier = in_labels(frame, labels, offset)
    if not is_bier:
        return None
    return Found(Encapsulation.MPLS, place, (*around, *_stack(frame, offset, place)))


def _stack(data: bytes, offset: int, end: int) -> tuple[str, ...]:
    words = (int.from_bytes(data[at : at + 4], "big") for at in range(offset, end, 4))
    return tuple(f"MPLS label {word >> 12} TTL {word & 0xFF}" for word in words)


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
            place = offset + payload + udp.HEADER + VXLAN_HEADER
            vni = int.from_bytes(datagram[4:7], "big")
            if len(around) < _DEPTH:
                inside = (*around, f"VXLAN VNI {vni}")
                return _link(frame, place, pcap.LinkType.ETHERNET, inside, labels)
    return None
