"""How often an address may fail to prove who it is.

Pure: the time is an argument.  Only failures count, so somebody behind the same address whose token
is right is never shut out by one who guesses.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

MAX_FAILURES = 20
"""At once; one more is forgiven every `FORGIVE` seconds."""
FORGIVE = 3.0
MAX_ADDRESSES = 4096
"""Addresses that are remembered."""


class Throttle:
    """A bucket of failures for every address, the oldest forgotten first."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def failed(self, address: str, now: float) -> float:
        """Count a failure; return for how many seconds the address should stay away, or 0."""
        key = _network(address)
        level, since = self._buckets.pop(key, (0.0, now))
        level = max(level - (now - since) / FORGIVE, 0.0)
        over = level + 1 - MAX_FAILURES
        self._buckets[key] = (min(level + 1, MAX_FAILURES), now)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return max(over * FORGIVE, 0.0)

    def __len__(self) -> int:
        return len(self._buckets)


def _network(address: str) -> str:
    """IPv6 hosts have a whole /64 to themselves."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
