"""A receiver that the group does not reach, and of which no probe has told: it joined too late."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from net import Net, Weather

from toolkit.delivery.model import Standing
from toolkit.transport.ways import Ways

GROUP = ("239.1.1.1", 1)
NAMES = ("fra", "lon", "hel", "ams")
FILES = {f"{n}.bin": random.Random(n).randbytes(32_000) for n in range(16)}


@dataclass
class Grouped(Net):
    """What many need goes to a group, as `toolkit.transport.udp` sends it."""

    deaf: str = ""
    """Is not in the group."""
    copies: int = 0
    """Packets that went by unicast."""
    outages: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Receiver -> when nothing reaches it, nor comes from it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ways = Ways(self.names, {n: (n, 1) for n in self.names}, GROUP)

    def out(self, name: str) -> bool:
        begin, end = self.outages.get(name, (0.0, 0.0))
        return begin <= self.now < end

    def _send(self) -> None:
        for packet in self.sender.poll(self.now, 64):
            datagram = packet.header + packet.payload
            for to in self.ways.of(packet.mask, self.sender.stream, self.sender.deaf):
                self.copies += to != GROUP and bool(packet.payload)
                hear = [n for n in self.names if n != self.deaf] if to == GROUP else [to[0]]
                for name in hear:
                    if not self.out(name):
                        self._carry(lambda d, n=name: self._arrive(n, d), datagram, noisy=True)


def delivered(**options: object) -> Grouped:
    net = Grouped(FILES, NAMES, rate=1_000_000, **options)  # type: ignore[arg-type]
    net.run()
    assert all(net.sinks[name].placed == FILES for name in NAMES)
    assert all(r.standing is Standing.COMPLETE for r in net.sender.results())
    return net


def test_it_gets_copies_of_its_own_and_nobody_stalls() -> None:
    well, net = delivered(), delivered(deaf="hel")
    assert net.sender.deaf == 1 << NAMES.index("hel")
    assert net.now < 2.5 * well.now
    others = [r.completed for r in net.sender.results() if r.receiver != "hel"]
    assert all(c is not None and c < 2 * well.now for c in others)
    source = sum(-(-len(data) // net.coding.symbol) for data in FILES.values())
    assert net.copies < 1.5 * source  # What it missed until it was known, and the rest.


def test_one_that_joins_in_the_middle_does_too() -> None:
    net = Grouped(FILES, NAMES, rate=1_000_000, deaf="hel", absent=["hel"])
    net.at(2.0, lambda: net.start("hel"))
    net.run()
    assert all(net.sinks[name].placed == FILES for name in NAMES)
    assert net.now < 2.5 * delivered().now


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.15])
def test_losses_make_nobody_deaf(loss: float) -> None:
    assert delivered(weather=Weather(loss=loss)).sender.deaf == 0


@pytest.mark.parametrize("seconds", [0.3, 1.0, 3.0])
def test_an_outage_makes_nobody_deaf(seconds: float) -> None:
    assert delivered(outages={"hel": (1.5, 1.5 + seconds)}).sender.deaf == 0
