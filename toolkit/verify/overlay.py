"""Checks of the overlay: who imposes at the BFIR, who hands over at the BFER (RFC 8279 section
4.3).

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.inventory.model import Imposition, Transport
from toolkit.plan.model import FlowPlan
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.scene import Scene


def static(scene: Scene) -> bool:
    """Say whether the overlay is written down; with BGP MVPN routers tell each other."""
    return scene.plan.mvpn is None


def flows(scene: Scene) -> Iterator[Finding]:
    """Each edge router of a delivery has the overlay flow that makes it one."""
    for flow in scene.plan.flows_over(Transport.BIER, Transport.SR_P2MP):
        if flow.transport is Transport.BIER and flow.imposition is Imposition.ROUTER:
            yield from _ingress(scene, flow)
        for cloud in flow.clouds:
            yield from _egress(scene, flow, cloud)
        yield from _hostless(scene, flow)


def _ingress(scene: Scene, flow: FlowPlan) -> Iterator[Finding]:
    router = scene.state.routers.get(flow.bfir)
    if router is None:
        return
    key = (flow.source_address, flow.group)
    if not any((f.source, f.group) == key and any(f.sets.values()) for f in router.ingress_flows):
        yield finding(
            "overlay-missing",
            places.on(flow.bfir, places.flow("ingress", *key)),
            f"{flow.bfir} imposes no BitString on ({flow.source_address}, {flow.group}) of "
            f"{flow.delivery}",
            subjects=[flow.bfir],
        )


def _egress(scene: Scene, flow: FlowPlan, cloud: str) -> Iterator[Finding]:
    host = scene.plan.hosts[cloud]
    router = scene.state.routers.get(host.router)
    if router is None:
        return
    key = (flow.source_address, flow.group)
    interfaces = {
        i for f in router.egress_flows if (f.source, f.group) == key for i in f.interfaces
    }
    if host.router_port not in interfaces:
        goes = f"only to {', '.join(sorted(interfaces))}" if interfaces else "nowhere"
        yield finding(
            "overlay-missing",
            places.on(host.router, f"{places.flow('egress', *key)}/interface"),
            f"{host.router} hands ({flow.source_address}, {flow.group}) of {flow.delivery} {goes}, "
            f"not to {host.router_port} where {cloud} is",
            subjects=[cloud, host.router],
        )


def _hostless(scene: Scene, flow: FlowPlan) -> Iterator[Finding]:
    """An egress flow leads to hosts: on other interfaces nobody takes the packets."""
    key = (flow.source_address, flow.group)
    ports = {(host.router, host.router_port) for host in scene.plan.hosts.values()}
    for name, router in sorted(scene.state.routers.items()):
        named = {i for f in router.egress_flows if (f.source, f.group) == key for i in f.interfaces}
        for port in sorted(named):
            if (name, port) not in ports:
                yield finding(
                    "egress-interface-hostless",
                    places.on(name, f"{places.flow('egress', *key)}/interface"),
                    f"{name} hands ({flow.source_address}, {flow.group}) of {flow.delivery} to "
                    f"{port}, where no host is",
                    subjects=[name],
                )


def imposition(scene: Scene) -> Iterator[Finding]:
    """A host may impose BIER exactly where a delivery's source does."""
    sources = {
        (host.router, host.router_port): flow
        for flow in scene.plan.flows
        if flow.imposition is Imposition.HOST
        for host in [scene.plan.hosts[flow.source]]
    }
    for (name, port), flow in sources.items():
        router = scene.state.routers.get(name)
        if router is None:
            continue
        interface = router.interfaces.get(port)
        if interface is None or not interface.accept_host_bier:
            yield finding(
                "host-imposition-refused",
                places.on(name, f"{places.bier_interface(port)}/role"),
                f"{name} {port} drops BIER from {flow.source}, which imposes it for "
                f"{flow.delivery}",
                subjects=[flow.source, name],
            )
    for name, router in sorted(scene.state.routers.items()):
        for port, interface in sorted(router.interfaces.items()):
            if interface.accept_host_bier and (name, port) not in sources:
                yield finding(
                    "host-imposition-open",
                    places.on(name, f"{places.bier_interface(port)}/role"),
                    f"{name} {port} takes BIER from a host that no delivery starts at",
                    subjects=[name],
                )
