"""What each router advertises about BIER: sub-domains, BFR-ids, BIFT-ids; and what is wrong.

RFC 8279 section 5; RFC 8401 section 6 and RFC 8444 section 2 (what to ignore).  Law:
what the RFC says to ignore is left out here, with a Gap that says so, and does not exist for
anything after.  Pure.

RFC 8401 speaks of labels only.  Non-MPLS BIFT-ids are a number space of their own (RFC 8296 section
2.2.1) and may repeat numbers of labels; that a router whose non-MPLS blocks overlap each other has
none of them is this project's own rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from toolkit.bier.bitstring import MAX_BFR_ID, MAX_SI, Bsl
from toolkit.bier.wire import Encapsulation
from toolkit.planes.underlay import Underlay
from toolkit.state.model import BierEncapsulation, IpNetwork, RouterState, SubDomain

BIFT_IDS = 1 << 20
FIRST_LABEL = 16
"""Labels below are special-purpose (RFC 3032, RFC 7274)."""


class GapReason(StrEnum):
    """Why a router, or a BFER, is missing from BIER tables."""

    NOT_ADVERTISED = "bfr-prefix-not-advertised"
    """The IGP does not advertise the BFR-prefix, so nobody hears of the BFR (RFC 8401 section 4,
    RFC 8444 section 2.1)."""
    NOT_HOST_PREFIX = "bfr-prefix-not-a-host-route"
    """RFC 8279 section 2: a BFR-prefix is an address of the BFR."""
    INVALID_BFR_ID = "invalid-bfr-id"
    INVALID_BINDING = "invalid-binding"
    """An encapsulation, BSL or block of BIFT-ids that cannot exist."""
    SECOND_ENCAPSULATION = "second-encapsulation"
    """Both encapsulations are bound to one <sub-domain, BSL>: MPLS is used, the other is not."""
    REPEATED = "repeated"
    """A BSL or sub-domain twice: all of them are ignored (RFC 8401 section 6.2)."""
    BIFT_ID_OVERLAP = "bift-id-overlap"
    """Blocks of one encapsulation overlap.  Labels: the router counts as not advertising BIER (RFC
    8401 section 6.2).  Non-MPLS: all its non-MPLS blocks are ignored (our own rule)."""
    BFR_ID_COLLISION = "bfr-id-collision"
    """Two BFRs have one BFR-id: it has no row, no BFIR may set it (RFC 8279 section 5)."""
    MISMATCH = "bsl-or-encapsulation-mismatch"
    """A BFR without our BSL in our encapsulation: to us a non-BFR (RFC 8279 section 6.10)."""
    SET_OUT_OF_RANGE = "set-out-of-range"
    """The BFR-id lies in a set beyond Max SI, of ours or of the BFER itself."""
    UNREACHABLE = "unreachable"
    """No BFR on the path, and none at its end, that a packet could be sent to."""


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Something in a state that BIER tables leave out."""

    router: str
    sub_domain_id: int
    bsl: int
    """In bits; 0 where it is about all."""
    reason: GapReason
    bfr_id: int = 0
    """0 where it is not about one."""


@dataclass(frozen=True, slots=True)
class Binding:
    """BIFT-ids of one <sub-domain, BSL>: SI n has `base` + n up to `max_si`."""

    encapsulation: Encapsulation
    base: int
    max_si: int

    def bift_id(self, si: int) -> int | None:
        return self.base + si if 0 <= si <= self.max_si else None


@dataclass(frozen=True, slots=True)
class Bfr:
    """A router's part in one sub-domain, as others hear of it."""

    router: str
    sub_domain_id: int
    bfr_prefix: IpNetwork
    bfr_id: int
    """0: none (RFC 8279 section 2)."""
    bindings: Mapping[int, Binding]
    """By BSL in bits."""


@dataclass(frozen=True)
class Bfrs:
    """Every BFR of a network: (router, sub-domain) -> its part; and the gaps."""

    by_router: Mapping[str, Mapping[int, Bfr]]
    gaps: tuple[Gap, ...]

    @cached_property
    def holders(self) -> Mapping[tuple[int, int], tuple[Bfr, ...]]:
        """(Sub-domain, BFR-id) -> the BFRs that say it is theirs."""
        found: dict[tuple[int, int], tuple[Bfr, ...]] = {}
        for of_router in self.by_router.values():
            for bfr in of_router.values():
                if bfr.bfr_id:
                    key = (bfr.sub_domain_id, bfr.bfr_id)
                    found[key] = (*found.get(key, ()), bfr)
        return found

    def of(self, router: str, sub_domain_id: int) -> Bfr | None:
        return self.by_router.get(router, {}).get(sub_domain_id)

    def binding(
        self, router: str, sub_domain_id: int, bsl: int, encapsulation: Encapsulation
    ) -> Binding | None:
        """Return the BIFT-ids of a router for BSL and encapsulation, None where it has none."""
        bfr = self.of(router, sub_domain_id)
        binding = bfr.bindings.get(bsl) if bfr is not None else None
        return binding if binding and binding.encapsulation is encapsulation else None


