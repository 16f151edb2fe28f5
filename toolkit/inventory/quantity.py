"""Rates, delays and sizes with their units, as network engineers write them.  Pure.

Rates are bit/s with decimal prefixes (`100G`, `2.5Gbit/s`); delays need a unit (`4ms`); sizes are
bytes without one (`9000`).  What is ambiguous is refused: `10GB`, `4`, `9k`.
"""

from __future__ import annotations

import re
from decimal import Decimal

from toolkit.inventory.refusal import Refusal

LOWEST_RATE = 64_000
HIGHEST_RATE = 1_000_000_000_000_000
LONGEST_DELAY = 2.0
"""Seconds one way; a geostationary satellite needs 0.28."""
MTU_RANGE = (576, 65535)
"""RFC 791 section 3.1: every host takes 576 bytes; 65535 is what a length field can say."""

RATE_PATTERN = r"^\s*[0-9]{1,15}(\.[0-9]{1,15})?\s*[kKMGT]?(bit/s|bps|b/s|bit)?\s*$"
DELAY_PATTERN = r"^\s*[0-9]{1,15}(\.[0-9]{1,15})?\s*(ns|us|µs|μs|ms|s)\s*$"

_RATE = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([kKMGT]?)(?:bit/s|bps|b/s|bit)?\s*")
_BYTES = re.compile(r"\s*([0-9.]+)\s*([kKMGT]i?)?(?:B|B/s|[Bb]ytes?(?:/s)?)\s*")
_BINARY = re.compile(r"\s*[0-9.]+\s*[KMGT]i(?:bit/s|bps|b/s|bit|b)?\s*")
_WRONG_CASE = re.compile(r"\s*([0-9.]+)\s*([mgt])(bit/s|bps|b/s|bit|b)?\s*")
_DELAY = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(ns|us|µs|μs|ms|s)\s*")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")

_POWERS = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12}
_SECONDS = {"ns": 9, "us": 6, "µs": 6, "μs": 6, "ms": 3, "s": 0}


def parse_rate(value: object) -> int:
    """Return bit/s; refuse bytes, binary prefixes, a wrong case and what no link can do."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Refusal("is not a rate in bit/s", "write it like 10G or 2500M")
    if isinstance(value, int):
        rate = Decimal(value)
    elif match := _RATE.fullmatch(value):
        rate = Decimal(match[1]).scaleb(_POWERS[match[2]])
    elif match := _BYTES.fullmatch(value):
        remedy = f"give bits: {match[1]}{(match[2] or '')[:1]} is eight times less"
        raise Refusal("counts bytes, rates here are bit/s", remedy)
    elif _BINARY.fullmatch(value):
        raise Refusal("has a binary prefix, rates are decimal", "write it like 10G or 2500M")
    elif match := _WRONG_CASE.fullmatch(value):
        raise Refusal("is not a rate", f"did you mean '{match[1]}{match[2].upper()}'?")
    else:
        raise Refusal("is not a rate in bit/s", "write it like 10G or 2500M")
    if rate < LOWEST_RATE:
        remedy = f"did you mean '{value}G'?" if isinstance(value, int) and value > 0 else ""
        raise Refusal(f"bit/s is less than {format_rate(LOWEST_RATE)}", remedy)
    if rate > HIGHEST_RATE:
        raise Refusal(f"is more than {format_rate(HIGHEST_RATE)} bit/s")
    if rate != int(rate):
        raise Refusal("is not a whole number of bit/s")
    return int(rate)


def parse_delay(value: object) -> float:
    """Return seconds; refuse a number without its unit."""
    match = _DELAY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        written = str(value) if isinstance(value, str | float) or type(value) is int else ""
        bare = _NUMBER.fullmatch(written) is not None
        remedy = f"did you mean '{written}ms'?" if bare and len(written) < 8 else ""
        raise Refusal(
            "is a delay without its unit" if bare else "is not a delay",
            remedy or "write it like 4ms or 250us",
        )
    seconds = float(Decimal(match[1]).scaleb(-_SECONDS[match[2]]))
    if seconds > LONGEST_DELAY:
        remedy = f"did you mean '{match[1]}ms'?" if match[2] == "s" else ""
        raise Refusal(f"is longer than {LONGEST_DELAY:g} s", remedy)
    return seconds


def parse_mtu(value: object) -> int:
    """Return bytes of the largest network-layer packet."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal("is not a size in bytes", "write the whole number, like 1500 or 9000")
    low, high = MTU_RANGE
    if not low <= value <= high:
        raise Refusal(f"is not between {low} and {high} bytes")
    return value


def format_rate(rate: int) -> str:
    """Return the shortest exact spelling that `parse_rate` reads back."""
    for prefix in "TGMk":
        unit = 10 ** _POWERS[prefix]
        if rate >= unit and rate * 1000 % unit == 0:
            return f"{Decimal(rate) / unit:f}{prefix}"
    return str(rate)


def format_delay(seconds: float) -> str:
    """Return the delay with the unit that leaves no zeros in front: `4ms`, `250us`."""
    exact = Decimal(repr(seconds))
    for unit in ("s", "ms", "us"):
        if exact == 0 or (scaled := exact.scaleb(_SECONDS[unit])) >= 1:
            return "0ms" if exact == 0 else f"{scaled.normalize():f}{unit}"
    return f"{exact.scaleb(_SECONDS['ns']).normalize():f}ns"
