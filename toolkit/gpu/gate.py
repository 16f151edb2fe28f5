"""A gate between inference steps and what must not happen during one: a change of versions, say.

    with gate.step():            # a thread;  async with gate.step(): a task
        model(batch)

    gate.apply(update)           # a thread;  await gate.applied(update): a task

Steps run beside each other.  `apply` waits for those that run, steps that come later wait for it,
and nobody overtakes: who asked first goes first, so steps without end do not hold up an update, nor
updates steps.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol


class Turnable(Protocol):
    """What `toolkit.gpu.update.Update` does."""

    def commit(self, *, wait: bool = False) -> None: ...


class _Waiter:
    """Somebody who waits for his turn: a thread, or a task of `loop`."""

    def __init__(self, who: object, *, alone: bool, loop: asyncio.AbstractEventLoop | None) -> None:
        self.who, self.alone, self.loop = who, alone, loop
        self.entered = False
        self.event = threading.Event() if loop is None else None
        self.future = None if loop is None else loop.create_future()

    def wake(self) -> bool:
        """Tell that it is his turn; False: his loop was closed, and nobody waits."""
        self.entered = True
        try:
            if self.loop is not None:
                self.loop.call_soon_threadsafe(self._tell)
        except RuntimeError:
            return False
        if self.event is not None:
            self.event.set()
        return True

    def _tell(self) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_result(None)


class StepGate:
    """Shared by all who run steps of one model."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: dict[object, int] = {}
        """Who runs steps: a thread's number or a task -> how many, one inside the other."""
        self._alone: object = None
        """Who is between steps; None: nobody."""
        self._queue: deque[_Waiter] = deque()

    def step(self) -> Step:
        """Return a context for one step; `with` in threads, `async with` in tasks."""
        return Step(self)

    def apply(self, update: Turnable) -> None:
        """Let an update be live between two steps, and return.  Raises what it raises."""
        self.between(lambda: update.commit(wait=True))

    async def applied(self, update: Turnable) -> None:
        """As `apply`, for tasks."""
        await self.between_async(lambda: update.commit(wait=True))

    def between(self, action: Callable[[], object]) -> None:
        """Do something while no step runs: `lambda: update.rollback(wait=True)`, say."""
        who = self._enter(alone=True)
        try:
            action()
        finally:
            self.leave(who)

    async def between_async(self, action: Callable[[], object]) -> None:
        """As `between`, for tasks."""
        who = await self._enter_async(alone=True)
        try:
            action()
        finally:
            self.leave(who)

    # ----- in and out

    def enter(self) -> object:
        """Begin a step; returns what `leave` wants."""
        return self._enter(alone=False)

    async def enter_async(self) -> object:
        """As `enter`, for tasks."""
        return await self._enter_async(alone=False)

    def leave(self, who: object) -> None:
        """End a step, or what was done between steps."""
        with self._lock:
            self._left(who)
            self._admit()

    def _left(self, who: object) -> None:
        if self._alone == who:
            self._alone = None
        elif self._inside[who] > 1:
            self._inside[who] -= 1
        else:
            del self._inside[who]

    def _enter(self, *, alone: bool) -> object:
        who, loop = _caller()
        with self._lock:
            if self._goes(who, alone=alone):
                return who
            if loop is not None and self._needs(loop):
                raise RuntimeError(
                    "this would wait for a task of its own event loop, which cannot go on "
                    "meanwhile: use `async with gate.step()`, or `await gate.applied(update)`"
                )
            waiter = _Waiter(who, alone=alone, loop=None)
            self._queue.append(waiter)
        assert waiter.event is not None
        try:
            waiter.event.wait()
        except BaseException:
            self._forget(waiter)
            raise
        return who

    async def _enter_async(self, *, alone: bool) -> object:
        who, loop = _caller()
        with self._lock:
            if self._goes(who, alone=alone):
                return who
            waiter = _Waiter(who, alone=alone, loop=loop)
            self._queue.append(waiter)
        assert waiter.future is not None
        try:
            await waiter.future
        except BaseException:
            self._forget(waiter)
            raise
        return who

    def _goes(self, who: object, *, alone: bool) -> bool:
        """Enter without waiting, where that is right."""
        if alone and (who in self._inside or self._alone == who):
            raise RuntimeError("inside a step nothing can be between steps: leave it first")
        if who in self._inside:  # A step inside a step: who waits, waits for the outer one.
            self._inside[who] += 1
            return True
        if self._alone == who:
            raise RuntimeError("a step cannot begin inside what is done between steps")
        if self._queue or self._alone is not None or (alone and self._inside):
            return False
        self._admitted(who, alone=alone)
        return True

    def _admitted(self, who: object, *, alone: bool) -> None:
        if alone:
            self._alone = who
        else:
            self._inside[who] = self._inside.get(who, 0) + 1

    def _admit(self) -> None:
        """Let those enter whose turn it is."""
        while self._queue and self._alone is None:
            first = self._queue[0]
            if first.alone and self._inside:
                return
            self._queue.popleft()
            self._admitted(first.who, alone=first.alone)
            if not first.wake():
                self._left(first.who)

    def _forget(self, waiter: _Waiter) -> None:
        """Somebody waits no longer."""
        with self._lock:
            if not waiter.entered:
                self._queue.remove(waiter)
                self._admit()
                return
        self.leave(waiter.who)

    def _needs(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether somebody must go on in this loop before who comes now may enter."""
        tasks = [w for w in (*self._inside, self._alone) if isinstance(w, asyncio.Task)]
        return any(t.get_loop() is loop for t in tasks) or any(w.loop is loop for w in self._queue)


class Step:
    """One step, as a context."""

    def __init__(self, gate: StepGate) -> None:
        self._gate = gate
        self._who: object = None

    def __enter__(self) -> None:
        self._who = self._gate.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gate.leave(self._who)

    async def __aenter__(self) -> None:
        self._who = await self._gate.enter_async()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gate.leave(self._who)


def _caller() -> tuple[object, asyncio.AbstractEventLoop | None]:
    """Who asks: a task and its loop, or a thread."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        return threading.get_ident(), None
    return task, task.get_loop()
