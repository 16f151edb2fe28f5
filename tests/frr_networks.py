"""Engines of a network in which a link or a router has just failed and only its neighbors know."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

from planes_networks import ENCAPSULATIONS

from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import BitString, Bsl, sets_of
from toolkit.bier.engine import Arrived, Deliver, Engine
from toolkit.bier.wire import Header, Proto
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.state.model import NetworkState


class Sent(NamedTuple):
    """What became of one packet (one for each set)."""

    delivered: Counter[str]
    hops: list[tuple[str, str]]
    """Copies from BFR to BFR."""
    longest: int
    """Routers that one copy met, one after the other."""
    lost: int
    """Copies that ended at a dead link, or nowhere."""


def with_routing(net: NetworkState, **fields: object) -> NetworkState:
    """Return the network with BIER settings of every router replaced."""
    return replace(
        net,
        routers={
            name: replace(router, bier=replace(router.bier, **fields))  # type: ignore[arg-type]
            for name, router in net.routers.items()
        },
    )


class JustFailed:
    """All forward by the tables of before; the ends of what failed have switched over."""

    def __init__(self, net: NetworkState, down: Failures = Failures()) -> None:  # noqa: B008
        self.network = Network(net)
        self.planes = {n: p for n, p in self.network.planes().items() if n not in down.nodes}
        self.engines: dict[str, Engine] = {n: p.engine() for n, p in self.planes.items()}
        self._far: dict[tuple[str, str], str] = {}
        self.repaired: list[tuple[str, str]] = []
        """(router, interface) of all that noticed."""
        for cable in net.cables:
            for ours, theirs in ((cable.a, cable.b), (cable.b, cable.a)):
                if not down.cuts(cable):
                    self._far[ours.node, ours.port] = theirs.node
                elif ours.node in self.engines:
                    self.engines[ours.node].switch_over(ours.port)
                    self.repaired.append((ours.node, ours.port))

    def send(self, bfir: str, ids: set[int], *, kind: str, bsl: int = 64, entropy: int = 0) -> Sent:
        """Send one packet for each set from the host beside `bfir`; at most 400 copies."""
        delivered: Counter[str] = Counter()
        hops: list[tuple[str, str]] = []
        longest = lost = 0
        base = min(i.number for i in self.planes[bfir].bift_ids)
        waiting = []
        for si, value in sets_of(ids, bsl).items():
            header = Header(
                encapsulation=ENCAPSULATIONS[kind], bift_id=base + si, ttl=200, proto=Proto.IPV4,
                bfir_id=1, bits=BitString(Bsl.of_bits(bsl), value), entropy=entropy,
            )  # fmt: skip
            waiting.append((bfir, header.encode() + b"model", Arrived.HOST_EDGE, 1))
        while waiting and len(hops) < 400:
            at, packet, arrived, met = waiting.pop()
            longest = max(longest, met)
            for out in self.engines[at].receive(packet, ENCAPSULATIONS[kind], arrived, 0.0):
                if isinstance(out, Deliver):
                    delivered[at] += 1
                    continue
                crossed = self._carry(at, out.neighbor)
                if crossed is None:
                    lost += 1
                    continue
                hops.append((at, out.neighbor.router))
                waiting.append((out.neighbor.router, out.packet, Arrived.CORE, met + crossed))
        return Sent(delivered, hops, longest, lost)

    def _carry(self, at: str, neighbor: Neighbor) -> int | None:
        """Return how many routers it takes to the neighbor; None: a dead link is on the way."""
        if neighbor.tunnel is None:
            assert self._far.get((at, neighbor.interface), neighbor.router) == neighbor.router
            return 1 if (at, neighbor.interface) in self._far else None
        destination, port, crossed = neighbor.tunnel.remote, neighbor.interface, 1
        while True:
            far = self._far.get((at, port))
            if far is None:
                return None
            if destination in self.planes[far].addresses:
                assert far == neighbor.router
                return crossed
            route = self.planes[far].fib.lookup(destination)
            if route is None or crossed > len(self.planes):
                return None
            at, port, crossed = far, route.next_hops[0].interface, crossed + 1
