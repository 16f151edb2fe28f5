"""`llmsync send` while it sends: what is said and shown, and the service beside it."""

from __future__ import annotations

import argparse
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from toolkit.cli.listening import add_listening, settings
from toolkit.cli.terminal import Display, session_block, session_line
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from collections import Counter
    from types import TracebackType

    from toolkit.delivery.admission import AuditRecord
    from toolkit.delivery.events import SenderOutput
    from toolkit.delivery.ports import Source
    from toolkit.delivery.sender import Sender
    from toolkit.service.hosted import HostedSession
    from toolkit.transport.address import Address

SERVICE_PORT = 4443


def add_service(parser: argparse.ArgumentParser) -> None:
    """Add what `send` has for the HTTP service beside it."""
    group = parser.add_argument_group("service beside the sender")
    group.add_argument(
        "--service", metavar="HOST:PORT",
        help="serve the live page, the API, /metrics and files over HTTP(S) there meanwhile",
    )  # fmt: skip
    add_listening(group, client="receiver")
    group.add_argument(
        "--admit", action="store_true",
        help="let receivers join that --to does not list, if they have a token or certificate",
    )  # fmt: skip
    group.add_argument(
        "--region", action="append", default=[], metavar="NAME=REGION",
        help="where a receiver is, for the page and the metrics",
    )  # fmt: skip
    group.add_argument(
        "--linger", type=float, default=0.0, metavar="SECONDS",
        help="let the service stay for so long after the end (default: %(default)s)",
    )  # fmt: skip


def add_watching(parser: argparse._ActionsContainer) -> None:
    """Add `--progress`."""
    parser.add_argument(
        "--progress", choices=("auto", "never"), default="auto",
        help="show how it stands: a block on a terminal, else a line every 5 s "
        "(default: %(default)s)",
    )  # fmt: skip


class Watch:
    """What `run_sender` calls each time round; a context in which the service runs."""

    def __init__(
        self, args: argparse.Namespace, sender: Sender, source: Source,
        addresses: dict[str, tuple[str, int]], names: list[str], group: Address | None,
        control: socket.socket, refused: Counter[str],
    ) -> None:  # fmt: skip
        """`refused`: where the runtime counts control messages that it refuses."""
        from toolkit.delivery.steering import Steering

        self.began = datetime.now(UTC)
        self.bells: tuple[int, ...] = ()
        """File descriptors that mean: call it now."""
        self._args = args
        self._engine = Steering(sender)
        self._display = Display(auto=args.progress == "auto")
        self._hosted: HostedSession | None = None
        self._stack = ExitStack()
        if args.service:
            self._serve(source, addresses, names, group, control, refused)

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._display.end()
        self._stack.close()

    def __call__(self, outputs: list[SenderOutput]) -> None:
        now = time.monotonic()
        more: list[SenderOutput] = []
        if self._hosted is not None:
            more = self._hosted.turn(outputs, now)
            if self._hosted.broken:
                self._display.say_once(f"the service shows no news: {self._hosted.broken}")
        for output in (*outputs, *more):
            self._tell(output)
        if self._display.due(now):
            progress = self._engine.progress(now)
            self._display.show(now, session_line(progress), lambda: session_block(progress))

    def records(self) -> list[AuditRecord]:
        """What the service has done for whom since the last call, for an audit log."""
        return [] if self._hosted is None else self._hosted.records()

    def ended(self) -> None:
        """The sender has finished: show that, and stay if asked to."""
        self._display.end()
        if self._hosted is None:
            return
        self._hosted.close(time.monotonic())
        if self._args.linger > 0:
            self._display.say(f"the service stays for {self._args.linger:g} s (Ctrl-C ends it)")
            time.sleep(self._args.linger)

    def _tell(self, output: SenderOutput) -> None:
        from toolkit.delivery.events import Joined, Settled

        match output:
            case Joined(receiver=name):
                self._display.say(f"{name}: joined")
            case Settled(result=result):
                said = f": {result.reason}" if result.reason else ""
                self._display.say(f"{result.receiver}: {result.standing}{said}")
            case _:
                pass

    def _serve(
        self, source: Source, addresses: dict[str, tuple[str, int]], names: list[str],
        group: Address | None, control: socket.socket, refused: Counter[str],
    ) -> None:  # fmt: skip
        from toolkit.delivery.key_files import token
        from toolkit.delivery.manifest import digest, seal
        from toolkit.service.hosted import HostedSession
        from toolkit.service.offer import Offer
        from toolkit.service.server import Service

        args, session, manifest = self._args, self._engine.sender.session, source.manifest
        bound = control.getsockname()
        offer = Offer(
            delivery=session.name, tsi=session.tsi, manifest=manifest,
            digest=digest(manifest.encode()),
            envelope=seal(manifest, session.key, session.serial, session.order),
            signing_key=session.key.public_key().public_bytes_raw(), control=(bound[0], bound[1]),
            group=None if group is None else group.sockaddr, source=_source(args.interface),
            seal_key=session.seal_key,
            control_token=None if args.control_token is None else token(args.control_token),
            regions=_regions(args), admits=args.admit,
        )  # fmt: skip
        hosted = HostedSession(self._engine, source, offer, addresses, names, refused)
        self._stack.callback(hosted.release)
        service = Service(settings(args, args.service, SERVICE_PORT, flag="--service"))
        self._stack.callback(service.close)
        self._stack.callback(lambda: hosted.close(time.monotonic()))
        self._stack.enter_context(service.hosting(hosted))
        self._hosted, self.bells = hosted, (hosted.fileno(),)
        self._display.say(f"service: {service.url}/ (session {offer.session_id})")


def check_service(args: argparse.Namespace) -> None:
    """Raise what a service with these options would end with."""
    if not args.service:
        asked = {
            "--tokens": args.tokens, "--tls-cert": args.tls_cert, "--tls-key": args.tls_key,
            "--client-ca": args.client_ca, "--insecure-http": args.insecure_http,
            "--service-name": args.service_name, "--admit": args.admit, "--region": args.region,
            "--linger": args.linger,
        }  # fmt: skip
        given = ", ".join(name for name, value in asked.items() if value)
        if given:
            raise UsageError(f"{given}: of the service, which --service HOST:PORT starts")
        return
    from toolkit.service.server import try_listening

    try_listening(settings(args, args.service, SERVICE_PORT, flag="--service"))
    _regions(args)


def _source(interface: str) -> str:
    """The address that multicast leaves from, where --interface says one."""
    import ipaddress

    try:
        return str(ipaddress.ip_address(interface))
    except ValueError:
        return ""


def _regions(args: argparse.Namespace) -> dict[str, str]:
    regions: dict[str, str] = {}
    if args.inventory is not None:
        from toolkit.cli.loading import inventory_path
        from toolkit.inventory.load import load_inventory

        inventory = load_inventory(inventory_path(args.inventory))
        for cloud in inventory.clouds.values():
            regions[cloud.name] = cloud.region or inventory.routers[cloud.router].region
    for text in args.region:
        name, equals, region = text.partition("=")
        if not name or not equals or not region or not region.isprintable():
            raise UsageError(f"--region {text}: not NAME=REGION")
        regions[name] = region
    return regions
