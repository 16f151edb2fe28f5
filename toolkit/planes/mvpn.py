"""What BGP MVPN makes of a state: who joins whose flows, and which overlay follows from it.

RFC 6513, RFC 6514 sections 9 to 12 (A-D routes, C-multicast routes), RFC 8556 (BIER), RFC 4364
(unicast of the VPN).  Law: an edge router takes part in what it hears of by BGP, with a route
target that it imports, over a tunnel that both ends take for the same; who wants a flow joins at
the one router that the flow's source is behind.  The result is the overlay that the same mappings
would make if they were written down: forwarding need not know where it comes from.

Over BIER and PIM tunnels are inclusive: they lead to all edge routers of the VPN that the root
hears of, whether or not they have members; these drop what they have none for.  Over SR-P2MP each
flow has its tree, and nobody joins it for nothing.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from toolkit.pim.igmp import SOURCE_SPECIFIC
from toolkit.planes.bfrs import Bfrs
from toolkit.planes.bgp import Sessions
from toolkit.planes.mvpn_model import (
    BIER,
    PIM_SSM,
    SR_P2MP,
    Flow,
    Join,
    JoinCut,
    Tunnel,
    VpnRoute,
)
from toolkit.planes.underlay import Underlay
from toolkit.state.model import (
    EgressFlow,
    IngressFlow,
    IpAddress,
    IpNetwork,
    Member,
    Mvpn,
    RouterState,
    TreeFlow,
)


class Overlay:
    """BGP MVPN over one network with some failures."""

    def __init__(self, underlay: Underlay, bfrs: Bfrs) -> None:
        self._underlay, self._bfrs = underlay, bfrs
        self._state = underlay.state
        self._routes: dict[tuple[str, str], list[VpnRoute]] = {}
        self._reach: dict[IpAddress, frozenset[str]] = {}
        self._apart: dict[tuple[str, str, str, str], JoinCut | None] = {}

    def routed(self, address: IpAddress) -> frozenset[str]:
        """Return the routers that have a route to an address of the core."""
        if address not in self._reach:
            self._reach[address] = self._underlay.routed(address)
        return self._reach[address]

    @cached_property
    def sessions(self) -> Sessions:
        """The BGP sessions that stand."""
        return Sessions(self._state, self._underlay.graph.index, self.routed)

    @cached_property
    def addresses(self) -> Mapping[str, IpAddress]:
        """Router -> its address in BGP."""
        return self.sessions.addresses()

    @cached_property
    def parties(self) -> Mapping[str, tuple[Mvpn, ...]]:
        """Edge router that is up -> its VPNs."""
        up = self._underlay.graph.index
        return {n: r.mvpns for n, r in self._state.routers.items() if r.mvpns and n in up}

    def vrf(self, router: str, port: str) -> Mvpn | None:
        """Return the VPN that an interface is in."""
        found = (v for v in self.parties.get(router, ()) if port in v.interfaces)
        return next(found, None)

    @cached_property
    def _own(self) -> Mapping[str, tuple[tuple[Mvpn, IpNetwork, str], ...]]:
        """Edge router -> (VPN, prefix, interface) of what is connected in its VRFs."""
        return {
            name: tuple(
                (vrf, address.network, interface.name)
                for interface in self._underlay.interfaces(name)
                for vrf in [self.vrf(name, interface.name)]
                if vrf is not None
                for address in interface.addresses
            )
            for name in self.parties
        }

    def apart(self, one: str, ours: Mvpn, other: str, theirs: Mvpn) -> JoinCut | None:
        """Return what keeps two edge routers from each other's VPN routes; None: nothing."""
        key = one, ours.route_target, other, theirs.route_target
        if key not in self._apart:
            self._apart[key] = self._find_apart(one, ours, other, theirs)
        return self._apart[key]

    def _find_apart(self, one: str, ours: Mvpn, other: str, theirs: Mvpn) -> JoinCut | None:
        sessions = self.sessions
        if other not in sessions.heard(one) or one not in sessions.heard(other):
            return JoinCut.NOT_HEARD
        if ours.route_target != theirs.route_target:
            return JoinCut.ROUTE_TARGET
        there, back = self.addresses[other], self.addresses[one]
        if one not in self.routed(there) or other not in self.routed(back):
            return JoinCut.NEXT_HOP
        return None

    # ----- unicast of the VPN

    def routes(self, router: str, vrf: Mvpn) -> list[VpnRoute]:
        """Return the unicast routes of a VRF: its own prefixes, and those that it imports."""
        known = self._routes.get((router, vrf.name))
        if known is not None:
            return known
        found = [
            VpnRoute(prefix, router, port=port)
            for own, prefix, port in self._own[router]
            if own.route_target == vrf.route_target
        ]
        self._routes[router, vrf.name] = found
        for name in self.parties:
            if name != router:
                found += (
                    VpnRoute(prefix, name, self.addresses[name])
                    for theirs, prefix, _ in self._own[name]
                    if self.apart(router, vrf, name, theirs) is None
                )
        return found

    def lookup(self, router: str, vrf: Mvpn, destination: IpAddress) -> VpnRoute | None:
        """Return the route of a VRF to an address: the longest, our own first, then by router."""
        holding = (
            route
            for route in self.routes(router, vrf)
            if route.prefix.version == destination.version and destination in route.prefix
        )
        return min(
            holding, key=lambda r: (-r.prefix.prefixlen, bool(r.address), r.router), default=None
        )

    # ----- joins

    @cached_property
    def joins(self) -> tuple[Join, ...]:
        """What became of every member's join, in the order of members."""
        ends = {
            theirs.node: ours
            for cable in self._state.cables
            for ours, theirs in ((cable.a, cable.b), (cable.b, cable.a))
            if theirs.node in self._state.hosts
        }
        found = []
        for member in sorted(self._state.members, key=_order):
            end = ends.get(member.host)
            if end is not None and member.source is not None and end.node in self._state.routers:
                found.append(self._join(member, member.source, end.node, end.port))
        return tuple(found)

    def _join(self, member: Member, source: IpAddress, router: str, port: str) -> Join:
        up = self._underlay.graph.index
        interface = None
        if router in up:
            interface = next((i for i in self._underlay.interfaces(router) if i.name == port), None)
        if interface is None:
            return Join(member, router, port, cut=JoinCut.PORT_DOWN)
        vrf = self.vrf(router, port)
        if vrf is None:
            return Join(member, router, port, cut=JoinCut.NOT_IN_VRF)
        if (interface.membership or 0) < SOURCE_SPECIFIC[source.version]:
            return Join(member, router, port, cut=JoinCut.NO_MEMBERSHIP)
        root, cut = self._upstream(router, vrf, source)
        return Join(member, router, port, root, cut)

    def _upstream(self, router: str, vrf: Mvpn, source: IpAddress) -> tuple[str, JoinCut | None]:
        """Return the edge router that a source is behind (RFC 6513 section 5.1), and what keeps us
        from its flows."""
        candidates = sorted(
            (name != router, name, number)
            for name, own in self._own.items()
            for number, (_, prefix, _) in enumerate(own)
            if prefix.version == source.version and source in prefix
        )
        if not candidates:
            return "", JoinCut.NO_SOURCE
        answers = []
        for _, name, number in candidates:
            cut = self._tunnelled(router, vrf, name, self._own[name][number][0])
            if cut is None:
                return name, None
            answers.append((name, cut))
        return answers[0]

    def _tunnelled(self, leaf: str, ours: Mvpn, root: str, theirs: Mvpn) -> JoinCut | None:
        """Return what keeps a leaf from the tunnels of a root."""
        if leaf == root:
            return None if ours.name == theirs.name else JoinCut.ROUTE_TARGET
        cut = self.apart(leaf, ours, root, theirs)
        if cut is not None:
            return cut
        if ours.tunnel != theirs.tunnel:
            return JoinCut.TUNNEL_TYPE
        if theirs.tunnel == BIER:
            if ours.sub_domain_id != theirs.sub_domain_id:
                return JoinCut.SUB_DOMAIN
            if self._bfr_id(leaf, theirs.sub_domain_id) is None:
                return JoinCut.NO_BFR_ID
        return None

    def _bfr_id(self, router: str, sub_domain_id: int | None) -> int | None:
        bfr = None if sub_domain_id is None else self._bfrs.of(router, sub_domain_id)
        return None if bfr is None or not bfr.bfr_id else bfr.bfr_id

    @cached_property
    def _standing(self) -> Mapping[str, Mapping[Flow, tuple[Join, ...]]]:
        """Root -> flow -> joins that came to it."""
        found: dict[str, dict[Flow, tuple[Join, ...]]] = {}
        for join in self.joins:
            if join.cut is None and join.member.source is not None:
                key = join.member.source, join.member.group
                of_root = found.setdefault(join.root, {})
                of_root[key] = (*of_root.get(key, ()), join)
        return found

    def leaves(self, root: str, vrf: Mvpn) -> frozenset[str]:
        """Return the other edge routers that take a root's tunnels, members or not."""
        return frozenset(
            name
            for name, others in self.parties.items()
            if name != root
            and any(self._tunnelled(name, other, root, vrf) is None for other in others)
        )

    # ----- the overlay that follows

    def ingress(self, router: str) -> tuple[IngressFlow, ...]:
        """Return the BitStrings that an edge router imposes as BFIR (RFC 8556 section 3)."""
        return tuple(
            flow
            for (source, group), joins in sorted(self._standing.get(router, {}).items())
            for vrf in [self._root_vrf(router, source)]
            if vrf is not None and vrf.tunnel == BIER
            for flow in self._imposed(router, vrf, source, group, joins)
        )

    def _root_vrf(self, router: str, source: IpAddress) -> Mvpn | None:
        held = (v for v, prefix, _ in self._own[router] if source in prefix)
        return next(held, None)

    def _imposed(
        self, router: str, vrf: Mvpn, source: IpAddress, group: IpAddress, joins: Iterable[Join]
    ) -> Iterable[IngressFlow]:
        number = vrf.sub_domain_id
        parts = (s for s in self._state.routers[router].sub_domains if s.sub_domain_id == number)
        part = next(parts, None)
        if number is None or part is None or not part.encapsulations:
            return
        bsl = part.encapsulations[0].bsl
        leaves = set(self.leaves(router, vrf))
        if any(join.router == router for join in joins):
            leaves.add(router)
        sets: dict[int, int] = {}
        for leaf in leaves:
            bfr_id = self._bfr_id(leaf, number)
            if bfr_id is not None:
                si, bit = divmod(bfr_id - 1, bsl)
                sets[si] = sets.get(si, 0) | 1 << bit
        yield IngressFlow(
            source=source,
            group=group,
            sub_domain_id=number,
            bsl=bsl,
            sets=dict(sorted(sets.items())),
        )

    def egress(self, router: str) -> tuple[EgressFlow, ...]:
        """Return what an edge router hands to members in its VRFs."""
        ports: dict[Flow, list[str]] = {}
        for join in self.joins:
            if join.cut is None and join.router == router and join.member.source is not None:
                held = ports.setdefault((join.member.source, join.member.group), [])
                held += [] if join.port in held else [join.port]
        return tuple(
            EgressFlow(source=source, group=group, interfaces=tuple(sorted(held)))
            for (source, group), held in sorted(ports.items())
        )

    def tunnel(self, root: str) -> Tunnel | None:
        """Return the source tree of the core that a root's flows go on (`pim-ssm`)."""
        address = self.addresses.get(root)
        for vrf in self.parties.get(root, ()):
            if vrf.tunnel == PIM_SSM and vrf.group is not None and address is not None:
                return Tunnel(address, vrf.group)
        return None

    def joined(self, root: str) -> frozenset[Flow]:
        """Return the flows that other edge routers want of a root."""
        found = self._standing.get(root, {})
        return frozenset(f for f, joins in found.items() if any(j.router != root for j in joins))

    def tunnels(self, leaf: str) -> tuple[Tunnel, ...]:
        """Return the source trees of the core that an edge router is a leaf of: those of all roots
        that it hears of."""
        return tuple(
            tunnel
            for root, vrfs in sorted(self.parties.items())
            for tunnel in [self.tunnel(root)]
            if tunnel is not None and any(leaf in self.leaves(root, vrf) for vrf in vrfs)
        )

    def tree_flows(self, router: RouterState) -> tuple[TreeFlow, ...]:
        """Return which flows a root puts on its trees: those that are joined, on trees that the VPN
        was given (RFC 6513 section 2.1.1, selective tunnels)."""
        joined = self._standing.get(router.name, {})
        named = {
            (policy.root, policy.tree_id)
            for vrf in router.mvpns
            if vrf.tunnel == SR_P2MP
            for policy in router.p2mp_policies
            if policy.name in vrf.policies
        }
        return tuple(
            flow
            for flow in router.tree_flows
            if (flow.source, flow.group) in joined and (flow.root, flow.tree_id) in named
        )


