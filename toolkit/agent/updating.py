"""A new version for a model that is loaded and serves: received beside it, live when it is told.

    async with update(receiver.model, name="fra", join="https://...") as coming:
        await coming.ready()
        await gate.applied(coming.update)  # or coming.commit(), between two steps
        ...
        coming.release()  # or coming.rollback()

What the model holds is not sent; see `toolkit.gpu.update` for what is atomic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from toolkit.agent.api import Outcome, Receiving
from toolkit.agent.keeping import Keeping
from toolkit.agent.session import silent
from toolkit.agent.settings import Settings
from toolkit.agent.timeline import Timeline
from toolkit.delivery.ports import Sink
from toolkit.errors import UsageError
from toolkit.gpu.files import PlacedFiles

if TYPE_CHECKING:
    from toolkit.gpu.model import DeviceModel
    from toolkit.gpu.sink import DeviceSink
    from toolkit.gpu.update import Update, UpdateSink


def update(
    live: DeviceModel,
    settings: Settings | None = None,
    *,
    files: Mapping[str, bytes] | None = None,
    tell: Callable[[str], None] = silent,
    **given: Any,  # noqa: ANN401
) -> Updating:
    """Return a receiver of a new version of `live`, to be entered with `async with`.

    `settings`, or its fields as keywords, as `toolkit.agent.receive` has them; device, rank, world
    and shard are the model's.  `files`: those beside the weights that are here already
    (`receiver.files` of the version before), which then need not come again.
    """
    try:
        made = Settings(**given) if settings is None else replace(settings, **given)
    except TypeError as error:
        raise UsageError(f"update: {error} (the fields of toolkit.agent.settings)") from None
    return Updating(live, _fitting(live, made), {} if files is None else files, tell)


class Updating:
    """One update of one model."""

    def __init__(
        self, live: DeviceModel, settings: Settings, files: Mapping[str, bytes],
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._sink: UpdateSink | None = None

        def keep(settings: Settings, check: Callable[[Path], None]) -> Keeping:
            keeping = UpdateKeeping(settings, check, live, files)
            self._sink = keeping.coming
            return keeping

        self._receiving = Receiving(settings, tell, keep)

    async def __aenter__(self) -> Self:
        await self._receiving.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """An update that is ready outlives the context: it may be committed, and must be released,
        whenever that suits."""
        await self._receiving.__aexit__(kind, error, trace)

    async def ready(self) -> Update:
        """Return when everything is verified and in the shadow: `commit` it when it suits."""
        await self._receiving.finished()
        return self.update

    @property
    def update(self) -> Update:
        """What has been received; see `toolkit.gpu.update.Update`."""
        if self._sink is None:
            raise UsageError("the update has not begun (async with update(...) as coming)")
        return self._sink.update

    def commit(self, *, wait: bool = False) -> None:
        """See `Update.commit`; call it between two steps."""
        self.update.commit(wait=wait)

    def rollback(self, *, wait: bool = False) -> None:
        """See `Update.rollback`."""
        self.update.rollback(wait=wait)

    def release(self) -> None:
        """See `Update.release`."""
        self.update.release()

    async def file(self, path: str) -> bytes:
        """Return a file beside the weights, as soon as it is verified."""
        return await self._receiving.file(path)

    @property
    def files(self) -> Mapping[str, bytes]:
        """Path -> content of the files that are verified so far."""
        return self._receiving.files

    async def finished(self) -> Outcome:
        """Receipt and timeline, when everything is verified."""
        return await self._receiving.finished()

    @property
    def timeline(self) -> Timeline | None:
        """Where the time went so far; None: it has not begun."""
        return self._receiving.timeline


class UpdateKeeping(Keeping):
    """Where the blocks of an update are put."""

    coming: UpdateSink

    def __init__(
        self, settings: Settings, check: Callable[[Path], None], live: DeviceModel,
        files: Mapping[str, bytes],
    ) -> None:  # fmt: skip
        self._live = live
        super().__init__(settings, check)
        self.coming.also = self.basis if self.folder is not None else PlacedFiles(files)
        self.basis = self.coming.basis

    def _on_device(self, settings: Settings, inner: Sink) -> DeviceSink:
        from toolkit.gpu.update import UpdateSink

        self.coming = UpdateSink(
            self._live, inner, weights="both" if settings.on_disk else "gpu",
            check=settings.check_device,
        )  # fmt: skip
        return self.coming


def _fitting(live: DeviceModel, settings: Settings) -> Settings:
    """The settings with what the model says; UsageError names all that contradicts it."""
    shard, device = live.shard, live.device.name
    found = []
    if settings.device not in (None, device, device.removeprefix("cuda:")):
        found.append(f"--gpu {settings.device}: the model is on {device} (leave it out)")
    if settings.world not in (1, shard.world) or settings.rank not in (0, shard.rank):
        found.append(
            f"--rank {settings.rank} --world {settings.world}: the model is part {shard.rank} of "
            f"{shard.world} (leave it out)"
        )
    if settings.shard:
        found.append("--shard: the model is cut already (leave it out)")
    if settings.share is not None or settings.window_of is not None:
        found.append("--share, --window-of: an update has a window of its own (leave it out)")
    if settings.weights == "disk":
        found.append("--weights disk: an update goes to the device (gpu or both)")
    if found:
        raise UsageError("\n".join(found))
    return replace(settings, device=device, rank=shard.rank, world=shard.world)
