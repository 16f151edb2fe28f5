"""Ten embedded routers on loopback and what to push to them, for tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.errors import DeliveryError
from toolkit.netconf.device import DEFAULT_USER, Device, DeviceFarm
from toolkit.netconf.journal import Standing
from toolkit.netconf.push import Target, push
from toolkit.netconf.records import records
from toolkit.yang.schema import reference_schema

NAMES = tuple(f"r{n}" for n in range(1, 11))


@dataclass(frozen=True)
class Payload:
    tree: dict

    @property
    def xml(self) -> str:
        return reference_schema().to_xml(self.tree)


@dataclass(frozen=True)
class Text:
    """A payload that nobody has checked."""

    xml: str


def standings(folder: Path) -> list[Standing]:
    """Return how the pushes that a folder remembers have ended."""
    found = [record.entry for record in records(folder)]
    assert None not in found
    assert len(found) == len(list(folder.iterdir()))
    return [entry.standing for entry in found]


def tree(number: int, metric: int = 10) -> dict:
    """Return a small valid configuration that differs from router to router."""
    return {
        "ietf-interfaces:interfaces": {
            "interface": [{"name": "e0", "type": "iana-if-type:ethernetCsmacd"}]
        },
        "llmsync-isis:isis": {
            "system-id": f"0000.0000.{number:04x}",
            "area-address": ["49.0001"],
            "interface": [{"name": "e0", "metric": metric}],
        },
    }


def payloads(metric: int = 10) -> dict[str, Payload]:
    return {name: Payload(tree(n, metric)) for n, name in enumerate(NAMES)}


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Network:
    farm: DeviceFarm
    clock: Clock
    refusing: set[str] = field(default_factory=set)
    """Names of routers whose data plane refuses every commit."""

    def target(self, name: str, **other: object) -> Target:
        host, port = self.farm.addresses[name]
        values = {
            "device": name,
            "host": host,
            "port": port,
            "username": DEFAULT_USER,
            "password": self.farm.users[DEFAULT_USER].password,
            "host_key": self.farm.host_keys[name],
        }
        return Target(**{**values, **other})

    def targets(self, **other: object) -> list[Target]:
        return [self.target(name, **other) for name in self.farm.devices]

    def push(self, metric: int = 10, **options: object):
        return push(self.targets(), payloads(metric), timeout=10.0, **options)

    def running(self) -> dict[str, object]:
        return {name: device.running for name, device in self.farm.devices.items()}

    def metrics(self) -> set[object]:
        """What metrics run in the network; None where nothing runs."""
        return {
            r["llmsync-isis:isis"]["interface"][0]["metric"] if r else None
            for r in self.running().values()
        }


@contextmanager
def network(
    names: tuple[str, ...] = NAMES, *, standing: bool = True, **options: object
) -> Iterator[Network]:
    """Start the routers; `options` are those of every Device.

    Their clock stands still until it is told, unless not `standing`.
    """
    clock = Clock()
    refusing: set[str] = set()

    def data_plane(name: str):
        def on_commit(_: object) -> None:
            if name in refusing:
                raise DeliveryError(f"{name}: the data plane has no room")

        return on_commit

    devices = [Device(n, reference_schema(), on_commit=data_plane(n), **options) for n in names]
    with DeviceFarm(devices, clock=clock if standing else time.monotonic) as farm:
        yield Network(farm, clock, refusing)
