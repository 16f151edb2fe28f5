"""The BFR that answers echo requests.  draft-ietf-bier-ping-23 sections 4.1, 4.4 and 4.5.

Law: a responder answers, it never does: what the engine handed over and the time come in, the reply
comes out as an IP packet, or as a payload to impose BIER on.  It never raises on what a peer sent;
every request without a reply is counted with its reason, and replies are rate-limited.  Pure.

Read where the text leaves a choice, or says two things:

- At a BFER where the TTL has not expired, a Target SI-BitString that lacks the BFER itself means no
  reply (section 3.4.2: it lists the BFERs that the initiator expects a response from); where the
  TTL has expired, any bit in common with the header means one (section 4.4).
- The only BFER gives no DDMAP (section 3.4.4), one of the BFERs gives them (section 4.5).
- A DDMAP in the request is held against the header only where its Downstream Address is ours: on a
  tree, requests carry the mappings of all branches (sections 4.4 and 4.6).
- Which entropies lead where is not computed: each mapping says with M=0 that the packet goes there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from toolkit.bier.bift import BiftKey
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import BitString, Bsl, set_and_bit
from toolkit.bier.oam import (
    FIXED,
    Echo,
    MessageType,
    ReplyMode,
    ReturnCode,
    TimestampFormat,
    ntp,
    parse,
    parse_fixed,
)
from toolkit.bier.oam_model import PORT
from toolkit.bier.oam_tlv import (
    AddressType,
    Downstream,
    Egress,
    Erroneous,
    Ingress,
    Interface,
    IpAddress,
    Multipath,
    OamError,
    ResponderBfer,
    ResponderBfr,
    SetBits,
    SiBitString,
    Tlv,
    TlvType,
    Unknown,
)
from toolkit.bier.punt import Punt
from toolkit.bier.token_bucket import TokenBucket
from toolkit.bier.wire import Encapsulation
from toolkit.inet import udp

RATE: Final = 100.0
"""Replies a second."""
BURST: Final = 200
DEFAULT_MTU: Final = 1500
_LIMIT: Final = 1280 - 48
"""Octets of a reply's payload: what every IPv6 link carries (RFC 8200 section 5)."""


@dataclass(frozen=True, slots=True)
class Port:
    """An interface of the responder."""

    interface: Interface
    mtu: int = DEFAULT_MTU
    """Octets of network-layer packet, which the BIER header and its payload are."""


UNNAMED: Final = Port(Interface(AddressType.IPV4_UNNUMBERED))
"""No interface: the request was imposed here, or nothing is known of the interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who answers, and whom."""

    prefixes: Mapping[int, IpAddress]
    """Sub-domain -> our BFR-prefix."""
    bfr_ids: Mapping[int, int]
    """Sub-domain -> our BFR-id, where we have one."""
    initiator: Callable[[int, int, int], IpAddress | None]
    """(sub-domain, BSL in bits, BFIR-id) -> its BFR-prefix: where replies go."""
    neighbor: Callable[[int, Neighbor], IpAddress | None]
    """(sub-domain, BFR-NBR) -> its BFR-prefix."""
    ports: Mapping[str, Port] = field(default_factory=dict)
    """Interface -> what is said of it."""
    permitted: frozenset[tuple[int, int]] | None = None
    """<sub-domain, BFIR-id> that are answered (section 6); None: all."""


class IpReply(NamedTuple):
    """Send this IP packet to where its destination says."""

    destination: IpAddress
    packet: bytes


class BierReply(NamedTuple):
    """Impose BIER with Proto 5 on this payload (reply mode 3, section 4.5)."""

    sub_domain: int
    bsl: int
    sets: Mapping[int, int]
    bfir_id: int
    payload: bytes


class Received(NamedTuple):
    """The payload is an echo reply: one of our own requests was answered by BIER."""

    payload: bytes


Answer = IpReply | BierReply | Received


