"""What a network's state says about BIER OAM: who answers, and the tree that a trace should see.

draft-ietf-bier-ping-23 sections 4.3 to 4.5.  Law: the same tables as everybody's (`derive`), looked
at with BFR-prefixes for names, as packets have them.  Pure.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from toolkit.bier.bift import BiftKey
from toolkit.bier.birt import Neighbor
from toolkit.bier.oam_responder import DEFAULT_MTU, Identity, Port
from toolkit.bier.oam_tlv import AddressType, Interface, IpAddress
from toolkit.bier.oam_tree import Edge
from toolkit.planes.derive import Network
from toolkit.state.model import Interface as Configured

DEPTH = 64
"""Hops after which a copy is not followed any further."""


def prefix_of(network: Network, router: str, sub_domain: int) -> IpAddress | None:
    """Return the BFR-prefix of a router; None where it is no BFR of the sub-domain."""
    bfr = network.bfrs.of(router, sub_domain)
    return None if bfr is None else bfr.bfr_prefix.network_address


def identity_of(network: Network, router: str) -> Identity:
    """Return what the router's responder has to know."""
    plane = network.plane(router)
    own = network.bfrs.by_router.get(router, {})
    prefixes = {number: bfr.bfr_prefix.network_address for number, bfr in own.items()}
    version = next((p.version for p in prefixes.values()), 4)

    def initiator(sub_domain: int, bsl: int, bfir_id: int) -> IpAddress | None:
        row = plane.birt.get((sub_domain, bsl), {}).get(bfir_id)
        return None if row is None else row.bfr_prefix.network_address

    def neighbor(sub_domain: int, to: Neighbor) -> IpAddress | None:
        return prefix_of(network, to.router, sub_domain)

    interfaces = sorted(network.state.routers[router].interfaces.items())
    return Identity(
        prefixes=prefixes,
        bfr_ids=plane.bfr_ids,
        initiator=initiator,
        neighbor=neighbor,
        ports={
            name: Port(_interface(interface, version, index), interface.mtu or DEFAULT_MTU)
            for index, (name, interface) in enumerate(interfaces, 1)
        },
    )


def _interface(interface: Configured, version: int, index: int) -> Interface:
    usable = (
        a.ip
        for a in interface.addresses
        if a.version == version and not (isinstance(a.ip, IPv6Address) and a.ip.is_link_local)
    )
    address = next(usable, None)
    if address is not None:
        return Interface(AddressType.IPV4 if version == 4 else AddressType.IPV6, address)
    kind = AddressType.IPV4_UNNUMBERED if version == 4 else AddressType.IPV6_LINK_LOCAL
    return Interface(kind, index=index)


def expected_edges(
    network: Network, router: str, key: BiftKey, bits: int, entropy: int = 0
) -> dict[Edge, int]:
    """Return the copies that a packet from `router` becomes: (from, to) -> bits.

    From None: from `router` itself, as a trace that starts there has it.
    """
    edges: dict[Edge, int] = {}
    waiting: list[tuple[str, IpAddress | None, int, int]] = [(router, None, bits, 0)]
    while waiting:
        at, name, value, depth = waiting.pop()
        plane = network.plane(at)
        if key not in plane.bifts or depth >= DEPTH:
            continue
        for copy in plane.forward(key, value, entropy).copies:
            to = prefix_of(network, copy.neighbor.router, key.sub_domain)
            edges[name, to] = edges.get((name, to), 0) | copy.bits
            waiting.append((copy.neighbor.router, to, copy.bits, depth + 1))
    return edges
