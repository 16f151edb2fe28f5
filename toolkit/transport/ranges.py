"""HTTP ranges for a receiver that packets do not reach: threads that ask, one that decides.

The threads only move bytes; everything that comes is judged by `toolkit.delivery.fetching` in the
thread that drives the receiver.  Redirections are not followed, certificates are verified, and an
answer takes no more memory than was asked for.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import queue
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from toolkit.delivery.events import Completed, Failed, ReceiverOutput
from toolkit.delivery.fetching import Answer, Fetcher, Kind, Want, hopeless, next_due
from toolkit.delivery.receiver import Receiver
from toolkit.errors import IncompleteError, UsageError

PATIENCE = 15.0
"""Seconds that a server may be silent within an answer."""
SLOWEST = 120.0
"""Seconds that one answer may take."""
TELL = 1.0
"""Seconds between two messages to the sender that we fetch."""
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where files are, and how to get them.

    `url`: a folder with `manifest`, `digests/PATH` and `files/PATH` in it, as llmsync's service
    has it; or with `{path}` in it, of files alone.
    """

    url: str
    context: ssl.SSLContext | None = None
    """None: the system's authorities."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment:
            raise UsageError(f"--fallback {self.url}: not an http:// or https:// address")

    @property
    def offers_all(self) -> bool:
        """Manifest and digests are there, too."""
        return "{path}" not in self.url

    def target(self, want: Want) -> str:
        """Path of a request."""
        path = urlsplit(self.url).path
        quoted = quote(want.path)
        if not self.offers_all:
            return path.replace("{path}", quoted)
        place = {Kind.MANIFEST: "manifest", Kind.DIGESTS: f"digests/{quoted}"}
        return f"{path.rstrip('/')}/{place.get(want.kind, f'files/{quoted}')}"

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection, not yet opened."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=PATIENCE)
        context = self.context or ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=PATIENCE, context=context)


class Ranges:
    """Beside a receiver's sockets: fetches while no packets of data come.

    `after`: seconds without any after which fetching begins; they end it.  `timeout`: seconds
    without anything that is right after which `alone` gives up.
    """

    def __init__(
        self, server: Server, fetcher: Fetcher, *, after: float, timeout: float, threads: int
    ) -> None:
        self.fetcher = fetcher
        self.active = False
        self.deadline = 0.0
        """When `turn` wants to be called."""
        self._server = server
        self._after = after
        self._timeout = timeout
        self._packets = -1
        self._quiet_since = 0.0
        self._told = -math.inf
        self._wants: queue.SimpleQueue[Want | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Want, Answer]] = queue.SimpleQueue()
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._open: set[http.client.HTTPConnection] = set()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def fileno(self) -> int:
        """Can be read when there is an answer."""
        return self._bell.fileno()

    def turn(self, receiver: Receiver, now: float) -> list[ReceiverOutput]:
        """Take what has come, ask for more."""
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(4096)
        outputs = self._toggle(receiver, now)
        with contextlib.suppress(queue.Empty):
            while True:
                want, answer = self._answers.get_nowait()
                outputs += self.fetcher.answered(receiver, want, answer, now)
        again = False
        if self.active and not receiver.finished:
            found, again = self.fetcher.seek(receiver, now)
            outputs += found
            for want in () if again else self.fetcher.wants(receiver, now):
                self._wants.put(want)
        if any(isinstance(o, Completed) for o in outputs):
            # The sender learns by which way it came before it learns that it is complete.
            outputs.insert(0, receiver.fetching(self.fetcher.bytes, active=True))
        elif self.active and receiver.catalog is not None and now >= self._told + TELL:
            self._told = now
            outputs.append(receiver.fetching(self.fetcher.bytes, active=True))
        due = min(next_due(self.fetcher), now + TELL) if self.active else math.inf
        self.deadline = min(due, self._quiet_since + self._after) if not self.active else due
        if again:
            self.deadline = now
        return outputs

    def close(self) -> None:
        """End all threads."""
        self._closed = True
        for _ in self._threads:
            self._wants.put(None)
        for connection in list(self._open):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._bell.close()
        self._ring.close()

    def alone(self, receiver: Receiver, watch: Callable[[list[ReceiverOutput]], None]) -> None:
        """Drive `receiver` by ranges only, without a sender."""
        while True:
            now = time.monotonic()
            outputs = receiver.expire(now) if (receiver.deadline or 0.0) <= now else []
            outputs += self.turn(receiver, now)
            ended = any(isinstance(o, Completed | Failed) for o in outputs)
            error = None if ended else hopeless(self.fetcher, self._timeout, now)
            if error is not None:
                outputs.append(Failed(str(error), IncompleteError(f"{self._server.url}: {error}")))
            watch(outputs)
            if ended or error is not None:
                return
            select.select([self], (), (), min(max(self.deadline - now, 0.0), 0.5))

    def _toggle(self, receiver: Receiver, now: float) -> list[ReceiverOutput]:
        """Begin when data has been missing for long, end when it comes."""
        # The short last packets of objects may come where full-size ones do not, again and again.
        useful = receiver.counters.packets - receiver.counters.duplicates
        if useful != self._packets:
            self._packets, self._quiet_since = useful, now
        quiet = now >= self._quiet_since + self._after
        if quiet and not self.active:
            self.active, self.fetcher.since = True, now
        elif not quiet and self.active:
            self.active = False
            return [receiver.fetching(self.fetcher.bytes, active=False)]
        return []

    # ----- threads

    def _work(self) -> None:
        connection = None
        while True:
            want = self._wants.get()
            if want is None or self._closed:
                break
            if connection is None:
                connection = self._server.connect()
                self._open.add(connection)
            answer, again = _ask(connection, self._server, want)
            if not again:
                self._open.discard(connection)
                connection.close()
                connection = None
            self._answers.put((want, answer))
            with contextlib.suppress(OSError):
                self._ring.send(b"!")
        if connection is not None:
            connection.close()


def _ask(connection: http.client.HTTPConnection, server: Server, want: Want) -> tuple[Answer, bool]:
    """Return the answer, and whether the connection can be used again."""
    headers = {"Accept-Encoding": "identity", **server.headers}
    if want.kind is Kind.BLOCKS:
        headers["Range"] = f"bytes={want.offset}-{want.offset + want.length - 1}"
    try:
        connection.request("GET", server.target(want), headers=headers)
        response = connection.getresponse()
        return _read(response, want)
    except ssl.SSLCertVerificationError as error:
        said = f"its certificate is not trusted: {error.verify_message} (--ca FILE)"
        return Answer(error=said), False
    except TimeoutError:
        return Answer(error=f"it was silent for {PATIENCE:g} s"), False
    except (OSError, http.client.HTTPException) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Answer(error=said), False


def _read(response: http.client.HTTPResponse, want: Want) -> tuple[Answer, bool]:
    """Read no more than was asked for."""
    if response.status in range(300, 400):
        where = response.headers.get("Location", "")
        said = (
            f"HTTP {response.status}: it redirects to {where!r} (give that address, if it is right)"
        )
        return Answer(error=said), False
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return Answer(error="it sends a Content-Encoding that was not asked for"), False
    whole = want.kind is not Kind.BLOCKS or (want.offset == 0 and want.length == want.size)
    body = bytearray()
    useful = response.status == 206 or (response.status == 200 and whole)
    if useful:
        begin = time.monotonic()
        while len(body) <= want.length:
            chunk = response.read(min(_CHUNK, want.length + 1 - len(body)))
            if not chunk:
                break
            body += chunk
            if time.monotonic() > begin + SLOWEST:
                return Answer(error=f"{len(body)} bytes in {SLOWEST:g} s are too slow"), False
    # Where more is coming than was asked for, the connection is of no more use.
    again = useful and not response.length and len(body) <= want.length
    again = again and not response.will_close
    return Answer(
        status=response.status, content_range=response.headers.get("Content-Range", ""),
        etag=response.headers.get("ETag", ""), body=bytes(body),
    ), again  # fmt: skip
