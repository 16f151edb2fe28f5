"""Is the server who we think it is?  Host keys, known_hosts, and an answer in time.

The key is always checked: against the one in the inventory, else against known_hosts.
"""

from __future__ import annotations

import base64
import hashlib
import socket
from pathlib import Path

import paramiko

from toolkit.errors import UnreachableError


def fingerprint(key: bytes) -> str:
    """Return OpenSSH's fingerprint of a public key blob."""
    digest = hashlib.sha256(key).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def open_socket(device: str, host: str, port: int, timeout: float) -> socket.socket:
    """Return a connection on which an SSH server has begun to speak within `timeout` seconds.

    paramiko waits 15 s for the banner whatever its caller's patience, so the banner is awaited
    here.
    """
    where = f"{host} port {port}"
    try:
        sock = socket.create_connection((host, port), timeout)
    except TimeoutError:
        raise UnreachableError(device, f"{where} does not answer within {timeout:g} s") from None
    except socket.gaierror as error:
        raise UnreachableError(
            device, f"{host}: {error.strerror}", "check management.host"
        ) from None
    except OSError as error:
        raise UnreachableError(
            device, f"{where}: {error.strerror or error}", "is its NETCONF server running?"
        ) from None
    # Requests are small and each waits for its answer: nothing is gained by holding them back.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        first = sock.recv(4, socket.MSG_PEEK)
    except TimeoutError:
        sock.close()
        raise UnreachableError(
            device, f"{where} accepts connections but says nothing within {timeout:g} s"
        ) from None
    except OSError as error:
        sock.close()
        raise UnreachableError(device, f"{where}: {error.strerror or error}") from None
    if not first:
        sock.close()
        raise UnreachableError(device, f"{where} closes the connection at once")
    return sock


class _Refuse(paramiko.MissingHostKeyPolicy):
    """What nobody vouches for is refused, with the fingerprint to compare."""

    def __init__(self, device: str) -> None:
        self._device = device

    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002 - paramiko's
        hostname: str,  # noqa: ARG002 - paramiko's
        key: paramiko.PKey,
    ) -> None:
        raise UnreachableError(
            self._device,
            f"its host key {fingerprint(key.asbytes())} is not in {known_hosts()}",
            "compare it on the router's console, then set management.host_key",
        )


def trusting_client(device: str, host: str, port: int, pinned: str) -> paramiko.SSHClient:
    """Return an SSH client that talks to the owner of the key `pinned` alone.

    `pinned` is an OpenSSH public key; when empty, the user's known_hosts is asked.
    """
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_Refuse(device))
    if pinned:
        name = host if port == paramiko.config.SSH_PORT else f"[{host}]:{port}"
        key = _public_key(device, pinned)
        client.get_host_keys().add(name, key.get_name(), key)
    elif known_hosts().is_file():
        client.load_system_host_keys(str(known_hosts()))
    return client


def _public_key(device: str, text: str) -> paramiko.PKey:
    """Return the key in `ssh-ed25519 AAAA... comment`, or in AAAA... alone."""
    encoded = next((f for f in text.split() if f.startswith("AAAA")), "")
    try:
        blob = base64.b64decode(encoded, validate=True)
        kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii")
        return paramiko.PKey.from_type_string(kind, blob)
    except (ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        raise UnreachableError(
            device, "its host_key is no OpenSSH public key", "it looks like: ssh-ed25519 AAAA..."
        ) from None


def mismatch(device: str, error: paramiko.BadHostKeyException) -> UnreachableError:
    """Return the error for a server with another key than the one it should have."""
    shown, expected = (fingerprint(k.asbytes()) for k in (error.key, error.expected_key))
    return UnreachableError(
        device,
        f"its host key is {shown}, not {expected}",
        "somebody may be in between; if the router was replaced, correct management.host_key",
    )


def known_hosts() -> Path:
    """Return where OpenSSH keeps the keys of servers that the user trusts."""
    return Path("~/.ssh/known_hosts").expanduser()
