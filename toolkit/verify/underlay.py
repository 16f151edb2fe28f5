"""Checks of the IP underlay that need only the configured state: addresses, MTUs.

Pure.  Each check is a function from a `Scene` to findings; none knows the others.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.state.model import IpInterface
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.scene import Scene


def addresses(scene: Scene) -> Iterator[Finding]:
    """One address, one interface; hosts count."""
    owners: dict[object, tuple[str, str]] = {
        host.address.ip: (name, host.port) for name, host in sorted(scene.plan.hosts.items())
    }
    for name, port, address in _addresses(scene):
        first = owners.setdefault(address.ip, (name, port))
        if first != (name, port):
            yield finding(
                "duplicate-address",
                places.on(name, places.address(port, address)),
                f"{name} {port} has the address {address.ip} of {first[0]} {first[1]}",
                subjects=[first[0], name],
            )


def _addresses(scene: Scene) -> Iterator[tuple[str, str, IpInterface]]:
    for name, router in sorted(scene.state.routers.items()):
        for port, interface in router.interfaces.items():
            for address in interface.addresses:
                yield name, port, address


def mtus(scene: Scene) -> Iterator[Finding]:
    """Both ends of a cable carry packets of the same size."""
    for cable in sorted(scene.state.cables):
        ends = [(e, scene.mtu(e)) for e in (cable.a, cable.b)]
        (a, mtu_a), (b, mtu_b) = ends
        if mtu_a is None or mtu_b is None or mtu_a == mtu_b:
            continue
        small, large = (a, b) if mtu_a < mtu_b else (b, a)
        # A host's MTU is not ours to configure: the place is the router's end.
        at = large if small.node in scene.state.hosts else small
        yield finding(
            "mtu-mismatch",
            places.on(at.node, places.network_mtu(at.port)),
            f"{a.node} {a.port} has an MTU of {mtu_a} bytes and {b.node} {b.port} one of {mtu_b}",
            subjects=[cable.link or f"{a.node}-{b.node}"],
        )
