"""What our own model says about the underlay that Batfish is asked about.

Pure.  Two models that were made apart are compared: where they disagree, one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolkit.inventory.model import Transport
from toolkit.plan.model import Plan
from toolkit.planes.derive import Network
from toolkit.planes.interior import Protocol
from toolkit.state.model import End, IpAddress, IpNetwork, NetworkState
from toolkit.verify.projection import shown_names

Edge = tuple[End, End]


@dataclass(frozen=True, slots=True)
class Reach:
    """Unicast that must arrive: from each of these nodes to each of these addresses."""

    starts: frozenset[str]
    destinations: frozenset[IpAddress]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What our own model says about the same underlay."""

    files: tuple[str, ...] = ()
    """Files of the snapshot that must be parsed."""
    edges: frozenset[Edge] = frozenset()
    """Adjacencies of the IGP, one for each direction."""
    protocol: Protocol = Protocol.ISIS
    shown: Mapping[End, str] = field(default_factory=dict)
    """Interface -> its name in the projection, where that is another."""
    next_hops: Mapping[tuple[str, IpNetwork], frozenset[str]] = field(default_factory=dict)
    """(router, prefix that packets or joins go to) -> neighbors that we send to."""
    owners: Mapping[IpAddress, str] = field(default_factory=dict)
    """Address -> router."""
    neighbors: Mapping[End, str] = field(default_factory=dict)
    """Interface -> router at the other end."""
    reachable: Mapping[str, Reach] = field(default_factory=dict)
    """In words what is asked -> who must reach what."""


def _roots(plan: Plan, state: NetworkState) -> dict[IpNetwork, str]:
    """Return what joins of PIM go towards: prefix of a source, or of an RP -> its router."""
    flows = plan.flows_over(Transport.PIM_SSM, Transport.PIM_SM)
    roots = {plan.hosts[flow.source].address.network: flow.bfir for flow in flows}
    rps = {rp.address for r in state.routers.values() if r.pim is not None for rp in r.pim.rps}
    for name, router in state.routers.items():
        addresses = (a for i in router.interfaces.values() for a in i.addresses)
        roots |= {a.network: name for a in addresses if a.ip in rps}
    return roots


def expect(plan: Plan, state: NetworkState, files: tuple[str, ...]) -> Expectation:
    """Return what follows from `state` without failures; `files`: those of its projection."""
    network = Network(state)
    prefixes = {
        sub_domain.bfr_prefix: name
        for name, router in state.routers.items()
        for sub_domain in router.sub_domains
    }
    prefixes |= {
        sid.prefix: name
        for name, router in state.routers.items()
        if router.sr is not None
        for sid in router.sr.node_sids
    }  # what node SIDs lead to is reached as BFR-prefixes are
    reachable = {
        f"reports of {flow.delivery}": Reach(
            frozenset(flow.clouds), frozenset({flow.source_address})
        )
        for flow in plan.flows
        if plan.mvpn is None  # a VPN is not in the projection
    }
    if prefixes:  # a question about nobody is one about everybody
        reachable["unicast between routers"] = Reach(
            frozenset(prefixes.values()), frozenset(prefix.network_address for prefix in prefixes)
        )
    next_hops = {}
    for name in network.routers:
        fib = network.plane(name).fib
        for prefix, owner in (prefixes | _roots(plan, state)).items():
            route = None if owner == name else fib.lookup(prefix.network_address)
            if route is not None and not route.connected:
                next_hops[name, prefix] = frozenset(hop.router for hop in route.next_hops)
    return Expectation(
        files=files,
        protocol=network.underlay.protocol,
        shown=shown_names(state),
        edges=frozenset(
            (ours.end, theirs.end) for a in network.adjacencies for ours, theirs in a.sides()
        ),
        next_hops=next_hops,
        owners={
            address.ip: name
            for name, router in state.routers.items()
            for interface in router.interfaces.values()
            for address in interface.addresses
        },
        neighbors={
            ours.end: theirs.end.node for a in network.adjacencies for ours, theirs in a.sides()
        },
        reachable=reachable,
    )
