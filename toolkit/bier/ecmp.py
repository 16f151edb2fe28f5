"""Which of several equal-cost ways a packet takes.  RFC 8279 section 6.7, RFC 8296 section 2.1.2.

Law: the same entropy takes the same way, whatever the BitString is (section 6.7.2), on every plane
and in every run; two routers in a row choose independently, since each mixes its own salt in (else
all flows that reach a router over the first of two ways would leave it by the first of two ways).
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from math import lcm
from typing import Final

MAX_WAYS: Final = 16
"""BIFTs of one <sub-domain, BSL, SI>, and equal-cost ways to one BFER."""
_WORD: Final = 0xFFFFFFFF


def mix(entropy: int, salt: int = 0) -> int:
    """Return a 32-bit value of the 20-bit entropy and a router's salt (32 bits).

    The finalizer of MurmurHash3: every bit of what comes out depends on every bit of what goes in.
    """
    x = (entropy ^ salt) & _WORD
    x = (x ^ x >> 16) * 0x85EBCA6B & _WORD
    x = (x ^ x >> 13) * 0xC2B2AE35 & _WORD
    return x ^ x >> 16


def salt_of(router: str) -> int:
    """Return the salt of a router, 32 bits of its name: the same wherever it is computed."""
    return int.from_bytes(blake2b(router.encode(), digest_size=4).digest(), "big")


def choose(entropy: int, salt: int, ways: int) -> int:
    """Return which of `ways` tables, 0 to `ways` - 1, a packet uses."""
    return mix(entropy, salt) % ways if ways > 1 else 0


def tables_of(maximum_paths: int) -> int:
    """Return how many BIFTs stand for a set where a BFER may have up to that many ways.

    It follows from the setting alone, so that the way to one BFER never depends on how many ways
    there are to another.
    """
    return tables_for(range(1, maximum_paths + 1))


def tables_for(ways: Iterable[int], at_least: int = 1) -> int:
    """Return how many BIFTs share destinations with that many equal-cost ways each evenly.

    The least common multiple, 16 at most (then evenly to within one table); a multiple of
    `at_least` where that fits, so that flows stay where they are.
    """
    count = lcm(at_least, *ways)
    return count if count <= MAX_WAYS else MAX_WAYS
