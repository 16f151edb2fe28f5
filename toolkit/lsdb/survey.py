"""All that a capture tells about BIER: scope by scope, with BIRTs and problems; as JSON.

Law: the same octets give the same survey, in the same order.  Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from toolkit.bier.birt import Neighbor, Row
from toolkit.bier.bitstring import set_and_bit
from toolkit.bier.signalling.acceptance import Advertisement
from toolkit.lsdb.bfrs import Bfrs
from toolkit.lsdb.birt import Table, tables
from toolkit.lsdb.capture import Databases
from toolkit.lsdb.check import check
from toolkit.lsdb.problem import LsdbProblem
from toolkit.lsdb.scope import Scope


@dataclass(frozen=True, slots=True)
class ScopeSurvey:
    """One flooding scope."""

    scope: Scope
    counted: frozenset[str]
    """Places of the advertisements that count; all others are ignored."""
    tables: tuple[Table, ...]
    """Of all BFRs, by router."""

    def answers_to(self, name: str) -> list[str]:
        """Return the routers with this name, ID or BFR-prefix."""
        by_prefix = {
            one.router
            for one in self.scope.advertisements
            if not one.redistributed and name in {str(one.prefix), str(one.prefix.network_address)}
        }
        known = self.scope.names.items()
        return sorted(by_prefix | {router for router, shown in known if name in {router, shown}})


@dataclass(frozen=True, slots=True)
class Survey:
    scopes: tuple[ScopeSurvey, ...]
    problems: tuple[LsdbProblem, ...]
    frames: int
    used: int

    @property
    def harmed(self) -> bool:
        """Some problem harms forwarding."""
        return any(problem.harms for problem in self.problems)


def survey(databases: Databases) -> Survey:
    """Return what the databases amount to."""
    problems = list(databases.problems)
    found: list[ScopeSurvey] = []
    for scope in databases.scopes:
        bfrs = Bfrs(scope)
        of_all = [table for router in bfrs.routers for table in tables(bfrs, router)]
        problems += check(bfrs, of_all)
        counted = frozenset(one.place for one in bfrs.accepted)
        found.append(ScopeSurvey(scope, counted, tuple(of_all)))
    return Survey(tuple(found), tuple(problems), databases.frames, databases.used)


def document(told: Survey, roots: Collection[str] | None = None) -> dict[str, object]:
    """Return a survey as JSON values, with the BIRTs of these routers (by ID) only."""
    return {
        "frames": told.frames,
        "frames_used": told.used,
        "scopes": [_scope(one, roots) for one in told.scopes],
        "problems": [
            {"place": p.place, "kind": str(p.kind), "harms": p.harms, "what": p.what}
            for p in told.problems
        ],
    }


def _scope(one: ScopeSurvey, roots: Collection[str] | None) -> dict[str, object]:
    scope = one.scope
    return {
        "protocol": scope.protocol,
        "scope": scope.name,
        "pdus": scope.pdus,
        "routers": [
            {"id": router, "name": name, "overloaded": router in scope.overloaded}
            for router, name in scope.names.items()
        ],
        "bier": [_advertisement(one, said) for said in scope.advertisements],
        "birts": [
            {
                "router": scope.name_of(table.router),
                "sub_domain": table.sub_domain_id,
                "encapsulation": str(table.encapsulation),
                "bsl": table.bsl,
                "rows": [_row(row, table.bsl) for row in table.rows.values()],
            }
            for table in one.tables
            if roots is None or table.router in roots
        ],
    }


def _advertisement(one: ScopeSurvey, said: Advertisement) -> dict[str, object]:
    info = said.info
    return {
        "router": one.scope.name_of(said.router),
        "sub_domain": info.sub_domain_id,
        "mt_id": info.mt_id,
        "bfr_id": info.bfr_id,
        "bfr_prefix": str(said.prefix),
        "bar": info.bar,
        "ipa": info.ipa,
        "redistributed": said.redistributed,
        "ignored": said.place not in one.counted,
        "ranges": [
            {
                "encapsulation": str(offer.encapsulation),
                "bsl": offer.bsl.bits if offer.bsl is not None else None,
                "bsl_code": offer.bsl_code,
                "first": offer.base,
                "last": offer.last,
                "max_si": offer.max_si,
            }
            for offer in info.ranges
        ],
        "unknown_sub_tlvs": [{"type": t.type, "value": t.value.hex()} for t in info.unknown],
        "place": said.place,
    }


def _row(row: Row, bsl: int) -> dict[str, object]:
    si, bit = set_and_bit(row.bfr_id, bsl)
    return {
        "bfr_id": row.bfr_id,
        "set": si,
        "bit": bit,
        "bfr_prefix": str(row.bfr_prefix),
        "router": row.router,
        "local": row.local,
        "metric": row.metric,
        "neighbors": list(_neighbors(row.neighbors)),
    }


def _neighbors(some: Iterable[Neighbor]) -> Iterable[dict[str, object]]:
    for one in some:
        yield {
            "router": one.router,
            "interface": one.interface,
            "address": str(one.address) if one.address is not None else None,
            "tunnel": one.tunnel is not None,
        }