class Responder:
    """One BFR's answers.  Give it every Punt of the engine."""

    def __init__(
        self, identity: Identity, *, port: int = PORT, rate: float = RATE, burst: int = BURST
    ) -> None:
        """`port`: UDP, source and destination of replies; `rate`, `burst`: of replies."""
        self.identity = identity
        self.counters: Counter[str] = Counter()
        """`replies`, and `no-reply-<reason>`."""
        self._port = port
        self._bucket = TokenBucket(rate, burst)

    def receive(self, punt: Punt, interface: str | None, now: float) -> Answer | None:
        """Return what answers an OAM message that came in by `interface` (None: from ourselves).

        `now`: seconds since 1970, or on the clock that the initiator shares.
        """
        try:
            fixed = parse_fixed(punt.payload)
        except OamError:
            return self._silent("unreadable")
        if fixed.message is MessageType.ECHO_REPLY:
            return Received(punt.payload)
        permitted = self.identity.permitted
        if permitted is not None and (punt.key.sub_domain, punt.bfir_id) not in permitted:
            return self._silent("initiator-not-permitted")
        if fixed.reply_mode == ReplyMode.NO_REPLY:
            return self._silent("not-wanted")
        if fixed.reply_mode not in (ReplyMode.UDP, ReplyMode.BIER):
            return self._silent("reply-mode")
        code, tlvs = self._judge(punt)
        if code is None:
            return self._silent("not-targeted")
        if not self._bucket.take(now):
            return self._silent("rate")
        reply = Echo(
            message=MessageType.ECHO_REPLY, handle=fixed.handle, sequence=fixed.sequence,
            reply_mode=fixed.reply_mode, return_code=code, qtf=fixed.qtf, rtf=TimestampFormat.NTP,
            sent=fixed.sent, received=ntp(now),
            tlvs=self._fitting((*self._about(punt, interface), *tlvs)),
        )  # fmt: skip
        return self._send(punt, reply)

    # ----- judging: section 4.4

    def _judge(self, punt: Punt) -> tuple[ReturnCode | None, tuple[Tlv, ...]]:
        """Return the return code (None: no reply) and the TLVs that explain it."""
        try:
            request = parse(punt.payload)
        except OamError as error:
            return _malformed(punt, error.pointer)
        original = request.set_bits(TlvType.ORIGINAL)
        target = request.set_bits(TlvType.TARGET)
        if target and not self._targeted(punt, target[0]):
            return None, ()
        if len(original) == 1 and _key(original[0]) != punt.key:
            return ReturnCode.SET_MISMATCH, ()
        if wrong := _wrong(request, original, target):
            return _malformed(punt, wrong)
        unknown = [t for t in request.tlvs if isinstance(t, Unknown) and t.mandatory]
        if unknown:
            pointer = request.offset_of(unknown[0])
            return ReturnCode.TLV_NOT_SUPPORTED, (Erroneous(pointer, punt.payload), *unknown)
        asked = [t for t in request.tlvs if isinstance(t, Downstream)]
        ours = self.identity.prefixes.get(punt.key.sub_domain)
        announced = [t.egress for t in asked if t.address == ours and t.egress is not None]
        if announced and _set_bits(punt) not in announced:
            return ReturnCode.DDMAP_MISMATCH, ()
        multipath = next((t.multipath for t in asked if t.multipath is not None), None)
        if punt.encapsulation is not Encapsulation.MPLS:
            multipath = None  # section 3.4.4.1.1: ignored
        if multipath is not None and len(target[0].set_bits.bits) > 1:
            return ReturnCode.INVALID_MULTIPATH, ()
        return self._found(punt, ask=bool(asked), entropy=multipath is not None)

    def _targeted(self, punt: Punt, target: SiBitString) -> bool:
        if _key(target) != punt.key:
            return True  # the Original will not fit either, and that has to be said
        wanted = target.set_bits.bits.value & punt.bits
        if punt.expired:
            return wanted != 0
        own = self.identity.bfr_ids.get(punt.key.sub_domain)
        if own is None:
            return False
        si, position = set_and_bit(own, punt.key.bsl)
        return si == punt.key.si and bool(wanted >> position - 1 & 1)

    def _found(self, punt: Punt, *, ask: bool, entropy: bool) -> tuple[ReturnCode, tuple[Tlv, ...]]:
        """Say what the tables made of the packet, once everything about the request is right."""
        decision = punt.decision
        mappings = self._mappings(punt, entropy=entropy) if ask else ()
        bfer = (ResponderBfer(self.identity.bfr_ids.get(punt.key.sub_domain, 0)),)
        if decision.local and not decision.copies:
            return ReturnCode.ONLY_BFER, bfer
        if decision.local:
            return ReturnCode.ONE_OF_THE_BFERS, (*bfer, *mappings)
        if not decision.copies:
            return ReturnCode.NO_MATCHING_ENTRY, ()
        return ReturnCode.FORWARD_SUCCESS, mappings

    def _mappings(self, punt: Punt, *, entropy: bool) -> tuple[Downstream, ...]:
        """Return a DDMAP for each copy that the packet leads to (section 3.4.4)."""
        found: list[Downstream] = []
        for neighbor, _, bits in punt.decision.copies:
            prefix = self.identity.neighbor(punt.key.sub_domain, neighbor)
            if prefix is None:
                continue
            port = self.identity.ports.get(neighbor.interface, UNNAMED)
            egress = Egress(SetBits(punt.key.sub_domain, punt.key.si, BitString.from_bytes(bits)))
            found.append(
                Downstream(
                    prefix, _fit(port.interface, prefix), port.mtu,
                    sub_tlvs=(Multipath(), egress) if entropy else (egress,),
                )
            )  # fmt: skip
        return tuple(found)

    # ----- answering: section 4.5

    def _about(self, punt: Punt, interface: str | None) -> tuple[Tlv, ...]:
        port = UNNAMED if interface is None else self.identity.ports.get(interface, UNNAMED)
        found: list[Tlv] = [
            SiBitString(TlvType.INCOMING, _set_bits(punt)), Ingress(port.interface)
        ]  # fmt: skip
        prefix = self.identity.prefixes.get(punt.key.sub_domain)
        if prefix is not None:
            found.append(ResponderBfr(prefix))
        return tuple(found)

    def _fitting(self, tlvs: tuple[Tlv, ...]) -> tuple[Tlv, ...]:
        """Return the TLVs that there is room for; a request is cut, not left out."""
        found: list[Tlv] = []
        room = _LIMIT - FIXED
        for tlv in tlvs:
            size = len(tlv.encode())
            if isinstance(tlv, Erroneous) and size > room:
                tlv = replace(tlv, request=tlv.request[: max(0, room - 8)])
                size = 8 + len(tlv.request)
            if size > room and isinstance(tlv, Downstream | Unknown):
                self.counters["tlvs-left-out"] += 1
                continue
            found.append(tlv)
            room -= size
        return tuple(found)

    def _send(self, punt: Punt, reply: Echo) -> Answer | None:
        key = punt.key
        if reply.reply_mode == ReplyMode.BIER:
            if not punt.bfir_id:
                return self._silent("initiator-unknown")
            si, position = set_and_bit(punt.bfir_id, key.bsl)
            self.counters["replies"] += 1
            return BierReply(key.sub_domain, key.bsl, {si: 1 << position - 1}, 0, reply.encode())
        to = self.identity.initiator(key.sub_domain, key.bsl, punt.bfir_id)
        ours = self.identity.prefixes.get(key.sub_domain)
        if to is None or ours is None or to.version != ours.version:
            return self._silent("initiator-unknown")
        self.counters["replies"] += 1
        packet = udp.Template(ours, self._port, to, self._port).packet(reply.encode())
        return IpReply(to, packet)

    def _silent(self, reason: str) -> Answer | None:
        self.counters[f"no-reply-{reason}"] += 1
        return None


