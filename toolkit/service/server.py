"""The service's thread: an asyncio loop with one HTTP(S) server in it.

X: listens on a socket.  The delivery runs in another thread and needs none of this: when the server
dies, it goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography import x509

from toolkit.errors import EnvironmentProblem, UsageError
from toolkit.service import streams
from toolkit.service.access import MAX_BODY, Access, add_headers, middleware
from toolkit.service.handlers import Handlers
from toolkit.service.hosted import HostedSession
from toolkit.service.openapi import document
from toolkit.service.page import live_page
from toolkit.service.routes import ROUTES
from toolkit.service.tokens import Tokens

BACKLOG: Final = 128
MAX_CONNECTIONS: Final = 1024
HANDSHAKE: Final = 10.0
"""Seconds for TLS to be agreed on."""
IDLE: Final = 20.0
"""Seconds that a connection may say nothing, before its first request too."""
START: Final = 15.0
_LOG = logging.getLogger("toolkit.service")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False
logging.getLogger("aiohttp").addHandler(logging.NullHandler())
# What clients do wrong is counted; it is not for the terminal of whoever sends.


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to listen and whom to believe."""

    host: str
    port: int
    tokens: Tokens | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_authority: Path | None = None
    insecure_http: bool = False
    names: tuple[str, ...] = ()
    """Host names that it is called by, beside those in its certificate."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise UsageError("--tls-cert and --tls-key go together")
        if self.client_authority is not None and self.certificate is None:
            raise UsageError("--client-ca needs --tls-cert and --tls-key")
        if not self.loopback and self.certificate is None and not self.insecure_http:
            raise UsageError(
                f"--service {self.host}:{self.port}: without TLS only on loopback (give "
                "--tls-cert and --tls-key, or say --insecure-http)"
            )
        if not self.loopback and self.tokens is None and self.client_authority is None:
            raise UsageError(
                f"--service {self.host}:{self.port}: nobody could be told apart there (give "
                "--tokens or --client-ca)"
            )

    @property
    def loopback(self) -> bool:
        return self.host.startswith("127.") or self.host == "::1"


class Service:
    """A running service; sessions come and go."""

    def __init__(self, settings: Settings) -> None:
        """Listen; raises EnvironmentProblem or UsageError when that is not possible."""
        context = tls_context(settings)
        self._settings = settings
        self._context = context
        self._hosted: dict[str, HostedSession] = {}
        self.access = Access(
            tokens=settings.tokens,
            certificates=settings.client_authority is not None,
            hosts=host_names(settings),
            open_to_read=settings.loopback and settings.tokens is None
            and settings.client_authority is None,
            secure=context is not None,
        )  # fmt: skip
        self.port = settings.port
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started: threading.Event = threading.Event()
        self._problem: BaseException | None = None
        self._pulse = streams.Pulse()
        self.newsroom = streams.Newsroom(lambda: self._hosted.values(), self._pulse)
        self._thread = threading.Thread(target=self._run, name="llmsync-service", daemon=True)
        self._thread.start()
        self._started.wait(START)
        if self._problem is not None:
            self._thread.join(START)
            raise self._explained(self._problem)

    @property
    def url(self) -> str:
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"http{'s' if self._context else ''}://{host}:{self.port}"

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @contextmanager
    def hosting(self, hosted: HostedSession) -> Iterator[None]:
        """Show a session meanwhile."""
        key = hosted.offer.session_id
        hosted.listen(self._beat)
        self._hosted = {**self._hosted, key: hosted}
        self._beat()
        try:
            yield
        finally:
            self._hosted = {k: v for k, v in self._hosted.items() if k != key}

    def close(self) -> None:
        """Stop listening and end the thread."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START)

    # ----- in the service's thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it must not end as a thread's traceback
            self._problem = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        handlers = Handlers(
            self.access, lambda: self._hosted, live_page(), _encoded(), self.newsroom
        )
        runner = web.AppRunner(
            application(self.access, handlers), access_log=None, logger=_LOG,
            keepalive_timeout=IDLE, handle_signals=False, shutdown_timeout=1.0,
        )  # fmt: skip
        await runner.setup()
        try:
            server = runner.server
            assert server is not None
            with _listening(self._settings.host, self._settings.port) as sock:
                self.port = sock.getsockname()[1]
                accepting = asyncio.create_task(self._accept(sock, server))
                self._started.set()
                await self._stop.wait()
                accepting.cancel()
        finally:
            handlers.downloads.close()
            await runner.cleanup()

    async def _accept(self, sock: socket.socket, server: web.Server) -> None:
        """Take connections, but never so many that the sender lacks descriptors for its files."""
        most = min(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        opening: set[asyncio.Task[None]] = set()
        while True:
            try:
                connection, _ = await self._loop.sock_accept(sock)
            except OSError:
                await asyncio.sleep(1.0)
                continue
            if len(server.connections) + len(opening) >= most:
                self.access.refused["connections"] += 1
                connection.close()
                continue
            task = asyncio.create_task(self._open(connection, server))
            opening.add(task)
            task.add_done_callback(opening.discard)

    async def _open(self, connection: socket.socket, server: web.Server) -> None:
        patience = None if self._context is None else HANDSHAKE
        try:
            await self._loop.connect_accepted_socket(
                server, connection, ssl=self._context, ssl_handshake_timeout=patience
            )
        except (OSError, TimeoutError):
            self.access.refused["handshake"] += 1
            connection.close()

    def _beat(self) -> None:
        """Any thread: there is news."""
        with suppress(RuntimeError):  # The loop has ended; nobody listens.
            self._loop.call_soon_threadsafe(self._pulse.beat)

    def _explained(self, error: BaseException) -> BaseException:
        return _taken(self._settings, error) if isinstance(error, OSError) else error


def try_listening(settings: Settings) -> None:
    """Raise what a service with these settings would not start for.

    Nobody can connect meanwhile: whoever asks early is to hear that nobody is there yet.
    """
    tls_context(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((settings.host, settings.port))
    except OSError as error:
        raise _taken(settings, error) from None


def _taken(settings: Settings, error: OSError) -> EnvironmentProblem:
    said = os.strerror(error.errno) if error.errno else str(error)
    return EnvironmentProblem(
        f"--service {settings.host}:{settings.port}: cannot listen there: {said} (choose an "
        "address of this host and a free port)"
    )


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as sock:
        sock.setblocking(False)
        yield sock


def application(access: Access, handlers: Handlers) -> web.Application:
    """Return the application that serves `ROUTES`, and nothing else."""
    app = web.Application(
        client_max_size=MAX_BODY,
        middlewares=[middleware(access, (r.path for r in ROUTES if r.stream))],
    )
    for route in ROUTES:
        path = route.path.replace("{path}", "{path:.+}").replace("{session}", "{session:[^/]+}")
        app.router.add_route(route.method, path, handlers.of(route))
    app.on_response_prepare.append(add_headers)
    return app


def _encoded() -> bytes:
    import json

    return json.dumps(document(), indent=1).encode()


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    if settings.certificate is None or settings.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--tls-cert {settings.certificate}, --tls-key {settings.key}: "
            f"{_said(error)} (PEM, the key of this certificate, without a password)"
        ) from None
    if settings.client_authority is not None:
        try:
            context.load_verify_locations(settings.client_authority)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"--client-ca {settings.client_authority}: {_said(error)} (certificates in PEM)"
            ) from None
        both = settings.tokens is not None and bool(settings.tokens.hashed)
        context.verify_mode = ssl.CERT_OPTIONAL if both else ssl.CERT_REQUIRED
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")


def _said(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)


def host_names(settings: Settings) -> frozenset[str]:
    found: list[str] = [*settings.names, settings.host]
    if settings.loopback or settings.host in ("0.0.0.0", "::"):
        found.append("localhost")
    if settings.certificate is not None:
        found += _certified(settings.certificate)
    return frozenset(name.lower() for name in found)


def _certified(path: Path) -> Sequence[str]:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.DNSName)
