"""What every request passes on its way in and out: Host, who it is, limits, headers, errors.

X: part of the HTTP server.  Handlers raise `Refusal`; nothing else of theirs reaches a client.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from toolkit.service.model import ProblemDetails
from toolkit.service.throttle import Throttle
from toolkit.service.tokens import Principal, Role, Tokens

MAX_BODY: Final = 64 * 1024
PATIENCE: Final = 20.0
"""Seconds that a request may take to arrive and be answered; streams have their own."""
SUBPROTOCOL: Final = "llmsync.v1"
"""WebSocket subprotocol; a browser, which cannot set headers, adds `bearer.TOKEN` to it."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Server": "llmsync",
}


class Refusal(Exception):  # noqa: N818 - it is an answer
    """A request is answered with a problem."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    def response(self) -> web.Response:
        problem = ProblemDetails(
            title=self.status.phrase, status=self.status.value, detail=self.detail
        )
        return web.Response(
            status=self.status, headers=self.headers, body=problem.model_dump_json().encode(),
            content_type="application/problem+json",
        )  # fmt: skip


@dataclass(slots=True, eq=False)
class Access:
    """Who may do what here."""

    tokens: Tokens | None = None
    certificates: bool = False
    """Client certificates are asked for; one that is there was verified by TLS."""
    hosts: frozenset[str] = frozenset({"localhost"})
    """Names that we are called by; addresses always are."""
    open_to_read: bool = False
    """Nobody has to say who it is to look (loopback only)."""
    secure: bool = False
    throttle: Throttle = field(default_factory=Throttle)
    refused: Counter[str] = field(default_factory=Counter)
    """Requests that were turned away, by reason."""

    # ----- who is it

    def identify(self, request: web.Request) -> Principal | None:
        """Return who proves to be there; None: nobody says so.  Raises Refusal on a wrong proof."""
        token = _bearer(request)
        if token is not None:
            found = self.tokens.find(token) if self.tokens is not None else None
            if found is None:
                raise self._failed(request, "token", "the token is not known here")
            return found
        certified = _certificate_name(request) if self.certificates else None
        if certified is not None:
            return (self.tokens or Tokens()).certificate(certified)
        return None

    def require(self, request: web.Request, roles: frozenset[Role]) -> Principal | None:
        """Return who is there, if it may do what takes one of `roles`."""
        principal = self.identify(request)
        if principal is None:
            if self.open_to_read and Role.READER in roles and request.method in ("GET", "HEAD"):
                return None
            raise self._failed(
                request, "nobody",
                "say who you are: a token (Authorization: Bearer ...), or a client certificate "
                "where the service takes them",
            )  # fmt: skip
        if not principal.may(roles):
            self.refused["role"] += 1
            wanted = " or ".join(sorted(roles))
            raise Refusal(
                HTTPStatus.FORBIDDEN, f"{principal.name} is not allowed this (it takes: {wanted})"
            )
        return principal

    def _failed(self, request: web.Request, reason: str, detail: str) -> Refusal:
        self.refused[reason] += 1
        wait = self.throttle.failed(request.remote or "", time.monotonic())
        if wait:
            self.refused["throttled"] += 1
            return Refusal(
                HTTPStatus.TOO_MANY_REQUESTS, "too many failures from this address (wait a little)",
                {"Retry-After": str(math.ceil(wait))},
            )  # fmt: skip
        challenge = {"WWW-Authenticate": 'Bearer realm="llmsync"'}
        return Refusal(HTTPStatus.UNAUTHORIZED, detail, challenge)

    # ----- the request as such

    def check_host(self, request: web.Request) -> None:
        """Refuse what a browser was tricked into sending here (DNS rebinding, other origins)."""
        name = _host_name(request.headers.get("Host", ""))
        if name not in self.hosts and not _is_address(name):
            self.refused["host"] += 1
            raise Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "this service does not go by that name (use its address, or --service-name)",
            )
        origin = request.headers.get("Origin")
        if origin is not None:
            scheme = "https" if self.secure else "http"
            if origin.lower() != f"{scheme}://{request.headers.get('Host', '')}".lower():
                self.refused["origin"] += 1
                raise Refusal(HTTPStatus.FORBIDDEN, "a page of another origin may not ask here")


def middleware(access: Access, streams: Iterable[str]) -> Any:  # noqa: ANN401 - aiohttp's own type
    """Return what goes around every handler; `streams`: paths of routes that have no time-out."""
    endless = frozenset(streams)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        limit = None if resource is not None and resource.canonical in endless else PATIENCE
        try:
            access.check_host(request)
            async with asyncio.timeout(limit):
                return await handler(request)
        except Refusal as refusal:
            return refusal.response()
        except TimeoutError:
            access.refused["slow"] += 1
            return Refusal(HTTPStatus.REQUEST_TIMEOUT, "the request took too long").response()
        except web.HTTPException as error:
            return _explained(error, access).response()
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug here is no business of the client's
            access.refused["bug"] += 1
            detail = f"internal error: {type(error).__name__} (a bug of llmsync)"
            return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, detail).response()

    return guard


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers that every answer has on `response`; a handler's own ones win."""
    for name, value in HEADERS.items():
        if name == "Server" or name not in response.headers:
            response.headers[name] = value
    if request.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


def page_policy(script: str, style: str) -> str:
    """Return the Content-Security-Policy of a page with one script and one style sheet in it."""
    hashed = [_sha256(text) for text in (script, style)]
    return (
        f"default-src 'none'; script-src '{hashed[0]}'; style-src '{hashed[1]}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _sha256(text: str) -> str:
    import base64

    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _explained(error: web.HTTPException, access: Access) -> Refusal:
    status = HTTPStatus(error.status)
    headers = {k: v for k, v in error.headers.items() if k == "Allow"}
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        access.refused["size"] += 1
        return Refusal(status, f"a body has {MAX_BODY} bytes at most", headers)
    if status is HTTPStatus.NOT_FOUND:
        return Refusal(status, "there is no such thing here (see /openapi.json)", headers)
    return Refusal(status, status.description or status.phrase, headers)


def _bearer(request: web.Request) -> str | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    if request.headers.get("Upgrade", "").lower() == "websocket":
        for offered in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
            word = offered.strip()
            if word.startswith("bearer."):
                return word.removeprefix("bearer.")
    return None


def _certificate_name(request: web.Request) -> str | None:
    """The DNS name in the client's certificate, or its common name where there is none."""
    transport = request.transport
    certificate = None if transport is None else transport.get_extra_info("peercert")
    if not certificate:
        return None
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "DNS":
            return str(value)
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                return str(value)
    return None


def _host_name(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
