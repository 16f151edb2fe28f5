"""`llmsync receive --fallback`: HTTP ranges where packets do not come."""

from __future__ import annotations

import argparse
import random
from typing import TYPE_CHECKING, Any

from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.cli.joining import Joined
    from toolkit.transport.ranges import Ranges


def add_fallback(parser: argparse.ArgumentParser) -> None:
    """Add what `receive` has for it."""
    group = parser.add_argument_group("where packets do not come")
    group.add_argument(
        "--fallback", metavar="URL",
        help="finish by HTTP ranges: a folder with manifest, digests/PATH and files/PATH (send "
        "--publish makes one), an address of files alone with {path} in it, or `service`: that "
        "of --join",
    )  # fmt: skip
    group.add_argument(
        "--fallback-after", type=float, default=10.0, metavar="SECONDS",
        help="begin when no data has come for so long (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--fallback-only", action="store_true",
        help="expect no packets; --listen and --sender may be left out, then nobody is told",
    )  # fmt: skip


def check_fallback(args: argparse.Namespace) -> None:
    """Raise UsageError where the options contradict each other."""
    if args.fallback_only and args.fallback is None:
        raise UsageError("--fallback-only needs --fallback URL")
    if args.fallback == "service" and args.join is None:
        raise UsageError("--fallback service goes with --join URL")
    if not 0 <= args.fallback_after < 1e6:
        raise UsageError(f"--fallback-after {args.fallback_after:g}: must not be negative")
    if args.fallback_only and "{path}" in args.fallback and args.sender is None and not args.join:
        raise UsageError(
            f"--fallback {args.fallback}: files alone are not enough without a sender (name a "
            "folder that has the manifest, or --sender)"
        )


def ranges(args: argparse.Namespace, joined: Joined | None) -> Ranges | None:
    """Return what fetches, None without --fallback."""
    if args.fallback is None:
        return None
    from toolkit.cli.calling import credentials
    from toolkit.delivery.fetching import PARALLEL, Fetcher
    from toolkit.service.client import segment
    from toolkit.transport.ranges import Ranges, Server

    url = args.fallback
    if url == "service" and joined is not None:
        url = f"{joined.client.url}/v1/sessions/{segment(joined.session)}"
    ours = credentials(args)
    if ours.token and url.startswith("http://") and not _loopback(url):
        raise UsageError(f"--fallback {url}: a token is not sent in the clear (https://)")
    context = ours.context() if url.startswith("https:") else None
    server = Server(url=url, context=context, headers=ours.headers())
    fetcher = Fetcher(random.random, offers_all=server.offers_all)
    after = 0.0 if args.fallback_only else args.fallback_after
    return Ranges(server, fetcher, after=after, timeout=args.timeout, threads=PARALLEL)


def trouble(fetching: Ranges | None) -> str:
    """What is wrong with answers, to be told while it goes on; empty: nothing."""
    if fetching is None or not fetching.fetcher.faults:
        return ""
    kinds = ", ".join(sorted(fetching.fetcher.faults))
    return f"--fallback: {fetching.fetcher.problem} ({kinds}; it is tried again, ever more rarely)"


def summary(fetching: Ranges | None, received: int) -> dict[str, Any]:
    """Which bytes came by which way, for a result.  `received`: payload bytes of packets."""
    if fetching is None:
        return {}
    fetcher = fetching.fetcher
    return {
        "by_packets": received, "by_https": fetcher.bytes, "https_requests": fetcher.requests,
        "https_faults": dict(fetcher.faults),
    }  # fmt: skip


def _loopback(url: str) -> bool:
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"
