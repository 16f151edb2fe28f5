"""The way of one unicast packet: from a host, or from a router itself, hop by hop along the FIBs.

RFC 1812 section 5.2.1 (a packet for ourselves, a next hop, or nothing) and 5.3.1 (TTL); RFC 1122
section 3.3.1 (a host hands to its gateway what is not on its own subnet).  Law: a packet goes where
the tables of the routers that it meets say, over cables that are up; of equal-cost next hops it
takes the first, as every router of this project does; it ends on any tables, loops included.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from toolkit.inet import gre
from toolkit.inet.ip import DEFAULT_TTL, header_size
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network
from toolkit.planes.plane import Plane
from toolkit.state.model import Cable, End, Interface, IpAddress, NetworkState

_VPN_LABEL: Final = 4


@dataclass(frozen=True, slots=True)
class Path:
    """Where a packet went."""

    cables: tuple[Cable, ...]
    """Those it crossed, in order, whether or not it arrived."""
    nodes: tuple[str, ...]
    """Those it was at, the source first: one more than `cables`."""
    arrived: End | None
    """The end by which it came to a host, or to a router that owns the destination (port "" where
    that router is the source itself); None: it came nowhere."""
    reason: str = ""
    """Why it came nowhere."""
    extra: tuple[int, ...] = ()
    """Bytes that a VPN put before the packet on each of `cables`; empty: none."""

    @property
    def at(self) -> str:
        """The last node."""
        return self.nodes[-1]


def cables_up(state: NetworkState, down: Failures = NO_FAILURES) -> dict[End, Cable]:
    """Return end -> cable, both ends of each cable that carries packets.

    It has not failed, and where it ends at a router, the interface is configured and enabled.
    """
    up: dict[End, Cable] = {}
    for cable in state.cables:
        ends = (cable.a, cable.b)
        if not down.cuts(cable) and all(_is_up(state, end) for end in ends):
            up |= dict.fromkeys(ends, cable)
    return up


def _interface(state: NetworkState, end: End) -> Interface | None:
    router = state.routers.get(end.node)
    return None if router is None else router.interfaces.get(end.port)


def _is_up(state: NetworkState, end: End) -> bool:
    if end.node in state.hosts:
        return True
    interface = _interface(state, end)
    return interface is not None and interface.enabled


def gateway_answers(state: NetworkState, end: End, gateway: IpAddress, address: IpAddress) -> bool:
    """Say whether a host with this address finds its gateway behind the router's `end`.

    The interface is enabled and has the gateway's address in a subnet that holds the host's: a
    host sends only to what answers (RFC 826, RFC 4861).
    """
    interface = _interface(state, end)
    return (
        interface is not None
        and interface.enabled
        and any(a.ip == gateway and address in a.network for a in interface.addresses)
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """Leave by this end."""

    out: End
    neighbor: str = ""
    """The next router; empty: whoever is there."""
    connected: bool = False
    """The destination itself has to answer there."""


@dataclass(slots=True)
class _Way:
    """A packet under way."""

    destination: IpAddress
    outer: IpAddress | None = None
    """In a VPN: the edge router that it is inside a packet to; None: it is not."""

    @property
    def extra(self) -> int:
        """Bytes before it: MPLS in GRE (RFC 4023), the longest of what carries a VPN."""
        return 0 if self.outer is None else header_size(self.outer) + gre.HEADER + _VPN_LABEL


class Paths:
    """The unicast paths of one network; make one where many paths are asked for."""

    def __init__(
        self,
        plane: Callable[[str], Plane | None],
        cables: Mapping[End, Cable],
        hosts: Collection[str],
    ) -> None:
        """`plane`: router -> its plane, None where it has failed.  `cables`: `cables_up`."""
        self._plane, self._cables, self._hosts = plane, cables, hosts
        self._steps: dict[IpAddress, dict[str, _Step | str | None]] = {}

    @classmethod
    def of(cls, network: Network) -> Paths:
        known = frozenset(network.routers)
        return cls(
            lambda name: network.plane(name) if name in known else None,
            cables_up(network.state, network.down),
            network.state.hosts,
        )

    def path(self, source: End, destination: IpAddress, ttl: int = DEFAULT_TTL) -> Path:
        """Return the way of a packet that leaves `source` with this TTL.

        `source`: a host's end of its cable, over which the packet goes whatever it is for; or
        End(router, ""), the router itself, which looks it up first.
        """
        cables: list[Cable] = []
        nodes = [source.node]
        if not source.port and self._step(source.node, destination) is None:
            return Path((), (source.node,), source)
        step = _Step(source) if source.port else self._step(source.node, destination)
        way = _Way(destination)
        extra: list[int] = []
        while isinstance(step, _Step):
            out = step.out
            cable = self._cables.get(out)
            if cable is None:
                step = f"{out.node} {out.port} is down or leads nowhere"
                break
            here = cable.b if cable.a == out else cable.a
            host = here.node in self._hosts
            extra.append(way.extra)
            onward = None if host else self._onward(here, way)
            if step.neighbor and here.node != step.neighbor:
                step = f"{out.node} {out.port} does not lead to {step.neighbor}"
                break
            if step.connected and onward is not None:
                step = f"{out.node} looks for {destination} on {out.port}: {here.node} has it not"
                break
            again = here.node in nodes
            cables.append(cable)
            nodes.append(here.node)
            if onward is None:
                return Path(tuple(cables), tuple(nodes), here, extra=tuple(extra))
            if again:
                step = f"the route to {destination} loops at {here.node}"
            elif len(cables) >= ttl:
                step = f"the TTL of packets to {destination} has run out at {here.node}"
            else:
                step = onward
        return Path(tuple(cables), tuple(nodes), None, step or "", tuple(extra))

    def _onward(self, here: End, way: _Way) -> _Step | str | None:
        """Return what the router does that the packet came to by `here`.

        In a VPN (RFC 4364) it goes to the edge router that its destination is behind, inside a
        packet to that one's own address.
        """
        plane = self._plane(here.node)
        vpn = None if plane is None else plane.vpn
        if way.outer is None and vpn is not None and here.port in vpn.ports:
            if plane is not None and way.destination in plane.addresses:
                return None
            route = vpn.route(here.port, way.destination)
            if route is None:
                return f"{here.node} has no route to {way.destination} in the VPN"
            if route.address is None:
                return _Step(End(here.node, route.port), connected=True)
            way.outer = route.address
        step = self._step(here.node, way.outer or way.destination)
        if way.outer is None or step is not None:
            return step
        way.outer = None
        arriving = None if vpn is None else vpn.arriving(way.destination)
        if arriving is None:
            return f"{here.node} has no route to {way.destination} in the VPN"
        if plane is not None and way.destination in plane.addresses:
            return None
        return _Step(End(here.node, arriving.port), connected=True)

    def _step(self, router: str, destination: IpAddress) -> _Step | str | None:
        """Return what a router does with the packet, or why it does nothing; None: it takes it."""
        steps = self._steps.setdefault(destination, {})
        if router not in steps:
            steps[router] = self._find_step(router, destination)
        return steps[router]

    def _find_step(self, router: str, destination: IpAddress) -> _Step | str | None:
        plane = self._plane(router)
        if plane is None:
            return f"{router} is down"
        if destination in plane.addresses:
            return None
        route = plane.fib.lookup(destination)
        if route is None or not route.next_hops:
            return f"{router} has no route to {destination}"
        hop = route.next_hops[0]
        return _Step(End(router, hop.interface), hop.router, connected=not hop.router)
