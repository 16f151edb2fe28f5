"""The HTTP API of a repository's daemon: clouds report and are told, people look.

X: part of an HTTP server.  Who may ask is for `toolkit.service.access`.

    POST /v1/sync/clouds/CLOUD   what it has -> what it is to have, and the sessions to join
    GET  /v1/sync                how every cloud stands
    GET  /v1/health
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from aiohttp import web

from toolkit import __version__
from toolkit.errors import EnvironmentProblem
from toolkit.service.access import MAX_BODY, Access, Refusal, add_headers, middleware
from toolkit.service.server import Settings, host_names, tls_context
from toolkit.service.tokens import Role
from toolkit.sync.daemon import Daemon
from toolkit.sync.model import Holding, is_model

MAX_HELD = 1000
MAX_WAIT = 12.0
"""Seconds; less than the patience of clients and of the middleware."""


def application(access: Access, daemon: Daemon) -> web.Application:
    """Return the application that serves the API, and nothing else."""

    async def report(request: web.Request) -> web.Response:
        principal = access.require(request, frozenset({Role.RECEIVER}))
        cloud = request.match_info["cloud"]
        if principal is None or not principal.may_be(cloud):
            raise Refusal(HTTPStatus.FORBIDDEN, f"you are not {cloud!r}")
        if not daemon.knows(cloud):
            raise Refusal(HTTPStatus.NOT_FOUND, f"the sync file names no cloud {cloud!r}")
        body = await _body(request)
        joined, wait = parse_patience(body)
        return web.json_response(await daemon.report(cloud, parse_report(body), joined, wait))

    async def status(request: web.Request) -> web.Response:
        access.require(request, frozenset({Role.READER, Role.OPERATOR}))
        return web.json_response(daemon.status())

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": __version__})

    app = web.Application(client_max_size=MAX_BODY, middlewares=[middleware(access, ())])
    app.router.add_post("/v1/sync/clouds/{cloud}", report)
    app.router.add_get("/v1/sync", status)
    app.router.add_get("/v1/health", health)
    app.on_response_prepare.append(add_headers)
    return app


@asynccontextmanager
async def serving(settings: Settings, daemon: Daemon) -> AsyncIterator[int]:
    """Serve the API meanwhile; yields the port.  Raises EnvironmentProblem or UsageError."""
    context = tls_context(settings)
    access = Access(
        tokens=settings.tokens, certificates=settings.client_authority is not None,
        hosts=host_names(settings), secure=context is not None,
    )  # fmt: skip
    runner = web.AppRunner(application(access, daemon), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            raise EnvironmentProblem(
                f"--listen {settings.host}:{settings.port}: cannot listen there: "
                f"{error.strerror or error} (choose an address of this host and a free port)"
            ) from None
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def parse_report(document: object) -> dict[str, Holding]:
    """Return what a cloud reports; raises Refusal."""
    try:
        models: Any = document["models"] if isinstance(document, dict) else None
        found = {}
        for model, said in models.items():
            held = frozenset(map(_content, said["held"][:MAX_HELD]))
            current = None if said["current"] is None else _content(said["current"])
            if not is_model(model):
                raise ValueError("not a model")
            found[model] = Holding(current, held, said["pinned"] is True)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            'a report is {"models": {MODEL: {"current": CONTENT or null, "held": [CONTENT], '
            '"pinned": BOOLEAN}}}',
        ) from None
    return found


def parse_patience(document: object) -> tuple[frozenset[int], float]:
    """Return the sessions that a cloud knows of, and how long it waits for an answer."""
    try:
        sessions: Any = document["sessions"] if isinstance(document, dict) else None
        wait: Any = document["wait"] if isinstance(document, dict) else None
        return frozenset(map(int, sessions)), min(max(float(wait), 0.0), MAX_WAIT)
    except (KeyError, TypeError, ValueError):
        raise Refusal(
            HTTPStatus.BAD_REQUEST, 'a report has "sessions": [NUMBER] and "wait": SECONDS'
        ) from None


def _content(value: object) -> str:
    if not isinstance(value, str) or not value.isalnum() or len(value) > 64:
        raise ValueError("not a content")
    return value


async def _body(request: web.Request) -> object:
    try:
        return await request.json()
    except (ValueError, asyncio.IncompleteReadError):
        raise Refusal(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
