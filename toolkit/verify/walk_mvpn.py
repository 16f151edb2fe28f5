"""One packet of a delivery over PIM-SSM trees of the core that carry a multicast VPN.

RFC 6513 section 12.1 (multicast in GRE), RFC 6514 section 5 (PIM-SSM tree).  The root's edge router
puts packets of its hosts into packets of its own, to the VPN's group; every other edge router of
the VPN has joined these, takes out what is inside and hands it to its members, if any.  Otherwise
the law of `toolkit.verify.walk_pim` holds.  Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from toolkit.inet import gre, udp
from toolkit.inet.ip import header_size
from toolkit.pim.router import PimRouter
from toolkit.plan.model import FlowPlan
from toolkit.planes.mvpn_model import Tunnel
from toolkit.planes.pim import PMSI
from toolkit.planes.plane import Plane
from toolkit.state.model import End
from toolkit.verify import places
from toolkit.verify.chain_pim import Chain, way_up
from toolkit.verify.ground import TTL, Arrival, Ground, Loss, Walk
from toolkit.verify.walk_pim import Packet, Walker, walk_pim


def walk_ssm(ground: Ground, flow: FlowPlan, members: Collection[str] | None = None) -> Walk:
    """Return where one packet of a flow over PIM-SSM goes, in a VPN or without one."""
    if ground.plan.mvpn is None:
        return walk_pim(ground, flow, members)
    return _VpnWalker(ground, flow, members).run()


class _VpnWalker(Walker):
    def __init__(self, ground: Ground, flow: FlowPlan, members: Collection[str] | None) -> None:
        self._customer = flow
        root = ground.plane(flow.bfir)
        self._tunnel: Tunnel | None = None
        if root is not None and root.vpn is not None:
            self._tunnel = root.vpn.tunnel
        core = flow
        if self._tunnel is not None:
            core = replace(flow, source_address=self._tunnel.source, group=self._tunnel.group)
        super().__init__(ground, core, members)
        self._payload = flow.payload + udp.HEADER + header_size(flow.source_address)
        self._inner = self._payload

    @property
    def _outer(self) -> int:
        """Bytes of a packet in the core."""
        return self._payload + header_size(self._flow.group) + gre.HEADER

    def join(self, ground: Ground, hosts: Collection[str] | None) -> None:
        """Let the edge routers of the VPN join its tunnels; of some hosts only theirs."""
        some = None if hosts is None else {ground.plan.hosts[name].router for name in hosts}
        if self._tunnel is not None:
            for name in sorted({host.router for host in ground.plan.hosts.values()}):
                plane = ground.plane(name)
                if plane is None or plane.vpn is None or (some is not None and name not in some):
                    continue
                if self._tunnel in plane.vpn.tunnels:
                    self.domain.member(name, PMSI, self._tunnel.group, self._tunnel.source)
        self.domain.settle()

    @property
    def _spoken(self) -> FlowPlan:
        return self._customer

    def _enter(self, plane: Plane, end: End) -> None:
        """The source's router puts the packet into one of its own, and hands it to its members."""
        name, key = plane.router, (self._customer.source_address, self._customer.group)
        self._walk.touched_routers.add(name)
        if plane.vpn is None or end.port not in plane.vpn.ports:
            text = f"{name} {end.port} is in no multicast VPN"
            self._lose(name, "dropped", text, (name,))
            return
        self._hand(plane, (name,))
        if key in plane.vpn.wanted and self._tunnel is not None:
            self._inner = self._outer
            self._queue.append(Packet(name, PMSI, TTL, (name,)))

    def _send(self) -> None:
        self._inner = self._payload
        super()._send()

    def _leave(self, router: PimRouter, oif: str, packet: Packet) -> None:
        if oif != PMSI:
            super()._leave(router, oif, packet)
            return
        plane = self._ground.plane(packet.router)
        if plane is not None:
            self._hand(plane, packet.path)

    def _hand(self, plane: Plane, path: tuple[str, ...]) -> None:
        """Hand a packet of the VPN to the members of an edge router."""
        name, before = plane.router, self._inner
        self._inner = self._payload
        flow = plane.egress_flows.get((self._customer.source_address, self._customer.group))
        for port in () if flow is None else flow.interfaces:
            host = plane.edge_interfaces.get(port)
            if host is None:
                text = f"{name} {port} is down or leads to no host"
                self._lose(name, "dropped", text, path)
            elif self._cross(End(name, port), self._payload, path, host) and (
                self._members is None or host in self._members
            ):
                self._walk.arrivals.append(Arrival(host, path))
        self._inner = before

    def _chain(self, cloud: str) -> Chain:
        """Return why a cloud's router is not on the tunnel, or its way up to the root."""
        flow, host = self._customer, self._ground.plan.hosts[cloud]
        name = host.router
        plane = self._ground.plane(name)
        if plane is None or plane.vpn is None:
            what = "is down" if plane is None else "is in no multicast VPN"
            return Chain((name,), Loss(name, "dropped", f"{name} {what}", ()))
        cut = plane.vpn.why(cloud, (flow.source_address, flow.group))
        if cut is not None:
            text = f"the join of {cloud} comes to no root of the VPN ({cut})"
            return Chain((name,), Loss(name, "dropped", text, (), at=places.VPNS))
        if self._tunnel is None:
            text = f"{flow.bfir} has no tunnel for the VPN"
            return Chain((name,), Loss(flow.bfir, "dropped", text, (), at=places.VPNS))
        if name == flow.bfir:
            return Chain((name,), None)
        routers, stop = way_up(
            self.domain, self._flow, name, self._tunnel.source, (flow.bfir, PMSI)
        )
        return Chain(tuple(dict.fromkeys(routers)), stop)
