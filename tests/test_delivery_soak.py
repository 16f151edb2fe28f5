"""The same bad networks as in test_delivery_network, thousands of times and all mixed up."""

from __future__ import annotations

import random

import pytest
from net import Net, Weather
from test_delivery_network import NAMES, all_complete, model, nothing_doubled, weather

from toolkit.delivery.model import Coding

pytestmark = pytest.mark.soak

MODES = ("plain", "forged", "everybody", "no parity", "window", "killed", "late", "mixed")


def build(seed: int, mode: str) -> Net:
    chance = random.Random(f"{seed} {mode}")
    conditions = weather(seed)
    if mode == "forged":
        conditions.corrupt = 0.03
    if mode == "mixed":
        conditions = Weather(loss=0.1, delay=0.02, jitter=0.05, double=0.1, corrupt=0.02)
    net = Net(
        model(seed), NAMES, seed=seed, weather=conditions,
        targeted=mode != "everybody" and (mode != "mixed" or chance.random() < 0.5),
        window=chance.choice([1, 1000, 5000]) if mode == "window" else 64 * 2**20,
        coding=Coding(symbol=64, block=8, parity=0 if mode == "no parity" else 32),
        rate=chance.choice([500_000, 2_000_000, 10_000_000]),
    )  # fmt: skip
    if mode in ("late", "mixed"):
        net.absent = ["nyc"]
        net.at(chance.random() * chance.choice([0.1, 1, 3]), lambda: net.start("nyc"))
    if mode in ("killed", "mixed"):
        for _ in range(chance.randrange(1, 4)):
            when = chance.random() * chance.choice([0.1, 0.6, 3.0])
            net.kill_and_restart(chance.choice(NAMES), when, chance.choice([0.0, 0.01, 0.5, 3.0]))
    return net


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("decade", range(50))
def test_every_delivery_ends_right(mode: str, decade: int) -> None:
    for seed in range(10 * decade, 10 * decade + 10):
        net = build(seed, mode)
        net.run()
        all_complete(net)
        if mode in ("plain", "window", "late"):
            nothing_doubled(net)
