"""Flows: each delivery as an (S,G), with its ports, receivers and the payload that fits everywhere.

Pure.  G follows from the TSI (RFC 5651 section 5.1).  The payload is the largest that needs no
fragment on any link: RFC 8296 section 3 leaves the BIER MTU to whoever provisions the domain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from toolkit.errors import Problem
from toolkit.inventory.model import (
    BierTunnel,
    Delivery,
    FastReroute,
    Imposition,
    Inventory,
    Link,
    OverlaySignalling,
    Transport,
)
from toolkit.plan.addresses import Addresses
from toolkit.plan.ids import name_order
from toolkit.plan.model import FlowPlan, HostPlan, TreePlan
from toolkit.plan.places import place_of
from toolkit.plan.ports import attached_hosts

DATA_PORT = 61001
CONTROL_PORT = 61002
"""No port is registered for ALC or FLUTE (RFC 6726 leaves it to the session description), so both
are from the dynamic range (RFC 6335 section 6), above 60999 where Linux's ephemeral ports end: a
receiver's port is never taken by somebody's outgoing connection.  One pair serves all deliveries:
the group and the TSI tell them apart, and one line in an access list is enough."""

UDP = 8
IP = {4: 20, 6: 40}
GRE = 4
"""RFC 2784 section 2 without optional fields; MPLS in GRE: RFC 4023 section 3."""
VXLAN = 8 + 14
"""RFC 7348 section 5: its header and the inner Ethernet header."""
LABEL = 4
"""A node SID."""
LABELS = 8
"""A replication SID and, where a node SID leads to the next node, that one before it."""
VPN_LABEL = 4
REGISTER = 8
"""PIM and Register header (RFC 7761 section 4.9.3), inside an IP header to the RP."""
MIN_PAYLOAD = 256
"""Below this more than half of what crosses a link would be headers."""
MIN_MTU = {4: 576, 6: 1280}
"""What every link must carry: RFC 791 section 3.1, RFC 8200 section 5."""


def bier_header(bsl: int) -> int:
    """Return the bytes of a BIER header, its BIFT-id word (MPLS: the label) included."""
    return 12 + bsl // 8


def check_mtus(inventory: Inventory) -> Iterator[Problem]:
    """Name links that are too narrow for the address family itself."""
    family = inventory.pools.loopbacks.version
    least = MIN_MTU[family]
    for item in (*inventory.links, *attached_hosts(inventory)):
        if not least <= item.mtu <= 65535:
            what = f"an MTU of {item.mtu} bytes is not possible with IPv{family}"
            yield Problem(place_of(item), what, f"use {least} to 65535")


def tunnel_overhead(inventory: Inventory) -> int:
    """Return the bytes a tunnel to the next BFR adds, 0 where none is ever needed.

    BIER packets cross non-BFRs in tunnels (RFC 8279 section 6.9), and failures, where fast reroute
    is on.  A tunnelled copy follows unicast routes, so any core link may carry it, also after a
    failure.
    """
    peers: defaultdict[str, set[str]] = defaultdict(set)
    for link in inventory.links:
        peers[link.a].add(link.b)
        peers[link.b].add(link.a)
    crossed = any(len(peers[r.name]) > 1 for r in inventory.routers.values() if not r.bier)
    if not crossed and inventory.bier.fast_reroute is FastReroute.NONE:
        return 0
    outer = IP[inventory.pools.loopbacks.version]
    match inventory.bier.tunnel:
        case BierTunnel.GRE:
            return outer + GRE
        case BierTunnel.SR:
            return LABEL
        case BierTunnel.VXLAN:
            return outer + UDP + VXLAN


def check_flows(inventory: Inventory) -> Iterator[Problem]:
    """Name deliveries that cannot be served: ends without BIER, links without room."""
    core, tunnel = _narrowest(inventory), tunnel_overhead(inventory)
    for delivery in inventory.deliveries.values():
        yield from _without_bier(inventory, delivery)
        room, link = _payload(inventory, delivery, core, tunnel)
        if room < MIN_PAYLOAD:
            shorter = ", or use a shorter BitString" if delivery.transport is Transport.BIER else ""
            yield Problem(
                place_of(delivery),
                f"{link} leaves {max(room, 0)} bytes of payload after all headers",
                f"raise its MTU by {MIN_PAYLOAD - room} bytes{shorter}",
            )


def plan_flows(
    inventory: Inventory,
    hosts: Mapping[str, HostPlan],
    bfr_ids: Mapping[str, int],
    tsis: Mapping[str, int],
    addresses: Addresses,
    trees: Mapping[str, TreePlan],
) -> tuple[FlowPlan, ...]:
    """Return the flows in the order of their TSIs; `check_flows` has nothing to say."""
    core, tunnel = _narrowest(inventory), tunnel_overhead(inventory)
    flows = []
    for delivery in sorted(inventory.deliveries.values(), key=lambda d: tsis[d.name]):
        clouds = tuple(sorted(dict.fromkeys(delivery.to), key=name_order))
        source = hosts[delivery.source]
        bier = delivery.transport is Transport.BIER
        any_source = delivery.transport is Transport.PIM_SM
        pool = addresses.asm_groups if any_source else addresses.groups
        flows.append(
            FlowPlan(
                delivery=delivery.name,
                model=delivery.model,
                transport=delivery.transport,
                imposition=delivery.imposition if bier else Imposition.ROUTER,
                tsi=tsis[delivery.name],
                source=source.name,
                source_address=source.address.ip,
                group=pool.address(tsis[delivery.name]),
                port=DATA_PORT,
                control_port=CONTROL_PORT,
                bfir=source.router,
                sub_domain_id=inventory.bier.sub_domain,
                bsl=inventory.bier.bsl,
                clouds=clouds,
                bfr_ids={c: bfr_ids[hosts[c].router] for c in clouds} if bier else {},
                rate=delivery.rate,
                payload=_payload(inventory, delivery, core, tunnel)[0],
                tree=trees.get(delivery.name),
            )
        )
    return tuple(flows)


def _without_bier(inventory: Inventory, delivery: Delivery) -> Iterator[Problem]:
    """Name the ends of a delivery whose edge router is no BFR, so that BIER cannot serve them."""
    if not delivery.to:
        yield Problem(place_of(delivery), f"{delivery.name} goes to no cloud", "name one in `to`")
    if delivery.transport is not Transport.BIER:
        return
    for name in (delivery.source, *delivery.to):
        host = inventory.repositories.get(name) or inventory.clouds[name]
        router = inventory.routers[host.router]
        if not router.bier:
            yield Problem(
                place_of(host),
                f"{name} is part of {delivery.name}, but its router {router.name} is no BFR",
                f"attach it to a router that does BIER, or leave it out of {delivery.name}",
            )


def _narrowest(inventory: Inventory) -> Link | None:
    return min(inventory.links, key=lambda link: (link.mtu, link.name), default=None)


def _payload(
    inventory: Inventory, delivery: Delivery, core: Link | None, tunnel: int
) -> tuple[int, str]:
    """Return the largest UDP payload of a delivery and what bounds it.

    Core links carry IP and UDP, and what the transport adds; the source's link carries BIER where
    the host imposes it; the clouds' links carry plain IP.
    """
    version = inventory.pools.hosts.version
    inner = IP[version] + UDP
    bier = bier_header(inventory.bier.bsl)
    added = {
        Transport.BIER: bier + tunnel,
        Transport.SR_P2MP: LABELS,
        Transport.PIM_SSM: 0,
        Transport.PIM_SM: IP[version] + REGISTER,
    }
    if inventory.overlay.signalling is OverlaySignalling.MVPN:
        # A tree of the core carries the VPN's packets in GRE (RFC 6513 section 12.1); other
        # tunnels have a label for the VPN (RFC 6514 section 5, RFC 8556 section 3.1).
        added = {kind: more + VPN_LABEL for kind, more in added.items()}
        added[Transport.PIM_SSM] = IP[version] + GRE
    source = inventory.repositories[delivery.source]
    by_host = delivery.transport is Transport.BIER and delivery.imposition is Imposition.HOST
    room = [(source.mtu - inner - (bier if by_host else 0), f"the link of {source.name}")]
    if core is not None:
        room.append((core.mtu - inner - added[delivery.transport], f"link {core.name}"))
    room += [
        (inventory.clouds[name].mtu - inner, f"the link of {name}")
        for name in sorted(delivery.to, key=name_order)
    ]
    return min(room, key=lambda entry: entry[0])
