"""The Python API: a delivery as tensors that can be awaited.

    async with receive(name="fra", join="https://...", device="cuda:0", weights="gpu") as receiver:
        config = await receiver.file("config.json")
        async for tensor in receiver.tensors():
            tensor.name, tensor.value
        await receiver.load_into(module)
        outcome = await receiver.finished()

The session runs in a thread of its own; whoever awaits never holds up the network.  An error of
the session is raised by the await that meets it first, else where the context is left.  Leaving
early ends the session; what is on disk is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from toolkit.agent.keeping import Keep, Keeping
from toolkit.agent.sent_order import sent_order
from toolkit.agent.session import ReceivingSession, StoppedError, open_session, silent
from toolkit.agent.settings import Settings
from toolkit.agent.timeline import Timeline
from toolkit.agent.verified import Verified
from toolkit.delivery import events
from toolkit.delivery.events import ReceiverOutput
from toolkit.delivery.manifest import OpenedManifest
from toolkit.delivery.model import Receipt
from toolkit.delivery.safetensors import is_weights
from toolkit.errors import DeliveryError, IncompleteError, UsageError

if TYPE_CHECKING:
    from toolkit.gpu.model import DeviceModel, ReadyTensor

Order = Literal["arrival", "manifest"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A delivery that is complete."""

    receipt: Receipt
    timeline: Timeline
    document: Mapping[str, Any]
    """What `llmsync receive -o json` prints."""


def receive(
    settings: Settings | None = None,
    *,
    tell: Callable[[str], None] = silent,
    **given: Any,  # noqa: ANN401
) -> Receiving:
    """Return a receiver, to be entered with `async with`.

    `settings`, or the fields of `Settings` as keywords; `tell`: hears (in the session's thread)
    what a person should know.
    """
    try:
        made = Settings(**given) if settings is None else replace(settings, **given)
    except TypeError as error:
        raise UsageError(f"receive: {error} (the fields of toolkit.agent.settings)") from None
    return Receiving(made, tell)


