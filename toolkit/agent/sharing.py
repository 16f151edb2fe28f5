"""The host of a window: what its session adds for the agents."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.agent.keeping import Keeping
from toolkit.agent.settings import Settings
from toolkit.delivery.events import ReceiverOutput
from toolkit.delivery.memory import Slabs
from toolkit.delivery.ports import Sink
from toolkit.delivery.storing import WaitableDesk
from toolkit.errors import ToolkitError
from toolkit.gpu.share.host import Share
from toolkit.gpu.share.place import Place
from toolkit.gpu.share.tap import ShareSink
from toolkit.gpu.share.window import Window
from toolkit.transport.writing import WriterThread

Watch = Callable[[list[ReceiverOutput]], None]
Tell = Callable[[str], None]


class Host:
    """The host of a window: desk, sink and memory for its receiver, and its agents.

    `check` is called in every turn of what waits, and may raise.
    """

    def __init__(
        self, settings: Settings, keeping: Keeping, stack: ExitStack, tell: Tell,
        check: Callable[[], None],
    ) -> None:  # fmt: skip
        assert settings.share is not None
        self._settings, self._tell, self._check = settings, tell, check
        self._window = Window(settings.window)
        place = Place(settings.share, settings.window_mode)
        self._share = share = Share(
            place, self._window, settings.name, agents=settings.agents, memory=settings.window,
            patience=settings.agent_patience, where=keeping.path_of if keeping.keeps else None,
            say=tell,
        )  # fmt: skip
        stack.callback(share.close)
        self.sink: Sink = ShareSink(share, keeping.sink)
        self._device = None if keeping.device is None else keeping.device.device
        self.desk: WaitableDesk = share.around(own_desk(keeping, self.sink, stack))
        self.slabs = Slabs(self._allocate)

    @property
    def room(self) -> int:
        """Bytes that the sender may have on their way: agents may stop at any moment, and what is
        on its way by then must fit what is left of the window."""
        return self._settings.window // 2

    def around(
        self, drive: Callable[[Watch], None], error: Callable[[], ToolkitError | None]
    ) -> Callable[[Watch], None]:
        """Return what drives the session, and its agents before, meanwhile and afterwards.

        `error`: what ended the session; None: everything is in its place.
        """

        def driven(watch: Watch) -> None:
            def turn(outputs: list[ReceiverOutput]) -> None:
                # A receiver that stores nothing now does not ask its desk.
                self._share.attend()
                watch(outputs)

            self._gather()
            drive(turn)
            self._share.farewell(error(), self._check)

        return driven

    def _gather(self) -> None:
        """Wait for the agents before the sender hears of us."""
        settings, here = self._settings, -1

        def turn(present: int) -> None:
            nonlocal here
            self._check()
            if present != here and present < settings.agents:
                here = present
                self._tell(
                    f"{settings.share}: waiting for {settings.agents - present} of "
                    f"{settings.agents} agents, for {settings.agent_wait:g} s "
                    f"(llmsync receive --window-of {settings.share} --gpu N --name NAME)"
                )

        self._share.gather(settings.agent_wait, turn)

    def document(self) -> dict[str, Any]:
        """Who had what, for JSON."""
        share = self._share
        return {
            "window": self._window.size,
            "agents": [
                {
                    "name": g.name,
                    "bytes": g.bytes,
                    "placed": g.placed,
                    "failure": g.failure,
                    "waited": round(g.waited, 6),
                }
                for g in [*share.gone, *share.guests.values()]
            ],
        }

    def _allocate(self, size: int) -> npt.NDArray[np.uint8]:
        array = self._window.allocate(size)
        if self._device is not None:
            self._device.pin(array.ctypes.data, len(array))
        return array


def own_desk(keeping: Keeping, sink: Sink, stack: ExitStack) -> WaitableDesk:
    """What stores blocks for this process itself."""
    if keeping.device is None:
        return stack.enter_context(WriterThread(sink))
    from toolkit.gpu.desk import CopyDesk

    stack.callback(keeping.device.device.release)
    return stack.enter_context(CopyDesk(keeping.device))
