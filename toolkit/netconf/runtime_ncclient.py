"""Sessions over SSH, by ncclient.

ncclient 0.7 carries the bytes, frames and message-ids; requests and replies are text that we write
and read ourselves, since its own XML handling moves subtrees and loses the prefixes of values on
the way, and since its RPCError is half empty when a reply holds several errors.
"""

from __future__ import annotations

import io
import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import paramiko
from lxml import etree
from ncclient.devices.default import DefaultDeviceHandler
from ncclient.operations.rpc import RPC
from ncclient.transport.errors import NCClientError, SessionError, TransportError
from ncclient.transport.session import NetconfBase
from ncclient.transport.ssh import SSHSession

from toolkit.errors import DeviceError, UnreachableError, WireError
from toolkit.netconf import hostkey
from toolkit.netconf.messages import Reply, parse_reply, rpc
from toolkit.netconf.rpcerror import RpcError

_MESSAGE_ID: Final = re.compile(r"""\smessage-id\s*=\s*("[^"]*"|'[^']*')""")
_BEGINNING: Final = 1024
"""Characters of a message that are looked at to see whose it is."""
_PATIENCE: Final = 0.05
"""Seconds; how often a request that waits looks whether its session still lives."""
_BROKEN: Final = (NCClientError, paramiko.SSHException, OSError, EOFError)

for _library in ("ncclient", "paramiko"):
    # What they would log on standard error, tracebacks included, reaches people as our own errors.
    logging.getLogger(_library).addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One device and how to get in."""

    device: str
    host: str
    port: int = 830
    username: str = ""
    password: str | None = field(default=None, repr=False)
    key_file: Path | None = None
    private_key: str | None = field(default=None, repr=False)
    """A private key itself (PEM), where it is in no file."""
    agent: bool = False
    """Ask the SSH agent and the user's own keys too; always so without password and key."""
    host_key: str = ""
    """Public key of the server, OpenSSH form; empty: known_hosts decides."""
    platform: str = "reference"
    profile: str = "reference"


class _TextRpc(RPC):  # type: ignore[misc]  # ncclient ships no types
    """A request whose operation is already text; sent at once, answered later."""

    def _wrap(self, operation: str) -> str:
        return rpc(operation, self._id)

    def request(self, operation: str) -> None:
        self._request(operation)


def _private_key(target: Target) -> paramiko.PKey | None:
    if target.private_key is None:
        return None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(io.StringIO(target.private_key), target.password)
    raise UnreachableError(target.device, "its private key cannot be read", "it is no OpenSSH key")


class _Session(SSHSession):  # type: ignore[misc]  # ncclient ships no types
    """ncclient's session on an SSH connection that is made elsewhere.

    Its own `connect` asks a server with an RSA key for an algorithm that no longer exists, and
    waits 15 s for a server that says nothing.  Its own `send` leaves a message for a loop that
    looks every 0.1 s; looking more often, with many sessions, costs more than all that is sent.
    """

    def attach(self, transport: paramiko.Transport, timeout: float) -> None:
        """Open the netconf subsystem and exchange hellos; sending may take `timeout` seconds."""
        self._transport = transport
        self._sending = threading.Lock()
        self._connected = True
        self._channel = transport.open_session(timeout=timeout)
        self._channel.set_name("netconf")
        self._channel_id = self._channel.get_id()
        self._channel_name = self._channel.get_name()
        self._channel.settimeout(timeout)
        self._channel.invoke_subsystem("netconf")
        self._post_connect(timeout)
        self.parser = self._device_handler.get_xml_parser(self)

    def send(self, message: str) -> None:
        """Send a message at once, framed as the hellos have agreed (RFC 6242 section 4)."""
        if not self.connected:
            raise TransportError("not connected")
        data = message.encode()
        chunked = self._base == NetconfBase.BASE_11
        with self._sending:
            self._channel.sendall(
                b"\n#%d\n%b\n##\n" % (len(data), data) if chunked else data + b"]]>]]>"
            )

    def _dispatch_message(self, raw: str) -> None:
        """Hand a message to whom it is for.  Its beginning tells; ncclient would parse it all."""
        root = _root(raw[:_BEGINNING])
        if root is None:
            super()._dispatch_message(raw)
            return
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.callback(root, raw)


def _root(beginning: str) -> tuple[str, Mapping[str, str]] | None:
    """Return name and attributes of the root, where the beginning of a message has all of it."""
    parser = etree.XMLPullParser(events=("start",), resolve_entities=False, no_network=True)
    try:
        parser.feed(beginning.encode())
        for _, element in parser.read_events():
            if isinstance(element, etree._Element):
                return str(element.tag), {str(k): str(v) for k, v in element.attrib.items()}
    except etree.XMLSyntaxError:
        pass  # ncclient's own way of telling
    return None


