"""What BGP MVPN stands on: the links and routers that its sessions cross now.

Pure.  A failure that touches none of them leaves every session as it is, so what the routers of a
VPN tell each other does not change by it.  `toolkit.verify.whatif` judges the others, whether or
not a packet of a delivery goes there: a route reflector may stand aside.
"""

from __future__ import annotations

from toolkit.planes.derive import Network
from toolkit.planes.paths import Paths
from toolkit.state.model import End


def signalling(network: Network, *, links: bool) -> frozenset[str]:
    """Return the names of links, or of routers, on the ways of all BGP sessions of a VPN."""
    overlay = network.overlay
    if overlay is None:
        return frozenset()
    paths, found = Paths.of(network), set[str]()
    for name, peers in overlay.sessions.peers.items():
        for address in peers.values():
            way = paths.path(End(name, ""), address)
            found |= {cable.link for cable in way.cables} if links else set(way.nodes)
    return frozenset(found)


def unmoved(base: Network, network: Network) -> bool:
    """Say whether failures leave all that MVPN makes of a network; `network`: `base` with them.

    Where every speaker is up and has the routes that it had, and no interface in a VRF has failed,
    nobody needs to be asked what he hears.
    """
    before, after = base.overlay, network.overlay
    if before is None or after is None:
        return before is after
    down, routers = network.down.nodes, base.state.routers
    speakers = not any(routers[name].bgp is not None for name in down if name in routers)
    ports = not any(before.vrf(end.node, end.port) for end in network.underlay.cut)
    if speakers and ports and network.bfrs is base.bfrs:
        told_by = set(before.addresses.values())
        if all(after.routed(a) == before.routed(a) - down for a in told_by):
            return True
    return told(network) == told(base)


def told(network: Network) -> tuple[object, ...]:
    """Return all that MVPN makes of a network: the same before and after some failures, and nobody
    loses anything by what is signalled."""
    overlay = network.overlay
    if overlay is None:
        return ()
    parties = overlay.parties
    return (
        [(j.member, j.router, j.port, j.root, j.cut) for j in overlay.joins],
        {n: (overlay.ingress(n), overlay.egress(n)) for n in parties},
        {n: frozenset(overlay.routes(n, v)) for n, vrfs in parties.items() for v in vrfs},
    )
