"""Checks of each BFR's own configuration: BFR-ids, BFR-prefixes, BIFT-id blocks, sets.

Pure.  RFC 8279 sections 2 and 3; RFC 8401 section 6.2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations

from toolkit.bier.wire import Encapsulation
from toolkit.inventory.model import Transport
from toolkit.planes.interior import Protocol, circuit, identity
from toolkit.state.model import RouterState, SubDomain
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.scene import Scene


def bfr_id_collisions(scene: Scene) -> Iterator[Finding]:
    """A BFR-id is unique in its sub-domain."""
    owners: dict[tuple[int, int], str] = {}
    for name, _, sub_domain in _sub_domains(scene):
        if sub_domain.bfr_id is None:
            continue
        first = owners.setdefault((sub_domain.sub_domain_id, sub_domain.bfr_id), name)
        if first != name:
            number = sub_domain.sub_domain_id
            yield finding(
                "bfr-id-collision",
                places.on(name, f"{places.sub_domain(number)}/bfr-id"),
                f"{name} has the BFR-id {sub_domain.bfr_id} of {first} in sub-domain {number}",
                subjects=[first, name],
            )


def bfr_id_density(scene: Scene) -> Iterator[Finding]:
    """BFR-ids run from 1 without holes, so that as few sets as possible are begun."""
    ids: dict[int, set[int]] = defaultdict(set)
    for _, _, sub_domain in _sub_domains(scene):
        if sub_domain.bfr_id is not None:
            ids[sub_domain.sub_domain_id].add(sub_domain.bfr_id)
    for number, used in sorted(ids.items()):
        holes = set(range(1, max(used) + 1)) - used
        if holes:
            yield finding(
                "bfr-id-gap",
                places.on("", places.sub_domain(number)),
                f"no BFR of sub-domain {number} has BFR-id {_ranges(holes)}",
                evidence=[f"in use: {_ranges(used)}"],
            )


def bfr_ids_of_edges(scene: Scene) -> Iterator[Finding]:
    """The BFIR and every BFER of a delivery have a BFR-id (RFC 8279 section 2)."""
    for flow in scene.plan.flows_over(Transport.BIER):
        edges = {flow.bfir: [f"source {flow.source}"]}
        for cloud in flow.clouds:
            edges.setdefault(scene.plan.hosts[cloud].router, []).append(cloud)
        for name, behind in edges.items():
            router = scene.state.routers.get(name)
            if router is None:
                continue
            sub_domain = scene.sub_domain(name, flow.sub_domain_id)
            if sub_domain is None or sub_domain.bfr_id is None:
                yield finding(
                    "bfr-id-missing",
                    places.on(name, f"{places.sub_domain(flow.sub_domain_id)}/bfr-id"),
                    f"{name} is an edge of {flow.delivery} and has no BFR-id in sub-domain "
                    f"{flow.sub_domain_id}",
                    evidence=[f"behind it: {', '.join(behind)}"],
                    subjects=[name, *(b for b in behind if b in flow.clouds)],
                )


def bfr_prefixes(scene: Scene) -> Iterator[Finding]:
    """A BFR-prefix is the BFR's own, and the IGP carries it."""
    owners: dict[tuple[int, object], str] = {}
    for name, router, sub_domain in _sub_domains(scene):
        number, prefix = sub_domain.sub_domain_id, sub_domain.bfr_prefix
        place = places.on(name, f"{places.sub_domain(number)}/bfr-prefix")
        first = owners.setdefault((number, prefix), name)
        if first != name:
            yield finding(
                "bfr-prefix-duplicate",
                place,
                f"{name} has the BFR-prefix {prefix} of {first} in sub-domain {number}",
                subjects=[first, name],
            )
        elif reason := _not_advertised(router, sub_domain, scene.igp):
            yield finding(
                "bfr-prefix-not-advertised",
                place,
                f"nobody learns the BFR-prefix {prefix} of {name}: {reason}",
                subjects=[name],
            )


def _not_advertised(router: RouterState, sub_domain: SubDomain, igp: Protocol) -> str:
    prefix = sub_domain.bfr_prefix
    if prefix.prefixlen != prefix.max_prefixlen:
        return "it is not a host route"
    holders = {
        name: interface
        for name, interface in router.interfaces.items()
        if any(a.ip == prefix.network_address for a in interface.addresses)
    }
    if not holders:
        return "no interface has the address"
    if not any(i.enabled for i in holders.values()):
        return f"{', '.join(sorted(holders))} is disabled"
    if not identity(router, igp) or not any(circuit(i, igp) for i in holders.values()):
        return f"{', '.join(sorted(holders))} is not in {igp.spelled}"
    return ""


def bift_id_blocks(scene: Scene) -> Iterator[Finding]:
    """Blocks of BIFT-ids of one encapsulation on one router do not overlap.

    Labels: RFC 8401 section 6.2.  Non-MPLS BIFT-ids: one stands for one <sub-domain, BSL, SI> (RFC
    8296 section 2.2.1), and the consequence is our own rule.  Labels and non-MPLS BIFT-ids do not
    touch each other.
    """
    for name, router in sorted(scene.state.routers.items()):
        blocks = [(s.sub_domain_id, e) for s in router.sub_domains for e in s.encapsulations]
        for (sd_a, a), (sd_b, b) in combinations(blocks, 2):
            if a.kind != b.kind or a.base + a.max_si < b.base or b.base + b.max_si < a.base:
                continue
            labels = b.kind == Encapsulation.MPLS
            yield finding(
                "bift-id-overlap",
                places.on(name, f"{places.encapsulation(sd_b, b.bsl, b.kind)}/bift-id-base"),
                f"{name}: {'labels' if labels else 'non-MPLS BIFT-ids'} {b.base} to "
                f"{b.base + b.max_si} of sub-domain {sd_b}, BSL {b.bsl} overlap {a.base} to "
                f"{a.base + a.max_si} of sub-domain {sd_a}, BSL {a.bsl}",
                evidence=[
                    "others count it as not advertising BIER (RFC 8401 section 6.2)"
                    if labels
                    else "none of its non-MPLS BIFT-ids are used (a rule of llmsync, of no RFC)"
                ],
                subjects=[name],
            )


def sets(scene: Scene) -> Iterator[Finding]:
    """Every BFR has a BIFT for each set in use."""
    needed: dict[tuple[int, int], int] = {}
    for flow in scene.plan.flows_over(Transport.BIER):
        key = (flow.sub_domain_id, flow.bsl)
        needed[key] = max(needed.get(key, 0), *flow.bit_strings(), 0)
    for name, _, sub_domain in _sub_domains(scene):
        number = sub_domain.sub_domain_id
        for e in sub_domain.encapsulations:
            highest = needed.get((number, e.bsl), 0)
            if e.max_si < highest:
                yield finding(
                    "set-missing",
                    places.on(name, f"{places.encapsulation(number, e.bsl, e.kind)}/max-si"),
                    f"{name} has BIFTs for SI 0 to {e.max_si} of sub-domain {number}, BSL {e.bsl}, "
                    f"and SI up to {highest} are in use",
                    evidence=[
                        f"{name} is no BFR to those with SI {e.max_si + 1}: they cross it in "
                        "tunnels (RFC 8279 section 6.10)"
                    ],
                    subjects=[name],
                )


def _sub_domains(scene: Scene) -> Iterator[tuple[str, RouterState, SubDomain]]:
    for name, router in sorted(scene.state.routers.items()):
        for sub_domain in router.sub_domains:
            yield name, router, sub_domain


def _ranges(numbers: Iterable[int]) -> str:
    """Return `1-3, 7` for 1, 2, 3, 7."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)
