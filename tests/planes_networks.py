"""Hand-built network states for the tests of planes, and a network of engines that runs on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from toolkit.bier.engine import Arrived, Deliver, Engine
from toolkit.bier.wire import Encapsulation, Header
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network as Planes
from toolkit.planes.plane import Plane
from toolkit.state.model import (
    BierEncapsulation,
    Cable,
    End,
    Interface,
    IsisInterface,
    NetworkState,
    RouterState,
    Source,
    SubDomain,
)

Link = tuple[str, str, int, int]
"""Two routers, the metric from the first and from the second."""


def loopback(number: int) -> IPv4Interface:
    return IPv4Interface(f"10.255.{number >> 8}.{number & 255}/32")


def state(
    links: Iterable[tuple[str, str] | tuple[str, str, int] | Link],
    *,
    bfr_ids: Mapping[str, int | None],
    kind: str = "mpls",
    bsl: int = 64,
    max_si: int = 0,
    hosts: Mapping[str, str] | None = None,
) -> NetworkState:
    """Return a network: a router for each name in `links`, a BFR for each in `bfr_ids`.

    Link n is `<a>-<b>` (`...-<n>` when it is there already) and has 10.0.n.0/31; the loopback of
    the i-th router in the order of names (from 1) is 10.255.0.i; its BIFT-id block starts at 1000 *
    i, without MPLS at 7.  `hosts`: host -> its router, on an edge port that accepts BIER.
    """
    full: list[Link] = []
    for link in links:
        metrics = [int(m) for m in link[2:]] or [10]
        full.append((link[0], link[1], metrics[0], metrics[-1]))
    names = sorted({n for link in full for n in link[:2]} | set(bfr_ids))
    ports: dict[str, dict[str, Interface]] = {name: {} for name in names}
    cables: list[Cable] = []
    for number, (a, b, metric_a, metric_b) in enumerate(full):
        name = f"{a}-{b}" + (f"-{number}" if any(c.link == f"{a}-{b}" for c in cables) else "")
        for near, far, metric, last in ((a, b, metric_a, 0), (b, a, metric_b, 1)):
            ports[near][f"{name}:{near}"] = Interface(
                name=f"{name}:{near}",
                addresses=(IPv4Interface(f"10.0.{number}.{last}/31"),),
                isis=IsisInterface(metric=metric),
                bier=near in bfr_ids and far in bfr_ids,
            )
        cables.append(Cable(End(a, f"{name}:{a}"), End(b, f"{name}:{b}"), name))
    for number, (host, router) in enumerate((hosts or {}).items()):
        ports[router][f"to-{host}"] = Interface(
            name=f"to-{host}",
            addresses=(IPv4Interface(f"10.1.{number}.1/24"),),
            isis=IsisInterface(passive=True),
            accept_host_bier=True,
        )
        cables.append(Cable(End(router, f"to-{host}"), End(host, "eth0"), host))
    routers: dict[str, RouterState] = {}
    for number, name in enumerate(names, 1):
        ports[name]["lo"] = Interface(
            name="lo", addresses=(loopback(number),), isis=IsisInterface(metric=1, passive=True)
        )
        base = 1000 * number if kind == "mpls" else 7
        offer = BierEncapsulation(kind=kind, bsl=bsl, base=base, max_si=max_si)
        part = SubDomain(
            sub_domain_id=0,
            bfr_prefix=loopback(number).network,
            bfr_id=bfr_ids.get(name),
            encapsulations=(offer,),
        )
        routers[name] = RouterState(
            name=name,
            system_id=f"0000.0000.{number:04x}",
            areas=("49.0001",),
            interfaces=ports[name],
            sub_domains=(part,) if name in bfr_ids else (),
        )
    return NetworkState(
        source=Source.PLAN,
        routers=routers,
        cables=tuple(cables),
        hosts=frozenset(hosts or {}),
    )


def with_router(net: NetworkState, router: RouterState) -> NetworkState:
    return replace(net, routers={**net.routers, router.name: router})


def with_interface(net: NetworkState, router: str, port: str, **changes: object) -> NetworkState:
    old = net.routers[router]
    new = replace(old.interfaces[port], **changes)  # type: ignore[arg-type]
    return with_router(net, replace(old, interfaces={**old.interfaces, port: new}))


def with_sub_domain(net: NetworkState, router: str, **changes: object) -> NetworkState:
    old = net.routers[router]
    new = replace(old.sub_domains[0], **changes)  # type: ignore[arg-type]
    return with_router(net, replace(old, sub_domains=(new,)))


def prefix(number: int) -> IPv4Network:
    return loopback(number).network


class Engines:
    """Engines of all planes, joined by the neighbors in their tables; tunnels follow the FIBs."""

    def __init__(self, planes: Mapping[str, Plane]) -> None:
        self.planes = planes
        self.engines: dict[str, Engine] = {name: plane.engine() for name, plane in planes.items()}
        self.delivered: list[str] = []
        self.hops: list[tuple[str, str]] = []

    def send(self, router: str, header: Header, payload: bytes = b"model") -> None:
        """Give `router` a packet as its host would; follow every copy to its end."""
        waiting = [(router, header.encode() + payload, Arrived.HOST_EDGE)]
        while waiting:
            at, packet, arrived = waiting.pop()
            encapsulation = header.encapsulation
            for out in self.engines[at].receive(packet, encapsulation, arrived, 0.0):
                if isinstance(out, Deliver):
                    assert out.payload == payload
                    self.delivered.append(at)
                    continue
                assert out.packet[3] == packet[3] - 1  # TTL
                if out.neighbor.tunnel is not None:
                    tunnel = out.neighbor.tunnel
                    assert self.route(at, tunnel.remote) == out.neighbor.router
                    assert tunnel.local in self.planes[out.neighbor.router].tunnel_sources
                self.hops.append((at, out.neighbor.router))
                waiting.append((out.neighbor.router, out.packet, Arrived.CORE))

    def route(self, start: str, destination: IPv4Address) -> str | None:
        """Return the router where an IP packet from `start` ends, hop by hop; None: nowhere."""
        at = start
        for _ in range(len(self.planes) + 1):
            if destination in self.planes[at].addresses:
                return at
            found = self.planes[at].fib.lookup(destination)
            if found is None or not found.next_hops[0].router:
                return None
            at = found.next_hops[0].router
        return None

    def dropped(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for engine in self.engines.values():
            for reason, count in engine.drops.items():
                if count:
                    total[str(reason)] = total.get(str(reason), 0) + count
        return total


ENCAPSULATIONS = {"mpls": Encapsulation.MPLS, "non-mpls": Encapsulation.NON_MPLS}


def derive(net: NetworkState, down: Failures = NO_FAILURES) -> Mapping[str, Plane]:
    """Return the plane of every router that has not failed, by name."""
    return Planes(net, down).planes()


def derive_one(net: NetworkState, router: str, down: Failures = NO_FAILURES) -> Plane:
    """Return one router's plane; KeyError where the router does not exist or has failed."""
    return Planes(net, down).plane(router)
