"""Networks whose overlay is BGP MVPN, and ways to break their states."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from verify_networks import inventory, planned

from toolkit.inventory.model import (
    Imposition,
    Inventory,
    OverlaySettings,
    OverlaySignalling,
    Transport,
)
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.state.model import NetworkState

AS = 64512


def declared(
    of: Inventory, transport: Transport = Transport.BIER, reflectors: Collection[str] = ()
) -> Inventory:
    """Return an inventory with MVPN instead of static flows."""
    of = over(of, transport)
    imposed = {n: replace(d, imposition=Imposition.ROUTER) for n, d in of.deliveries.items()}
    overlay = OverlaySettings(
        signalling=OverlaySignalling.MVPN, as_number=AS, route_reflectors=tuple(sorted(reflectors))
    )
    return replace(of, deliveries=imposed, overlay=overlay)


def network(
    links: Any, transport: Transport = Transport.BIER, **options: Any
) -> tuple[Plan, NetworkState]:
    reflectors = options.pop("reflectors", ())
    return planned(declared(inventory(links, **options), transport, reflectors))


def change_vpn(state: NetworkState, name: str, **fields: Any) -> NetworkState:
    """Return `state` with fields of the VPN of one router replaced."""
    router = state.routers[name]
    changed = replace(router, mvpns=(replace(router.mvpns[0], **fields),))
    return replace(state, routers={**state.routers, name: changed})


def change_bgp(state: NetworkState, name: str, **fields: Any) -> NetworkState:
    """Return `state` with fields of the BGP speaker of one router replaced."""
    router = state.routers[name]
    assert router.bgp is not None
    changed = replace(router, bgp=replace(router.bgp, **fields))
    return replace(state, routers={**state.routers, name: changed})
