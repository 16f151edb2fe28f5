"""What a receiver must know is asked of the sender's service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from toolkit.agent.settings import Settings
from toolkit.delivery.authentic import Speaker
from toolkit.delivery.manifest import OpenedManifest, UntrustedError
from toolkit.errors import DeliveryError
from toolkit.service.client import Client, Credentials, NotYetError, segment
from toolkit.service.tokens import read_token
from toolkit.transport import address
from toolkit.transport.address import Address
from toolkit.transport.udp import Wire

POLL = 0.25
"""Seconds between two tries to reach a service that is not there yet."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What the service has told us."""

    client: Client
    session: str
    tsi: int
    sender: Address
    group: Address | None
    source: Address | None
    key: bytes
    manifest: bytes
    feedback: str
    seal_key: bytes | None
    control_key: bytes | None

    @property
    def speaker(self) -> Speaker | None:
        """What puts authentication codes around our messages."""
        return None if self.control_key is None else Speaker(self.control_key)

    def admit(self, opened: OpenedManifest) -> None:
        """Refuse another manifest than that of the session we joined."""
        if opened.digest != self.manifest:
            raise UntrustedError("manifest: it is not that of the session we joined")


def credentials(settings: Settings) -> Credentials:
    """Return what we prove who we are with."""
    file = settings.token_file
    return Credentials(
        token=None if file is None else read_token(file), authority=settings.ca,
        certificate=settings.tls_cert, key=settings.tls_key,
    )  # fmt: skip


@contextmanager
def upstream(joined: Joined, wire: Wire) -> Iterator[Wire]:
    """A wire whose way back is the service's WebSocket."""
    from toolkit.service.upstream import Upstream, UpstreamWire

    channel = Upstream(joined.client, joined.feedback)
    try:
        yield UpstreamWire(wire, channel)
    finally:
        channel.close()


def default_listen(url: str) -> str:
    """Where to listen when nobody said: at any port, in the family of the service's address."""
    return "[::]:0" if "//[" in url else "0.0.0.0:0"


def join(
    settings: Settings, url: str, port: int, trusted: bytes | None, tell: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> Joined:  # fmt: skip
    """Join a session of the service at `url`.

    `port`: where we listen for UDP; `tell`: hears why it takes long; `pause`: waits, or raises
    where nobody waits for us any more.
    """
    caller = Client(url.rstrip("/"), credentials(settings))
    session = settings.session or _patiently(caller.only_session, settings.timeout, tell, pause)
    websocket = settings.feedback == "websocket"
    answer: dict[str, Any] = caller.post(
        f"/v1/sessions/{segment(session)}/receivers",
        {"receiver": settings.name, "port": port if websocket else None},
    )
    key = bytes.fromhex(answer["signing_key"])
    if trusted is not None and trusted != key:
        raise DeliveryError(
            f"{url}: the session is signed by {key.hex()}, and that is not the key in "
            f"{_shown(settings.trust)}; nothing was received"
        )
    sealed, coded = answer["seal_key"], answer["control_key"]
    group, control = answer["group"], answer["control"]
    return Joined(
        client=caller, session=session, tsi=answer["tsi"],
        sender=_place(control["host"], control["port"]),
        group=None if group is None else _place(group["host"], group["port"]),
        source=_place(answer["source"], 0) if answer["source"] else None,
        key=key, manifest=bytes.fromhex(answer["manifest"]), feedback=answer["feedback"],
        seal_key=None if sealed is None else bytes.fromhex(sealed),
        control_key=None if coded is None or websocket else bytes.fromhex(coded),
    )  # fmt: skip


def _place(host: str, number: int) -> Address:
    return address.resolve(f"[{host}]:{number}" if ":" in host else f"{host}:{number}")


def _shown(trust: object) -> object:
    return trust.hex() if isinstance(trust, bytes) else trust


def _patiently(
    ask: Callable[[], str], seconds: float, tell: Callable[[str], None],
    pause: Callable[[float], None],
) -> str:  # fmt: skip
    """Ask until somebody is there, as a receiver without a service repeats its JOIN."""
    end, told = time.monotonic() + seconds, False
    while True:
        try:
            return ask()
        except NotYetError as error:
            if time.monotonic() >= end:
                raise
            if not told:
                tell(f"waiting: {error}")
                told = True
            pause(POLL)
