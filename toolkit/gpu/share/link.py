"""One connection between a host and an agent: messages with descriptors over a unix socket.

Sending never blocks: what the socket does not take waits.  What waits is bounded by the window,
since nothing is told of a block twice, and lists are sent from where they are.
"""

from __future__ import annotations

import array
import os
import select
import socket
from collections import deque

from toolkit.errors import WireError
from toolkit.gpu.share.wire import WITH_DESCRIPTOR, Inbox, Message, encode

READ = 256 * 2**10
MAX_DESCRIPTORS = 64
"""Received with one read at most."""
MAX_WAITING = 4096
"""Descriptors that may wait for their message."""
_ANCILLARY = socket.CMSG_SPACE(MAX_DESCRIPTORS * 4)


class Link:
    """A connected, non-blocking unix socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._out: deque[tuple[Message | memoryview, int | None]] = deque()
        """What is to be sent, and the descriptor that goes with it."""
        self._own: set[int] = set()
        """Descriptors that are closed when they were sent."""
        self._inbox = Inbox()
        self._descriptors: deque[int] = deque()
        self._broken = False
        """Nothing can be sent any more."""
        self.ended = False
        """The other end has closed it, or is gone, and all that it said was read."""

    def fileno(self) -> int:
        return self._sock.fileno()

    def credentials(self) -> tuple[int, int]:
        """Return the process and the user at the other end."""
        found = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, uid, _ = array.array("i", found)
        return pid, uid

    # ----- sending

    @property
    def waiting(self) -> bool:
        """Whether something waits for the socket to take it."""
        return bool(self._out)

    def send(self, message: Message, descriptor: int | None = None, *, close: bool = False) -> None:
        """Send a message, with a descriptor: `close`: which is then closed here."""
        if close and descriptor is not None:
            self._own.add(descriptor)
        self._out.append((message, descriptor))
        if self._broken:
            self._drop()

    def send_raw(self, data: bytes) -> None:
        """Send a message that is encoded already."""
        if not self._broken:
            self._out.append((memoryview(data), None))

    def flush(self) -> None:
        """Hand to the socket what it takes."""
        while self._out:
            said, descriptor = self._out[0]
            data = said if isinstance(said, memoryview) else memoryview(encode(said))
            extra = []
            if descriptor is not None:
                extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
            if data is not said:
                self._out[0] = data, descriptor
            try:
                sent = self._sock.sendmsg([data], extra, socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # What the other end has said before it went is still read.
                self._drop()
                self._broken = True
                return
            self._sent(descriptor)
            if sent == len(data):
                self._out.popleft()
            else:
                self._out[0] = data[sent:], None

    # ----- receiving

    def receive(self) -> list[Message]:
        """Return what has come.  Raises WireError; descriptors are had by `descriptor`."""
        found: list[Message] = []
        while not self.ended:
            try:
                data, extra, flags, _ = self._sock.recvmsg(
                    READ, _ANCILLARY, socket.MSG_CMSG_CLOEXEC
                )
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self.ended = True
                break
            for level, kind, content in extra:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                    self._descriptors.extend(numbers)
            if flags & socket.MSG_CTRUNC or len(self._descriptors) > MAX_WAITING:
                raise WireError("descriptors were lost: too many files are open here")
            if not data:
                self.ended = True
                break
            found += self._inbox.feed(data)
            if len(data) < READ // 2:
                break
        return found

    def descriptor(self, message: Message) -> int:
        """Return the descriptor that came with a message, which the caller closes."""
        if not isinstance(message, WITH_DESCRIPTOR) or not self._descriptors:
            raise WireError(f"a {type(message).__name__} without its descriptor")
        return self._descriptors.popleft()

    def hung_up(self) -> bool:
        """Whether the other end has closed it, even if not all that it said has been read."""
        poll = select.poll()
        poll.register(self._sock, select.POLLRDHUP)
        return self.ended or bool(poll.poll(0))

    def close(self) -> None:
        """Close it, and every descriptor that nobody took."""
        self.ended = self._broken = True
        self._drop()
        while self._descriptors:
            os.close(self._descriptors.popleft())
        self._sock.close()

    def _drop(self) -> None:
        while self._out:
            self._sent(self._out.popleft()[1])

    def _sent(self, descriptor: int | None) -> None:
        if descriptor in self._own:
            self._own.discard(descriptor)
            os.close(descriptor)
