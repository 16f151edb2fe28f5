"""The checksum of link state PDUs: Fletcher's, with two octets that make both sums zero.

ISO/IEC 8473 annex C, ISO/IEC 10589 section 7.3.11 (IS-IS), RFC 2328 section 12.1.7 (OSPF), RFC 1008
(arithmetic).  Law: `verify(data)` is true of data that holds the octets of `check_octets(data, n)`
at offset n.  Pure.
"""

from __future__ import annotations

from typing import Final

_MODULUS: Final = 255


def _sums(data: bytes) -> tuple[int, int]:
    first = second = 0
    for octet in data:
        first += octet
        second += first
    return first % _MODULUS, second % _MODULUS


def verify(data: bytes) -> bool:
    """True where both sums over data with its checksum field are zero modulo 255."""
    return _sums(data) == (0, 0)


def check_octets(data: bytes, at: int) -> bytes:
    """Return the two octets for offset `at` of `data`; what stands there counts as zero.

    ValueError where the field is not inside the data.  Neither octet is ever 0: 0 is written as its
    other form 255, since a checksum of 0 says "none".
    """
    if not 0 <= at <= len(data) - 2:
        raise ValueError(f"no room for a checksum at offset {at} of {len(data)} octets")
    first, second = _sums(data[:at] + b"\0\0" + data[at + 2 :])
    behind = len(data) - at - 1  # octets after the first of the two
    x = (behind * first - second) % _MODULUS
    y = (second - (behind + 1) * first) % _MODULUS
    return bytes((x or _MODULUS, y or _MODULUS))
