"""Forged data: never placed, and it costs little more than what the forger sends himself."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from net import Net, Weather

from toolkit.delivery import wire
from toolkit.delivery.assembly import Assembly, Buffers, Verdict
from toolkit.delivery.breaker import Limits
from toolkit.delivery.fec import Partition, encode
from toolkit.delivery.model import Coding, Standing
from toolkit.delivery.suspicion import forged

SYMBOLS = 128 * 40
FILES = {"weights": random.Random(2).randbytes(64 * SYMBOLS)}

Forge = Callable[[int, int, int, random.Random], tuple[int, int]]
"""SBN, SBL and ESI of a genuine packet -> SBN and ESI of the forged one that comes before it."""


def same_place(sbn: int, k: int, esi: int, chance: random.Random) -> tuple[int, int]:
    return sbn, esi


def end_of_block(sbn: int, k: int, esi: int, chance: random.Random) -> tuple[int, int]:
    return sbn, k - 1


def next_block(sbn: int, k: int, esi: int, chance: random.Random) -> tuple[int, int]:
    return sbn + 1, 0


def anywhere(sbn: int, k: int, esi: int, chance: random.Random) -> tuple[int, int]:
    return sbn, chance.randrange(k)


def first_parity(sbn: int, k: int, esi: int, chance: random.Random) -> tuple[int, int]:
    return sbn, k


class PollutedNet(Net):
    """Somebody who sees all packets puts in a share `forged` of his own, each just in time."""

    forged = 0.0
    forge: Forge = staticmethod(same_place)
    count = 0

    def _arrive(self, name: str, datagram: bytes) -> None:
        if len(datagram) > 24 and self.random.random() < self.forged:
            word, cci, tsi, toi, sbn, k, esi = wire.FIXED.unpack_from(datagram)
            if word == wire.DATA_WORD and toi == 3:
                sbn, esi = self.forge(sbn, k, esi, self.random)
                fake = wire.FIXED.pack(word, cci, tsi, toi, sbn, k, esi)
                receiver = self.receivers.get(name)
                if receiver is not None:
                    self.count += 1
                    self._handle(name, receiver.receive(fake + self.random.randbytes(64), self.now))
        super()._arrive(name, datagram)


def run(seed: int, loss: float, share: float, forge: Forge, **options: object) -> PollutedNet:
    net = PollutedNet(
        FILES, ["fra"], seed=seed, coding=Coding(symbol=64, block=128), rate=50_000_000,
        weather=Weather(loss=loss, delay=0.001), **options,  # type: ignore[arg-type]
    )  # fmt: skip
    net.forged, net.forge = share, forge  # type: ignore[method-assign]
    net.run()
    assert net.sender.results()[0].standing is Standing.COMPLETE
    assert net.sinks["fra"].placed == FILES
    return net


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("loss", [0.0, 0.01])
@pytest.mark.parametrize("forge", [same_place, end_of_block, next_block, anywhere, first_parity])
def test_forged_packets_cost_at_most_twice_their_share(
    forge: Forge, loss: float, sealed: bool
) -> None:
    key = bytes(16) if sealed else None
    clean = run(3, loss, 0.0, forge, seal_key=key)
    for share in (0.002, 0.01, 0.05):
        net = run(3, loss, share, forge, seal_key=key)
        assert net.count > share * SYMBOLS / 2
        extra = net.delivered["fra"] - clean.delivered["fra"]
        assert extra <= 2 * net.count + 8, (share, extra, net.count)
        counters = net.receivers["fra"].counters
        if forge is not next_block:
            assert counters.polluted > 0


@given(st.integers(1, 200), st.data())
def test_the_forged_symbol_is_found_whichever_it_is(k: int, data: st.DataObject) -> None:
    chance = random.Random(k)
    block = np.frombuffer(chance.randbytes(k * 40), np.uint8).reshape(k, 40)
    parity = encode(block, range(5))
    every = {**{i: block[i] for i in range(k)}, **{k + j: parity[j] for j in range(5)}}
    held = data.draw(st.permutations(list(every)).map(lambda order: order[: k + 2]))
    symbols = {esi: every[esi].copy() for esi in held}
    assert forged(k, symbols) is None
    assert forged(k, dict(list(symbols.items())[:-1])) is None
    wrong = data.draw(st.sampled_from(held))
    for at in data.draw(st.sets(st.integers(0, 39), min_size=1)):
        symbols[wrong][at] ^= data.draw(st.integers(1, 255))
    assert forged(k, symbols) == wrong


def test_every_block_is_polluted_again_and_again_and_still_it_ends() -> None:
    # Two packets in ten are forged: to the circuit breaker that is a congested network.
    net = run(5, 0.01, 0.2, anywhere, limits=Limits(excess=0.999))
    assert net.receivers["fra"].counters.refused["rival"] > 100
    assert net.receivers["fra"].counters.polluted > 10


def test_a_block_that_has_too_much_lacks_nothing_and_takes_nothing():
    """One symbol was found out: what is left is more than it needs, until it is solved again."""
    k, symbol = 8, 64
    source = np.random.default_rng(1).integers(0, 256, (k, symbol), np.uint8)
    assembly = Assembly(3, Partition(k * symbol, symbol, k), Buffers(2**20))
    assembly.bars = True
    for esi in range(k):
        assembly.add(0, k, esi, bytes(symbol) if esi == 5 else source[esi].tobytes(), 0)
    assert not assembly.doubt(0)
    for j, parity in enumerate(encode(source, range(2))):
        assembly.add(0, k, k + j, parity.tobytes(), 0)

    assert assembly.doubt(0)
    assert assembly.lacks(0, 1) == b"\0"
    assert assembly.land(0, 5, 1) == (Verdict.DUPLICATE, 1)
    assert bytes(assembly.solve(0)) == source.tobytes()
