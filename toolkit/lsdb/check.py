"""What is wrong with BIER in a scope.

RFC 8401 section 5 and RFC 8444 section 2 (one topology, one algorithm for a sub-domain; BFR-ids),
RFC 8279 sections 5 (collisions) and 6.10 (BSLs), RFC 9272 (algorithms).  Law: one problem for one
mistake, whoever suffers by it; who suffers stands in the text.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from toolkit.bier.bitstring import Bsl, set_and_bit
from toolkit.bier.signalling.acceptance import Advertisement, Conflict, duplicates
from toolkit.bier.wire import Encapsulation
from toolkit.lsdb.bfrs import Bfrs, supported
from toolkit.lsdb.birt import Table
from toolkit.lsdb.problem import Kind, LsdbProblem
from toolkit.lsdb.scope import Scope


def check(bfrs: Bfrs, of_all: Iterable[Table]) -> list[LsdbProblem]:
    """Return the problems of a scope; `of_all`: the BIRTs of all its BFRs."""
    problems = [
        LsdbProblem(refusal.advertisement.place, refusal.reason, refusal.what)
        for refusal in bfrs.refusals
    ]
    for sub_domain_id in sorted({one.info.sub_domain_id for one in bfrs.accepted}):
        problems += _sub_domain(bfrs, sub_domain_id)
    return list(dict.fromkeys([*problems, *_unreachable(bfrs.scope, of_all)]))


def _sub_domain(bfrs: Bfrs, sub_domain_id: int) -> Iterable[LsdbProblem]:
    scope, members = bfrs.scope, bfrs.in_sub_domain(sub_domain_id)
    place = f"{scope}: sub-domain {sub_domain_id}"
    topologies = _grouped(scope, members, lambda one: f"MT {one.info.mt_id}")
    if len(topologies) > 1:
        what = f"it is in several topologies: {_told(topologies)}; these ignore each other"
        yield LsdbProblem(place, Conflict.TOPOLOGY, what)
    algorithms = _grouped(scope, members, lambda one: f"BAR {one.info.bar} and IPA {one.info.ipa}")
    if len(algorithms) > 1:
        what = f"its BFRs do not agree: {_told(algorithms)}; these are non-BFRs to each other"
        yield LsdbProblem(place, Conflict.ALGORITHM, what)
    for one in members:
        if not supported(one.info):
            what = (
                f"BAR {one.info.bar} and IPA {one.info.ipa} are not SPF: to a router without them "
                "the advertising one is no BFR, and no BIRT is computed for it here"
            )
            yield LsdbProblem(one.place, Kind.ALGORITHM, what)
    for (_sub_domain_id, bfr_id), holders in sorted(duplicates(members).items()):
        names = ", ".join(sorted(_who(scope, one) for one in holders))
        what = f"BFR-id {bfr_id} is held by {names}; none of them can be reached by it"
        yield LsdbProblem(place, Kind.BFR_ID_COLLISION, what)
    yield from _ranges(scope, place, members)


def _ranges(scope: Scope, place: str, members: Sequence[Advertisement]) -> Iterable[LsdbProblem]:
    offers = {
        one.place: {(r.encapsulation, r.bsl_code): r for r in one.info.ranges} for one in members
    }
    common = set.intersection(*(set(ranges) for ranges in offers.values()))
    if not common:
        groups = _grouped(scope, members, lambda one: _offer_text(offers[one.place]))
        what = f"no BSL and encapsulation is common to all of its BFRs: {_told(groups)}"
        yield LsdbProblem(place, Kind.BSL_MISMATCH, what)
    least: dict[tuple[Encapsulation, int], int] = {}
    for ranges in offers.values():
        for key, offer in ranges.items():
            least[key] = min(offer.max_si, least.get(key, offer.max_si))
    for one in members:
        for key, offer in offers[one.place].items():
            if not one.info.bfr_id or offer.bsl is None:
                continue
            bsl = offer.bsl.bits
            si = set_and_bit(one.info.bfr_id, bsl)[0]
            if si <= least[key]:
                continue
            short = sorted(
                _who(scope, other)
                for other in members
                if key in offers[other.place] and offers[other.place][key].max_si < si
            )
            what = (
                f"BFR-id {one.info.bfr_id} lies in set {si} of BSL {bsl}, beyond the Max SI "
                f"that {', '.join(short)} advertise"
            )
            yield LsdbProblem(one.place, Kind.SET_OUT_OF_RANGE, what)


def _offer_text(offers: Iterable[tuple[Encapsulation, int]]) -> str:
    texts = sorted(f"{kind} {Bsl(code).bits}" for kind, code in offers)
    return " and ".join(texts) or "nothing"


def _grouped(
    scope: Scope, members: Iterable[Advertisement], key: Callable[[Advertisement], str]
) -> Mapping[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for one in members:
        groups.setdefault(key(one), []).append(_who(scope, one))
    return groups


def _told(groups: Mapping[str, list[str]]) -> str:
    return ", ".join(
        f"{what} ({', '.join(sorted(set(who)))})" for what, who in sorted(groups.items())
    )


def _who(scope: Scope, one: Advertisement) -> str:
    return str(one.prefix) if one.redistributed else scope.name_of(one.router)


def _unreachable(scope: Scope, of_all: Iterable[Table]) -> Iterable[LsdbProblem]:
    lost: dict[tuple[int, int, str], tuple[Advertisement, list[str]]] = {}
    for table in of_all:
        for one in table.unreachable:
            if one.redistributed and one.router == table.router:
                continue  # it is in the other area of this router
            key = (table.sub_domain_id, table.bsl, one.bfr)
            lost.setdefault(key, (one, []))[1].append(scope.name_of(table.router))
    for (sub_domain_id, bsl, _bfr), (one, roots) in sorted(lost.items(), key=lambda i: i[0]):
        what = (
            f"sub-domain {sub_domain_id}, BSL {bsl}: no path of BFRs leads to {_who(scope, one)} "
            f"(BFR-id {one.info.bfr_id}) from {', '.join(sorted(set(roots)))}"
        )
        yield LsdbProblem(one.place, Kind.NO_PATH, what)
