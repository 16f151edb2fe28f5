"""`llmsync sync serve`: a repository's daemon."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import add_output, say
from toolkit.errors import EnvironmentProblem, ExitCode, UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.service.server import Settings
    from toolkit.sync.config import Config
    from toolkit.sync.daemon import Daemon

SYNC_PORT = 4480


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the sync file (YAML)")
    parser.add_argument(
        "--listen", default=f"127.0.0.1:{SYNC_PORT}", metavar="HOST:PORT",
        help="where clouds report, over HTTP(S) (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--tokens", type=Path, metavar="FILE",
        help="who may do what: lines of NAME ROLES sha256:HEX (llmsync sessions token)",
    )  # fmt: skip
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="our certificate")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key")
    parser.add_argument(
        "--client-ca", type=Path, metavar="FILE",
        help="believe client certificates that it signed; their name is the cloud's",
    )  # fmt: skip
    parser.add_argument(
        "--insecure-http", action="store_true",
        help="serve without TLS on other addresses than loopback",
    )  # fmt: skip
    parser.add_argument(
        "--service-name", action="append", default=[], metavar="NAME",
        help="a host name that clouds call us by, beside those in the certificate",
    )  # fmt: skip
    parser.add_argument(
        "--key", type=Path, metavar="FILE",
        help="Ed25519 private key that signs manifests; made when missing (default: llmsync.key "
        "in the state folder)",
    )  # fmt: skip
    once = parser.add_mutually_exclusive_group()
    once.add_argument(
        "--once", action="store_true",
        help="end when every cloud uses what it is to have (0), or cannot be brought to it (1)",
    )  # fmt: skip
    once.add_argument(
        "--check", action="store_true",
        help="deliver nothing; say what would be: 0 nothing, 3 something is pending",
    )  # fmt: skip
    parser.add_argument(
        "--within", type=float, metavar="SECONDS",
        help="of --once and --check: wait no longer (default: 3600, and 60)",
    )  # fmt: skip
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until it is ended."""
    from toolkit.cli.arithmetic import announce_arithmetic
    from toolkit.delivery.keys import fingerprint, public_path, sending_key
    from toolkit.sync.config import load_config
    from toolkit.sync.journal import Journal
    from toolkit.sync.repository import Repository

    config = load_config(args.file)
    settings = _settings(args)
    try:
        config.state.mkdir(parents=True, exist_ok=True)
        lock = os.open(config.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise EnvironmentProblem(
            f"{config.state}: {error.strerror} (name another folder with 'state:')"
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"{config.state}: another `llmsync sync serve` works there (stop it, or name "
                "another folder with 'state:')"
            ) from None
        path = args.key or config.state / "llmsync.key"
        key, made = sending_key(path)
        said = "made a key" if made else "signing with"
        shown = fingerprint(key.public_key().public_bytes_raw())
        say(f"{said} {path} ({shown}); agents --trust {public_path(path)}")
        announce_arithmetic()
        repository = Repository(
            config.repository, config.models, config.state, config.coding, config.settle,
            sealed=config.sealed,
        )  # fmt: skip
        with Journal(config.state / "journal") as journal:
            from toolkit.sync.daemon import Daemon

            daemon = Daemon(config, repository, journal, path, say, idle=args.check)
            return asyncio.run(_serve(args, config, settings, daemon))
    finally:
        os.close(lock)


def _settings(args: argparse.Namespace) -> Settings:
    from toolkit.service.server import Settings
    from toolkit.service.tokens import read_tokens
    from toolkit.transport.address import resolve

    if args.tokens is None and args.client_ca is None:
        raise UsageError(
            "clouds must prove who they are (give --tokens, see `llmsync sessions token`, or "
            "--client-ca)"
        )
    where = resolve(args.listen, port=SYNC_PORT)
    return Settings(
        host=where.host, port=where.port,
        tokens=read_tokens(args.tokens) if args.tokens is not None else None,
        certificate=args.tls_cert, key=args.tls_key, client_authority=args.client_ca,
        insecure_http=args.insecure_http, names=tuple(args.service_name),
    )  # fmt: skip


async def _serve(
    args: argparse.Namespace, config: Config, settings: Settings, daemon: Daemon
) -> int:
    from toolkit.cli.cmd_sync import show_status
    from toolkit.sync.api import serving

    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        daemon.wake()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, interrupt)
    ends = _ends(args, config)
    async with serving(settings, daemon) as port:
        say(f"{args.file}: {len(config.clouds)} clouds, listening on port {port}")
        await daemon.run(lambda d: interrupted or ends(d))
    if interrupted:
        return ExitCode.INTERRUPTED
    show_status(daemon.status(), args.format)
    if daemon.converged():
        return ExitCode.OK
    if not args.check:
        return ExitCode.FINDINGS
    if not daemon.reporting:
        names = ", ".join(sorted(config.clouds))
        raise UnreachableError(names, "none of them has reported", "are their agents running?")
    return ExitCode.CHANGES_PENDING


def _ends(args: argparse.Namespace, config: Config) -> Callable[[Daemon], bool]:
    """When --once or --check is done."""
    if not args.once and not args.check:
        return lambda _: False
    within = args.within or (60.0 if args.check else 3600.0)
    latest = time.monotonic() + within

    def ends(daemon: Daemon) -> bool:
        if time.monotonic() >= latest or daemon.converged():
            return True
        if args.check:
            return daemon.looked and not daemon.why and daemon.reporting >= config.clouds.keys()
        return daemon.settled()

    return ends