def _set_bits(punt: Punt) -> SetBits:
    key = punt.key
    return SetBits(key.sub_domain, key.si, BitString(Bsl.of_bits(key.bsl), punt.bits))


def _key(tlv: SiBitString) -> BiftKey:
    found = tlv.set_bits
    return BiftKey(found.sub_domain, found.bits.bsl.bits, found.si)


def _malformed(punt: Punt, pointer: int) -> tuple[ReturnCode, tuple[Tlv, ...]]:
    return ReturnCode.MALFORMED, (Erroneous(pointer, punt.payload),)


def _wrong(request: Echo, original: list[SiBitString], target: list[SiBitString]) -> int:
    """Return the offset of what may not be so in a request (section 4.4); 0: nothing."""
    if request.qtf not in tuple(TimestampFormat):
        return 8
    if len(original) != 1:
        return request.offset_of(original[1]) if original else len(request.encode())
    if len(target) > 1:
        return request.offset_of(target[1])
    for tlv in request.tlvs:
        if isinstance(tlv, Downstream) and not target:
            return request.offset_of(tlv)
        if isinstance(tlv, ResponderBfer | ResponderBfr) or (
            isinstance(tlv, SiBitString) and tlv.kind is TlvType.INCOMING
        ):
            return request.offset_of(tlv)
    return 0


def _fit(interface: Interface, prefix: IpAddress) -> Interface:
    """Return the interface as an address type that goes with the family of the prefix (table 5)."""
    wide = interface.kind in (AddressType.IPV6, AddressType.IPV6_LINK_LOCAL)
    if wide == (prefix.version == 6):
        return interface
    kind = AddressType.IPV6_LINK_LOCAL if prefix.version == 6 else AddressType.IPV4_UNNUMBERED
    return Interface(kind, index=interface.index)
