"""Where a router's NETCONF server is and how we prove who we are: by reference only.

Pure.  No message made here repeats what was written: a value in the wrong place may be the secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import ip_address

from toolkit.inventory.model import Secret
from toolkit.inventory.refusal import Refusal

ENVIRONMENT_PATTERN = "^[A-Za-z_][A-Za-z0-9_]*$"

_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_DNS_LABEL = re.compile("[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
)


def parse_password(value: object) -> Secret:
    """Return a reference to a password: `{env: NAME}` or `{file: PATH}`."""
    if value == "agent":
        raise Refusal("an SSH agent holds keys, not passwords", "write 'key: agent'", whole=True)
    return _parse_secret(value, "write {env: NAME} or {file: PATH}")


def parse_key(value: object) -> Secret:
    """Return a reference to a private key: `agent`, `{env: NAME}` or `{file: PATH}`."""
    if value == "agent":
        return Secret(kind="agent")
    return _parse_secret(value, "write agent, {env: NAME} or {file: PATH}")


def _parse_secret(value: object, remedy: str) -> Secret:
    if isinstance(value, str | int | float | bool):
        raise Refusal("a secret must not stand in an inventory", remedy, whole=True)
    if not isinstance(value, dict) or len(value) != 1:
        raise Refusal("this is not a reference to a secret", remedy, whole=True)
    kind, name = next(iter(value.items()))
    if kind == "env":
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise Refusal(
                "'env' takes the name of an environment variable, not its value",
                "write it like {env: ROUTER_PASSWORD}",
                whole=True,
            )
    elif kind == "file":
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise Refusal("'file' takes the path of a file", remedy, whole=True)
    else:
        raise Refusal("this is not a reference to a secret", remedy, whole=True)
    return Secret(kind=kind, name=name)


def parse_host(value: object) -> str:
    """Return an address or a DNS name."""
    if isinstance(value, str):
        try:
            return str(ip_address(value))
        except ValueError:
            pass
        labels = value.removesuffix(".").split(".")
        numeric = all(label.isdecimal() for label in labels)
        if len(value) <= 253 and not numeric and all(map(_DNS_LABEL.fullmatch, labels)):
            return value
    remedy = "no scheme, user or port here; 'username' and 'port' have their own keys"
    raise Refusal("this is not an address or a DNS name", remedy, whole=True)


def parse_username(value: object) -> str:
    """Return a user name without blanks and control characters."""
    if not isinstance(value, str):
        raise Refusal("is not a user name", "put it in quotes")
    if not value or not value.isprintable() or any(c.isspace() for c in value):
        raise Refusal("is not a user name", "no blanks")
    return value


def parse_host_key(value: object) -> str:
    """Return `TYPE BASE64` of a server's public key in OpenSSH form, its comment dropped."""
    like = "write it like the server's .pub file: ssh-ed25519 AAAA..."
    if isinstance(value, str):
        if value.startswith(("SHA256:", "MD5:")):
            raise Refusal("is a fingerprint, the public key itself is expected", like)
        parts = value.split()
        if len(parts) >= 2 and parts[0] in _KEY_TYPES and _names_itself(parts[0], parts[1]):
            return f"{parts[0]} {parts[1]}"
    raise Refusal("this is not a public key in OpenSSH form", like, whole=True)


def _names_itself(kind: str, blob: str) -> bool:
    """Tell whether a key begins with its own type (RFC 4253 section 6.6)."""
    try:
        data = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    length = len(kind)
    return data[:4] == length.to_bytes(4, "big") and data[4 : 4 + length] == kind.encode()
