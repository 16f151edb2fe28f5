"""Where a NETCONF message ends.  RFC 6242 section 4.

    end-of-message (base:1.0, and every <hello>):   message "]]>]]>"
    chunked (base:1.1):  Chunked-Message = 1*chunk end-of-chunks
                         chunk           = LF HASH chunk-size LF chunk-data
                         chunk-size      = 1*DIGIT1 0*DIGIT       ; 1..4294967295, no leading zero
                         end-of-chunks   = LF HASH HASH LF

Pure and incremental: bytes may arrive in any pieces.  A framing error is a WireError; the session
must end, since nothing tells where the next message starts.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from toolkit.errors import WireError

END_OF_MESSAGE: Final = b"]]>]]>"
END_OF_CHUNKS: Final = b"\n##\n"
MAX_CHUNK: Final = 4294967295
MAX_MESSAGE: Final = 64 * 1024 * 1024
"""Longer messages are refused, so that a peer cannot take all memory."""

_MAX_HEADER: Final = len(b"\n#4294967295\n")


class Framing(Enum):
    END_OF_MESSAGE = "base:1.0"
    CHUNKED = "base:1.1"


def frame(message: bytes, framing: Framing) -> bytes:
    """Return `message` as it travels."""
    if framing is Framing.END_OF_MESSAGE:
        if END_OF_MESSAGE in message:
            raise ValueError("the message contains the end-of-message mark")
        return message + END_OF_MESSAGE
    if not message:
        raise ValueError("a chunked message has at least one byte")
    chunks = [message[i : i + MAX_CHUNK] for i in range(0, len(message), MAX_CHUNK)]
    return b"".join(b"\n#%d\n%b" % (len(chunk), chunk) for chunk in chunks) + END_OF_CHUNKS


class Deframer:
    """Cuts a byte stream into messages.

    `framing` may be changed between two messages: what has arrived but was not asked for yet is cut
    by the new rule (a client may send its first request right behind its <hello>).
    """

    def __init__(self, *, limit: int = MAX_MESSAGE) -> None:
        self.framing = Framing.END_OF_MESSAGE
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._chunks = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer."""
        self._buffer += data

    def next_message(self) -> bytes | None:
        """Return the next whole message, None until more bytes arrive.  Raises WireError."""
        if self.framing is Framing.END_OF_MESSAGE:
            return self._next_marked()
        return self._next_chunked()

    def _next_marked(self) -> bytes | None:
        end = self._buffer.find(END_OF_MESSAGE, self._scanned)
        if end < 0:
            self._check_size(len(self._buffer))
            # The mark may have arrived in part.
            self._scanned = max(0, len(self._buffer) - len(END_OF_MESSAGE) + 1)
            return None
        self._check_size(end)
        message = bytes(self._buffer[:end])
        del self._buffer[: end + len(END_OF_MESSAGE)]
        self._scanned = 0
        return message

    def _next_chunked(self) -> bytes | None:
        self._scanned = 0
        while True:
            header = self._header()
            if header is None:
                return None
            size, start = header
            if size == 0:
                if not self._chunks:
                    raise WireError("chunked framing: a message without a chunk")
                message = bytes(self._chunks)
                self._chunks.clear()
                del self._buffer[:start]
                return message
            self._check_size(len(self._chunks) + size)
            if len(self._buffer) < start + size:
                return None
            self._chunks += self._buffer[start : start + size]
            del self._buffer[: start + size]

    def _header(self) -> tuple[int, int] | None:
        """Return the chunk's size (0: end of chunks) and where its data starts."""
        head = bytes(self._buffer[:_MAX_HEADER])
        if not b"\n#".startswith(head[:2]):
            raise WireError(f"chunked framing: {head[:2]!r} where LF HASH is expected")
        if head.startswith(b"\n##"):
            if len(head) > 3 and head[3:4] != b"\n":
                raise WireError(f"chunked framing: {head[:4]!r} is no end of chunks")
            return (0, 4) if len(head) > 3 else None
        digits, newline, _ = head[2:].partition(b"\n")
        if digits.startswith(b"0") or (digits and not digits.isdigit()):
            raise WireError(f"chunked framing: {digits!r} is no chunk size")
        if newline and not digits:
            raise WireError("chunked framing: the chunk size is missing")
        if len(digits) > 10 or (digits and int(digits) > MAX_CHUNK):
            raise WireError(f"chunked framing: chunk size {digits!r} exceeds {MAX_CHUNK}")
        return (int(digits), 2 + len(digits) + 1) if newline else None

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise WireError(f"a message of more than {self._limit} bytes")
