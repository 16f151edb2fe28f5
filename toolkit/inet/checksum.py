"""The Internet checksum.  RFC 1071; RFC 1624 for updating it.

Law: the one's complement sum of 16-bit words is the big-endian number modulo 65535, because
2**16 = 1 (mod 65535); so a whole packet is summed by the interpreter's own arithmetic.  Pure.
"""

from __future__ import annotations

from typing import Final

_MODULUS: Final = 0xFFFF


def ones_sum(data: bytes | bytearray | memoryview) -> int:
    """Return the one's complement sum of `data` as 0..65535; an odd octet is padded with zero.

    0 only where every octet is 0: a sum of non-zero words never folds to zero (RFC 1071 section 1).
    """
    total = int.from_bytes(data, "big") << (len(data) & 1) * 8
    return total % _MODULUS or (_MODULUS if total else 0)


def add(a: int, b: int) -> int:
    """Add two one's complement sums."""
    total = a + b
    return total - _MODULUS if total > _MODULUS else total


def checksum(data: bytes | bytearray | memoryview, initial: int = 0) -> int:
    """Return the checksum of `data`; `initial` is the sum of what comes before it.

    0 for data whose checksum field is right.
    """
    return _MODULUS - add(ones_sum(data), initial)


def updated(old: int, before: int, after: int) -> int:
    """Return a checksum after one 16-bit word changed (RFC 1624 section 3, equation 3)."""
    total = (_MODULUS - old) + (_MODULUS - before) + after
    total = (total & _MODULUS) + (total >> 16)
    total = (total & _MODULUS) + (total >> 16)
    return _MODULUS - total
