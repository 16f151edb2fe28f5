"""The BIER header that a sending host writes itself (RFC 8296 section 3), by the plan.

Pure.  A packet for receivers in several sets leaves as one copy for each set (RFC 8279 section 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.bier import wire
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.entropy import entropy_of
from toolkit.inet import ethernet, ip
from toolkit.inventory.model import Encapsulation
from toolkit.plan.model import FlowPlan, Plan


@dataclass(frozen=True, slots=True)
class Imposed:
    """What goes before an IP packet: the EtherType of the frame, and the BIER header."""

    ethertype: int
    header: bytes


def imposed(plan: Plan, flow: FlowPlan, mask: int, dscp: int = 0) -> Iterator[Imposed]:
    """The headers that reach the flow's clouds in `mask`; bit i is flow.clouds[i].

    `dscp` marks them: without MPLS as a DSCP, with MPLS by its class selector as traffic class
    (RFC 8296 sections 2.1.1, 2.1.2 and 2.2.2), since routers look no deeper.
    """
    part = next(
        s
        for s in plan.routers[flow.bfir].sub_domains
        if s.sub_domain_id == flow.sub_domain_id and s.bsl == flow.bsl
    )
    mpls = part.encapsulation is Encapsulation.MPLS
    proto = wire.Proto.IPV4 if flow.group.version == 4 else wire.Proto.IPV6
    clouds = frozenset(c for i, c in enumerate(flow.clouds) if mask >> i & 1)
    for si, bits in flow.bit_strings(clouds).items():
        yield Imposed(
            ethernet.EtherType.MPLS if mpls else ethernet.EtherType.BIER,
            bier_header(
                part.bift_id_base + si, flow.bsl, bits, proto, part.bfr_id or 0,
                wire.Encapsulation.MPLS if mpls else wire.Encapsulation.NON_MPLS,
                entropy_of(flow.source_address, flow.group), dscp,
            ),
        )  # fmt: skip


def bier_header(
    bift_id: int,
    bsl: int,
    bits: int,
    proto: int,
    bfir_id: int,
    encapsulation: wire.Encapsulation,
    entropy: int = 0,
    dscp: int = 0,
) -> bytes:
    """Return the BIER header that a host writes before an IP packet."""
    mpls = encapsulation is wire.Encapsulation.MPLS
    return wire.Header(
        encapsulation=encapsulation, bift_id=bift_id, ttl=ip.DEFAULT_TTL,
        proto=proto, bfir_id=bfir_id,
        bits=BitString(Bsl.of_bits(bsl), bits), entropy=entropy,
        tc=dscp >> 3 if mpls else 0, dscp=0 if mpls else dscp,
    ).encode()  # fmt: skip
