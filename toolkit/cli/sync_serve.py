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
from toolkit.cli.listening import add_listening, settings
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
    add_listening(parser, client="cloud")
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
    listening = _settings(args)
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
            return asyncio.run(_serve(args, config, listening, daemon))
    finally:
        os.close(lock)


def _settings(args: argparse.Namespace) -> Settings:
    if args.tokens is None and args.client_ca is None:
        raise UsageError(
            "--listen: clouds must prove who they are (give --tokens, see `llmsync sessions "
            "token`, or --client-ca)"
        )
    return settings(args, args.listen, SYNC_PORT, flag="--listen")


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
