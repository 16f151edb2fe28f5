"""MPLS label stack entries: label, TC, S, TTL.  RFC 3032 section 2.1, RFC 5462 (TC).

Pure.  What is reserved (0..15: explicit null and others) is read and written as any label; what it
means is the engine's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from toolkit.errors import WireError

ENTRY: Final = 4
"""Octets of an entry."""
BOTTOM: Final = 0x100
"""The S bit in an entry's word."""
MAX_LABEL: Final = (1 << 20) - 1
EXPLICIT_NULL: Final = {4: 0, 6: 2}
"""IP version -> its explicit null label (RFC 3032 section 2.1)."""


class Lse(NamedTuple):
    """A label stack entry but for S, which its place in the stack says."""

    label: int
    ttl: int
    tc: int = 0


def encode(stack: Sequence[Lse]) -> bytes:
    """Return the octets of a label stack, the outermost entry first.

    ValueError for an empty stack and for fields that do not fit.
    """
    if not stack:
        raise ValueError("a label stack has an entry at least")
    words = []
    for position, entry in enumerate(stack, 1):
        for name, value, most in (("label", entry.label, MAX_LABEL), ("tc", entry.tc, 7),
                                  ("ttl", entry.ttl, 255)):  # fmt: skip
            if not 0 <= value <= most:
                raise ValueError(f"{name} {value} is not 0..{most}")
        bottom = BOTTOM if position == len(stack) else 0
        words.append(entry.label << 12 | entry.tc << 9 | bottom | entry.ttl)
    return b"".join(word.to_bytes(ENTRY, "big") for word in words)


def parse(packet: bytes) -> tuple[tuple[Lse, ...], int]:
    """Return the label stack at the beginning of `packet` and where its payload begins.

    WireError where the packet ends before the bottom of the stack.
    """
    stack: list[Lse] = []
    for offset in range(0, len(packet) - ENTRY + 1, ENTRY):
        word = int.from_bytes(packet[offset : offset + ENTRY], "big")
        stack.append(Lse(word >> 12, word & 0xFF, word >> 9 & 7))
        if word & BOTTOM:
            return tuple(stack), offset + ENTRY
    raise WireError(f"the packet ends inside its label stack, after {len(stack)} entries")
