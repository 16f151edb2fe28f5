"""One version being received into a store, in a thread of its own.

X: sockets and files.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from toolkit.delivery import events
from toolkit.delivery.authentic import Speaker
from toolkit.delivery.basis import FolderBasis
from toolkit.delivery.events import ReceiverOutput
from toolkit.delivery.manifest import OpenedManifest, UntrustedError
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.refusal import Refusal
from toolkit.delivery.sink import FolderSink
from toolkit.errors import DeliveryError, ToolkitError, UsageError
from toolkit.sync.job import DSCP
from toolkit.sync.orders import Offer
from toolkit.sync.store import Store
from toolkit.transport import address, udp
from toolkit.transport.sources import Sources
from toolkit.transport.writing import WriterThread, worth_it


class _Stopped(Exception):  # noqa: N818 - nobody has done anything wrong
    pass


class Taking:
    """Receives what `offer` offers; `changed` is called when it has ended or all is in place."""

    def __init__(
        self,
        cloud: str,
        offer: Offer,
        store: Store,
        *,
        trusted: bytes,
        listen: str,
        interface: str,
        timeout: float,
        changed: Callable[[], None],
        sources: Sequence[str] = (),
    ) -> None:
        """`sources`: addresses that packets may come from, besides the one that is offered."""
        self.offer = offer
        self.folder = store.name_for(offer.model, offer.version, offer.content)
        self.placed = False
        self.error: ToolkitError | None = None
        self.found = self.received = 0
        """Bytes that were here already, and bytes of packets."""
        self.refused: dict[str, int] = {}
        """Packets that were refused, by reason."""
        self._cloud, self._store, self._trusted = cloud, store, trusted
        self._listen, self._interface, self._timeout = listen, interface, timeout
        self._changed, self._sources = changed, sources
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End it, and wait until it has let go of its files; what was received is kept."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._receive()
        except _Stopped:
            pass
        except ToolkitError as error:
            self.error = error
        finally:
            self._changed()

    def _receive(self) -> None:
        offer, store = self.offer, self._store
        sender = address.resolve(offer.address, port=offer.port)
        sink = FolderSink(
            store.path(offer.model, self.folder), keep=store.records(offer.model, self.folder)
        )
        versions = store.basis(offer.model)
        with ExitStack() as stack:
            stack.callback(sink.close)
            store.announce(offer.model, self.folder, offer.content)
            sink.prepare()
            for version in versions:
                stack.enter_context(store.lease(offer.model, version.files.name))
            sockets = [stack.enter_context(address.bind(address.resolve(self._listen)))]
            address.mark(sockets[0], DSCP)
            if offer.group is not None:
                group = address.resolve(offer.group)
                if not group.multicast:
                    raise UsageError(f"{offer.group}: the repository names no multicast group")
                sockets.append(stack.enter_context(address.join(group, self._interface, sender)))
            basis = FolderBasis(versions)
            stack.callback(basis.close)
            desk = None
            if worth_it(sink.target):
                desk = stack.enter_context(WriterThread(sink))
            receiver = Receiver(
                self._cloud, sink, trusted=self._trusted, tsi=offer.tsi,
                incarnation=time.time_ns() // 1_000_000, chance=random.random,
                timeout=self._timeout, socket_room=min(map(address.socket_room, sockets)),
                basis=basis, seal_key=offer.seal_key, admit=self._admit, desk=desk,
            )  # fmt: skip
            sources = Sources([sender, *(address.resolve(s, port=0) for s in self._sources)])
            wires = [udp.SocketWire(sock, sources, bunched=True) for sock in sockets]
            try:
                udp.run_receiver(receiver, wires, sender, self._watch, Speaker(offer.key), desk)
            finally:
                self.found = receiver.counters.found
                self.received = receiver.counters.bytes
                if sources.refused:
                    receiver.counters.refuse(Refusal.FOREIGN_SOURCE, sources.refused)
                self.refused = dict(receiver.counters.refused)

    def _admit(self, opened: OpenedManifest) -> None:
        """Refuse another manifest than the one that was offered: an older content of the same
        version, which was signed as well."""
        if opened.digest != self.offer.manifest:
            raise UntrustedError(f"manifest: it is not that of session {self.offer.session}")

    def _watch(self, outputs: list[ReceiverOutput]) -> None:
        if self._stop.is_set():
            raise _Stopped
        for output in outputs:
            match output:
                case events.ManifestVerified(opened=opened):
                    if opened.manifest.name != self.offer.name:
                        raise DeliveryError(
                            f"session {self.offer.session} brings {opened.manifest.name} and not "
                            f"{self.offer.name}; nothing was placed"
                        )
                case events.Completed():
                    self.placed = True
                    self._changed()
                case events.Failed(error=error):
                    self.error = error
                case _:
                    pass
