"""Versions change places as a whole or not at all, whichever copy fails."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
if importlib.util.find_spec("torch") is not None:
    import torch
    from gpu_updates import assert_is, deliver, loaded, save, weights

    from toolkit.errors import DeliveryError, ExitCode
    from toolkit.gpu.door import open_device
    from toolkit.gpu.exchange import InDoubtError, UndoneError, exchange
    from toolkit.gpu.update import State

SIZES = (5, 0, 12, 8, 1)
BUFFER = 8
COPIES = 3 * sum(-(-size // BUFFER) for size in SIZES)


def pairs() -> list[tuple[Any, Any]]:
    return [
        (torch.full((n,), i + 1, dtype=torch.uint8), torch.full((n,), i + 101, dtype=torch.uint8))
        for i, n in enumerate(SIZES)
    ]


class Copies:
    """Copies that fail: each of `bad` (counted from 0) leaves half of what it copies behind."""

    def __init__(self, bad: set[int]) -> None:
        self.bad, self.count = bad, -1

    def __call__(self, target: Any, source: Any) -> None:
        self.count += 1
        if self.count in self.bad:
            half = len(target) // 2
            target[:half] = source[:half]
            target[half:] = 99  # Whatever a broken copy leaves.
            raise RuntimeError("CUDA error: unspecified launch failure")
        target.copy_(source)


def turned(found: list[tuple[Any, Any]]) -> bool | None:
    """Whether the pairs have changed places; None: neither as before nor after."""
    states = set()
    for (live, other), (old, new) in zip(found, pairs(), strict=True):
        if not len(live):
            continue
        if torch.equal(live, new) and torch.equal(other, old):
            states.add(True)
        elif torch.equal(live, old) and torch.equal(other, new):
            states.add(False)
        else:
            states.add(None)
    return states.pop() if len(states) == 1 else None


def test_it_turns_and_turns_back() -> None:
    found, copies = pairs(), Copies(set())
    buffer = torch.empty(BUFFER, dtype=torch.uint8)
    exchange(found, buffer, copies)
    assert turned(found) is True
    assert copies.count + 1 == COPIES
    exchange(found, buffer, copies)
    assert turned(found) is False


@pytest.mark.parametrize("bad", range(COPIES))
def test_a_copy_that_fails_once_is_made_again(bad: int) -> None:
    found = pairs()
    exchange(found, torch.empty(BUFFER, dtype=torch.uint8), Copies({bad}))
    assert turned(found) is True


@pytest.mark.parametrize("bad", range(COPIES))
def test_a_copy_that_keeps_failing_is_undone(bad: int) -> None:
    found = pairs()
    with pytest.raises(UndoneError, match="unspecified launch failure"):
        exchange(found, torch.empty(BUFFER, dtype=torch.uint8), Copies({bad, bad + 1}))
    assert turned(found) is False


@pytest.mark.parametrize("bad", range(COPIES))
def test_doubt_is_said_only_where_nothing_helped(bad: int) -> None:
    """The device is lost at copy `bad`: every copy fails from there on."""
    found = pairs()
    lost = Copies(set(range(bad, 1000)))
    with pytest.raises(DeliveryError) as caught:
        exchange(found, torch.empty(BUFFER, dtype=torch.uint8), lost)
    if bad == 0:
        assert caught.type is UndoneError, "nothing had been touched"
        assert turned(found) is False
    else:
        assert caught.type is InDoubtError
        assert caught.value.exit_code is ExitCode.IN_DOUBT


def test_what_an_update_says_of_it() -> None:
    old = {"m.safetensors": save(weights(1))}
    new = {"m.safetensors": save(weights(2))}
    device = open_device("cpu")
    live = loaded(old, device)
    update = deliver(live, new)[0].update
    count = 3 * len(update.changed)
    for bad in range(count):
        copies = update.copy = Copies({bad, bad + 1})
        with pytest.raises(DeliveryError, match="it was undone, and the live model is as it was"):
            update.commit()
        assert copies.count > bad
        assert update.state is State.READY
        assert_is(live, old)
    update.copy = Copies({5})
    update.commit()
    assert_is(live, new)
    update.copy = Copies({count - 1, count})
    with pytest.raises(DeliveryError, match=r"rollback: .* it was undone"):
        update.rollback()
    assert_is(live, new)
    update.copy = Copies(set(range(4, 1000)))
    with pytest.raises(InDoubtError, match="in doubt: it could be neither finished nor undone"):
        update.rollback()
    assert live.verify()
    for turn in (update.commit, update.rollback):
        with pytest.raises(DeliveryError, match="failed half-way"):
            turn()
