"""Control messages that prove who said them: an authentication code around each.  Optional.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------------------------------+---------------+---------------+
    |          "LA" (0x4C41)        |  Version (1)  |       0       |
    +-------------------------------+---------------+---------------+
    |                     Counter (64 bit)                          |
    |                                                               |
    +---------------------------------------------------------------+
    |  HMAC-SHA-256 of version, counter and message, 128 bit of it  |
    |                             ...                               |
    +---------------------------------------------------------------+
    |  the control message (`toolkit.delivery.control`)             |

Sender and receivers share a token; each receiver's key is derived from it and from the receiver's
name (HKDF), so nobody's messages pass for another's.  (Every holder of the token can derive every
key: hand each receiver its own `key_of` where one does not trust the others.)  The counter counts
on within one incarnation of the receiver, and a window of 64 lets messages overtake each other:
what was said once is not taken twice.

Pure.
"""

from __future__ import annotations

import hmac
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from toolkit.delivery import control
from toolkit.delivery.control import Message
from toolkit.delivery.members import newer
from toolkit.delivery.refusal import Refusal
from toolkit.errors import WireError

MAGIC = b"LA"
VERSION = 1
WINDOW = 64
"""Messages that may be overtaken by another."""

_HEAD = struct.Struct("!2sBBQ")
_CODE = 16
_OVERHEAD = _HEAD.size + _CODE


class AuthenticError(WireError):
    """A message is not authentic, or was said before."""

    def __init__(self, reason: str, kind: Refusal) -> None:
        self.kind = kind
        super().__init__(reason)


def key_of(token: bytes, name: str) -> bytes:
    """Return the key of one receiver."""
    info = b"llmsync control 1 " + name.encode()
    return HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(token)


class Speaker:
    """A receiver's side: wraps what it says.  One for each incarnation."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._counter = 0

    def wrap(self, message: bytes) -> bytes:
        self._counter += 1
        head = _HEAD.pack(MAGIC, VERSION, 0, self._counter)
        return head + _code(self._key, head, message) + message


class Listener:
    """The sender's side: unwraps what its receivers say."""

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._keys: dict[str, bytes] = {}
        self._heard: dict[str, tuple[int, int, int]] = {}
        """Name -> incarnation, highest counter, and which of the WINDOW before it were heard."""

    def unwrap(self, data: bytes) -> Message:
        """Return the message in a datagram.  Raises AuthenticError, or WireError from `parse`."""
        if len(data) < _OVERHEAD or data[:2] != MAGIC or data[2] != VERSION:
            raise AuthenticError(
                "a control message without an authentication code (start that receiver with "
                "--control-token)",
                Refusal.UNAUTHENTIC,
            )
        head, code, inner = data[: _HEAD.size], data[_HEAD.size : _OVERHEAD], data[_OVERHEAD:]
        message = control.parse(inner)
        key = self._keys.get(message.name)
        made = key or key_of(self._token, message.name)
        if not hmac.compare_digest(_code(made, head, inner), code):
            raise AuthenticError(
                f"a control message in the name of {message.name!r} has a wrong authentication "
                "code (give both ends the same --control-token)",
                Refusal.UNAUTHENTIC,
            )
        self._keys[message.name] = made  # Of proven names only: their number is bounded.
        self._note(message, _HEAD.unpack(head)[3])
        return message

    def _note(self, message: Message, counter: int) -> None:
        incarnation, highest, seen = self._heard.get(message.name, (message.incarnation, 0, 0))
        if message.incarnation != incarnation:
            if not newer(message.incarnation, incarnation):
                raise AuthenticError(
                    f"{message.name!r} said that before it was started again", Refusal.REPLAYED
                )
            highest = seen = 0
        if counter > highest:
            seen = (
                (seen << counter - highest | 1) & (1 << WINDOW) - 1
                if (counter - highest < WINDOW)
                else 1
            )
            highest = counter
        else:
            bit = 1 << highest - counter if highest - counter < WINDOW else 0
            if not bit or seen & bit:
                raise AuthenticError(f"{message.name!r} said that before", Refusal.REPLAYED)
            seen |= bit
        self._heard[message.name] = message.incarnation, highest, seen


def _code(key: bytes, head: bytes, message: bytes) -> bytes:
    return hmac.digest(key, head + message, "sha256")[:_CODE]
