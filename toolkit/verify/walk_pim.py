"""One packet of a delivery over PIM, sent again and again until nothing moves any more.

RFC 7761: hosts join, then the source speaks; with PIM-SM the first packet goes to the RP in a
Register, the RP joins the source, last-hop routers do, and each packet may change what the next one
meets.  Law: routers decide by `toolkit.pim.router`, as those of the laboratory do; arrivals and
losses are those of the last packet, what is touched is what any of them stood on.  Packets lost on
the way there are few, and repaired.  Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from toolkit.inet import udp
from toolkit.inet.ip import header_size
from toolkit.inventory.model import Transport
from toolkit.pim.domain import Domain
from toolkit.pim.router import Decision, PimRouter
from toolkit.pim.wire import REGISTER_HEADER
from toolkit.plan.model import FlowPlan, HostPlan
from toolkit.planes.pim import around_of, join, trees
from toolkit.planes.plane import Plane
from toolkit.state.model import Cable, End, IpAddress
from toolkit.verify import places
from toolkit.verify.chain_pim import Chain, chain_of
from toolkit.verify.ground import TTL, Arrival, Ground, Loss, Walk, refused_source

ROUNDS = 24
"""Packets after which we stop waiting for stillness: each moves a tree by a hop or more."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A copy under way."""

    router: str
    port: str
    ttl: int
    path: tuple[str, ...]
    seen: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Stop:
    """A Register-Stop on its way back to the designated router."""

    router: str
    to: str


@dataclass(frozen=True, slots=True)
class Round:
    """What became of one packet."""

    arrivals: tuple[Arrival, ...]
    losses: tuple[Loss, ...]
    """Copies that were dropped, whether or not a cloud misses them."""


def walk_pim(ground: Ground, flow: FlowPlan, members: Collection[str] | None = None) -> Walk:
    """Return where one packet of `flow` goes when the trees have settled.

    `members`: the clouds that join; None: all.
    """
    return Walker(ground, flow, members).run()


def rounds(ground: Ground, flow: FlowPlan) -> list[Round]:
    """Return what becomes of each packet until nothing moves: with PIM-SM those by Register first,
    those by the source's trees last."""
    return Walker(ground, flow).rounds()


class Trees:
    """The trees of one delivery when its members have joined and nothing moves any more."""

    def __init__(self, ground: Ground, flow: FlowPlan) -> None:
        self._walker = Walker(ground, flow)
        self._walker.rounds()

    @property
    def domain(self) -> Domain:
        return self._walker.domain

    def join(self, ground: Ground, host: str) -> int:
        """Let one more host join, send packets until nothing moves; return the Join/Prune messages
        that it took.  `ground`: the same network with the host as its member."""
        walker = self._walker
        before = walker.domain.messages
        walker.join(ground, {host})
        walker.speak()
        return walker.domain.messages - before

    def move(self, ground: Ground) -> int:
        """Take the same network after failures; return the Join/Prune messages that it took."""
        walker = self._walker
        before = walker.domain.messages
        walker.move(ground)
        walker.speak()
        return walker.domain.messages - before


