"""Backup entries of one BFR: where packets go while a link, or the router behind it, has failed.

draft-ietf-bier-frr (LFA-based protection at the point of local repair, of links and of nodes), RFC
5286 section 3 (the inequalities of loop-free alternates), RFC 7490 (remote LFAs; here the Q-space
is that of each BFER itself, not of the next hop, which finds all that section 5 finds and more).

Law, with S for us, E for the next router, N for a neighbor, D for the BFER, and failures of one
link or one node, while all other routers forward as before:
- link: a repair reaches D, since no shortest path from where it enters leads through S again;
- node: a repair either avoids E, too, and reaches D, or it leads to a router that is nearer to D
  than S: then packets may be lost, and never loop, since they come nearer with every repair.
Every bit of a packet stays in one copy, so no BFER gets two.  Other ways of equal cost come first,
then neighbors, then tunnels.  Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from toolkit.bier.bift import BiftKey, Hop
from toolkit.bier.birt import Neighbor, Row
from toolkit.igp.spf import UNREACHABLE
from toolkit.planes.bfrs import Bfr, Bfrs
from toolkit.planes.tunnels import pinned_tunnel
from toolkit.planes.underlay import Underlay

_INFINITE: Final = 1 << 62


class RepairKind(StrEnum):
    """Why a repair works."""

    EQUAL_COST = "equal-cost"
    """Another way of the same cost."""
    LFA = "lfa"
    """A neighbor that does not send it back (RFC 5286)."""
    REMOTE_LFA = "remote-lfa"
    """A tunnel to a BFR that does not send it back (RFC 7490)."""


class Repair(NamedTuple):
    """What leads to one BFER after one failure."""

    kind: RepairKind
    node: bool
    """It avoids the next router, too."""
    hops: tuple[Hop, ...]
    """Of equal cost; one unless the kind is EQUAL_COST."""


class _Candidate(NamedTuple):
    rank: tuple[bool, int]
    """Not around the next router; cost.  The smallest is best."""
    order: tuple[str, str, str]
    """System-id, name, port: what decides where nothing else does."""
    router: str
    port: str
    node: bool
    downstream: bool
    """It is nearer to the BFER than we are (RFC 5286 section 3.5)."""
    tunnel: bool = False


class Repairs:
    """The repairs of one BFR, S, for one set."""

    def __init__(self, underlay: Underlay, bfrs: Bfrs, own: Bfr, key: BiftKey) -> None:
        self._underlay, self._bfrs, self._own, self._key = underlay, bfrs, own, key
        self._binding = own.bindings[key.bsl]
        self._node = underlay.state.routers[own.router].bier.fast_reroute == "node"
        self._capable = {
            name: bift_id
            for name in underlay.graph.index
            if name != own.router and (bift_id := self._bift_id(name)) is not None
        }
        graph = underlay.graph
        self._out = tuple(
            (graph.names[target], metric, port)
            for target, metric, port in graph.out[graph.index[own.router]]
        )
        self._p_space: dict[tuple[str, frozenset[str]], list[tuple[str, str, int, bool]]] = {}
        self._tunnels: dict[tuple[str, str], Neighbor | None] = {}

    def of(
        self,
        interface: str,
        rows: Mapping[int, Row],
        hops: Mapping[int, tuple[Hop, ...]],
        most: int,
    ) -> dict[int, Repair | None]:
        """Return bit position -> repair when `interface` fails, of all BFERs that it changes.

        `hops`: the ways in use; `most`: how many are used at a time.  Where nodes are protected,
        all our interfaces to the next router count as failed.
        """
        beyond = self._underlay.ways(self._own.router)[interface][1].end.node
        gone = frozenset(
            port
            for name, _metric, port in self._out
            if port == interface or (self._node and name == beyond)
        )
        found: dict[int, Repair | None] = {}
        equal: dict[int, list[_Candidate]] = {}
        for position, used in hops.items():
            if not any(hop.neighbor.interface in gone for hop in used):
                continue
            best = self._repair(rows[position], used, beyond, gone, most)
            if isinstance(best, list):
                equal[position] = best
            found[position] = None if isinstance(best, list) else best
        # of equally good ways those that more BFERs can share: each is a copy on our own links
        shared = Counter((c.router, c.port) for best in equal.values() for c in best)
        for position, best in equal.items():
            chosen = min(best, key=lambda c: (-shared[c.router, c.port], c.order))
            kind = RepairKind.REMOTE_LFA if chosen.tunnel else RepairKind.LFA
            found[position] = Repair(kind, chosen.node, (self._hop(chosen),))
        return found

    def _repair(
        self, row: Row, used: tuple[Hop, ...], beyond: str, gone: frozenset[str], most: int
    ) -> Repair | list[_Candidate] | None:
        """Return the best repair, or all that are equally good.

        Those that avoid the next router come first, where that is asked for.
        """
        others = self._equal_cost(row, used, gone, most)
        for avoiding in (True, False) if self._node else (False,):
            kept = tuple(
                hop for hop in others if not avoiding or self._avoids(hop.neighbor, row, beyond)
            )[:most]
            if kept:
                node = all(self._avoids(hop.neighbor, row, beyond) for hop in kept)
                return Repair(RepairKind.EQUAL_COST, node, kept)
            for find in (self._lfas, self._remote):
                good = [
                    candidate
                    for candidate in find(row.router, beyond, gone)
                    if self._fits(candidate, avoiding=avoiding)
                ]
                if good:
                    least = min(candidate.rank for candidate in good)
                    return [candidate for candidate in good if candidate.rank == least]
        return None

    def _fits(self, candidate: _Candidate, *, avoiding: bool) -> bool:
        if avoiding:
            return candidate.node
        return not self._node or candidate.node or candidate.downstream

    def _equal_cost(
        self, row: Row, used: tuple[Hop, ...], gone: frozenset[str], most: int
    ) -> tuple[Hop, ...]:
        """Return the ways in use that are left, else others of the same cost."""
        left = tuple(hop for hop in used if hop.neighbor.interface not in gone)
        unused = tuple(
            Hop(n, self._capable[n.router])
            for n in row.neighbors[most:]
            if n.interface not in gone and n.router in self._capable
        )
        # where nodes are protected, whoever avoids the next router is to be found among them all
        return (*left, *unused) if self._node else left or unused

    def _avoids(self, way: Neighbor, row: Row, beyond: str) -> bool:
        """Say whether no shortest path to the BFER from the first router of a way meets E."""
        first = self._underlay.ways(self._own.router)[way.interface][1].end.node
        return first != beyond and self._around(first, row.router, beyond)

    def _around(self, start: str, end: str, avoided: str) -> bool:
        """Return D(start, end) < D(start, avoided) + D(avoided, end)."""
        return self._far(start, end) < self._far(start, avoided) + self._far(avoided, end)

    def _far(self, start: str, end: str) -> int:
        far = self._underlay.inward(end).distance[self._underlay.graph.index[start]]
        return _INFINITE if far == UNREACHABLE else far

    def _lfas(self, bfer: str, beyond: str, gone: frozenset[str]) -> Iterator[_Candidate]:
        """Yield the neighbors with BIER that are loop-free alternates (RFC 5286 inequality 1)."""
        own = self._own.router
        sides = self._underlay.ways(own)
        for name, metric, port in self._out:
            ours, theirs = sides[port]
            if port in gone or name not in self._capable or not (ours.bier and theirs.bier):
                continue
            if self._around(name, bfer, own):
                node = name != beyond and self._around(name, bfer, beyond)
                yield self._candidate(name, port, metric, bfer, node=node)

    def _remote(self, bfer: str, beyond: str, gone: frozenset[str]) -> Iterator[_Candidate]:
        """Yield the BFRs whose way to the BFER does not lead through us, and that a tunnel from us
        reaches all the same (RFC 7490 section 5: P and Q)."""
        own = self._own.router
        for name, port, cost, around in self._reached(beyond, gone):
            if self._around(name, bfer, own):
                node = around and self._around(name, bfer, beyond)
                yield self._candidate(name, port, cost, bfer, node=node, tunnel=True)

    def _reached(self, beyond: str, gone: frozenset[str]) -> list[tuple[str, str, int, bool]]:
        """Return the extended P-space (RFC 7490 section 5.2.1.2): BFRs, with the interface that a
        tunnel leaves by, its cost, and whether it avoids E; the best interface for each."""
        if (beyond, gone) not in self._p_space:
            own, found = self._own.router, []
            for name in self._capable:
                best: tuple[bool, int, str, str, str] | None = None
                for first, metric, port in self._out:
                    if port in gone or not self._around(first, name, own):
                        continue
                    around = (
                        first != beyond and name != beyond and self._around(first, name, beyond)
                    )
                    cost = metric + self._far(first, name)
                    rank = not around, cost, self._system_id(first), first, port
                    if (best is None or rank < best) and self._tunnel(name, port) is not None:
                        best = rank
                if best is not None:
                    found.append((name, best[4], best[1], not best[0]))
            self._p_space[beyond, gone] = found
        return self._p_space[beyond, gone]

    def _candidate(
        self, name: str, port: str, cost: int, bfer: str, *, node: bool, tunnel: bool = False
    ) -> _Candidate:
        rest = self._far(name, bfer)
        rank, order = (not node, cost + rest), (self._system_id(name), name, port)
        downstream = rest < self._far(self._own.router, bfer)
        return _Candidate(rank, order, name, port, node, downstream, tunnel)

    def _system_id(self, router: str) -> str:
        return self._underlay.state.routers[router].system_id

    def _hop(self, candidate: _Candidate) -> Hop:
        name, port = candidate.router, candidate.port
        way = self._tunnel(name, port) if candidate.tunnel else None
        if way is None:
            way = Neighbor(name, port, self._underlay.ways(self._own.router)[port][1].address.ip)
        return Hop(way, self._capable[name])

    def _tunnel(self, name: str, port: str) -> Neighbor | None:
        if (name, port) not in self._tunnels:
            far = self._bfrs.of(name, self._own.sub_domain_id)
            self._tunnels[name, port] = (
                None
                if far is None
                else pinned_tunnel(
                    self._underlay, self._own, far, port, self._binding.encapsulation
                )
            )
        return self._tunnels[name, port]

    def _bift_id(self, router: str) -> int | None:
        """Return the BIFT-id that a router has bound to our set."""
        theirs = self._bfrs.binding(
            router, self._key.sub_domain, self._key.bsl, self._binding.encapsulation
        )
        return None if theirs is None else theirs.bift_id(self._key.si)
