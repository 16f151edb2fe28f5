"""A session without a network: it is an agent of the window of another one on this host."""

from __future__ import annotations

import time
from contextlib import ExitStack

from toolkit.agent.session import ReceivingSession, Watch
from toolkit.agent.sharing import own_desk
from toolkit.delivery.events import ReceiverOutput
from toolkit.gpu.share.agent import Agent
from toolkit.gpu.share.attached import Attached
from toolkit.gpu.share.window import address


class AttachedSession(ReceivingSession):
    """As its base; what the engine counts of packets stays at nothing."""

    _attached: Attached | None = None

    @property
    def copied(self) -> tuple[int, int]:
        engine = self._attached
        return (0, 0) if engine is None else (engine.bytes, engine.blocks)

    def _open(self, stack: ExitStack) -> None:
        settings, keeping = self.settings, self.keeping
        path = settings.window_of
        assert path is not None
        device = None if keeping.device is None else keeping.device.device

        def mapped(slab: memoryview) -> None:
            if device is not None:
                device.pin(address(slab), len(slab), read_only=True)

        agent = Agent(path, settings.name, mapped=mapped)
        stack.callback(agent.close)
        desk = own_desk(keeping, keeping.sink, stack)
        self._tell(f"attached to the window of {agent.host} at {path}")

        def drive(turn: Watch) -> None:
            now = time.monotonic()
            self.timeline.announced(now)
            engine = self._attached = Attached(
                settings.name, keeping.sink, trusted=self._trusted, admit=self._pinned.admit,
                now=now,
            )  # fmt: skip

            def watch(outputs: list[ReceiverOutput]) -> None:
                self.counters.bytes = engine.bytes
                turn(outputs)

            agent.run(engine, desk, watch)

        self._drive = drive
