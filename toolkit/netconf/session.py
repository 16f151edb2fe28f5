"""One NETCONF session of a server: bytes in, bytes out.  RFC 6241 sections 3, 4 and 8.1, RFC 6242.

Sans I/O.  Never raises on what a peer sent: it answers with rpc-errors while messages can be told
apart, and ends the session when they cannot.
"""

from __future__ import annotations

from toolkit.errors import WireError
from toolkit.netconf import messages
from toolkit.netconf.framing import Deframer, Framing, frame
from toolkit.netconf.monitoring import capabilities
from toolkit.netconf.names import BASE_1_0, BASE_1_1
from toolkit.netconf.operations import perform
from toolkit.netconf.router import Device
from toolkit.netconf.rpcerror import RefusedError, RpcError
from toolkit.netconf.tree import Node, parse_xml


class ServerSession:
    """Feed it what the client sends; send what it returns; stop when it is `closed`."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.session_id = device.open()
        self._incoming = Deframer()
        self._greeted = False

    @property
    def closed(self) -> bool:
        """The session has ended: by close-session, kill-session, a protocol error or loss."""
        return not self._device.is_open(self.session_id)

    def greeting(self) -> bytes:
        """Return our <hello>, which does not wait for the client's."""
        uris = capabilities(self._device.modules)
        return frame(messages.hello(uris, self.session_id), Framing.END_OF_MESSAGE)

    def lost(self, now: float) -> None:
        """The transport is gone."""
        if not self.closed:
            self._device.close(self.session_id, now)

    def receive(self, data: bytes, now: float) -> bytes:
        """Return what to answer to `data`; nothing once the session is closed."""
        self._device.expire(now)
        self._incoming.feed(data)
        answers = bytearray()
        while not self.closed:
            try:
                message = self._incoming.next_message()
                if message is None:
                    break
                answers += self._answer(message, now)
            except WireError:
                self.lost(now)
        return bytes(answers)

    def _answer(self, message: bytes, now: float) -> bytes:
        framing = self._incoming.framing
        try:
            root = parse_xml(message)
        except WireError as error:
            if not self._greeted or framing is Framing.END_OF_MESSAGE:
                raise  # malformed-message exists only in base:1.1 (RFC 6241 appendix A)
            fault = RpcError(tag="malformed-message", message=str(error), type="rpc")
            return frame(messages.refusal([fault], {}), framing)
        if not self._greeted:
            self._greet(root)
            return b""
        return frame(self._reply(root, now), framing)

    def _greet(self, root: Node) -> None:
        """Take the client's <hello> and agree on a version (RFC 6241 section 8.1)."""
        hello = messages.parse_hello(root)
        if hello.session_id is not None:
            raise WireError("a client must not send a session-id")
        if BASE_1_1 in hello.capabilities:
            self._incoming.framing = Framing.CHUNKED
        elif BASE_1_0 not in hello.capabilities:
            raise WireError("no common version of NETCONF")
        self._greeted = True

    def _reply(self, root: Node, now: float) -> bytes:
        namespaces = self._device.index.namespaces
        try:
            request = messages.parse_rpc(root)
            content = perform(self._device, self.session_id, request.operation, now)
        except RefusedError as error:
            return messages.refusal(error.errors, namespaces, root.attributes)
        return messages.reply(content, request.attributes)
