"""What stands for copies to a device that were begun: are they there?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.gpu.door import Device


class _Begun:
    """In place of an event that has not been made: what it is to stand behind has just begun."""

    def query(self) -> bool:
        raise RuntimeError("copies that were begun together have no end")

    synchronize = query


BEGUN = _Begun()


class Ticket:
    """A copy that was begun; the memory it reads stays as it is until it is done."""

    __slots__ = ("_device", "_event", "_source")

    def __init__(self, device: Device, event: Any, source: object) -> None:  # noqa: ANN401
        """`event`: torch.cuda.Event that is recorded behind it; None: it is done."""
        self._device = device
        self._event = event
        self._source = source

    def done(self) -> bool:
        """Whether the bytes are on the device.  Raises DeliveryError where they never will be."""
        if self._event is not None:
            with self._device.explained("a copy was asked after"):
                if not self._event.query():
                    return False
            self._event = None  # Others may share this ticket: they need not ask again.
        return True

    def wait(self) -> None:
        """Return when they are.  Raises DeliveryError where they never will be."""
        if self._event is not None:
            with self._device.explained("a copy was waited for"):
                self._event.synchronize()
            self._event = None

    def record(self, event: Any) -> None:  # noqa: ANN401
        """What it stands for has been begun, and `event` is behind it."""
        self._event = event
