"""The same bad networks as in test_delivery_network, hundreds of times here and thousands of times
in `make soak`, all mixed up: none ends incomplete, none wrong, and nothing is written twice.

One of them alone: `python tests/test_delivery_soak.py MODE SEED`.
"""

from __future__ import annotations

import random
import sys

import pytest
from net import TRUSTED, Net, Weather
from test_delivery_network import NAMES, all_complete, model, nothing_doubled, weather

from toolkit.delivery.model import Coding, Standing
from toolkit.delivery.receiver import Receiver

MODES = (
    "plain", "forged", "everybody", "no parity", "window", "killed", "late", "crashed", "full",
    "small memory", "many", "mixed",
)  # fmt: skip
QUICK = 26
"""Seeds of each mode in `make test`; with the other tests of seeded networks more than 500."""
LONG = 850
"""Seeds of each in `make soak`: 10,200."""


def build(seed: int, mode: str) -> Net:
    chance = random.Random(f"{seed} {mode}")
    conditions = weather(seed)
    names = NAMES
    if mode == "forged":
        conditions.corrupt = 0.03
    if mode == "mixed":
        conditions = Weather(loss=0.1, delay=0.02, jitter=0.05, double=0.1, corrupt=0.02)
    if mode == "many":
        names = tuple(f"r{i}" for i in range(chance.randrange(4, 40)))
        conditions.loss = min(conditions.loss, 0.1)
    net = Net(
        model(seed), names, seed=seed, weather=conditions,
        targeted=mode != "everybody" and (mode != "mixed" or chance.random() < 0.5),
        window=chance.choice([1, 1000, 5000]) if mode == "window" else 64 * 2**20,
        coding=Coding(symbol=64, block=8, parity={"no parity": 0, "many": 200}.get(mode, 32)),
        rate=chance.choice([500_000, 2_000_000, 10_000_000]),
    )  # fmt: skip
    if mode in ("late", "mixed"):
        net.absent = ["nyc"]
        net.at(chance.random() * chance.choice([0.1, 1, 3]), lambda: net.start("nyc"))
    if mode in ("killed", "mixed"):
        for _ in range(chance.randrange(1, 4)):
            when = chance.random() * chance.choice([0.1, 0.6, 3.0])
            net.kill_and_restart(chance.choice(NAMES), when, chance.choice([0.0, 0.01, 0.5, 3.0]))
    if mode == "crashed":
        net.at(chance.random() * chance.choice([0.1, 0.6]), lambda: net.kill("nyc"))
    if mode == "full":
        net.sinks["nyc"].full_after = chance.randrange(8)
    if mode == "small memory":
        small = Receiver(
            "nyc", net.sinks["nyc"], trusted=TRUSTED, incarnation=1, chance=net.random.random,
            memory=8 * 64 * chance.randrange(3, 6), timeout=net.timeout,
        )  # fmt: skip
        net.absent = ["nyc"]
        net.at(0.0, lambda: net.receivers.update(nyc=small))
    return net


def deliver(seed: int, mode: str) -> None:
    """Run one; an exception says how it is run again."""
    net = build(seed, mode)
    try:
        net.run()
        check(net, mode)
    except Exception as error:
        error.add_note(
            f"{mode}, seed {seed}: {net.weather}, {net.rate} bit/s, window {net.window}, targeted "
            f"{net.targeted}, files {[len(f) for f in net.files.values()]}; again: "
            f"python tests/test_delivery_soak.py '{mode}' {seed}"
        )
        raise


def check(net: Net, mode: str) -> None:
    names = tuple(net.names)
    doubtful = {"crashed": "nyc", "full": "nyc"}.get(mode)
    all_complete(net, tuple(n for n in names if n != doubtful))
    if doubtful is not None:
        result = net.sender.results()[names.index(doubtful)]
        placed = net.sinks[doubtful].placed
        # It has everything, or it says that it has not and nothing was placed.
        assert placed == net.files or (placed is None and result.standing is not Standing.COMPLETE)
    if mode in ("plain", "window", "late", "many"):
        nothing_doubled(net, names)
    if mode == "crashed":
        nothing_doubled(net, ("fra", "lon"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", range(2))
def test_deliveries_end_right(mode: str, part: int) -> None:
    half = QUICK // 2
    for seed in range(half * part, half * part + half):
        deliver(seed, mode)


@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("decade", range(QUICK, LONG, 8))
def test_every_delivery_ends_right(mode: str, decade: int) -> None:
    for seed in range(decade, min(decade + 8, LONG)):
        deliver(seed, mode)


if __name__ == "__main__":
    deliver(int(sys.argv[2]), sys.argv[1])
    sys.stdout.write("ended right\n")