def read_bfrs(underlay: Underlay, intact: Bfrs | None = None) -> Bfrs:
    """Return what every router that has not failed advertises about BIER.

    `intact`: the same without failures; it is returned itself where these have changed nothing.
    """
    before = Bfrs({}, ()) if intact is None else intact
    names = underlay.state.routers if intact is None else underlay.changed
    by_router = dict(before.by_router)
    gaps = [gap for gap in before.gaps if gap.router not in names]
    for name in names:
        by_router.pop(name, None)
        router = underlay.state.routers.get(name)
        if router is None or name in underlay.down.nodes or not router.sub_domains:
            continue
        advertised = {prefix.network for prefix in underlay.prefixes(name)}
        bfrs = _read_router(router, advertised, gaps)
        if bfrs:
            by_router[name] = {bfr.sub_domain_id: bfr for bfr in bfrs}
    bfrs_now = Bfrs(by_router, tuple(sorted(gaps)))
    return before if bfrs_now == before else bfrs_now


def _read_router(router: RouterState, advertised: set[IpNetwork], gaps: list[Gap]) -> list[Bfr]:
    bfrs: list[Bfr] = []
    ids = [sub_domain.sub_domain_id for sub_domain in router.sub_domains]
    for sub_domain in router.sub_domains:
        number, prefix = sub_domain.sub_domain_id, sub_domain.bfr_prefix
        reason = None
        if ids.count(number) > 1:
            reason = GapReason.REPEATED
        elif prefix.prefixlen != prefix.max_prefixlen:
            reason = GapReason.NOT_HOST_PREFIX
        elif prefix not in advertised:
            reason = GapReason.NOT_ADVERTISED
        if reason is not None:
            gaps.append(Gap(router.name, number, 0, reason))
            continue
        bfr_id = sub_domain.bfr_id or 0
        if not 0 <= bfr_id <= MAX_BFR_ID:
            gaps.append(Gap(router.name, number, 0, GapReason.INVALID_BFR_ID, bfr_id))
            bfr_id = 0
        bindings = _bindings(router.name, sub_domain, gaps)
        bfrs.append(Bfr(router.name, number, prefix, bfr_id, bindings))
    if _overlap(bfrs, Encapsulation.MPLS):
        gaps += [Gap(router.name, b.sub_domain_id, 0, GapReason.BIFT_ID_OVERLAP) for b in bfrs]
        return []
    if _overlap(bfrs, Encapsulation.NON_MPLS):
        return [_without_non_mpls(bfr, gaps) for bfr in bfrs]
    return bfrs


def _bindings(router: str, sub_domain: SubDomain, gaps: list[Gap]) -> dict[int, Binding]:
    number = sub_domain.sub_domain_id
    bindings: dict[int, Binding] = {}
    seen: dict[tuple[int, str], int] = {}
    for offer in sub_domain.encapsulations:
        seen[offer.bsl, offer.kind] = seen.get((offer.bsl, offer.kind), 0) + 1
    for offer in sorted(sub_domain.encapsulations, key=lambda e: (e.bsl, e.kind, e.base)):
        reason = None
        if seen[offer.bsl, offer.kind] > 1:
            reason = GapReason.REPEATED
        elif not _possible(offer):
            reason = GapReason.INVALID_BINDING
        elif offer.bsl in bindings:
            reason = GapReason.SECOND_ENCAPSULATION
        if reason is not None:
            gaps.append(Gap(router, number, offer.bsl, reason))
        else:
            bindings[offer.bsl] = Binding(Encapsulation(offer.kind), offer.base, offer.max_si)
    return bindings


def _possible(offer: BierEncapsulation) -> bool:
    lowest = FIRST_LABEL if offer.kind == Encapsulation.MPLS else 0
    return (
        offer.kind in set(Encapsulation)
        and any(length.bits == offer.bsl for length in Bsl)
        and 0 <= offer.max_si <= MAX_SI
        and lowest <= offer.base
        and offer.base + offer.max_si < BIFT_IDS
    )


def _overlap(bfrs: Iterable[Bfr], encapsulation: Encapsulation) -> bool:
    """True where two blocks of this encapsulation share a number."""
    end = -1
    for base, max_si in sorted(
        (binding.base, binding.max_si)
        for bfr in bfrs
        for binding in bfr.bindings.values()
        if binding.encapsulation is encapsulation
    ):
        if base <= end:
            return True
        end = base + max_si
    return False


def _without_non_mpls(bfr: Bfr, gaps: list[Gap]) -> Bfr:
    kept: dict[int, Binding] = {}
    for bsl, binding in bfr.bindings.items():
        if binding.encapsulation is Encapsulation.MPLS:
            kept[bsl] = binding
        else:
            gaps.append(Gap(bfr.router, bfr.sub_domain_id, bsl, GapReason.BIFT_ID_OVERLAP))
    return replace(bfr, bindings=kept)
