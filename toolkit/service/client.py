"""A service's clients: commands in one call each, and the way back for those without UDP.

X: opens connections.
"""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from toolkit.errors import ExitCode, ToolkitError, UnreachableError, UsageError

PATIENCE = 15.0
MAX_ANSWER = 64 * 2**20


class RefusedError(ToolkitError):
    """The service has understood, and says no: to who asks, or to what is asked."""

    exit_code = ExitCode.INVALID

    def __init__(self, url: str, status: int, detail: str) -> None:
        self.status, self.detail = status, detail
        remedy = _REMEDIES.get(status, "")
        super().__init__(f"{url}: {detail}" + (f" ({remedy})" if remedy else ""))


_REMEDIES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "--token-file, the file that `llmsync sessions token` made",
    HTTPStatus.NOT_FOUND: "`llmsync sessions list` and `show` tell which there are",
}
"""What to do at a command line; what else the service answers says it itself."""


class NotYetError(UnreachableError):
    """Nobody is there, or there is no session: that may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How a client proves who it is, and whom it believes."""

    token: str | None = None
    authority: Path | None = None
    """Certificates that may have signed the service's; None: the system's."""
    certificate: Path | None = None
    key: Path | None = None

    def __repr__(self) -> str:
        return "Credentials(...)"  # A token is in no log.

    def context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.authority)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"--ca {self.authority}: {said} (certificates in PEM)") from None
        if (self.certificate is None) != (self.key is None):
            raise UsageError("--tls-cert and --tls-key go together")
        if self.certificate is not None and self.key is not None:
            try:
                context.load_cert_chain(self.certificate, self.key)
            except (OSError, ValueError) as error:
                said = getattr(error, "strerror", None) or str(error)
                raise UsageError(
                    f"--tls-cert {self.certificate}, --tls-key {self.key}: {said} (PEM)"
                ) from None
        return context

    def headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Client:
    """Calls one service."""

    url: str
    """Scheme, host and port."""
    credentials: Credentials

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise UsageError(f"{self.url}: not the address of a service (https://HOST:PORT)")
        if parts.scheme == "http" and self.credentials.token and not _loopback(parts.hostname):
            raise UsageError(
                f"{self.url}: a token is not sent in the clear (https://, or a loopback address)"
            )

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        return self._call("POST", path, body)

    def delete(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return self._call("DELETE", path, None)

    def only_session(self) -> str:
        """Return the id of the one session that goes on there."""
        sessions = self.get("/v1/sessions")["sessions"]
        going_on = [s for s in sessions if not s["finished"]] or sessions
        if len(going_on) == 1:
            return str(going_on[0]["id"])
        if not going_on:
            raise NotYetError(self.url, "it has no session now", "try again later")
        listed = ", ".join(f"{s['id']} ({s['delivery']})" for s in going_on)
        raise UsageError(f"{self.url}: several sessions go on there (--session, one of {listed})")

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:  # noqa: ANN401
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = self.credentials.context()
            connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        headers = self.credentials.headers()
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER)
        except ssl.SSLCertVerificationError as error:
            raise UnreachableError(
                self.url, f"its certificate is not trusted: {error.verify_message}",
                "give the authority that signed it with --ca",
            ) from None  # fmt: skip
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NotYetError(
                self.url, said, "is the service running there, and is it https:// or http://?"
            ) from None
        finally:
            connection.close()
        return self._understood(response.status, answer)

    def _understood(self, status: int, answer: bytes) -> Any:  # noqa: ANN401 - JSON
        try:
            found = json.loads(answer)
        except ValueError:
            raise UnreachableError(self.url, "its answer is not JSON: no llmsync there?") from None
        if status < HTTPStatus.BAD_REQUEST:
            return found
        detail = found.get("detail", "") if isinstance(found, dict) else ""
        raise RefusedError(self.url, status, str(detail) or f"HTTP {status}")


def segment(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def _loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"
