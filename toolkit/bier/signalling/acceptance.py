"""What one BFR advertises, as every other one takes it: what counts, and why the rest does not.

RFC 8401 sections 5 and 6.2, RFC 8444 section 2, RFC 9272, RFC 8279 section 5.  Law: an
advertisement that must be ignored takes part in nothing else; where label ranges of what remains
overlap, nothing of that BFR remains.  Rules of our own are named as such.  Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise
from typing import Final

from toolkit.bier.signalling.info import MAX_BIFT_ID, BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation

FIRST_LABEL: Final = 16
"""Labels below are special-purpose (RFC 3032, RFC 7274)."""


class Reason(StrEnum):
    """Why an advertisement, or a range of one, is ignored."""

    NOT_HOST_PREFIX = "bfr-prefix-not-a-host-route"
    """RFC 8401 section 4.2: the prefix length is not 32 (IPv6: 128)."""
    MT_ID = "mt-id-out-of-range"
    """RFC 8444 section 2.1: not a value of RFC 4915."""
    BSL_REPEATED = "bsl-repeated"
    """RFC 8401 section 6.2, RFC 8444 section 2.2: the BIER Info is ignored."""
    SUB_DOMAIN_REPEATED = "sub-domain-repeated"
    """RFC 8444 section 2.1: as if the BFR did not advertise that sub-domain at all."""
    LABEL_OVERLAP = "label-ranges-overlap"
    """RFC 8401 section 6.2, RFC 8444 section 2.2: as if the BFR advertised no BIER at all."""
    BIFT_ID_OVERLAP = "bift-id-ranges-overlap"
    """The same without MPLS: all such ranges of the BFR are ignored (our own rule)."""
    OUT_OF_RANGE = "label-range-too-long"
    """RFC 8401 section 6.2: the label of Max SI exceeds 20 bits; the range is ignored."""
    UNKNOWN_BSL = "bsl-unknown"
    """RFC 8444 section 2.2: a code that RFC 8296 does not define; the range is ignored."""
    SPECIAL_LABEL = "label-special-purpose"
    """A label below 16; the range is ignored (our own rule)."""


class Conflict(StrEnum):
    """Why a BFR ignores what another one advertises for a sub-domain of both."""

    TOPOLOGY = "mt-conflict"
    """A sub-domain lives in one topology (RFC 8401 section 5.1, RFC 8444 section 2.1)."""
    ALGORITHM = "bar-ipa-conflict"
    """RFC 9272: a BFR with another BAR or IPA than ours counts as incapable of BIER in
    that sub-domain; so does one whose algorithm we do not support."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertisement:
    """One BIER Info and the prefix it came with."""

    router: str
    """Who says it."""
    prefix: IPv4Network | IPv6Network
    """The BFR-prefix."""
    info: BierInfo
    metric: int = 0
    """From the router to the prefix."""
    redistributed: bool = False
    """The router passes it on from another level or area, and is not the BFR itself."""
    place: str = ""
    """Where it was read."""

    @property
    def bfr(self) -> str:
        """What tells BFRs apart: the router, or the prefix of one behind it."""
        return str(self.prefix) if self.redistributed else self.router


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that is ignored."""

    reason: Reason
    advertisement: Advertisement
    what: str


def accept(
    advertisements: Sequence[Advertisement], max_mt_id: int
) -> tuple[tuple[Advertisement, ...], tuple[Refusal, ...]]:
    """Return what counts of all that one BFR advertises, and what does not.

    `max_mt_id`: the largest MT-ID of the protocol.
    """
    refusals: list[Refusal] = []
    left: list[Advertisement] = []
    for one in advertisements:
        refusal = _alone(one, max_mt_id)
        if refusal is None:
            left.append(one)
        else:
            refusals.append(refusal)
    left = _once(left, refusals)
    left = [_possible(one, refusals) for one in left]
    clash = _clash(left, Encapsulation.MPLS)
    if clash:
        refusals += [Refusal(Reason.LABEL_OVERLAP, one, clash) for one in left]
        return (), tuple(refusals)
    clash = _clash(left, Encapsulation.NON_MPLS)
    if clash:
        refusals += [Refusal(Reason.BIFT_ID_OVERLAP, one, clash) for one in left]
        left = [_without_non_mpls(one) for one in left]
    return tuple(left), tuple(refusals)


def conflict(own: BierInfo, theirs: BierInfo) -> Conflict | None:
    """Return why a BFR ignores another one's BIER Info for the same sub-domain, None where it
    does not."""
    if own.mt_id != theirs.mt_id:
        return Conflict.TOPOLOGY
    if (own.bar, own.ipa) != (theirs.bar, theirs.ipa):
        return Conflict.ALGORITHM
    return None


def duplicates(
    advertisements: Iterable[Advertisement],
) -> dict[tuple[int, int], tuple[Advertisement, ...]]:
    """Return (sub-domain, BFR-id) -> the advertisements of all BFRs that have it, where there are
    several (RFC 8279 section 5: log it, and set no such bit).  BFR-id 0 is none."""
    holders: dict[tuple[int, int], dict[object, Advertisement]] = {}
    for one in advertisements:
        if one.info.bfr_id:
            key = (one.info.sub_domain_id, one.info.bfr_id)
            holders.setdefault(key, {}).setdefault(one.prefix, one)
    return {key: tuple(by.values()) for key, by in holders.items() if len(by) > 1}


def _alone(one: Advertisement, max_mt_id: int) -> Refusal | None:
    if one.prefix.prefixlen != one.prefix.max_prefixlen:
        what = f"{one.prefix} is no host route; the BIER Info is ignored"
        return Refusal(Reason.NOT_HOST_PREFIX, one, what)
    if one.info.mt_id > max_mt_id:
        what = f"MT-ID {one.info.mt_id} is above {max_mt_id}; the BIER Info is ignored"
        return Refusal(Reason.MT_ID, one, what)
    keys = [(r.encapsulation, r.bsl_code) for r in one.info.ranges]
    for encapsulation, code in keys:
        if keys.count((encapsulation, code)) > 1:
            what = (
                f"sub-domain {one.info.sub_domain_id}: BS Len {code} twice in one BIER Info "
                f"({encapsulation}); the BIER Info is ignored"
            )
            return Refusal(Reason.BSL_REPEATED, one, what)
    return None


def _once(some: list[Advertisement], refusals: list[Refusal]) -> list[Advertisement]:
    times = Counter(one.info.sub_domain_id for one in some)
    for one in some:
        if times[one.info.sub_domain_id] > 1:
            what = (
                f"sub-domain {one.info.sub_domain_id} is advertised more than once; "
                "all of these are ignored"
            )
            refusals.append(Refusal(Reason.SUB_DOMAIN_REPEATED, one, what))
    return [one for one in some if times[one.info.sub_domain_id] == 1]


def _possible(one: Advertisement, refusals: list[Refusal]) -> Advertisement:
    ranges: list[BiftIdRange] = []
    for offer in one.info.ranges:
        if offer.bsl is None:
            what = f"BS Len {offer.bsl_code} is no BitString length; the range is ignored"
            refusals.append(Refusal(Reason.UNKNOWN_BSL, one, what))
        elif offer.last > MAX_BIFT_ID:
            what = f"{offer.base} plus Max SI {offer.max_si} exceeds 20 bits; the range is ignored"
            refusals.append(Refusal(Reason.OUT_OF_RANGE, one, what))
        elif offer.encapsulation is Encapsulation.MPLS and offer.base < FIRST_LABEL:
            what = f"label {offer.base} is special-purpose; the range is ignored"
            refusals.append(Refusal(Reason.SPECIAL_LABEL, one, what))
        else:
            ranges.append(offer)
    return replace(one, info=replace(one.info, ranges=tuple(ranges)))


def _clash(some: list[Advertisement], encapsulation: Encapsulation) -> str:
    """Say which two ranges share a number; nothing where none do."""
    every = [
        (offer.base, number, one.info.sub_domain_id, offer)
        for number, one in enumerate(some)
        for offer in one.info.ranges
        if offer.encapsulation is encapsulation
    ]
    every.sort(key=lambda item: item[:2])
    for (_a, _m, domain_a, a), (_b, _n, domain_b, b) in pairwise(every):
        if a.overlaps(b):
            return f"{_told(domain_a, a)} and {_told(domain_b, b)} overlap"
    return ""


def _told(sub_domain_id: int, offer: BiftIdRange) -> str:
    noun = "labels" if offer.encapsulation is Encapsulation.MPLS else "BIFT-ids"
    bits = offer.bsl.bits if offer.bsl is not None else 0
    return f"{noun} {offer.base}-{offer.last} (sub-domain {sub_domain_id}, BSL {bits})"


def _without_non_mpls(one: Advertisement) -> Advertisement:
    ranges = tuple(r for r in one.info.ranges if r.encapsulation is Encapsulation.MPLS)
    return replace(one, info=replace(one.info, ranges=ranges))