class Receiving:
    """One receiver.

    It begins when the context is entered; without a device, when something is first asked of it,
    so that `tensors` may name the device.
    """

    def __init__(
        self, settings: Settings, tell: Callable[[str], None], keep: Keep = Keeping
    ) -> None:
        self._settings = settings
        self._keep = keep
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._session: ReceivingSession | None = None
        self._stopping = False
        self._news = asyncio.Event()
        """Set when something has changed; whoever waits takes the next one then."""
        self._opened: OpenedManifest | None = None
        self._digest = b""
        self._arrived: list[tuple[str, str]] = []
        """Path and name of tensors that are ready, in that order."""
        self._told: list[tuple[str, str]] = []
        """Of those that are verified, and not on the device yet."""
        self._ready: set[tuple[str, str]] = set()
        self._verified: list[str] = []
        self._complete = self._ended = False
        self._error: Exception | None = None
        self._raised = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        if self._settings.device is not None:
            self._begin(None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._thread is None:
            return
        if kind is not None or not self._complete:
            self._stop()
        # Otherwise the sender is told first that everything is here.
        try:
            while not self._ended:
                await self._news.wait()
        except asyncio.CancelledError:
            self._stop()
            raise
        finally:
            if self._ended:
                self._thread.join()
        if kind is None and self._error is not None and not self._raised:
            self._raise()

    # ----- tensors

    async def tensors(
        self, *, device: str | None = None, order: Order = "arrival"
    ) -> AsyncIterator[ReadyTensor]:
        """All tensors, each as soon as its bytes are verified and on the device.

        `device`: where the settings name none.  `order`: as they arrive, or as they are sent
        (layer by layer, say).  Nothing is lost to whoever is slow, and asking twice gives all of
        them twice.
        """
        self._need_device(device)
        self._begin(device)
        names = self._by_arrival() if order == "arrival" else self._by_manifest()
        async for path, name in names:
            yield self._tensor(path, name)

    async def load_into(self, module: Any, *, strict: bool = True, prefix: str = "") -> list[str]:  # noqa: ANN401
        """Make the tensors the parameters and buffers of a torch module, without a copy.

        Returns the names that the module has no place for.  Raises ProblemsError with everything
        that does not fit; `strict` False: what is missing or unexpected is no problem.
        """
        self._need_device(None)
        self._begin(None)
        await self._until(lambda: self._complete)
        session = self._need_session()
        left = self._need_model().load_into(module, strict=strict, prefix=prefix)
        session.timeline.ready(time.monotonic())
        return left

    @property
    def model(self) -> DeviceModel | None:
        """All that is on the device; None: nothing yet."""
        return None if self._session is None else self._session.model

    # ----- files, and the end

    async def file(self, path: str) -> bytes:
        """Return a file's content as soon as it is verified: config.json, say."""
        self._begin(None)
        await self._until(lambda: path in self._verified or self._complete)
        if path not in self._verified:
            raise DeliveryError(
                f"{path}: is not in this delivery (it has {', '.join(self._verified) or 'nothing'})"
            )
        return self.files[path]

    @property
    def files(self) -> Mapping[str, bytes]:
        """Path -> content of the files that are verified so far."""
        session = self._session
        if session is None or self._opened is None:
            return Verified(None, None, ())
        kept = [p for p in self._verified if session.settings.on_disk or not is_weights(p)]
        return Verified(session, self._opened.manifest, kept)

    async def finished(self) -> Outcome:
        """Return when everything is verified and in its place."""
        self._begin(None)
        await self._until(lambda: self._complete)
        session = self._need_session()
        assert session.receipt is not None
        return Outcome(session.receipt, session.timeline, session.document())

    @property
    def timeline(self) -> Timeline | None:
        """Where the time went so far; None: it has not begun."""
        return None if self._session is None else self._session.timeline

    # ----- in the caller's loop

    def _begin(self, device: str | None) -> None:
        if self._loop is None:
            raise UsageError(
                "the receiver is not entered yet (async with receive(...) as receiver)"
            )
        settings = self._settings
        if self._thread is not None:
            if device is not None and device != settings.device:
                raise UsageError(
                    f"device={device!r}: the session already runs with {settings.device!r} "
                    "(name it in the settings, or ask for tensors first)"
                )
            return
        if device is not None:
            settings = replace(settings, device=device)
        if settings.device is not None and settings.output is None and settings.weights is None:
            settings = replace(settings, weights="gpu")
        self._settings = settings
        self._thread = threading.Thread(
            target=self._work, name=f"receiver {settings.name}", daemon=True
        )
        self._thread.start()

    async def _by_arrival(self) -> AsyncIterator[tuple[str, str]]:
        at = 0
        while True:
            while at < len(self._arrived):
                yield self._arrived[at]
                at += 1
                self._check()
            if self._complete:
                return
            await self._news.wait()
            self._check()

    async def _by_manifest(self) -> AsyncIterator[tuple[str, str]]:
        await self._until(lambda: self._opened is not None)
        assert self._opened is not None
        manifest, order, model = self._opened.manifest, self._opened.order, self._need_model()
        files = [n for n, f in enumerate(manifest.files) if is_weights(f.path)]
        # With an order of its own a delivery brings all headers first.
        groups = [files] if order else [[n] for n in files]
        for group in groups:
            tensors = {}
            for number in group:
                path = manifest.files[number].path
                await self._until(partial(self._has_header, model, path))
                tensors[number] = model.entries(path)
            for number, entry in sent_order(manifest, order, tensors):
                path = manifest.files[number].path
                await self._until(partial(self._has_tensor, path, entry.name))
                if (path, entry.name) in self._ready:
                    yield path, entry.name

    def _has_header(self, model: DeviceModel, path: str) -> bool:
        """Whether the names of a file's tensors are known; of what is none they never are."""
        return bool(model.entries(path)) or path in self._verified or self._complete

    def _has_tensor(self, path: str, name: str) -> bool:
        return (path, name) in self._ready or self._complete

    def _tensor(self, path: str, name: str) -> ReadyTensor:
        from toolkit.gpu.model import ReadyTensor

        model = self._need_model()
        return ReadyTensor(name, path, model.ready[path, name], model.tensor(name, path))

    async def _until(self, true: Callable[[], bool]) -> None:
        """Wait; raises what the session has ended with."""
        self._check()
        while not true():
            await self._news.wait()
            self._check()

    def _check(self) -> None:
        if self._error is not None:
            self._raise()
        if self._ended and not self._complete:
            raise DeliveryError(
                "the receiver was left before everything was there (await inside `async with`)"
            )

    def _raise(self) -> None:
        assert self._error is not None
        self._raised = True
        raise self._error

    def _need_session(self) -> ReceivingSession:
        assert self._session is not None
        return self._session

    def _need_model(self) -> DeviceModel:
        model = self._need_session().model
        assert model is not None
        return model

    def _need_device(self, device: str | None) -> None:
        if device is None and self._settings.device is None:
            raise UsageError('there are no tensors without a device (device="cpu" or "cuda:0")')

    def _stop(self) -> None:
        self._stopping = True
        if self._session is not None:
            self._session.stop()

    def _hear(self, outputs: Sequence[ReceiverOutput]) -> None:
        for output in outputs:
            match output:
                case events.ManifestVerified(opened=opened):
                    self._opened = opened
                case events.TensorReady(path=path, tensor=tensor):
                    self._told.append((path, tensor.name))
                case events.FileVerified(path=path):
                    self._verified.append(path)
                case events.Completed():
                    self._complete = True
                case _:
                    pass
        self._arrive()
        self._wake()

    def _arrive(self) -> None:
        """Of the tensors whose bytes are verified, hand out those that are on the device.

        With `passing` the device takes memory for a file when more of it comes than its header.
        """
        model = self.model
        there = [] if model is None else [key for key in self._told if key in model.ready]
        if there:
            self._arrived += there
            self._ready.update(there)
            self._told = [key for key in self._told if key not in self._ready]

    def _end(self, error: Exception | None) -> None:
        self._ended, self._error = True, error
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    # ----- in the session's thread

    def _work(self) -> None:
        error: Exception | None = None
        try:
            session = self._session = open_session(self._settings, self._tell, self._keep)
            if self._stopping:
                session.stop()
            with session:
                session.run(self._watch)
            error = session.error
            if error is None and session.receipt is None and not self._stopping:
                error = IncompleteError("the delivery ended before everything was there")
        except StoppedError:
            pass
        except Exception as caught:  # noqa: BLE001 - raised by whoever waits
            error = caught
        self._tell_loop(self._end, error)

    def _watch(self, outputs: list[ReceiverOutput]) -> None:
        told = [o for o in outputs if isinstance(o, _TOLD)]
        for output in told:
            if isinstance(output, events.ManifestVerified):
                if self._digest not in (b"", output.opened.digest):
                    raise DeliveryError(
                        f"{output.opened.manifest.name}: the sender has begun another version, and "
                        "tensors of the one before were handed out (receive again)"
                    )
                self._digest = output.opened.digest
        if told:
            self._tell_loop(self._hear, told)

    def _tell_loop(self, call: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            self._loop.call_soon_threadsafe(call, *arguments)


_TOLD = (events.ManifestVerified, events.TensorReady, events.FileVerified, events.Completed)