def _order(member: Member) -> tuple[str, int, int]:
    return member.host, int(member.group), int(member.source or 0)


class VpnPart:
    """One edge router's unicast in its VRFs, as packets meet it."""

    def __init__(self, overlay: Overlay, router: str) -> None:
        self._overlay, self.router = overlay, router
        self.ports = frozenset(p for vrf in overlay.parties[router] for p in vrf.interfaces)
        """Interfaces in a VRF: the router's own table does not hold for them."""

    @property
    def local(self) -> IpAddress | None:
        """Where its packets to other edge routers come from; None: it has no session."""
        return self._overlay.addresses.get(self.router)

    @property
    def remote(self) -> frozenset[IpAddress]:
        """Where packets of the VPN may come from."""
        parties, addresses = self._overlay.parties, self._overlay.addresses
        return frozenset(addresses[n] for n in parties if n in addresses and n != self.router)

    def route(self, port: str, destination: IpAddress) -> VpnRoute | None:
        """Return the way of a packet that came in by an interface in a VRF."""
        vrf = self._overlay.vrf(self.router, port)
        return None if vrf is None else self._overlay.lookup(self.router, vrf, destination)

    @property
    def tunnel(self) -> Tunnel | None:
        """Its own source tree in the core; None: its tunnels are of another kind."""
        return self._overlay.tunnel(self.router)

    @property
    def tunnels(self) -> tuple[Tunnel, ...]:
        """The source trees of the core that it is a leaf of."""
        return self._overlay.tunnels(self.router)

    @property
    def wanted(self) -> frozenset[Flow]:
        """Flows of our hosts that other edge routers have joined."""
        return self._overlay.joined(self.router)

    def why(self, host: str, flow: Flow) -> JoinCut | None:
        """Return what keeps a host from a flow that it has joined; None: nothing."""
        return next(
            (
                join.cut
                for join in self._overlay.joins
                if join.member.host == host and (join.member.source, join.member.group) == flow
            ),
            None,
        )

    def arriving(self, destination: IpAddress) -> VpnRoute | None:
        """Return the way of a packet that another edge router sent us: to an interface of ours."""
        for vrf in self._overlay.parties[self.router]:
            route = self._overlay.lookup(self.router, vrf, destination)
            if route is not None and route.address is None:
                return route
        return None
