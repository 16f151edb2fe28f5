"""A loaded model becomes a new version in place, at a moment that the caller picks.

`UpdateSink` receives the new version beside a model that serves: blocks which the model has are
neither sent nor copied, tensors that change get memory of their own (`toolkit.gpu.shadow`).  Then
`Update.commit` lets both change places: addresses stay, so parameters, views, tied weights and CUDA
graphs stay valid, and `rollback` is the same way back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Literal

from toolkit.delivery.manifest import Manifest, OpenedManifest, digest
from toolkit.delivery.ports import Basis, InPlace, Landed, Sink
from toolkit.errors import DeliveryError
from toolkit.gpu.digests import DeviceDigests
from toolkit.gpu.door import Tensor
from toolkit.gpu.exchange import Copy, InDoubtError, UndoneError, exchange
from toolkit.gpu.held import HeldFile, shaped
from toolkit.gpu.model import DeviceModel
from toolkit.gpu.proving import Flight
from toolkit.gpu.shadow import BUFFER, PendingFile, PendingModel, Shadow
from toolkit.gpu.sink import DeviceSink


class State(Enum):
    """Where an update is; the value says it in words."""

    COMING = "not everything is verified yet"
    READY = "it is ready"
    LIVE = "it is live already"
    RELEASED = "its memory was let go of; receive it again"
    FAILED = "it was not received as a whole"
    IN_DOUBT = "an exchange of the versions failed half-way"


class Update:
    """A new version of `live`; `commit` and `rollback` may be called in turn."""

    def __init__(self, live: DeviceModel, buffer: int = BUFFER) -> None:
        """`buffer`: bytes of device memory to exchange the versions through."""
        self.live = live
        self.state = State.COMING
        self.failure = ""
        """Why it was not received."""
        self.before = live.digest
        """Digest of the live version's manifest."""
        self.after = b""
        """Digest of the new version's; empty before it is known."""
        self.copy: Copy = _copy
        """How bytes are moved when versions change places."""
        self.shadow = Shadow(live.device, buffer)
        self.pending = PendingModel(live, self.shadow)
        self._base, self._mine = live.files, self.pending.files
        """What the live model holds before, and while the new version is live."""
        self._turns = live.turns

    @property
    def version(self) -> bytes:
        """Digest of the manifest of the version that is live now."""
        return self.live.digest

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the tensors that change (of which this rank's part does), as far as known."""
        return tuple(t.name for t in self.shadow.tensors.values())

    @property
    def bytes(self) -> int:
        """Bytes of device memory that the changed tensors take beside the live ones."""
        return self.shadow.size

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Name and value of the changed tensors in the version that is not live: for an engine that
        has copies of its own."""
        for (path, name), changed in list(self.shadow.tensors.items()):
            placement = self.live.ready[path, name]
            yield name, shaped(self.live.device.torch, changed.shadow, placement)

    # ----- turns

    def commit(self, *, wait: bool = False) -> None:
        """Let the new version be live, and the old one be in the shadow.

        What the device was given before on the caller's current stream sees the old version,
        what comes behind sees the new one.  `wait`: on any stream; returns when it is done.
        Raises DeliveryError where it is not ready, or failed and was undone; InDoubtError where
        it could be neither done nor undone.
        """
        with self.live.lock:
            if self.state is not State.READY:
                raise self._refused("commit")
            self._turn(self._base, "commit", wait=wait)
            self.state = State.LIVE

    def rollback(self, *, wait: bool = False) -> None:
        """Let the old version be live again; as `commit`."""
        with self.live.lock:
            if self.state is not State.LIVE:
                raise self._refused("rollback")
            self._turn(self._mine, "rollback", wait=wait)
            self.state = State.READY

    def release(self) -> None:
        """Let go of the version that is not live, and of its memory."""
        with self.live.lock:
            if self.state is State.COMING:
                raise DeliveryError(
                    "release: the new version is still coming; end the delivery instead (leave its "
                    "context, close its sink)"
                )
            if self.state in (State.LIVE, State.READY):
                self.shadow.release()
                self.pending.clear()
                self.state = State.RELEASED

    def _turn(self, wanted: dict[int, HeldFile], what: str, *, wait: bool) -> None:
        live, device = self.live, self.live.device
        if live.files is not wanted:
            raise DeliveryError(
                f"{what}: the live model is not the version that this update stands on any more "
                f"({live.digest.hex()[:16]} is live): another update came in between (roll that "
                "one back first, or receive this one again)"
            )
        pairs = [(t.live, t.shadow) for t in self.shadow.tensors.values()]
        device.before(what, wait=wait)
        device.used([self.shadow.buffer, *(shadow for _, shadow in pairs)])
        try:
            with device.torch.inference_mode():
                exchange(pairs, self.shadow.buffer, self.copy)
            device.behind(what, wait=wait)
        except UndoneError as error:
            with suppress(DeliveryError):
                device.behind(what, wait=wait)
            raise DeliveryError(
                f"{device.name}: {what}: {error}; it was undone, and the live model is as it was "
                "(nvidia-smi and the kernel's log say more; try again, or load it anew)"
            ) from error
        except DeliveryError as error:
            self.state = State.IN_DOUBT
            raise InDoubtError(
                f"{device.name}: {what}: {error}; in doubt: it could be neither finished nor "
                "undone, and the live model may be of both versions (serve nothing from it; "
                "verify() says which blocks are wrong; load it anew)"
            ) from error
        live.exchange(self.pending)
        self.shadow.ahead = not self.shadow.ahead

    def _refused(self, what: str) -> DeliveryError:
        why = self.state.value
        if self.state is State.READY:
            why = "it is not live"
        if self.failure:
            why = f"{why}: {self.failure}"
        doubt = self.state is State.IN_DOUBT
        end = "serve nothing from it; load it anew" if doubt else "the live model is as it was"
        return DeliveryError(f"{what}: {why}; {end}")

    # ----- what the sink tells

    def guard(self) -> None:
        """Raise DeliveryError where this can come to no good end any more."""
        if self.state is State.COMING and self.live.turns != self._turns and not self.failure:
            self.failure = "the live model became another version meanwhile (receive it again)"
        if self.failure:
            raise DeliveryError(f"update: {self.failure}; the live model is untouched by it")

    @contextmanager
    def coming(self) -> Iterator[None]:
        """A context with the live model's lock, for a part of the delivery: why that fails is why
        it cannot be committed."""
        with self.live.lock:
            self.guard()
            try:
                yield
            except DeliveryError as error:
                self.failure = self.failure or str(error)
                raise

    def settle(self, digests: DeviceDigests | None) -> None:
        """Everything is here.  Raises DeliveryError where it is not what it should be."""
        pending = self.pending
        if not pending.complete:
            raise DeliveryError("update: not all tensors of the new version are here")
        wrong = [
            f"{held.path}: block {block}"
            for held in pending.files.values()
            if digests is not None and isinstance(held, PendingFile)
            for block in held.unproven(digests)
        ]
        if wrong:
            raise DeliveryError(
                "update: the live model's memory is not what was loaded, so what stays of it does "
                "not fit what changed (trained, quantised or merged in place? load the new version "
                f"anew): {', '.join(wrong[:10])}{' ...' if len(wrong) > 10 else ''}"
            )
        self.shadow.settle()

    def fail(self, why: str) -> None:
        """It will not come, and nobody is at work on it: let go of what it took."""
        if self.state is State.COMING:
            self.state, self.failure = State.FAILED, self.failure or why
            self.shadow.release()
            self.pending.clear()


def _copy(target: Tensor, source: Tensor) -> None:
    target.copy_(source, non_blocking=True)


class UpdateSink(DeviceSink):
    """A Sink for a new version of `live`, a whole model that may be in use.

    `inner`, `weights` and `check` as `DeviceSink` has them.  Give a receiver `basis` too: it knows
    what the model holds; `also`: where else blocks may be found, of files beside the weights, say.
    """

    def __init__(
        self,
        live: DeviceModel,
        inner: Sink,
        *,
        weights: Literal["both", "gpu"] = "gpu",
        check: bool = True,
        also: Basis | None = None,
        buffer: int = BUFFER,
    ) -> None:
        super().__init__(inner, live.device, shard=live.shard, weights=weights, check=check)
        if not live.complete or any(not h.digests for h in live.files.values()):
            raise DeliveryError(
                "update: the model is not loaded as a whole (an update needs one that is: load it "
                "with DeviceSink, and wait until everything is there)"
            )
        self.live = live
        self.also = also
        self.basis: Basis = LiveBasis(self)
        self._lock = self._prover.lock = live.lock
        self._buffer = buffer
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.update = Update(self.live, self._buffer)
        self.model = self._prover.model = self.update.pending

    @property
    def on_disk(self) -> bool:
        """Whether the weights are kept on disk too."""
        return self._keeps

    # ----- Sink

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        with self._lock:
            if self.update.after or self.update.state is not State.COMING:
                self.update.fail("another delivery came in its place")
                self._begin_anew()
            self.update.after = opened.digest
            with self.update.coming():
                self.update.pending.refuse_other_files(opened.manifest)
                return super().open(envelope, opened)

    def put_digests(self, file: int, digests: bytes) -> None:
        with self.update.coming():
            super().put_digests(file, digests)
            held = self.model.files.get(file)
            if isinstance(held, PendingFile):
                held.adopt()

    def place(self) -> None:
        with self.update.coming():
            self.update.settle(self._prover.digests)
            super().place()
            self.update.state = State.READY

    def close(self) -> None:
        with self._lock:
            self.inner.close()
            self.update.fail("the delivery ended before everything was there")

    # ----- blocks

    def proves(self, file: int, offset: int) -> bool:
        """What the live model has is not copied, so that the device would prove nothing of it."""
        del file, offset
        return False

    def begin(
        self, file: int, block: int, offset: int, data: memoryview, *, known: bool = True
    ) -> Flight | None:
        with self.update.coming():
            return super().begin(file, block, offset, data, known=known)

    def land(self, flights: Sequence[Flight]) -> list[Flight]:
        with self.update.coming():
            return super().land(flights)

    def keep(self, file: int, block: int) -> bool:
        """Count a block that the live model has; False: it has not."""
        with self.update.coming():
            return self._there(file, block)

    def live_bytes(self, file: int, offset: int, size: int) -> bytes | None:
        """A block's bytes, from the live model; None: it has not all of them."""
        held = self.model.files[file]
        with self._lock:
            return held.live_bytes(offset, size) if isinstance(held, PendingFile) else None

    @property
    def _proves_disk(self) -> bool:
        return False

    def _left(self, file: int, there: Landed) -> Landed:
        held = self.update.pending.files[file]
        digests = there.digests if self._keeps else None
        digests = digests or self.update.pending.listed(file)
        if digests is None or not isinstance(held, PendingFile):
            return Landed(None, bytes(len(there.blocks)))
        held.digests = digests
        held.adopt()
        if not self._keeps:
            return Landed(digests, bytes(self._there(file, b) for b in range(held.cut.blocks)))
        if there.digests is None:
            self.inner.put_digests(file, digests)
        return Landed(digests, self._load(file, there.blocks))

    def _there(self, file: int, block: int) -> bool:
        held = self.model.files[file]
        if not isinstance(held, PendingFile) or not held.has(block):
            return False
        self.model.count(file, held.cut.offset(block), held.cut.size(block))
        return True


class LiveBasis:
    """A Basis: blocks that the live model of an UpdateSink holds, and those that another has."""

    def __init__(self, sink: UpdateSink) -> None:
        self._sink = sink

    def open(self, manifest: Manifest) -> None:
        if self._sink.also is not None:
            self._sink.also.open(manifest)

    def may_hold(self, file: int) -> bool:
        held = self._sink.model.files.get(file)
        if isinstance(held, PendingFile) and held.alike:
            return True
        also = self._sink.also
        return also is not None and also.may_hold(file)

    def find(self, file: int, offset: int, size: int, wanted: bytes) -> bytes | InPlace | None:
        sink, held = self._sink, self._sink.model.files.get(file)
        there = isinstance(held, PendingFile) and held.matches(held.block(offset))
        if isinstance(held, PendingFile) and there:
            block = held.block(offset)
            if not sink.on_disk and not held.lacks_header(offset):
                return InPlace(lambda: sink.keep(file, block))
        found = None if sink.also is None else sink.also.find(file, offset, size, wanted)
        if found is None and there:
            found = sink.live_bytes(file, offset, size)
            if found is not None and digest(found) != wanted:
                return None
        return found
