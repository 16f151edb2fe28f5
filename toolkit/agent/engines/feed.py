"""The tensors of a delivery for an engine that asks for them one after the other.

An engine's `load_weights` is a plain function that takes an iterator.  So the receiver works in a
thread of its own, and the iterator hands out each tensor as soon as its bytes are verified on the
device.  Nothing is copied here: what is handed out is a view of the receiver's memory on the
device, and the engine copies its part of it, device to device.  A file's memory is let go of when
the engine has had all of it, so that of a model in several files not all is there twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from toolkit.agent.api import Receiving, receive
from toolkit.agent.engines.options import Options
from toolkit.agent.session import silent
from toolkit.delivery.manifest import Manifest
from toolkit.delivery.safetensors import is_weights
from toolkit.errors import DeliveryError

if TYPE_CHECKING:
    from toolkit.gpu.model import DeviceModel

_CONSOLIDATED = "consolidated"
"""So begin files that hold what others hold too, under the publisher's own names."""


def feed(options: Options, tell: Callable[[str], None] = silent) -> Iterator[tuple[str, Any]]:
    """Receive, and yield (name, torch.Tensor on the device) until all are there and in place.

    Raises what the receiver ends with.  Who stops early ends the receiver.
    """
    thread = _Thread(options, tell)
    thread.start()
    yielded: dict[str, str] = {}
    taken: dict[str, int] = {}
    """Path -> its tensors that the engine has had, or that it does not want."""
    wanted: set[str] | None = None
    try:
        while (item := thread.queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            path, name = item
            model = thread.receiver.model
            assert model is not None, "a tensor came, and there is no device"
            if wanted is None:
                assert model.manifest is not None, "a tensor came before the manifest"
                wanted = set(model_files(model.manifest, options.files))
            taken[path] = taken.get(path, 0) + 1
            if path not in wanted:
                _let_go(model, path, taken[path])
                continue
            if name in yielded:
                raise DeliveryError(
                    f"tensor {name} is in {yielded[name]} and in {path}: name the files of the "
                    'model ("files": "model-*.safetensors")'
                )
            yielded[name] = path
            # Here, not in the receiver's thread: it is this thread's stream that waits for copies.
            yield name, model.tensor(name, path)
            _let_go(model, path, taken[path])
    finally:
        _settle(thread.receiver.model)
        thread.stop()
    if not yielded:
        raise DeliveryError(
            f"no tensor was delivered{f' in files like {options.files}' if options.files else ''}: "
            "is it a model of safetensors files?"
        )


def _let_go(model: DeviceModel, path: str, taken: int) -> None:
    """The engine has copied its part of `taken` tensors: of all of them, the file is let go of."""
    if taken == len(model.entries(path)):
        _settle(model)
        model.release(path)


def _settle(model: DeviceModel | None) -> None:
    """The engine's copies from the device's memory are done: it is let go of next."""
    if model is not None and not model.device.is_cpu:
        device = model.device
        with device.explained("an engine copied its weights"):
            device.torch.cuda.current_stream(device.handle).synchronize()


class _Thread(Thread):
    """A receiver in a loop of its own."""

    def __init__(self, options: Options, tell: Callable[[str], None]) -> None:
        super().__init__(name="llmsync-feed", daemon=True)
        self.queue: SimpleQueue[tuple[str, str] | BaseException | None] = SimpleQueue()
        """Path and name of tensors that are ready; an error; None: everything is in place."""
        self.receiver: Receiving = receive(replace(options.settings, passing=True), tell=tell)
        self._order = options.order
        self._running = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._receive())
            self.queue.put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the tensors are taken
            self.queue.put(error)
        finally:
            self._running.set()

    def stop(self) -> None:
        """End the receiver where it has not ended by itself."""
        self._running.wait()
        if self._loop is not None and self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self.join()

    async def _receive(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._running.set()
        async with self.receiver:
            async for tensor in self.receiver.tensors(order=self._order):
                self.queue.put((tensor.path, tensor.name))
            await self.receiver.finished()


def model_files(manifest: Manifest, pattern: str = "") -> list[str]:
    """The safetensors files that make up the model."""
    paths = [f.path for f in manifest.files if is_weights(f.path)]
    if pattern:
        return [p for p in paths if fnmatchcase(p, pattern)]
    top = [p for p in paths if "/" not in p] or paths
    return [p for p in top if not p.startswith(_CONSOLIDATED)] or top
