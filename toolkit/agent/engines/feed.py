"""The tensors of a delivery for an engine that asks for them one after the other.

An engine's `load_weights` is a plain function that takes an iterator.  So the receiver works in a
thread of its own, and the iterator hands out each tensor as soon as its bytes are verified on the
device, in the order in which they come.  Nothing is copied here: what is handed out is a view of
the receiver's memory on the device, and the engine copies its part of it, device to device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from queue import SimpleQueue
from threading import Thread
from typing import Any

from toolkit.agent.engines.options import Options
from toolkit.agent.session import ReceivingSession, open_session, silent
from toolkit.delivery import events
from toolkit.delivery.events import ReceiverOutput
from toolkit.delivery.manifest import Manifest
from toolkit.errors import DeliveryError
from toolkit.gpu.files import is_weights

_CONSOLIDATED = "consolidated"
"""So begin files that hold what others hold too, under the publisher's own names."""


def feed(options: Options, tell: Callable[[str], None] = silent) -> Iterator[tuple[str, Any]]:
    """Receive, and yield (name, torch.Tensor on the device) until all are there and in place.

    Raises what the receiver ends with.  Who stops early ends the receiver.
    """
    session = open_session(options.settings, tell)
    queue: SimpleQueue[tuple[str, str] | BaseException | None] = SimpleQueue()

    def watch(outputs: list[ReceiverOutput]) -> None:
        for output in outputs:
            if isinstance(output, events.TensorReady):
                queue.put((output.path, output.tensor.name))

    def work() -> None:
        try:
            with session:
                session.run(watch)
            if session.error is not None:
                raise session.error
            if session.receipt is None:
                raise DeliveryError("the receiver was stopped before everything was there")
            queue.put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the tensors are taken
            queue.put(error)

    thread = Thread(target=work, name="llmsync-feed", daemon=True)
    thread.start()
    try:
        yield from _taken(session, queue, options.files)
    finally:
        session.stop()
        thread.join()


def _taken(
    session: ReceivingSession,
    queue: SimpleQueue[tuple[str, str] | BaseException | None],
    pattern: str,
) -> Iterator[tuple[str, Any]]:
    wanted: set[str] | None = None
    yielded: dict[str, str] = {}
    while (item := queue.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        path, name = item
        if wanted is None:
            wanted = set(_wanted(session, pattern))
        if path not in wanted:
            continue
        if name in yielded:
            raise DeliveryError(
                f"tensor {name} is in {yielded[name]} and in {path}: name the files of the model "
                '("files": "model-*.safetensors")'
            )
        yielded[name] = path
        # Here, not in the receiver's thread: the engine's stream waits for the copy.
        model = session.model
        assert model is not None, "options name a device"
        yield name, model.tensor(name, path)
    if not yielded:
        raise DeliveryError(
            f"no tensor was delivered{f' in files like {pattern}' if pattern else ''}: is it a "
            "model of safetensors files?"
        )


def _wanted(session: ReceivingSession, pattern: str) -> list[str]:
    assert session.opened is not None, "a tensor came before the manifest"
    return model_files(session.opened.manifest, pattern)


def model_files(manifest: Manifest, pattern: str = "") -> list[str]:
    """The safetensors files that make up the model."""
    paths = [f.path for f in manifest.files if is_weights(f.path)]
    if pattern:
        return [p for p in paths if fnmatchcase(p, pattern)]
    top = [p for p in paths if "/" not in p] or paths
    return [p for p in top if not p.startswith(_CONSOLIDATED)] or top