class Connection:
    """One NETCONF session with one device."""

    def __init__(self, target: Target, *, timeout: float, settle: float = 0.0) -> None:
        """Connect and say hello; each step may take `timeout` seconds.  Raises UnreachableError."""
        self._device, self._timeout = target.device, timeout
        self._last: tuple[str, Reply | None] = "", None
        self._handler = DefaultDeviceHandler({"name": "default"})
        self._session = _Session(self._handler)
        self._client = hostkey.trusting_client(
            target.device, target.host, target.port, target.host_key
        )
        where = f"{target.host} port {target.port}"
        if target.key_file is not None and not target.key_file.is_file():
            raise UnreachableError(target.device, f"there is no key file {target.key_file}")
        sock = hostkey.open_socket(target.device, target.host, target.port, timeout)
        connected = False
        try:
            self._log_in(target, sock, timeout)
            transport = self._client.get_transport()
            if transport is None:
                raise paramiko.SSHException("the connection closed at once")
            self._session.attach(transport, timeout)
            connected = True
        except paramiko.BadHostKeyException as error:
            raise hostkey.mismatch(target.device, error) from None
        except paramiko.AuthenticationException:
            raise UnreachableError(
                target.device,
                f"{where} refuses user {target.username!r}",
                "check management.username, password and key",
            ) from None
        except _BROKEN as error:
            if "No authentication methods" in str(error):
                raise UnreachableError(
                    target.device,
                    f"there is nothing to log in to {where} with",
                    "check management.username, password and key",
                ) from None
            raise UnreachableError(
                target.device, f"no NETCONF session with {where}: {error or type(error).__name__}"
            ) from None
        finally:
            if not connected:
                self.close()
                sock.close()
        time.sleep(settle)

    def _log_in(self, target: Target, sock: Any, timeout: float) -> None:  # noqa: ANN401
        given = (target.password, target.key_file, target.private_key)
        alone = all(credential is None for credential in given)
        self._client.connect(
            target.host,
            target.port,
            username=target.username or None,
            password=target.password,
            pkey=_private_key(target),
            key_filename=str(target.key_file) if target.key_file else None,
            # Keys that nobody asked for count as failed attempts on the server.
            allow_agent=target.agent or alone,
            look_for_keys=target.agent or alone,
            sock=sock,
            timeout=timeout,
            banner_timeout=timeout,
            auth_timeout=timeout,
            channel_timeout=timeout,
        )

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server's hello announced."""
        return frozenset(self._session.server_capabilities)

    def request(self, operation: str) -> Reply:
        """Send the XML of an operation and return its reply.

        Raises DeviceError for rpc-errors (warnings are none), ConnectionError when the session is
        lost or the answer does not come in time.
        """
        device = self._device
        try:
            reply = self._parsed(self._exchange(operation))
        except TimeoutError:
            self.close()
            raise ConnectionError(f"{device}: no answer within {self._timeout:g} s") from None
        except _BROKEN as error:
            self.close()
            reason = str(error) or type(error).__name__
            raise ConnectionError(f"{device}: the session was lost: {reason}") from None
        except WireError as error:
            self.close()
            raise ConnectionError(f"{device}: the answer makes no sense: {error}") from None
        if reply.errors:
            raise _device_error(device, reply.errors)
        return reply

    def _parsed(self, text: str) -> Reply:
        """Return a reply as values; one that differs in its message-id alone is the last one."""
        said = _MESSAGE_ID.sub("", text, count=1)
        known, reply = self._last
        if reply is None or said != known:
            reply = parse_reply(text)
            self._last = said, reply
        return reply

    def _exchange(self, operation: str) -> str:
        """Return the text of the reply to `operation`."""
        call = _TextRpc(self._session, self._handler, async_mode=True)
        call.request(operation)
        deadline = time.monotonic() + self._timeout
        while not call.event.wait(_PATIENCE):
            if time.monotonic() >= deadline:
                raise TimeoutError
            # A session that breaks while a request is on its way to it tells the request nothing.
            if not self._session.is_alive() and not call.event.is_set():
                raise SessionError("the connection is closed")
        if call.error is not None:
            raise call.error
        return str(call.reply.xml)

    def close(self) -> None:
        """Drop the session without a word."""
        with suppress(*_BROKEN):
            if self._session.transport is not None:
                self._session.close()
        self._client.close()

    def leave(self) -> None:
        """End the session politely."""
        if self._session.connected:
            with suppress(DeviceError, ConnectionError):
                self.request("<close-session/>")
        self.close()


def _device_error(device: str, errors: Sequence[RpcError]) -> DeviceError:
    first, *others = errors
    message = first.message or "no message"
    if first.tag in ("lock-denied", "in-use"):
        holder = dict(first.info).get("session-id")
        message += f" (held by session {holder})" if holder and holder != "0" else ""
    for other in others:
        message += f"; {other.tag}: {other.message}" + (f" at {other.path}" if other.path else "")
    return DeviceError(device, first.tag, message, first.path)
