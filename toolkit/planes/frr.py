"""Backup entries of one BFR: where packets go while a link, or the router behind it, has failed.

draft-ietf-bier-frr (LFA-based BIER-FRR at the point of local repair, protection of links and of
nodes), RFC 5286 section 3 (the inequalities of loop-free alternates), RFC 7490 (remote LFAs; here
the Q-space is that of each BFER itself, not of the next hop: it holds all that the RFC's does, and
more), RFC 8102 (remote LFAs that avoid a node).

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
from typing import NamedTuple

from toolkit.bier.bift import BiftKey, Hop
from toolkit.bier.birt import Neighbor, Row, TunnelKind
from toolkit.planes.bfrs import Bfr, Bfrs
from toolkit.planes.tunnels import pinned_tunnel, tunnel_kind
from toolkit.planes.underlay import Underlay


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
    """A BFR that a packet for one BFER may be sent to."""

    router: str
    port: str
    node: bool
    """The way avoids the next router, too."""
    cost: int
    """As far as the BFER."""
    downstream: bool
    """It is nearer to the BFER than we are (RFC 5286 inequality 2)."""
    tunnel: bool


class _Reached(NamedTuple):
    """A BFR of the extended P-space (RFC 7490)."""

    router: str
    number: int
    port: str
    """That a tunnel to it leaves by."""
    cost: int
    node: bool


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
        self._here = graph.index[own.router]
        self._to_own = underlay.far(own.router)
        self._out = tuple(
            (graph.names[target], target, metric, port)
            for target, metric, port in graph.out[self._here]
        )
        self._kind = tunnel_kind(underlay, own.router)
        self._p_space: dict[tuple[str, frozenset[str]], list[_Reached]] = {}
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
            for name, _number, _metric, port in self._out
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
            chosen = min(
                best, key=lambda c: (-shared[c.router, c.port], self._order(c.router, c.port))
            )
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
                    least = min((not c.node, c.cost) for c in good)
                    return [c for c in good if (not c.node, c.cost) == least]
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
        number, other = self._number(first), self._number(beyond)
        to, to_beyond = self._underlay.far(row.router), self._underlay.far(beyond)
        return first != beyond and to[number] < to_beyond[number] + to[other]

    def _number(self, name: str) -> int:
        return self._underlay.graph.index[name]

    def _lfas(self, bfer: str, beyond: str, gone: frozenset[str]) -> Iterator[_Candidate]:
        """Yield the neighbors with BIER that are loop-free alternates (RFC 5286 inequality 1)."""
        sides = self._underlay.ways(self._own.router)
        to, to_beyond = self._underlay.far(bfer), self._underlay.far(beyond)
        ours, theirs = to[self._here], to[self._number(beyond)]
        for name, number, metric, port in self._out:
            near, far = sides[port]
            if port in gone or name not in self._capable or not (near.bier and far.bier):
                continue
            if to[number] < self._to_own[number] + ours:
                node = name != beyond and to[number] < to_beyond[number] + theirs
                cost, downstream = metric + to[number], to[number] < ours
                yield _Candidate(name, port, node, cost, downstream, tunnel=False)

    def _remote(self, bfer: str, beyond: str, gone: frozenset[str]) -> Iterator[_Candidate]:
        """Yield the BFRs whose way to the BFER does not lead through us, and that a tunnel from us
        reaches all the same (RFC 7490: P and Q; RFC 8102 where nodes are avoided)."""
        to, to_own, to_beyond = self._underlay.far(bfer), self._to_own, self._underlay.far(beyond)
        ours, theirs = to[self._here], to[self._number(beyond)]
        for name, number, port, cost, around in self._reached(beyond, gone):
            rest = to[number]
            if rest < to_own[number] + ours:
                node = around and rest < to_beyond[number] + theirs
                yield _Candidate(name, port, node, cost + rest, rest < ours, tunnel=True)

    def _reached(self, beyond: str, gone: frozenset[str]) -> list[_Reached]:
        """Return all that a tunnel reaches without us, each by the best of our interfaces: one
        whose router avoids E, the nearest of these."""
        if (beyond, gone) not in self._p_space:
            found, other, to_own = [], self._number(beyond), self._to_own
            to_beyond = self._underlay.far(beyond)
            out = [way for way in self._out if way[3] not in gone]
            for name in self._capable:
                to = self._underlay.far(name)
                ours, theirs = to[self._here], to[other]
                ways = [
                    (
                        not (first != beyond != name and to[number] < to_beyond[number] + theirs),
                        metric + to[number],
                        self._order(first, port),
                    )
                    for first, number, metric, port in out
                    if to[number] < to_own[number] + ours
                ]
                for met, cost, (_rank, _first, port) in sorted(ways):
                    if self._leads(name, port):
                        found.append(_Reached(name, self._number(name), port, cost, not met))
                        break
            self._p_space[beyond, gone] = found
        return self._p_space[beyond, gone]

    def _order(self, router: str, port: str) -> tuple[str, str, str]:
        """What decides where nothing else does."""
        return self._underlay.rank(router), router, port

    def _hop(self, candidate: _Candidate) -> Hop:
        name, port = candidate.router, candidate.port
        way = self._tunnel(name, port) if candidate.tunnel else None
        if way is None:
            way = Neighbor(name, port, self._underlay.ways(self._own.router)[port][1].address.ip)
        return Hop(way, self._capable[name])

    def _leads(self, name: str, port: str) -> bool:
        """Say whether there is a tunnel: IP goes everywhere, labels do not."""
        far = self._bfrs.of(name, self._own.sub_domain_id)
        if far is None or self._kind is None or tunnel_kind(self._underlay, name) is None:
            return False
        if self._kind is TunnelKind.SR_MPLS:
            return self._tunnel(name, port) is not None
        return far.bfr_prefix.version == self._own.bfr_prefix.version

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