class Walker:
    """Walks one delivery."""

    def __init__(
        self, ground: Ground, flow: FlowPlan, members: Collection[str] | None = None
    ) -> None:
        self._ground, self._flow, self._members = ground, flow, members
        self._walk = Walk()
        self.domain = trees(ground.plane)
        self._host: HostPlan = ground.plan.hosts[flow.source]
        self._inner = flow.payload + udp.HEADER + header_size(flow.source_address)
        self._queue: deque[Packet] = deque()
        self._stops: list[_Stop] = []
        self._any_source = flow.transport is Transport.PIM_SM

    def run(self) -> Walk:
        self.rounds()
        walk = self._walk
        self._touch_state()
        wanted = self._flow.clouds if self._members is None else sorted(self._members)
        lost = [cloud for cloud in wanted if cloud not in walk.reached]
        if lost:
            chains = {cloud: self._chain(cloud) for cloud in lost}
            walk.losses = _blamed(walk.losses, chains)
        else:
            walk.losses = [loss for loss in walk.losses if loss.reason == "loop"]
        return walk

    def _chain(self, cloud: str) -> Chain:
        """Return the way of a cloud's join."""
        return chain_of(self._ground, self.domain, self._flow, cloud)

    def rounds(self) -> list[Round]:
        self.join(self._ground, self._members)
        return self.speak()

    def join(self, ground: Ground, hosts: Collection[str] | None) -> None:
        """Let the members join that are among `hosts`; None: all."""
        for member in sorted(ground.members):
            host = ground.plan.hosts.get(member.host)
            if member.group == self._flow.group and host is not None:
                end = End(host.router, host.router_port)
                here = hosts is None or host.name in hosts
                if here and ground.far(end) == End(host.name, host.port):
                    join(self.domain, end, member.group, member.source)
        self.domain.settle()

    def move(self, ground: Ground) -> None:
        """Stand on another network from now on; what was joined stays joined where it can."""
        self._ground = ground
        self.domain.move(around_of(ground.plane))
        self.domain.settle()

    def speak(self) -> list[Round]:
        """Send packets until nothing moves; return how each fared."""
        found: list[Round] = []
        for _ in range(ROUNDS):
            before = self.domain.version, self.domain.messages
            self._send()
            found.append(Round(tuple(self._walk.arrivals), tuple(self._walk.losses)))
            if (self.domain.version, self.domain.messages) == before:
                break
        return found

    def _send(self) -> None:
        """Send one packet, then let every message that it led to arrive."""
        self._walk.arrivals, self._walk.losses = [], []
        end = End(self._host.router, self._host.router_port)
        plane = self._ground.plane(self._host.router)
        if plane is None or end.port not in plane.edge_interfaces:
            what = self._host.router if plane is None else f"{self._host.router} {end.port}"
            self._lose(self._host.name, "dropped", f"{what} is down", ())
        elif self._cross(end, self._inner, ()):
            if plane.takes_source(end.port, self._spoken.source_address):
                self._enter(plane, end)
            else:
                self._walk.losses.append(refused_source(self._spoken, end.node, end.port))
        while self._queue:
            self._arrive(self._queue.popleft())
        for stop in self._stops:
            router = self.domain.router(stop.to)
            if router is not None:
                router.register_stop(self._flow.source_address, self._flow.group)
        self._stops.clear()
        self.domain.settle()

    @property
    def _spoken(self) -> FlowPlan:
        """The flow as its source sends it."""
        return self._flow

    def _enter(self, plane: Plane, end: End) -> None:
        """Take a packet from the source's host."""
        self._queue.append(Packet(plane.router, end.port, TTL, (plane.router,)))

    def _arrive(self, packet: Packet) -> None:
        name = packet.router
        self._walk.touched_routers.add(name)
        if (name, packet.port) in packet.seen:
            self._lose(name, "loop", f"{name} sees the packet again", packet.path)
            return
        router = self.domain.router(name)
        if router is None:
            text = f"{name} runs no PIM" if self._ground.plane(name) else f"{name} is down"
            self._lose(name, "refused", text, packet.path, kind="pim-missing", at=places.PIM)
            return
        flow = self._flow
        decision = router.packet(packet.port, flow.source_address, flow.group)
        self._forward(router, decision, packet)

    def _forward(self, router: PimRouter, decision: Decision, packet: Packet) -> None:
        name = packet.router
        self.domain.send(name, decision.sends)
        if decision.drop:
            kind, text, at = _dropped(name, packet.port, decision.drop)
            self._lose(name, "dropped", text, packet.path, kind=kind, at=at)
            return
        if packet.ttl <= 1:
            self._lose(name, "ttl", f"the TTL has run out at {name}", packet.path)
            return
        for oif in decision.oifs:
            self._leave(router, oif, packet)
        if decision.register is not None:
            self._register(name, decision.register, packet)

    def _leave(self, router: PimRouter, oif: str, packet: Packet) -> None:
        name, end = packet.router, End(packet.router, oif)
        threshold = router.around.ports[oif].ttl_threshold
        far = self._ground.far(end)
        node = "" if far is None else far.node
        if packet.ttl - 1 < threshold:
            text = f"{name} {oif} wants a TTL of {threshold}, and packets have {packet.ttl - 1}"
            kind, at = "ttl-threshold-high", places.pim_interface(oif)
            self._lose(name, "dropped", text, packet.path, kind=kind, at=at, to=node)
            return
        if not self._cross(end, self._inner, packet.path, node) or far is None:
            return
        if far.node in self._ground.plan.hosts:
            self._walk.arrivals.append(Arrival(far.node, packet.path))
            return
        seen = packet.seen | {(name, packet.port)}
        path = (*packet.path, far.node)
        self._queue.append(Packet(far.node, far.port, packet.ttl - 1, path, seen))

    def _register(self, name: str, rp: IpAddress, packet: Packet) -> None:
        """Carry the packet to the RP in a Register (RFC 7761 section 4.4)."""
        size = self._inner + header_size(rp) + REGISTER_HEADER
        way = self._ground.paths.path(End(name, ""), rp)
        self._walk.touched_routers.update(n for n in way.nodes if self._ground.plane(n))
        for cable, at in zip(way.cables, way.nodes, strict=False):
            if not self._carry(cable, at, size, packet.path, register=True):
                return
        router = None if way.arrived is None else self.domain.router(way.at)
        if router is None:
            why = way.reason or f"{way.at} runs no PIM"
            text = f"Registers of {name} do not come to the RP {rp}: {why}"
            kind = "rp-unreachable"
            self._lose(name, "dropped", text, packet.path, kind=kind, at=places.STATIC_RPS)
            return
        flow, at = self._flow, way.at
        path = (*packet.path, *way.nodes[1:])
        decision = router.register(flow.source_address, flow.group, rp)
        if decision.stop:
            self._stop(at, name)
        if decision.drop in ("ssm-register", "not-rp"):
            text = f"{at} gets the Registers of {name} for {flow.group}, and is not its RP"
            kind = "rp-disagreement"
            self._lose(at, "refused", text, path, kind=kind, at=places.STATIC_RPS)
            return
        self._forward(router, decision, Packet(at, "", packet.ttl - 1, path, packet.seen))

    def _stop(self, at: str, to: str) -> None:
        plane = self._ground.plane(to)
        own = None if plane is None or plane.pim is None else plane.pim.own
        if own is not None:
            back = self._ground.paths.path(End(at, ""), own)
            if back.arrived is not None:
                self._stops.append(_Stop(at, back.at))

    # ----- what is met

    def _cross(self, end: End, size: int, path: tuple[str, ...], to: str = "") -> bool:
        cable = self._ground.cables.get(end)
        if cable is None:
            self._lose(end.node, "dropped", f"{end.node} {end.port} is down", path, to=to)
            return False
        return self._carry(cable, end.node, size, path, to=to)

    def _carry(
        self, cable: Cable, node: str, size: int, path: tuple[str, ...],
        *, register: bool = False, to: str = "",
    ) -> bool:  # fmt: skip
        walk = self._walk
        walk.touched_links.add(cable.link)
        walk.links[cable] = max(size, walk.links.get(cable, 0))
        mtus = [m for m in (self._ground.mtu(cable.a), self._ground.mtu(cable.b)) if m is not None]
        if mtus and size > min(mtus):
            what = " in a Register" if register else ""
            text = f"{size} bytes{what} do not fit the MTU of {min(mtus)} bytes of {cable.link}"
            self._lose(node, "mtu", text, path, link=cable, to=to)
            return False
        return True

    def _touch_state(self) -> None:
        """Joins stand on the links that they crossed, and on the routes that they followed."""
        walk = self._walk
        for name, router in self.domain.routers.items():
            walk.touched_routers.add(name)
            for state in router.groups.values():
                ways = [state.root, *(known.rpf for known in state.sources.values())]
                for way in ways:
                    cable = self._ground.cables.get(End(name, way.interface))
                    if cable is not None:
                        walk.touched_links.add(cable.link)
                        walk.touched_routers |= {way.router} if way.router else set()

    def _lose(
        self, router: str, reason: str, text: str, path: tuple[str, ...],
        *, kind: str = "", at: str = "", to: str = "", link: Cable | None = None,
    ) -> None:  # fmt: skip
        loss = Loss(router, reason, text, path, link=link, kind=kind, at=at, to=to)
        self._walk.losses.append(loss)


def _dropped(name: str, port: str, drop: str) -> tuple[str, str, str]:
    """Return (kind of finding, words, place of its configuration) of a drop."""
    match drop:
        case "no-pim":
            text = f"{name} runs no PIM on {port}, so it takes no packets"
            return "pim-interface-missing", text, places.pim_interface(port)
        case "rpf":
            text = f"{name} expects these packets elsewhere than on {port}"
            return "rpf-failure", text, places.PIM
        case "no-entry":
            return "", f"nobody has joined at {name}", ""
        case _:
            return "", f"{name} has no interface to send the packets out of ({drop})", ""


def _blamed(losses: list[Loss], chains: dict[str, Chain]) -> list[Loss]:
    """Return the losses that clouds suffer by, with those clouds."""
    found: dict[Loss, set[str]] = {}
    for cloud, chain in chains.items():
        if chain.stop is not None:
            found.setdefault(chain.stop, set()).add(cloud)
            continue
        for loss in losses:
            if chain.concerns(loss, cloud):
                found.setdefault(loss, set()).add(cloud)
    loops = {loss: set[str]() for loss in losses if loss.reason == "loop" and loss not in found}
    return [loss.of(clouds) for loss, clouds in (found | loops).items()]
