"""One NETCONF session of a server: bytes in, bytes out.  RFC 6241 sections 3, 4 and 8.1, RFC 6242.

Sans I/O.  Never raises on what a peer sent: it answers with rpc-errors while messages can be told
apart, and ends the session when they cannot.  Notifications (RFC 5277) come out of `pending`, as do
answers that a fault holds back until `deadline`.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from toolkit.errors import WireError
from toolkit.netconf import messages
from toolkit.netconf.events import Ending
from toolkit.netconf.faults import FaultKind
from toolkit.netconf.framing import Deframer, Framing, frame
from toolkit.netconf.locks import denied
from toolkit.netconf.monitoring import capabilities
from toolkit.netconf.names import BASE_1_0, BASE_1_1
from toolkit.netconf.operations import labels, perform
from toolkit.netconf.router import Device
from toolkit.netconf.rpcerror import RefusedError, RpcError
from toolkit.netconf.tree import Node, parse_xml

_MEGABYTE: Final = 1_000_000
_CUT: Final = 2
"""Bytes of the mark that ends a message which come late when it is split."""


class ServerSession:
    """Feed it what the client sends; send what it returns; stop when it is `closed`."""

    def __init__(self, device: Device, *, user: str = "", host: str = "", now: float = 0.0) -> None:
        """`user` has proved who they are, from the IP address `host`."""
        self._device = device
        self.session_id = device.open(user, host, now)
        self._incoming = Deframer()
        self._greeted = False
        self._outgoing: deque[tuple[float, bytes]] = deque()
        """What is to be sent, in this order, and the time before which it is not."""

    @property
    def closed(self) -> bool:
        """The session has ended: by close-session, kill-session, a protocol error or loss."""
        return not self._device.is_open(self.session_id)

    @property
    def finished(self) -> bool:
        """The session has ended and nothing of it is left to send."""
        return self.closed and not self._outgoing

    @property
    def deadline(self) -> float | None:
        """When `pending` must be called next; None when nothing waits."""
        times = [self._outgoing[0][0]] if self._outgoing else []
        subscription = self._device.stream.subscriptions.get(self.session_id)
        if subscription is not None and subscription.stop is not None:
            times.append(subscription.stop - self._device.epoch)
        return min(times, default=None)

    def greeting(self) -> bytes:
        """Return our <hello>, which does not wait for the client's."""
        uris = capabilities(self._device)
        return frame(messages.hello(uris, self.session_id), Framing.END_OF_MESSAGE)

    def lost(self, now: float, ending: Ending = Ending.DROPPED) -> None:
        """The transport is gone."""
        self._outgoing.clear()
        if not self.closed:
            self._device.close(self.session_id, now, ending)

    def receive(self, data: bytes, now: float) -> bytes:
        """Return what to answer to `data`; nothing once the session is closed."""
        self._device.expire(now)
        self._incoming.feed(data)
        while not self.closed:
            try:
                message = self._incoming.next_message()
                if message is None:
                    break
                self._take(message, now)
            except WireError:
                self.lost(now, Ending.DROPPED if self._greeted else Ending.BAD_HELLO)
        return self.pending(now)

    def pending(self, now: float) -> bytes:
        """Return what is to be sent by now: notifications, and answers that were held back."""
        for notice in self._device.stream.take(self.session_id, self._device.epoch + now):
            message = messages.document(notice)
            self._outgoing.append((now, frame(message, self._incoming.framing)))
        ready = bytearray()
        while self._outgoing and self._outgoing[0][0] <= now:
            ready += self._outgoing.popleft()[1]
        return bytes(ready)

    def _take(self, message: bytes, now: float) -> None:
        framing = self._incoming.framing
        try:
            root = parse_xml(message)
        except WireError as error:
            if not self._greeted or framing is Framing.END_OF_MESSAGE:
                raise  # malformed-message exists only in base:1.1 (RFC 6241 appendix A)
            fault = RpcError(tag="malformed-message", message=str(error), type="rpc")
            self._outgoing.append((now, frame(messages.refusal([fault], {}), framing)))
            return
        if not self._greeted:
            self._greet(root)
            return
        self._answer(root, framing, now)

    def _greet(self, root: Node) -> None:
        """Take the client's <hello> and agree on a version (RFC 6241 section 8.1)."""
        hello = messages.parse_hello(root)
        if hello.session_id is not None:
            raise WireError("a client must not send a session-id")
        ours = capabilities(self._device)
        if BASE_1_1 in hello.capabilities and BASE_1_1 in ours:
            self._incoming.framing = Framing.CHUNKED
        elif BASE_1_0 not in hello.capabilities:
            raise WireError("no common version of NETCONF")
        self._greeted = True

    def _answer(self, root: Node, framing: Framing, now: float) -> None:
        """Carry out a request, with the faults that strike it, and queue the reply."""
        namespaces = self._device.index.namespaces
        strikes: dict[FaultKind, float] = {}
        try:
            request = messages.parse_rpc(root)
            names = labels(self._device, request.operation)
            strikes = self._device.trouble.strikes(names)
            if FaultKind.GONE in strikes:
                self._device.unreachable = True
            if FaultKind.GONE in strikes or FaultKind.DROP_BEFORE in strikes:
                self.lost(now)
                return
            if FaultKind.LOCK_DENIED in strikes:
                raise denied(0, "somebody else holds the lock")
            content = perform(self._device, self.session_id, request.operation, now)
            reply = messages.reply(content, request.attributes)
        except RefusedError as error:
            reply = messages.refusal(error.errors, namespaces, root.attributes)
        if FaultKind.DROP_AFTER in strikes:
            self.lost(now)
            return
        if FaultKind.HUGE_REPLY in strikes:
            head, end, name = reply.rpartition(b"</")
            reply = head + b" " * round(strikes[FaultKind.HUGE_REPLY] * _MEGABYTE) + end + name
        due = now + strikes.get(FaultKind.SLOW, 0.0)
        framed = frame(reply, framing)
        if FaultKind.SPLIT_DELIMITER in strikes:
            self._outgoing.append((due, framed[:-_CUT]))
            due, framed = due + strikes[FaultKind.SPLIT_DELIMITER], framed[-_CUT:]
        self._outgoing.append((due, framed))
