"""A delivery over UDP: to a group, or to every receiver by unicast.

The loops that join engines to sockets and to the clock; there is no protocol in them.  Packets for
all that have joined go to the group where there is one, all others by unicast.  Control messages
come back by unicast to the sender's one socket.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from toolkit.delivery.authentic import Speaker
from toolkit.delivery.burst import Burst
from toolkit.delivery.doorkeeper import Doorkeeper
from toolkit.delivery.events import Feedback, Ignored, ReceiverOutput, SenderOutput
from toolkit.delivery.landing import HEADER, Landing
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sender import Sender
from toolkit.delivery.storing import WaitableDesk
from toolkit.errors import EnvironmentProblem, UnreachableError
from toolkit.transport import mmsg
from toolkit.transport.address import Address
from toolkit.transport.gro import CONTROL, GroInbox, enable, segment_size
from toolkit.transport.ranges import Ranges
from toolkit.transport.sources import Sources
from toolkit.transport.ways import Ways

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32], list[bytes]]
"""The headers of datagrams, uint8 of shape (count, 24), and the bytes of each; and datagrams that
did not go to the spots."""
_NOTHING: Batch = np.zeros((0, HEADER), np.uint8), np.zeros(0, np.uint32), []

BATCH = 64
"""Packets that are sent, or received, before the other direction gets its turn."""
DRAIN = 64
"""Batches that are taken from a socket before anything else gets its turn."""
COALESCED, COALESCE = 24, 0.001
"""A turn with fewer packets than this is followed by a rest of so many seconds."""
MAX_DATAGRAM = 65536


class Wire(Protocol):
    """A UDP socket, or something around one."""

    def fileno(self) -> int: ...

    def send(self, parts: Sequence[bytes | memoryview], to: tuple[str, int]) -> None: ...

    def send_burst(self, burst: Burst, to: tuple[str, int]) -> None: ...

    def receive(self) -> tuple[bytes, tuple[str, int]] | None:
        """Return a datagram and where it came from, None when there is none now."""
        ...

    def receive_batch(self, landing: Landing) -> Batch | None:
        """Put the payloads that are there into place; None: this wire only does `receive`."""
        ...


class SocketWire:
    """A Wire of a bound UDP socket.

    `segmented`: as `mmsg.Outbox` says; `bunched`: packets are taken several at a time where the
    kernel has them so (`gro`).
    """

    def __init__(
        self,
        sock: socket.socket,
        sources: Sources | None = None,
        *,
        segmented: bool = False,
        bunched: bool = False,
    ) -> None:
        """`sources`: who is listened to; None: everybody."""
        self._sock = sock
        self._sources = sources
        self._outbox = mmsg.Outbox(sock.fileno(), segmented=segmented) if mmsg.available else None
        self._inbox = mmsg.Inbox(sock.fileno(), HEADER) if mmsg.available else None
        self._gro = GroInbox(sock.fileno(), HEADER) if bunched and enable(sock) else None
        self._bunch: deque[bytes] = deque()
        self._bunch_from = ("", 0)
        """Datagrams that came together, and are handed on one by one."""
        self._names: dict[tuple[str, int], bytes] = {}

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, parts: Sequence[bytes | memoryview], to: tuple[str, int]) -> None:
        try:
            self._sock.sendmsg(parts, (), 0, to)
        except OSError as error:
            self._explain(error, sum(map(len, parts)), to)

    def send_burst(self, burst: Burst, to: tuple[str, int]) -> None:
        if self._outbox is None or not burst.symbols:
            for packet in burst.packets():
                self.send((packet.header, packet.payload), to)
            return
        name = self._names.get(to)
        if name is None:
            name = self._names[to] = mmsg.sockaddr(self._sock.family, *to)
        try:
            self._outbox.send(burst.headers(), burst.payload, burst.symbol, name)
        except OSError as error:
            self._explain(error, burst.header_size + burst.symbol, to)

    def _explain(self, error: OSError, size: int, to: tuple[str, int]) -> None:
        if error.errno == errno.EMSGSIZE:
            raise EnvironmentProblem(
                f"a datagram of {size} bytes is too long for the way to {to[0]} "
                "(give a smaller --payload)"
            ) from None
        if error.errno not in _PASSING:
            raise UnreachableError(f"{to[0]}:{to[1]}", error.strerror or str(error)) from None

    def receive_batch(self, landing: Landing) -> Batch | None:
        if self._gro is not None:
            return self._receive_bunched(self._gro, landing)
        if self._inbox is None:
            return None
        sizes = self._inbox.receive(landing.spots(BATCH), landing.symbol)
        if self._sources is not None and len(sizes):
            foreign = self._sources.foreign(self._inbox.names[: len(sizes)], self._sock.family)
            if foreign is not None:
                sizes[foreign] = 0
        return self._inbox.headers[: len(sizes)], sizes, []

    def _receive_bunched(self, inbox: GroInbox, landing: Landing) -> Batch:
        taken = inbox.receive(landing.spots(inbox.wanted(landing.symbol)), landing.symbol)
        if taken is None:
            return _NOTHING
        headers, sizes, others = taken
        if self._sources is not None:
            messages = 1 if inbox.one else len(sizes)
            foreign = self._sources.foreign(inbox.names[:messages], self._sock.family)
            if foreign is not None and inbox.one:
                return headers[:0], sizes[:0], []
            if foreign is not None:
                sizes[foreign], others = 0, []
        return headers, sizes, others

    def receive(self) -> tuple[bytes, tuple[str, int]] | None:
        for _ in range(BATCH):
            if self._bunch:
                return self._bunch.popleft(), self._bunch_from
            try:
                data, extra, _, source = self._sock.recvmsg(
                    MAX_DATAGRAM, CONTROL, socket.MSG_DONTWAIT
                )
            except OSError as error:
                if error.errno in _PASSING:
                    return None
                raise
            if self._sources is None or self._sources.allow(source):
                each = segment_size(extra)
                if each is None or each >= len(data):
                    return data, (source[0], source[1])
                self._bunch.extend(data[at : at + each] for at in range(0, len(data), each))
                self._bunch_from = source[0], source[1]
        return None


_PASSING = {errno.EAGAIN, errno.ECONNREFUSED, errno.ENOBUFS, errno.EINTR}
"""Errors that are a lost packet and no more: nobody listens yet, a queue is full."""


def run_sender(
    sender: Sender,
    names: Sequence[str],
    wire: Wire,
    addresses: dict[str, tuple[str, int]],
    group: Address | None,
    watch: Callable[[list[SenderOutput]], None],
    also: Sequence[int] = (),
    apart: Collection[str] = (),
    door: Doorkeeper | None = None,
    carry: Callable[[Burst], int] | None = None,
) -> None:
    """Drive `sender` until it has finished.

    `addresses`: where each receiver's unicast packets go; one that is missing is learnt from
    where its messages come from.  `watch` is called in every turn, and at once when one of the
    file descriptors `also` can be read.  `apart`: receivers that `group` does not reach.  `door`
    says whose messages are taken, and counts the others.  `carry`: takes packets to those in
    their masks and returns the mask of those that it cannot reach; they get theirs by unicast, and
    the group is not used.
    """
    to_group = None if group is None or carry is not None else group.sockaddr
    ways = Ways(names, addresses, to_group, apart)
    door = door or Doorkeeper(names, addresses)
    while not sender.finished:
        now = time.monotonic()
        for burst in sender.bursts(now, BATCH):
            if carry is not None:
                left = carry(burst)
                if not left:
                    continue
                burst = burst._replace(mask=left)
            for to in ways.of(burst.mask, sender.stream, sender.deaf):
                wire.send_burst(burst, to)
        outputs: list[SenderOutput] = []
        for data, source in _arrivals(wire):
            now = time.monotonic()
            message = door.admit(data, source, now, sender.active.bit_count())
            if message is not None:
                for output in sender.hear(message, now):
                    outputs.append(output)
                    if isinstance(output, Ignored):
                        door.refuse(output.kind, message.name, source, output.reason, now)
        watch(outputs)
        _wait([wire, *also], sender.deadline)


def run_receiver(
    receiver: Receiver,
    wires: Sequence[Wire],
    sender: Address,
    watch: Callable[[list[ReceiverOutput]], None],
    speaker: Speaker | None = None,
    desk: WaitableDesk | None = None,
    aside: Ranges | None = None,
    also: Sequence[int] = (),
) -> None:
    """Drive `receiver` until it has finished; it talks to `sender` through the first wire.

    `speaker`: puts an authentication code around what it says.  `desk`: stores its blocks.
    `aside`: another way by which blocks come.  `watch` is called in every turn, and at once when
    one of the file descriptors `also` can be read.
    """
    ears: list[Wire | WaitableDesk | int] = [*wires, *also]
    ears += [] if desk is None else [desk]
    ears += [] if aside is None else [aside.fileno()]
    while not receiver.finished:
        outputs: list[ReceiverOutput] = []
        before = receiver.counters.packets
        # A poll that came by unicast was sent after the group's packets that wait in the other
        # socket: those are looked at first, or it would be answered that they are lost.
        receiver.hold_polls()
        for wire in wires:
            for _ in range(DRAIN):
                if not _take(receiver, wire, outputs):
                    break
        outputs += receiver.answer_polls(time.monotonic())
        taken = receiver.counters.packets - before
        now = time.monotonic()
        if receiver.deadline is not None and receiver.deadline <= now:
            outputs += receiver.expire(now)
        if desk is not None:
            # After `expire`, which places files: what is whole now is told before that.
            outputs += receiver.written(now)
        due = receiver.deadline
        if aside is not None:
            outputs += aside.turn(receiver, now)
            due = receiver.deadline
            due = None if due is None else min(due, aside.deadline)
        for output in outputs:
            if isinstance(output, Feedback):
                said = output.message if speaker is None else speaker.wrap(output.message)
                wires[0].send((said,), sender.sockaddr)
        watch(outputs)
        if 0 < taken < COALESCED:
            # It keeps up easily: let some more come, a turn for each would cost more than they do.
            time.sleep(COALESCE)
        else:
            _wait(ears, due)


def _take(receiver: Receiver, wire: Wire, outputs: list[ReceiverOutput]) -> bool:
    """Hand to the receiver what has arrived on a wire; whether there may be more."""
    landing = receiver.landing()
    batch = None if landing is None else wire.receive_batch(landing)
    if batch is not None:
        headers, sizes, others = batch
        if len(sizes):
            outputs += receiver.landed(headers, sizes, time.monotonic())
        for datagram in others:
            outputs += receiver.receive(datagram, time.monotonic())
        return bool(len(sizes) or others)
    count = 0
    for datagram, _ in _arrivals(wire):
        count += 1
        outputs += receiver.receive(datagram, time.monotonic())
        if receiver.landing() is not None and landing is None:
            return True
    return count == BATCH


def _arrivals(wire: Wire) -> Iterator[tuple[bytes, tuple[str, int]]]:
    for _ in range(BATCH):
        arrived = wire.receive()
        if arrived is None:
            return
        yield arrived


def _wait(wires: Sequence[Wire | WaitableDesk | int], deadline: float | None) -> None:
    """Until something arrives or it is time; not at all when the engine has finished (None)."""
    if deadline is not None:
        select.select(wires, (), (), min(max(deadline - time.monotonic(), 0.0), 1.0))
