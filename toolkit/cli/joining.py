"""`llmsync receive --join`: what a receiver must know is asked of the sender's service."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import say
from toolkit.errors import DeliveryError, UsageError

if TYPE_CHECKING:
    from toolkit.delivery.authentic import Speaker
    from toolkit.delivery.manifest import OpenedManifest
    from toolkit.service.client import Client
    from toolkit.transport.address import Address
    from toolkit.transport.udp import Wire

POLL = 0.25
"""Seconds between two tries to reach a service that is not there yet."""


def add_join(parser: argparse.ArgumentParser) -> None:
    """Add `--join` and what goes with it."""
    from toolkit.cli.calling import add_credentials

    group = parser.add_argument_group("joining by a service")
    group.add_argument(
        "--join", metavar="URL",
        help="ask the service there (https://HOST:PORT) for --sender, --group and --trust",
    )  # fmt: skip
    group.add_argument(
        "--session", metavar="ID", help="which of its sessions (default: the only one)"
    )
    group.add_argument(
        "--feedback", choices=("udp", "websocket"), default="udp",
        help="how our reports reach the sender; websocket: where UDP is not let through "
        "(default: %(default)s)",
    )  # fmt: skip
    add_credentials(group)


def check_join(args: argparse.Namespace) -> None:
    """Raise UsageError unless we know where to receive from."""
    if args.join is not None:
        clashing = [f"--{n}" for n in ("sender", "group") if getattr(args, n) is not None]
        if clashing:
            raise UsageError(f"{', '.join(clashing)}: --join learns that (leave it out)")
        return
    if args.fallback_only and args.listen is None and args.sender is None:
        return
    missing = [f"--{n}" for n in ("listen", "sender") if getattr(args, n) is None]
    if missing:
        raise UsageError(f"{' and '.join(missing)} missing (or --join URL, where a service is)")
    if args.feedback != "udp" or args.session is not None:
        raise UsageError("--feedback and --session go with --join")


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
        from toolkit.delivery.authentic import Speaker

        return None if self.control_key is None else Speaker(self.control_key)

    def admit(self, opened: OpenedManifest) -> None:
        """Refuse another manifest than that of the session we joined."""
        from toolkit.delivery.manifest import UntrustedError

        if opened.digest != self.manifest:
            raise UntrustedError("manifest: it is not that of the session we joined")


@contextmanager
def upstream(joined: Joined, wire: Wire) -> Iterator[Wire]:
    """A wire whose way back is the service's WebSocket."""
    from toolkit.service.upstream import Upstream, UpstreamWire

    channel = Upstream(joined.client, joined.feedback)
    try:
        yield UpstreamWire(wire, channel)
    finally:
        channel.close()


def default_listen(args: argparse.Namespace) -> str:
    """Where to listen when nobody said: at any port, in the family of the service's address."""
    return "[::]:0" if "//[" in args.join else "0.0.0.0:0"


def _patiently(ask: Callable[[], str], seconds: float) -> str:
    """Ask until somebody is there, as a receiver without a service repeats its JOIN."""
    from toolkit.service.client import NotYetError

    end, told = time.monotonic() + seconds, False
    while True:
        try:
            return ask()
        except NotYetError as error:
            if time.monotonic() >= end:
                raise
            if not told:
                say(f"waiting: {error}")
                told = True
            time.sleep(POLL)


def join(args: argparse.Namespace, port: int, trusted: bytes | None) -> Joined:
    """Join a session of the service; `port`: where we listen for UDP."""
    from toolkit.cli.calling import client
    from toolkit.service.client import segment
    from toolkit.transport import address

    caller = client(args, args.join)
    session = args.session or _patiently(caller.only_session, args.timeout)
    answer: dict[str, Any] = caller.post(
        f"/v1/sessions/{segment(session)}/receivers",
        {"receiver": args.name, "port": port if args.feedback == "websocket" else None},
    )
    key = bytes.fromhex(answer["signing_key"])
    if trusted is not None and trusted != key:
        raise DeliveryError(
            f"{args.join}: the session is signed by {key.hex()}, and that is not the key in "
            f"{args.trust}; nothing was received"
        )
    sealed, coded = answer["seal_key"], answer["control_key"]

    def place(host: str, number: int) -> Address:
        return address.resolve(f"[{host}]:{number}" if ":" in host else f"{host}:{number}")

    group = answer["group"]
    control = answer["control"]
    return Joined(
        client=caller, session=session, tsi=answer["tsi"],
        sender=place(control["host"], control["port"]),
        group=None if group is None else place(group["host"], group["port"]),
        source=place(answer["source"], 0) if answer["source"] else None,
        key=key, manifest=bytes.fromhex(answer["manifest"]), feedback=answer["feedback"],
        seal_key=None if sealed is None else bytes.fromhex(sealed),
        control_key=None if coded is None or args.feedback == "websocket"
        else bytes.fromhex(coded),
    )  # fmt: skip
