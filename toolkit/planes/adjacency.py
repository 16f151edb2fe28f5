"""Which cables carry an adjacency of the IGP, and why the others carry none.

ISO/IEC 10589 section 8.2 (point-to-point circuits), RFC 1195 section 4.4 (addresses of one subnet);
RFC 2328 sections 10.5 (Hellos: area) and 10.6 (Database Description: MTU).  Law: an adjacency needs
a cable and *both* ends configured for it; half of a configuration is no link.  IS-IS is level 2
only: areas may differ.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from toolkit.planes.interior import (
    MAX_COST,
    Circuit,
    Protocol,
    circuit,
    identity,
    in_vrf,
    protocol_of,
)
from toolkit.state.model import Cable, End, Interface, IpInterface, NetworkState, RouterState


@dataclass(frozen=True, slots=True)
class Failures:
    """What has failed: links by the name of their cable (`fra1-par1`), nodes by theirs."""

    links: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()

    def cuts(self, cable: Cable) -> bool:
        """True where the cable carries nothing: it failed, or what is at one of its ends did."""
        return cable.link in self.links or cable.a.node in self.nodes or cable.b.node in self.nodes


NO_FAILURES = Failures()


class Cut(StrEnum):
    """Why a cable carries no adjacency; the end that it is about stands beside it."""

    LINK_FAILED = "link-failed"
    NODE_FAILED = "node-failed"
    UNKNOWN_ROUTER = "unknown-router"
    """Nothing is known of the node at this end."""
    NO_INTERFACE = "no-interface"
    """The router has no such interface configured."""
    DISABLED = "disabled"
    NO_ISIS = "no-isis"
    """The router runs no IS-IS: it has no system-id."""
    NO_ISIS_INTERFACE = "no-isis-interface"
    """IS-IS is not configured on the interface."""
    NO_OSPF = "no-ospf"
    """The router runs no OSPF: it has no router-id."""
    NO_OSPF_INTERFACE = "no-ospf-interface"
    """OSPF is not configured on the interface."""
    COST_OUT_OF_RANGE = "cost-out-of-range"
    """OSPF: an output cost is 1 to 65535 (RFC 2328 section C.3)."""
    PASSIVE = "passive"
    IN_VRF = "in-vrf"
    """The interface is in a VRF, and the IGP in none."""
    NO_ADDRESS = "no-address"
    SUBNET_MISMATCH = "subnet-mismatch"
    """The ends have no addresses of one subnet."""
    SAME_ADDRESS = "same-address"
    """Both ends have the same address."""
    SAME_SYSTEM_ID = "same-system-id"
    SAME_ROUTER_ID = "same-router-id"
    AREA_MISMATCH = "area-mismatch"
    """OSPF: Hellos of another area are not for us (RFC 2328 section 10.5)."""
    MTU_MISMATCH = "mtu-mismatch"
    """OSPF: the end with the smaller MTU refuses Database Descriptions (RFC 2328 section 10.6)."""


@dataclass(frozen=True, slots=True)
class Side:
    """One end of an adjacency."""

    end: End
    metric: int
    """Of this end's outgoing interface."""
    address: IpInterface
    bier: bool
    """BIER may be sent and received on this interface."""


@dataclass(frozen=True, slots=True)
class Adjacency:
    """Two routers that are neighbors in the IGP over one cable."""

    a: Side
    b: Side
    link: str

    @property
    def bier(self) -> bool:
        """BIER packets may pass: both ends allow it."""
        return self.a.bier and self.b.bier

    def sides(self) -> Iterator[tuple[Side, Side]]:
        """Yield (from, to) for each direction."""
        yield self.a, self.b
        yield self.b, self.a


@dataclass(frozen=True, slots=True)
class HalfAdjacency:
    """A cable between routers that carries no adjacency."""

    cable: Cable
    causes: tuple[tuple[End | None, Cut], ...]
    """Every reason, with the end it is about; None: it is about both."""


def adjacencies(state: NetworkState, down: Failures = NO_FAILURES) -> tuple[Adjacency, ...]:
    """Return the adjacencies that are up, in the order of the cables' ends."""
    protocol = protocol_of(state)
    found = (_adjacency(state, cable, protocol) for cable in _core(state) if not down.cuts(cable))
    return tuple(a for a in found if isinstance(a, Adjacency))


