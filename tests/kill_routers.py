"""Three routers with an old configuration of ours and something foreign, and what is to be seen."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from kill_points import NAMES
from netconf_farm import Clock, Payload, tree

from toolkit.netconf.faults import parse_fault
from toolkit.netconf.flavours import Flavour
from toolkit.netconf.names import Datastore
from toolkit.netconf.router import Device
from toolkit.yang.schema import reference_schema

WAYS = {
    "persist": (set(), "reference"),
    "base-1.0": ({Flavour.BASE_1_0}, "reference"),
    "no-running-lock": ({Flavour.NO_RUNNING_LOCK}, "no-running-lock"),
    "validate-broken": ({Flavour.VALIDATE_BROKEN}, "validate-broken"),
    "session-confirm": ({Flavour.SESSION_CONFIRM}, "reference"),
    "junos": ({Flavour.JUNOS}, "junos"),
    "no-confirmed": ({Flavour.NO_CONFIRMED}, "reference"),
    "writable-running": ({Flavour.WRITABLE_RUNNING}, "reference"),
}
"""How servers take a change: flavours of the router, and the profile of the push."""
LASTING = ("no-confirmed", "writable-running")
"""Where a change does not go away by itself."""
OLD, NEW, NEXT = 10, 20, 30
_STORES = (Datastore.RUNNING, Datastore.CANDIDATE, Datastore.STARTUP)
FOREIGN = {
    "name": "mgmt0", "type": "iana-if-type:ethernetCsmacd", "description": "somebody else's",
}  # fmt: skip


def ours(number: int, metric: int) -> dict[str, Any]:
    """Return what we have on a router; new ones have an interface more."""
    made = tree(number, metric)
    if metric != OLD:
        interfaces = made["ietf-interfaces:interfaces"]["interface"]
        interfaces.append({**interfaces[0], "name": "e1"})
        made["llmsync-isis:isis"]["interface"].append({"name": "e1", "metric": metric})
    return made


def whole(number: int, metric: int) -> dict[str, Any]:
    """Return all that a router runs: ours, and what is not."""
    made = ours(number, metric)
    made["ietf-interfaces:interfaces"]["interface"].append(FOREIGN)
    return made


def payloads(metric: int) -> dict[str, Payload]:
    return {name: Payload(ours(n, metric)) for n, name in enumerate(NAMES)}


@cache
def trees(metric: int) -> Mapping[str, Any]:
    """Return what the routers run, in the canonical form of their running."""
    schema = reference_schema()
    return {name: schema.parse_json(whole(n, metric), name) for n, name in enumerate(NAMES)}


def make_devices(way: str, *faults: str) -> list[Device]:
    """Return the routers, running the old configuration."""
    return [
        Device(
            name, reference_schema(), flavours=frozenset(WAYS[way][0]), config=whole(n, OLD),
            faults=[f for f in map(parse_fault, faults) if f.router in ("", name)],
        )
        for n, name in enumerate(NAMES)
    ]  # fmt: skip


class Routers:
    """What is to be seen of them; mixed into what runs them."""

    devices: Mapping[str, Device]
    clock: Clock

    def runs(self) -> set[int]:
        """Return which configurations run, whole and unmixed; anything else is an error."""
        return {self.runs_on(name) for name in NAMES}

    def runs_on(self, name: str) -> int:
        running = self.devices[name].running
        (metric,) = [m for m in (OLD, NEW, NEXT) if trees(m)[name] == running] or [0]
        assert metric, f"{name} runs neither configuration: {running}"
        return metric

    def at_rest(self) -> None:
        """Check that nothing is left behind on any router."""
        for name, device in self.devices.items():
            assert not device.locks, name
            assert not device.dirty, name
            assert not device.confirming, name
            assert not device.sessions, name
            assert device.config(Datastore.STARTUP) == device.config(Datastore.RUNNING), name

    def fingerprint(self) -> tuple[object, ...]:
        """Return all that the routers know, but for names of transactions and sessions."""
        return tuple(
            (
                *map(device.config, _STORES),
                device.dirty, device._inert, device.confirming,
                device.confirming and device._pending.before.tree,
                device.confirming and bool(device._pending.persist),
            )
            for device in self.devices.values()
        )  # fmt: skip

    def state(self) -> Callable[[], None]:
        """Return what brings the routers back to how they stand now."""
        kept = {
            name: {k: copy.copy(device.__dict__[k]) for k in ("_stores", "_pending", "_inert")}
            for name, device in self.devices.items()
        }
        now = self.clock.now

        def restore() -> None:
            self.clock.now = now
            for name, values in kept.items():
                self.devices[name].__dict__.update({k: copy.copy(v) for k, v in values.items()})

        return restore
