"""The tree that a trace has seen, and what is wrong with it.

Law: a finding is made of what routers answered and, where somebody says what should be, of that; it
names the router where the packets of a BFER were seen last.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from toolkit.bier.oam import ReturnCode
from toolkit.bier.oam_tlv import Downstream, Interface, IpAddress

if TYPE_CHECKING:
    from toolkit.bier.oam_trace import Trace

Edge = tuple[IpAddress | None, IpAddress | None]
"""BFR-prefixes of two BFRs, from the first of which a copy goes to the second; None: from us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One router's answer to a packet that came to it."""

    depth: int
    """Hops from the initiator."""
    prefix: IpAddress | None
    """Its BFR-prefix."""
    bfr_id: int | None
    """Where it answers as BFER."""
    code: int
    incoming: int
    """The BitString that came in."""
    ingress: Interface | None
    """By which interface."""
    mappings: tuple[Downstream, ...]
    """Where it sends copies."""
    parent: IpAddress | None
    """Who has announced this copy; None: nobody, or the initiator itself (`depth` 1)."""
    rtt: float
    """Seconds."""
    lost: int
    """Bits that came in and neither stay here nor go on."""

    @property
    def reached(self) -> bool:
        return self.code in (ReturnCode.ONLY_BFER, ReturnCode.ONE_OF_THE_BFERS)


class Kind(StrEnum):
    LOST = "lost"
    """The router has no way for BFERs whose packets came to it."""
    SILENT = "silent"
    """The packets were announced to a router that did not answer."""
    VANISHED = "vanished"
    """Nobody has seen the packets of a BFER: the initiator itself has no way, or it was lost."""
    LOOP = "loop"
    DOUBLED = "doubled"
    """One packet came to the router more than once."""
    ERROR = "error"
    """The router answers that something is wrong."""
    REWRITTEN = "rewritten"
    """Another BitString came in than was announced."""
    UNEXPECTED = "unexpected"
    """A copy that should not be, or with other bits than it should have."""
    UNSEEN = "unseen"
    """A copy that should be and was not seen."""


class Finding(NamedTuple):
    kind: Kind
    at: IpAddress | None
    """BFR-prefix of the router; None: the initiator."""
    other: IpAddress | None = None
    """BFR-prefix of the other end of the copy in question."""
    bits: int = 0
    code: int = 0


def edges(trace: Trace) -> dict[Edge, int]:
    """Return the copies that were seen: (from, to) -> bits."""
    seen: dict[Edge, int] = {}
    for hop in trace.hops:
        if hop.parent is not None or hop.depth == 1:
            edge = hop.parent, hop.prefix
            seen[edge] = seen.get(edge, 0) | hop.incoming
    return seen


def findings(trace: Trace, expected: Mapping[Edge, int] | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with the tree.  `expected`: what it should be, as `edges` has it."""
    found = [*_circles(trace), *_answers(trace), *_breaks(trace)]
    if expected is not None:
        found += _differences(edges(trace), expected)
    return tuple(dict.fromkeys(found))


def _circles(trace: Trace) -> Iterable[Finding]:
    for first, second in trace.loops:
        yield Finding(Kind.LOOP, first.prefix, bits=first.incoming & second.incoming)
    for prefix, bits in trace.doubled:
        yield Finding(Kind.DOUBLED, prefix, bits=bits)


def _answers(trace: Trace) -> Iterable[Finding]:
    fine = (
        ReturnCode.ONLY_BFER, ReturnCode.ONE_OF_THE_BFERS, ReturnCode.FORWARD_SUCCESS,
        ReturnCode.NO_MATCHING_ENTRY,
    )  # fmt: skip
    for hop in trace.hops:
        if hop.code not in fine:
            yield Finding(Kind.ERROR, hop.prefix, code=hop.code)
        announced = [
            m.egress.bits.value
            for above in trace.hops if above.prefix == hop.parent and above.depth == hop.depth - 1
            for m in above.mappings if m.address == hop.prefix and m.egress is not None
        ]  # fmt: skip
        if hop.parent is not None and announced and hop.incoming not in announced:
            yield Finding(Kind.REWRITTEN, hop.parent, hop.prefix, hop.incoming)


def _breaks(trace: Trace) -> Iterable[Finding]:
    """Say for every BFER that did not answer where its packets were seen last."""
    missing = 0
    for bfr_id in trace.missing:
        missing |= 1 << (bfr_id - 1) % trace.scope.bsl
    circling = 0
    for first, second in trace.loops:
        circling |= first.incoming & second.incoming
    missing &= ~circling
    for hop in trace.hops:
        if gone := hop.lost & missing:
            yield Finding(Kind.LOST, hop.prefix, bits=gone)
            missing &= ~gone
    for hop in trace.hops:
        for mapping in hop.mappings:
            bits = 0 if mapping.egress is None else mapping.egress.bits.value & missing
            answered = any(
                h.prefix == mapping.address and h.incoming & bits and h.depth > hop.depth
                for h in trace.hops
            )
            if bits and not answered:
                yield Finding(Kind.SILENT, hop.prefix, mapping.address, bits)
                missing &= ~bits
    if missing:
        yield Finding(Kind.VANISHED, None, bits=missing)


def _differences(seen: Mapping[Edge, int], expected: Mapping[Edge, int]) -> Iterable[Finding]:
    for edge, bits in seen.items():
        if expected.get(edge) != bits:
            yield Finding(Kind.UNEXPECTED, *edge, bits)
    for edge, bits in expected.items():
        if edge not in seen:
            yield Finding(Kind.UNSEEN, *edge, bits)