def half_adjacencies(
    state: NetworkState, down: Failures = NO_FAILURES, protocol: Protocol | None = None
) -> tuple[HalfAdjacency, ...]:
    """Return every cable between routers that carries no adjacency, with all reasons for it.

    `protocol`: the IGP that is meant, where it does not follow from the state.
    """
    halves: list[HalfAdjacency] = []
    protocol = protocol or protocol_of(state)
    for cable in _core(state):
        failed: list[tuple[End | None, Cut]] = []
        if cable.link in down.links:
            failed.append((None, Cut.LINK_FAILED))
        failed += [(e, Cut.NODE_FAILED) for e in (cable.a, cable.b) if e.node in down.nodes]
        answer = _adjacency(state, cable, protocol)
        causes = failed + ([] if isinstance(answer, Adjacency) else answer)
        if causes:
            halves.append(HalfAdjacency(cable, tuple(causes)))
    return tuple(halves)


def _core(state: NetworkState) -> list[Cable]:
    """The cables between routers, sorted."""
    return sorted(
        c for c in state.cables if c.a.node not in state.hosts and c.b.node not in state.hosts
    )


def _adjacency(
    state: NetworkState, cable: Cable, protocol: Protocol
) -> Adjacency | list[tuple[End | None, Cut]]:
    causes: list[tuple[End | None, Cut]] = []
    ready: list[tuple[End, RouterState, Interface, Circuit]] = []
    for end in (cable.a, cable.b):
        router = state.routers.get(end.node)
        if router is None:
            causes.append((end, Cut.UNKNOWN_ROUTER))
            continue
        interface = router.interfaces.get(end.port)
        cuts = _end_cuts(router, interface, protocol)
        causes += [(end, cut) for cut in cuts]
        if not cuts and interface is not None:
            configured = circuit(interface, protocol)
            ready += [] if configured is None else [(end, router, interface, configured)]
    if len(ready) < 2:
        return causes
    (_, router_a, interface_a, _), (_, router_b, interface_b, _) = ready
    if identity(router_a, protocol) == identity(router_b, protocol):
        isis = protocol is Protocol.ISIS
        causes.append((None, Cut.SAME_SYSTEM_ID if isis else Cut.SAME_ROUTER_ID))
    if protocol is Protocol.OSPF:
        causes += [(None, cut) for cut in _disagreements(interface_a, interface_b)]
    shared = _shared_subnet(interface_a, interface_b)
    if isinstance(shared, Cut):
        causes.append((None, shared))
    if causes or isinstance(shared, Cut):
        return causes
    a, b = (
        Side(end, configured.metric, address, interface.bier)
        for (end, _, interface, configured), address in zip(ready, shared, strict=True)
    )
    return Adjacency(a, b, cable.link)


def _end_cuts(router: RouterState, interface: Interface | None, protocol: Protocol) -> list[Cut]:
    isis, runs = protocol is Protocol.ISIS, bool(identity(router, protocol))
    cuts: list[Cut] = [] if runs else [Cut.NO_ISIS if isis else Cut.NO_OSPF]
    if interface is None:
        return [*cuts, Cut.NO_INTERFACE]
    if not interface.enabled:
        cuts.append(Cut.DISABLED)
    configured = circuit(interface, protocol)
    if configured is None:
        if runs:
            cuts.append(Cut.NO_ISIS_INTERFACE if isis else Cut.NO_OSPF_INTERFACE)
    else:
        if configured.passive:
            cuts.append(Cut.PASSIVE)
        if not isis and not 1 <= configured.metric <= MAX_COST:
            cuts.append(Cut.COST_OUT_OF_RANGE)
    if interface.name in in_vrf(router):
        cuts.append(Cut.IN_VRF)
    if not interface.addresses:
        cuts.append(Cut.NO_ADDRESS)
    return cuts


def _disagreements(a: Interface, b: Interface) -> Iterator[Cut]:
    """Yield what keeps two ends of a link from becoming OSPF neighbors."""
    if a.ospf is not None and b.ospf is not None and a.ospf.area != b.ospf.area:
        yield Cut.AREA_MISMATCH
    if a.mtu is not None and b.mtu is not None and a.mtu != b.mtu:
        yield Cut.MTU_MISMATCH


def _shared_subnet(a: Interface, b: Interface) -> tuple[IpInterface, IpInterface] | Cut:
    """The first pair of different addresses of one subnet, or why there is none."""
    cut = Cut.SUBNET_MISMATCH
    for ours in a.addresses:
        for theirs in b.addresses:
            if ours.network == theirs.network:
                if ours.ip != theirs.ip:
                    return ours, theirs
                cut = Cut.SAME_ADDRESS
    return cut
