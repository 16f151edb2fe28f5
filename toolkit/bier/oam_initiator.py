"""What ping and trace share: requests out, replies in.  draft-ietf-bier-ping-23 sections 4.3, 4.6.

Law: handle, sequence numbers and time are the caller's or follow from it; a reply counts only with
our handle and a sequence number that we sent.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from toolkit.bier.bift import BiftKey
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.oam import PING_TTL, Echo, MessageType, ReplyMode, ReturnCode, ntp, parse
from toolkit.bier.oam_tlv import (
    Downstream,
    Ingress,
    IpAddress,
    OamError,
    ResponderBfer,
    ResponderBfr,
    SetBits,
    SiBitString,
    Tlv,
    TlvType,
)

SECOND: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which BFERs are asked, and as whom."""

    sub_domain: int
    bsl: int
    """In bits."""
    bfir_id: int
    """Our own BFR-id: replies go to the BFR-prefix that it stands for."""
    sets: Mapping[int, int]
    """SI -> BitString value of the BFERs."""
    handle: int
    entropy: int = 0
    """As that of the flow that is looked into, so that the same ways are taken."""
    reply_mode: ReplyMode = ReplyMode.UDP

    def key(self, si: int) -> BiftKey:
        return BiftKey(self.sub_domain, self.bsl, si)

    def set_bits(self, si: int, value: int) -> SetBits:
        return SetBits(self.sub_domain, si, BitString(Bsl.of_bits(self.bsl), value))


class Request(NamedTuple):
    """Impose BIER with Proto 5 on `payload`, addressed to `bits` of `si`."""

    si: int
    bits: int
    ttl: int
    payload: bytes


class Probe(Protocol):
    """A ping or a trace, to whoever carries its requests and hands it what comes back."""

    scope: Scope

    @property
    def deadline(self) -> float | None: ...

    @property
    def finished(self) -> bool: ...

    def poll(self, now: float, /) -> Sequence[Request]: ...

    def receive(self, payload: bytes, source: IpAddress | None, now: float, /) -> None: ...


class Reply(NamedTuple):
    """What an echo reply says."""

    sequence: int
    code: int
    bfr_id: int | None
    """Of a BFER that answers."""
    prefix: IpAddress | None
    """BFR-prefix of who answers."""
    incoming: int
    """The BitString that the request came in with."""
    ingress: Ingress | None
    mappings: tuple[Downstream, ...]

    @property
    def reached(self) -> bool:
        """A BFER says that the request was for it."""
        return self.code in (ReturnCode.ONLY_BFER, ReturnCode.ONE_OF_THE_BFERS)


def request(
    scope: Scope,
    si: int,
    sequence: int,
    now: float,
    *,
    ttl: int = PING_TTL,
    target: int | None = None,
    more: tuple[Tlv, ...] = (),
) -> Request:
    """Return a request to all BFERs of a set, answered by those of `target` (None: all)."""
    bits = scope.sets[si]
    tlvs: list[Tlv] = [SiBitString(TlvType.ORIGINAL, scope.set_bits(si, bits))]
    if target is not None:
        tlvs.append(SiBitString(TlvType.TARGET, scope.set_bits(si, target)))
    echo = Echo(
        message=MessageType.ECHO_REQUEST, handle=scope.handle, sequence=sequence,
        reply_mode=scope.reply_mode, sent=ntp(now), tlvs=(*tlvs, *more),
    )  # fmt: skip
    return Request(si, bits, ttl, echo.encode())


def read_reply(payload: bytes, handle: int, source: IpAddress | None) -> Reply | None:
    """Return what a reply to `handle` says; None for anything else.

    `source`: the address that it came from, which stands in for a Responder BFR TLV.
    """
    try:
        echo = parse(payload)
    except OamError:
        return None
    if echo.message is not MessageType.ECHO_REPLY or echo.handle != handle:
        return None
    bfer = next((t.bfr_id for t in echo.tlvs if isinstance(t, ResponderBfer)), None)
    incoming = echo.set_bits(TlvType.INCOMING)
    return Reply(
        sequence=echo.sequence,
        code=echo.return_code,
        bfr_id=bfer,
        prefix=next((t.prefix for t in echo.tlvs if isinstance(t, ResponderBfr)), source),
        incoming=incoming[0].set_bits.bits.value if incoming else 0,
        ingress=next((t for t in echo.tlvs if isinstance(t, Ingress)), None),
        mappings=tuple(t for t in echo.tlvs if isinstance(t, Downstream)),
    )
