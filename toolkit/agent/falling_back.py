"""HTTP ranges where packets do not come."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlsplit

from toolkit.agent.joining import Joined, credentials
from toolkit.agent.settings import Settings
from toolkit.delivery.fetching import PARALLEL, Fetcher
from toolkit.errors import UsageError
from toolkit.service.client import segment
from toolkit.transport.ranges import Ranges, Server


def ranges(settings: Settings, joined: Joined | None) -> Ranges | None:
    """Return what fetches; None where nothing may be fetched."""
    url = settings.fallback
    if url is None:
        return None
    if url == "service" and joined is not None:
        url = f"{joined.client.url}/v1/sessions/{segment(joined.session)}"
    ours = credentials(settings)
    if ours.token and url.startswith("http://") and not _loopback(url):
        raise UsageError(f"--fallback {url}: a token is not sent in the clear (https://)")
    context = ours.context() if url.startswith("https:") else None
    server = Server(url=url, context=context, headers=ours.headers())
    fetcher = Fetcher(random.random, offers_all=server.offers_all)
    after = 0.0 if settings.fallback_only else settings.fallback_after
    return Ranges(server, fetcher, after=after, timeout=settings.timeout, threads=PARALLEL)


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
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"
