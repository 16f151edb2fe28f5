"""`llmsync sync agent`: a cloud's side."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.calling import add_credentials, client
from toolkit.cli.cmd_send import check_name
from toolkit.cli.console import say
from toolkit.cli.interruption import terminable
from toolkit.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.sync.agent import Agent
    from toolkit.sync.orders import Offer
    from toolkit.sync.store import Store
    from toolkit.sync.taking import Taking


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments."""
    parser.add_argument("--name", required=True, help="our name, as the sync file lists it")
    parser.add_argument(
        "--repository", required=True, metavar="URL",
        help="the repository's daemon: https://HOST:PORT",
    )  # fmt: skip
    add_credentials(parser)
    parser.add_argument(
        "--store", type=Path, required=True, metavar="DIR",
        help="folder for versions; what is in use is DIR/MODEL/current",
    )  # fmt: skip
    parser.add_argument(
        "--trust", type=Path, required=True, metavar="FILE",
        help="public key that must have signed every manifest (the repository's .pub file)",
    )  # fmt: skip
    parser.add_argument(
        "--listen", default="0.0.0.0:0", metavar="HOST:PORT",
        help="where packets come to us; port 0: any that is free (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--interface", default="", metavar="NAME|IP",
        help="join groups there: an interface of ours, by its name or an address of it",
    )  # fmt: skip
    parser.add_argument(
        "--source", action="append", default=[], metavar="HOST[:PORT]",
        help="an address that packets may come from, besides the one that the repository names",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS",
        help="leave a session when nothing comes for so long (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--once", action="store_true",
        help="end when everything that is wanted is in use (0), or --within is over (1)",
    )  # fmt: skip
    parser.add_argument(
        "--within", type=float, default=3600.0, metavar="SECONDS",
        help="of --once: wait no longer (default: %(default)s)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Work until it is ended."""
    from toolkit.cli.arithmetic import announce_arithmetic
    from toolkit.sync.agent import Agent
    from toolkit.sync.store import Store

    check_name("--name", args.name)
    if not 0 < args.timeout < 1e9:
        raise UsageError(f"--timeout {args.timeout:g}: must be positive")
    service = client(args, args.repository)
    store = Store(args.store)
    start = _starter(args, store)
    announce_arithmetic()
    store.take()
    agent = Agent(args.name, store, service, start, say)
    latest = time.monotonic() + args.within
    try:
        with terminable():
            agent.run(lambda a: args.once and (a.converged or time.monotonic() >= latest))
    except KeyboardInterrupt:
        say("llmsync: interrupted; what was received is kept in the store")
        return ExitCode.INTERRUPTED
    finally:
        store.release()
    return _verdict(agent)


def _verdict(agent: Agent) -> int:
    if agent.converged:
        return ExitCode.OK
    if agent.orders is None and agent.unreachable is not None:
        raise agent.unreachable
    return ExitCode.FINDINGS


def _starter(
    args: argparse.Namespace, store: Store
) -> Callable[[Offer, Callable[[], None]], Taking]:
    from toolkit.delivery.keys import trusted_key
    from toolkit.sync.taking import Taking

    trusted = trusted_key(args.trust)

    def start(offer: Offer, changed: Callable[[], None]) -> Taking:
        return Taking(
            args.name, offer, store, trusted=trusted, listen=args.listen,
            interface=args.interface, timeout=args.timeout, changed=changed,
            sources=args.source,
        )  # fmt: skip

    return start
