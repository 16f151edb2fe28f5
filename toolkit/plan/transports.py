"""Which transports a plan is made for.  Pure."""

from __future__ import annotations

from dataclasses import replace

from toolkit.inventory.model import Imposition, Inventory, Transport


def in_use(inventory: Inventory) -> frozenset[Transport]:
    """Return the transports of all deliveries; BIER where there is no delivery yet."""
    used = frozenset(delivery.transport for delivery in inventory.deliveries.values())
    return used or frozenset({Transport.BIER})


def imposing(inventory: Inventory) -> frozenset[str]:
    """Return the repositories that impose BitStrings themselves."""
    return frozenset(
        delivery.source
        for delivery in inventory.deliveries.values()
        if delivery.transport is Transport.BIER and delivery.imposition is Imposition.HOST
    )


def over(inventory: Inventory, transport: Transport) -> Inventory:
    """Return the inventory with this transport in every delivery."""
    deliveries = {
        name: replace(delivery, transport=transport)
        for name, delivery in inventory.deliveries.items()
    }
    return replace(inventory, deliveries=deliveries)
