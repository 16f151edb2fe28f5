"""Checks of what BFRs at the ends of a link have to agree on: BIER, encapsulation, BIFT-ids.

Pure.  RFC 8279 sections 6.2 and 6.10, RFC 8296 section 2.1.1, RFC 8401 section 6.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.bier.bift import BiftId
from toolkit.bier.wire import Encapsulation
from toolkit.planes.adjacency import Adjacency
from toolkit.state.model import BierEncapsulation
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.scene import Scene


def bier(scene: Scene) -> Iterator[Finding]:
    """Neighbors agree on BIER, sub-domain, BitString length and encapsulation, for what flows
    use."""
    needed = sorted({(f.sub_domain_id, f.bsl) for f in scene.plan.flows})
    for adjacency in scene.adjacencies:
        a, b = adjacency.a.end, adjacency.b.end
        if not scene.is_bfr(a.node) or not scene.is_bfr(b.node):
            continue
        if adjacency.a.bier != adjacency.b.bier:
            off = b if adjacency.a.bier else a
            yield finding(
                "bier-half-adjacency",
                places.on(off.node, places.bier_interface(off.port)),
                f"no BIER between {a.node} and {b.node}: {off.node} {off.port} is not in BIER",
                subjects=[adjacency.link, a.node, b.node],
            )
        if adjacency.bier:
            for number, bsl in needed:
                yield from _agreement(scene, adjacency, number, bsl)


def _agreement(scene: Scene, adjacency: Adjacency, number: int, bsl: int) -> Iterator[Finding]:
    a, b = adjacency.a.end.node, adjacency.b.end.node
    subjects = [adjacency.link, a, b]
    domains = {name: scene.sub_domain(name, number) for name in (a, b)}
    for name, sub_domain in domains.items():
        if sub_domain is None:
            other = b if name == a else a
            yield finding(
                "sub-domain-mismatch",
                places.on(name, places.sub_domain(number)),
                f"{name} is not in sub-domain {number}, and its neighbor {other} is"
                if domains[other]
                else f"{name} is not in sub-domain {number}",
                subjects=subjects,
            )
    one, two = domains[a], domains[b]
    if one is None or two is None:
        return
    kinds: dict[str, dict[str, BierEncapsulation]] = {}
    for name, sub_domain in ((a, one), (b, two)):
        kinds[name] = {e.kind: e for e in sub_domain.encapsulations if e.bsl == bsl}
        if not kinds[name]:
            has = ", ".join(sorted({str(e.bsl) for e in sub_domain.encapsulations})) or "none"
            yield finding(
                "bsl-mismatch",
                places.on(name, places.sub_domain(number)),
                f"{name} has no BitString length {bsl} in sub-domain {number} towards "
                f"{b if name == a else a}",
                evidence=[
                    f"BitString lengths of {name}: {has}",
                    f"{name} is no BFR to those with BitString length {bsl}: they cross it in "
                    "tunnels (RFC 8279 section 6.10)",
                ],
                subjects=subjects,
            )
    if not kinds[a] or not kinds[b]:
        return
    if not kinds[a].keys() & kinds[b].keys():
        yield finding(
            "encapsulation-mismatch",
            places.on(a, places.encapsulation(number, bsl, *kinds[a])),
            f"{a} uses {', '.join(kinds[a])} and {b} {', '.join(kinds[b])} for sub-domain "
            f"{number}, BSL {bsl}",
            subjects=subjects,
        )
    ours, theirs = kinds[a].get("non-mpls"), kinds[b].get("non-mpls")
    if ours and theirs and ours.base != theirs.base:
        yield finding(
            "bift-id-disagreement",
            places.on(b, f"{places.encapsulation(number, bsl, 'non-mpls')}/bift-id-base"),
            f"{a} and {b} use different non-MPLS BIFT-ids for sub-domain {number}, BSL {bsl}: "
            f"{ours.base} and {theirs.base}",
            subjects=subjects,
        )


def bift_ids(scene: Scene) -> Iterator[Finding]:
    """What each BFR sends is what its neighbor understands (RFC 8296 sections 2.1.1 and 2.2.1).

    Where tables follow from the state, a BFR sends what its neighbor has bound (`planes.birt`), so
    it is enough that every BFR understands what it has bound itself.
    """
    if scene.derived and all(
        plane.bift_ids.get(BiftId(binding.encapsulation, binding.base + si)) == (number, bsl, si)
        for name, plane in scene.planes.items()
        for number, bfr in scene.network.bfrs.by_router.get(name, {}).items()
        for bsl, binding in bfr.bindings.items()
        for si in range(binding.max_si + 1)
    ):
        return
    for name, plane in sorted(scene.planes.items()):
        for key, bift in sorted(plane.bifts.items()):
            sent = {
                (e.neighbor.router, e.out_bift_id)
                for e in bift.entries.values()
                if e.neighbor is not None and e.out_bift_id is not None
            }
            space = plane.encapsulations.get((key.sub_domain, key.bsl), Encapsulation.MPLS)
            for neighbor, bift_id in sorted(sent):
                other = scene.planes.get(neighbor)
                understood = None if other is None else other.bift_ids.get(BiftId(space, bift_id))
                if understood is not None and tuple(understood) == tuple(key):
                    continue
                means = "nothing" if understood is None else _key(tuple(understood))
                yield finding(
                    "bift-id-disagreement",
                    places.on(name),
                    f"{name} sends {_key(tuple(key))} to {neighbor} with {space} BIFT-id {bift_id},"
                    f" which means {means} there",
                    subjects=[name, neighbor],
                )


def _key(key: tuple[int, ...]) -> str:
    sub_domain, bsl, si = key
    return f"<sub-domain {sub_domain}, BSL {bsl}, SI {si}>"
