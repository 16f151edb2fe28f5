"""The edge of the domain at frame level: IP multicast into BIER, and out of it.

RFC 8279 section 4.3 (overlay), RFC 8296 section 3 (imposing), RFC 1112 section 6.4 and RFC 2464
section 7 (MAC addresses of groups).  Law: IP is forwarded as a router does it (one TTL less, the
checksum kept right) at the BFIR and at the BFER; what was delivered goes to the disposition's
interfaces and the host, never into BIER again; a source reaches no BFER that it is not permitted.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from toolkit.bier.bift import BiftKey
from toolkit.bier.engine import Deliver, Engine, Output
from toolkit.bier.entropy import entropy_of
from toolkit.bier.frames import Framer, NodeReason, Send
from toolkit.bier.program import Flow, Imposition, Program
from toolkit.bier.reason import Reason
from toolkit.bier.wire import Proto
from toolkit.errors import WireError
from toolkit.inet import ethernet, ip
from toolkit.inet.ethernet import EtherType


class ToHost(NamedTuple):
    """Hand an IP packet that BIER delivered to the IP stack of this host; its TTL is as it came."""

    packet: bytes


class _Ingress(NamedTuple):
    how: Imposition
    sets: dict[int, int]
    """SI -> the bits of it that the source is permitted."""
    refused: int
    """Bits that it is not."""
    proto: int
    bfir_id: int | None
    entropy: int


class _Egress(NamedTuple):
    legs: tuple[tuple[str, bytes], ...]
    """Interface, and the group's MAC address with the EtherType around our own address."""
    bfirs: frozenset[int] | None
    host: bool


def addresses_of(packet: bytes) -> bytes:
    """Return source and destination of an IP packet, as they stand in it."""
    return packet[12:20] if packet[:1] < b"\x50" else packet[8:40]


class Overlay:
    """What one BFR does with (S,G) packets."""

    def __init__(self, program: Program) -> None:
        self._ingress: dict[bytes, _Ingress] = {}
        for flow, how in program.ingress.items():
            proto = Proto.IPV4 if flow.group.version == 4 else Proto.IPV6
            bfir_id = program.bfr_ids.get(how.sub_domain)
            sets, refused = _permitted(how, program.permitted(flow.source))
            self._ingress[_key(flow)] = _Ingress(
                how, sets, refused, proto, bfir_id, entropy_of(*flow)
            )
        self._egress = {
            _key(flow): _Egress(
                tuple((port, ip.multicast_mac(flow.group)) for port in how.interfaces),
                how.bfirs,
                how.host,
            )
            for flow, how in program.egress.items()
        }

    def imposes(self, packet: bytes) -> bool:
        """Say whether an IP packet is of an (S,G) that we are the BFIR of."""
        return addresses_of(packet) in self._ingress

    def impose(
        self, packet: bytes, interface: str, engine: Engine
    ) -> Iterable[Output] | NodeReason:
        """Put an IP packet that came in by an interface, and that `imposes` is true of, into
        BIER."""
        flow = self._ingress[addresses_of(packet)]
        if flow.how.interfaces is not None and interface not in flow.how.interfaces:
            return NodeReason.WRONG_INTERFACE
        try:
            header, _offset = ip.parse(packet)
        except WireError:
            return NodeReason.MALFORMED
        forwarded = ip.forwarded(packet[: header.end])
        if forwarded is None:
            return NodeReason.IP_TTL
        if flow.bfir_id is None:
            return NodeReason.NO_BFR_ID
        if flow.refused:
            engine.drop(Reason.NOT_PERMITTED, packet, flow.refused)
        how = flow.how
        return engine.impose(
            how.sub_domain, how.bsl, flow.sets, flow.proto, forwarded, flow.bfir_id,
            flow.entropy, how.ttl, tc=how.tc, dscp=how.dscp,
        )  # fmt: skip

    def dispose(self, delivered: Deliver, framer: Framer) -> list[Send | ToHost | NodeReason]:
        """Return what becomes of an IP packet that BIER delivered here.

        Nothing where this BFER has no dispositions at all: whoever runs it has an overlay of their
        own, and takes it from there.
        """
        if not self._egress or delivered.proto not in (Proto.IPV4, Proto.IPV6):
            return []
        packet = delivered.payload
        try:
            header, _offset = ip.parse(packet)
        except WireError:
            return [NodeReason.MALFORMED]
        if header.source.version != (4 if delivered.proto == Proto.IPV4 else 6):
            return [NodeReason.MALFORMED]
        flow = self._egress.get(addresses_of(packet))
        if flow is None:
            return [NodeReason.NO_EGRESS_FLOW]
        if flow.bfirs is not None and delivered.bfir_id not in flow.bfirs:
            return [NodeReason.UNKNOWN_BFIR]
        packet = packet[: header.end]
        outputs: list[Send | ToHost | NodeReason] = [ToHost(packet)] if flow.host else []
        if flow.legs:
            forwarded = ip.forwarded(packet)
            if forwarded is None:
                return [*outputs, NodeReason.IP_TTL]
            kind = EtherType.IPV4 if delivered.proto == Proto.IPV4 else EtherType.IPV6
            outputs += [_leg(port, mac, kind, forwarded, framer) for port, mac in flow.legs]
        return outputs


def _leg(port: str, mac: bytes, kind: int, packet: bytes, framer: Framer) -> Send | NodeReason:
    own = framer.own_mac(port)
    if own is None:
        return NodeReason.NO_MAC
    if len(packet) > framer.mtu(port):
        return NodeReason.MTU
    return Send(port, ethernet.Header(mac, own, kind).encode(), packet)


def _permitted(
    how: Imposition, permitted: Mapping[BiftKey, int] | None
) -> tuple[dict[int, int], int]:
    """Return the sets with the bits that are left, and how many bits are not."""
    if permitted is None:
        return dict(how.sets), 0
    sets, refused = {}, 0
    for si, bits in how.sets.items():
        left = bits & permitted.get(BiftKey(how.sub_domain, how.bsl, si), 0)
        refused += (bits ^ left).bit_count()
        if left:
            sets[si] = left
    return sets, refused


def _key(flow: Flow) -> bytes:
    return flow.source.packed + flow.group.packed
