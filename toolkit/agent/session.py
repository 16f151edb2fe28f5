"""One receiver at work: sockets, engine, sink and desk put together, and driven.

`open_session(settings)` looks at the settings; as a context it opens everything and closes it
again, whatever happens; `run` comes back when the delivery has ended.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from toolkit.agent import believing, falling_back, joining, outcome
from toolkit.agent.keeping import Keep, Keeping
from toolkit.agent.settings import CONTROL_PORT, Settings, check, metrics_address
from toolkit.agent.timeline import Timeline
from toolkit.delivery import events
from toolkit.delivery.events import ReceiverOutput
from toolkit.delivery.manifest import OpenedManifest
from toolkit.delivery.memory import Slabs
from toolkit.delivery.model import Counters, Receipt
from toolkit.delivery.provenance import Provenance
from toolkit.delivery.receipts import Own
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.storing import WaitableDesk
from toolkit.delivery.trust import Admit
from toolkit.errors import ToolkitError, UsageError
from toolkit.transport import address, drops, loss, udp
from toolkit.transport.writing import WriterThread, worth_it

if TYPE_CHECKING:
    from toolkit.agent.joining import Joined
    from toolkit.agent.sharing import Host
    from toolkit.gpu.model import DeviceModel
    from toolkit.transport.address import Address
    from toolkit.transport.ranges import Ranges

Watch = Callable[[list[ReceiverOutput]], None]
"""Called in every turn with what the receiver has answered; what it raises ends the session."""


class StoppedError(Exception):
    """Somebody has called `stop`."""


def silent(message: str) -> None:
    """Tell nobody."""
    del message


def unwatched(outputs: list[ReceiverOutput]) -> None:
    """Do nothing."""
    del outputs


def open_session(
    settings: Settings, tell: Callable[[str], None] = silent, keep: Keep = Keeping
) -> ReceivingSession:
    """Return a session, nothing of which is open yet; UsageError names all that is wrong.

    `tell`: hears what a person should know.  `keep`: makes what is put where.
    """
    settings = settings.filled()
    check(settings)
    if settings.window_of is not None:
        from toolkit.agent.attaching import AttachedSession

        return AttachedSession(settings, tell, keep)
    return ReceivingSession(settings, tell, keep)


class ReceivingSession:
    """A context; its figures can be read while it runs and afterwards."""

    def __init__(self, settings: Settings, tell: Callable[[str], None], keep: Keep) -> None:
        self.settings = settings
        self.timeline = Timeline(time.monotonic())
        self.opened: OpenedManifest | None = None
        """The manifest, once its signature is right."""
        self.receipt: Receipt | None = None
        """Once everything is verified and in its place."""
        self.error: ToolkitError | None = None
        """Why it cannot go on."""
        self.drops: drops.Drops | None = None
        """What this host lost; None: not known yet."""
        self.fetching: Ranges | None = None
        self.joined: Joined | None = None
        self.counters = Counters()
        self.metrics_at = ""
        """URL of the metrics; empty: they are not served."""
        self.kept = ""
        """After an error: what of the delivery there is, in words."""
        self._tell = tell
        self._trusted = believing.trusted(settings)
        self._seal_key = believing.seal_key(settings)
        self._pinned = believing.Pinned(settings.pin, tell)
        self._speaker = believing.speaker(settings)
        asked = Provenance(settings.model_signature, settings.model_key)
        self.keeping = keep(settings, believing.model_check(asked, tell))
        self._stack = ExitStack()
        self._bell = -1
        self._stopping = False
        self._prepared = False
        self._receiver: Receiver | None = None
        self._host: Host | None = None
        """Where other processes are agents of our window."""
        self._drive: Callable[[Watch], None] | None = None

    # ----- what a runtime calls

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._forget)
            stack.callback(self.keeping.sink.close)
            self.keeping.prepare()
            self._prepared = True
            stack.push(self._remember)
            self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            stack.callback(self._close_bell)
            if self.settings.metrics is not None:
                self._serve(stack, *metrics_address(self.settings.metrics))
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:  # fmt: skip
        return self._stack.__exit__(kind, error, trace)

    def run(self, watch: Watch = unwatched) -> None:
        """Receive until everything is in its place, or it cannot go on (`error`)."""
        assert self._drive is not None

        def turn(outputs: list[ReceiverOutput]) -> None:
            self._take(outputs)
            watch(outputs)
            if self._stopping:
                raise StoppedError

        with contextlib.suppress(StoppedError):
            self._drive(turn)

    def stop(self) -> None:
        """End `run` soon, from any thread; what is on disk is kept."""
        self._stopping = True
        bell = self._bell
        if bell >= 0:
            with contextlib.suppress(OSError):
                os.eventfd_write(bell, 1)

    # ----- what can be read

    @property
    def receiver(self) -> Receiver:
        """The engine, while the session is open."""
        assert self._receiver is not None, "the session is not open"
        return self._receiver

    @property
    def engine(self) -> Receiver | None:
        """The same; None: the session is not open."""
        return self._receiver

    @property
    def prepared(self) -> bool:
        """Whether something may be left on disk."""
        return self._prepared

    @property
    def checked(self) -> bool:
        """Whether the manifest's signer is one that we know."""
        return self._trusted is not None or self._pinned.given

    @property
    def device(self) -> str | None:
        """`cpu`, or `cuda:0` and what that is; None: disk only."""
        held = self.keeping.device
        return None if held is None else held.device.title

    @property
    def device_bytes(self) -> int | None:
        """Bytes of tensors on the device; None: there is none."""
        held = self.keeping.device
        return None if held is None else held.model.size

    @property
    def device_checked(self) -> int | None:
        """Bytes whose digests were computed over the device's memory, and were right."""
        held = self.keeping.device
        return None if held is None else held.checked

    @property
    def model(self) -> DeviceModel | None:
        """The tensors on the device; None: there is none."""
        held = self.keeping.device
        return None if held is None else held.model

    @property
    def host(self) -> Host | None:
        """The agents of our window; None: it is not shared."""
        return self._host

    @property
    def copied(self) -> tuple[int, int]:
        """Bytes and blocks that are here, of a session without an engine of its own."""
        return 0, 0

    def document(self) -> dict[str, Any]:
        """What has been received, for JSON; only of a session with a `receipt`."""
        return outcome.document(self)

    def own(self) -> Own:
        """What a receipt says beside what the engine knows."""
        return outcome.own(self)

    # ----- opening

    def _serve(self, stack: ExitStack, host: str, port: int) -> None:
        from toolkit import __version__
        from toolkit.agent.figures import figures
        from toolkit.agent.metrics import exposition
        from toolkit.bier.runtime_metrics import MetricsServer

        server = MetricsServer(host, port, lambda: exposition(figures(self), __version__))
        stack.callback(server.close)
        self.metrics_at = f"http://{server.address}/metrics"
        self._tell(f"counters at {self.metrics_at}")

    def _open(self, stack: ExitStack) -> None:
        settings = self.settings
        listen = settings.listen or joining.default_listen(settings.join or "")
        if settings.alone:
            listen = "127.0.0.1:0"
        sockets = [stack.enter_context(address.bind(address.resolve(listen, flag="--listen")))]
        address.mark(sockets[0], settings.dscp)
        if settings.join is not None:
            self._join(settings.join, sockets[0].getsockname()[1])
        sender, group, source = self._ends(listen)
        if group is not None and not settings.fallback_only:
            if not group.multicast:
                raise UsageError(f"--group {settings.group}: not a multicast address")
            sockets.append(stack.enter_context(address.join(group, settings.interface, source)))
        sources = believing.sources(settings, sender, source)
        wires: list[udp.Wire] = [udp.SocketWire(s, sources, bunched=True) for s in sockets]
        if settings.loss:
            wires = [
                loss.LossyWire(w, settings.loss, settings.seed + i) for i, w in enumerate(wires)
            ]
        if self.joined is not None and settings.feedback == "websocket":
            wires[0] = stack.enter_context(joining.upstream(self.joined, wires[0]))
        desk, slabs = self._desk(stack)
        room = min(map(address.socket_room, sockets))
        if self._host is not None:
            room = min(room, self._host.room)
        receiver = self._receiver = self._engine(desk, slabs, room)
        self.counters = receiver.counters
        fetching = self.fetching = falling_back.ranges(settings, self.joined)
        if fetching is not None:
            stack.callback(fetching.close)
        lost_here = drops.KernelDrops(sockets)

        def drive(turn: Watch) -> None:
            self.timeline.announced(time.monotonic())
            if settings.alone and fetching is not None:
                fetching.alone(receiver, turn)
            else:
                udp.run_receiver(
                    receiver, wires, sender, turn, self._speaker, desk, fetching,
                    also=(self._bell,),
                )  # fmt: skip
            self.drops = lost_here.read()
            believing.tell_foreign(receiver.counters, sources, self._tell)

        self._drive = drive if self._host is None else self._host.around(drive, lambda: self.error)

    def _join(self, url: str, port: int) -> None:
        joined = joining.join(self.settings, url, port, self._trusted, self._tell, self._pause)
        self.joined, self._trusted = joined, joined.key
        self._speaker = self._speaker or joined.speaker

    def _ends(self, listen: str) -> tuple[Address, Address | None, Address | None]:
        """The sender, the group, and where packets to the group come from."""
        settings, joined = self.settings, self.joined
        if joined is not None:
            return joined.sender, joined.group, joined.source
        if settings.sender is None:
            here = address.resolve(listen)
            return here, None, here
        sender = address.resolve(settings.sender, port=CONTROL_PORT, flag="--sender")
        named = settings.group
        return sender, address.resolve(named, flag="--group") if named else None, sender

    def _desk(self, stack: ExitStack) -> tuple[WaitableDesk | None, Slabs | None]:
        """What stores blocks beside the reception, and where their memory comes from."""
        folder, held = self.keeping.folder, self.keeping.device
        if self.settings.share is not None:
            from toolkit.agent.sharing import Host

            host = self._host = Host(
                self.settings, self.keeping, stack, self._tell, self._check_stop
            )
            return host.desk, host.slabs
        if held is not None:
            from toolkit.gpu.desk import CopyDesk

            stack.callback(held.device.release)
            return stack.enter_context(CopyDesk(held)), Slabs(held.device.window)
        if folder is not None and worth_it(folder.target):
            return stack.enter_context(WriterThread(folder)), None
        return None, None

    def _engine(self, desk: WaitableDesk | None, slabs: Slabs | None, room: int) -> Receiver:
        settings, joined = self.settings, self.joined
        patience = settings.timeout
        admit: Admit = self._pinned.admit
        seal_key, tsi = self._seal_key, settings.tsi
        if joined is not None:
            admit = self._pinned.also(joined.admit)
            seal_key, tsi = joined.seal_key or seal_key, joined.tsi
        return Receiver(
            settings.name, self.keeping.sink if self._host is None else self._host.sink,
            trusted=self._trusted,
            incarnation=time.time_ns() // 1_000_000, chance=random.random, tsi=tsi,
            timeout=2 * patience + 60 if settings.alone else patience, memory=settings.window,
            socket_room=room, seal_key=seal_key, admit=admit,
            basis=self.keeping.basis, desk=desk, slabs=slabs,
            headers_first=self.keeping.device is not None or self._host is not None,
        )  # fmt: skip

    def _check_stop(self) -> None:
        if self._stopping:
            raise StoppedError

    def _pause(self, seconds: float) -> None:
        self._check_stop()
        time.sleep(seconds)

    # ----- while it runs

    def _take(self, outputs: list[ReceiverOutput]) -> None:
        now = time.monotonic()
        for output in outputs:
            match output:
                case events.ManifestVerified(opened=opened):
                    self.opened = opened
                case events.Completed(receipt=receipt):
                    self.receipt = receipt
                    self._pinned.placed(self.opened)
                case events.Failed(error=error):
                    self.error = error
                case _:
                    pass
        self.timeline.feed(outputs, now)
        if self.receipt is not None and any(isinstance(o, events.Completed) for o in outputs):
            self.timeline.ready(time.monotonic())

    def _remember(self, kind: type[BaseException] | None, *_: object) -> None:
        """Look at what is there before it is let go of."""
        if kind is not None:
            self.kept = self.keeping.told(placed=self.receipt is not None)

    def _forget(self) -> None:
        """Let go of the window: the engine holds on to it, and its figures are here."""
        self._receiver = self._drive = None

    def _close_bell(self) -> None:
        bell, self._bell = self._bell, -1
        os.close(bell)
