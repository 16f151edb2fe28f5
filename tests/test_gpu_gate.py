"""Between two steps, and not during one: threads and tasks share a gate."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Callable
from typing import Any

import pytest

from toolkit.gpu.gate import StepGate

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)
PATIENCE = 60.0


class Turn:
    """What is applied: notes when."""

    def __init__(self, log: list[str], name: str = "turn") -> None:
        self.log, self.name = log, name

    def commit(self, *, wait: bool = False) -> None:
        assert wait
        self.log.append(self.name)


def started(target: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def joined(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def until(true: Callable[[], bool]) -> None:
    """Let other threads go on until it is so."""
    event = threading.Event()
    for _ in range(int(PATIENCE / 0.001)):
        if true():
            return
        event.wait(0.001)
    raise AssertionError("it never came to pass")


def waiting(gate: StepGate) -> int:
    return len(gate._queue)


def test_it_waits_for_the_running_steps_and_later_steps_wait_for_it() -> None:
    gate, log = StepGate(), []
    first, second = threading.Event(), threading.Event()

    def step(name: str, goes: threading.Event) -> None:
        with gate.step():
            log.append(f"{name} begins")
            goes.wait(PATIENCE)
            log.append(f"{name} ends")

    threads = [started(lambda: step("a", first)), started(lambda: step("b", second))]
    until(lambda: len(log) == 2)
    threads.append(started(lambda: gate.apply(Turn(log))))
    until(lambda: waiting(gate) == 1)
    late = threading.Event()
    late.set()
    threads.append(started(lambda: step("c", late)))
    until(lambda: waiting(gate) == 2)
    first.set()
    until(lambda: "a ends" in log)
    assert "turn" not in log
    assert "c begins" not in log
    second.set()
    joined(*threads)
    assert log[-5:] == ["a ends", "b ends", "turn", "c begins", "c ends"]


def test_nobody_overtakes_so_nobody_starves() -> None:
    """Turns and steps that wait are served in the order in which they asked."""
    gate, log = StepGate(), []
    goes = threading.Event()

    def step(name: str) -> None:
        with gate.step():
            log.append(name)

    def first() -> None:
        with gate.step():
            goes.wait(PATIENCE)

    threads = [started(first)]
    until(lambda: bool(gate._inside))
    for number in range(6):
        if number % 2:
            threads.append(started(lambda n=number: step(f"step {n}")))
        else:
            threads.append(started(lambda n=number: gate.apply(Turn(log, f"turn {n}"))))
        until(lambda n=number: waiting(gate) == n + 1)
    goes.set()
    joined(*threads)
    assert log == ["turn 0", "step 1", "turn 2", "step 3", "turn 4", "step 5"]


def test_steps_without_end_do_not_hold_up_a_turn() -> None:
    gate, log = StepGate(), []
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with gate.step():
                pass

    threads = [started(serve) for _ in range(3)]
    gate.apply(Turn(log))
    over.set()
    joined(*threads)
    assert log == ["turn"]
    assert not gate._inside


def test_a_step_inside_a_step_goes_on_while_a_turn_waits() -> None:
    gate, log = StepGate(), []
    with gate.step():
        turn = started(lambda: gate.apply(Turn(log)))
        until(lambda: waiting(gate) == 1)
        with gate.step():
            assert log == []
        with pytest.raises(RuntimeError, match="inside a step"):
            gate.apply(Turn(log))
    joined(turn)
    assert log == ["turn"]


def test_a_turn_that_fails_lets_steps_go_on() -> None:
    gate = StepGate()

    def broken() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        gate.between(broken)
    with gate.step():
        pass
    with pytest.raises(RuntimeError, match="cannot begin inside"):
        gate.between(lambda: gate.enter())
    with gate.step():
        pass


def test_tasks() -> None:
    gate, log = StepGate(), []

    async def step(name: str, goes: asyncio.Event) -> None:
        async with gate.step():
            log.append(f"{name} begins")
            await goes.wait()
            log.append(f"{name} ends")

    async def main() -> None:
        goes = asyncio.Event()
        a = asyncio.create_task(step("a", goes))
        await asyncio.sleep(0)
        turn = asyncio.create_task(gate.applied(Turn(log)))
        await asyncio.sleep(0)
        b = asyncio.create_task(step("b", goes))
        await asyncio.sleep(0)
        assert log == ["a begins"]
        with pytest.raises(RuntimeError, match="its own event loop"), gate.step():
            pass
        goes.set()
        await asyncio.gather(a, turn, b)

    asyncio.run(main())
    assert log == ["a begins", "a ends", "turn", "b begins", "b ends"]


def test_a_task_that_is_cancelled_while_it_waits_is_in_nobodys_way() -> None:
    gate, log = StepGate(), []

    async def main() -> None:
        async with gate.step():
            turn = asyncio.create_task(gate.applied(Turn(log, "cancelled")))
            await asyncio.sleep(0)
            assert waiting(gate) == 1
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
            assert waiting(gate) == 0
            late = asyncio.create_task(gate.applied(Turn(log)))
            await asyncio.sleep(0)
        late.cancel()  # It was let in, and has not heard of it.
        await asyncio.gather(late, return_exceptions=True)
        async with gate.step():
            log.append("step")

    asyncio.run(main())
    assert log == ["step"]


def test_threads_and_tasks_share_a_gate() -> None:
    gate, log = StepGate(), []
    goes = threading.Event()

    def step() -> None:
        with gate.step():
            goes.wait(PATIENCE)
            log.append("thread")

    thread = started(step)
    until(lambda: bool(gate._inside))

    async def main() -> None:
        turn = asyncio.create_task(gate.applied(Turn(log)))
        await asyncio.sleep(0)
        goes.set()
        await turn

    asyncio.run(main())
    joined(thread)
    assert log == ["thread", "turn"]


@needs_torch
def test_no_step_ever_sees_two_versions() -> None:
    """Every tensor of a version is full of one number: a step that sees two of them is mixed."""
    import numpy as np
    import torch
    from gpu_updates import deliver, loaded, save

    from toolkit.gpu.door import open_device

    torch.set_num_threads(1)

    def version(number: int) -> dict[str, bytes]:
        full = {f"layer.{i}.weight": np.full((64, 40), number, np.float32) for i in range(8)}
        return {"m.safetensors": save(full)}

    live = loaded(version(1), open_device("cpu"))
    module = torch.nn.Module()
    module.layer = torch.nn.ModuleList(torch.nn.Linear(40, 64, bias=False) for _ in range(8))
    live.load_into(module)
    update = deliver(live, version(2))[0].update
    gate, seen, over = StepGate(), [], threading.Event()

    def serve() -> None:
        while not over.is_set():
            with gate.step(), torch.no_grad():
                seen.append({float(v) for p in module.layer for v in p.weight.aminmax()})

    threads = [started(serve) for _ in range(3)]
    for number in range(20):
        count = len(seen)
        until(lambda n=count: len(seen) > n)
        gate.between(update.rollback if number % 2 else update.commit)
    over.set()
    joined(*threads)
    assert all(len(values) == 1 for values in seen), "a step saw two versions"
    assert {v for values in seen for v in values} == {1.0, 2.0}
