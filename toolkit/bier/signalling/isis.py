"""BIER Info: sub-TLV 32 of IS-IS TLVs 135, 235, 236 and 237.  RFC 8401 section 6.

    +-----------+-----------+---------------+-----------------------+
    |  BAR (8)  |  IPA (8)  | subdomain (8) |     BFR-id (16)       |   section 6.1
    +-----------+-----------+---------------+-----------------------+
    | sub-sub-TLVs ...
    +---------------------------------------------------------------+

    +-----------+-----------+-----------+-------+-------------------+
    | Type 1 (8)|Length 4(8)| Max SI (8)|BS Len4|     Label 20      |   section 6.2
    +-----------+-----------+-----------+-------+-------------------+

The non-MPLS encapsulation of draft-ietf-bier-lsr-non-mpls-extensions has the same four octets, with
a BIFT-id in the place of the label.  We could establish no type that IANA has given it, so whoever
knows what a network uses says it in `Codes`.  Pure.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from toolkit.bier.signalling.codes import Codes
from toolkit.bier.signalling.info import BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.errors import WireError
from toolkit.inet.tlv import Tlv, read_short, write_short

SUB_TLV: Final = 32
"""BIER Info in the registry of sub-TLVs for prefix reachability."""
MPLS_ENCAPSULATION: Final = 1
_FIXED: Final = Struct("!BBBH")
_RANGE: Final = 4


STANDARD: Final = Codes(MPLS_ENCAPSULATION)


def parse(value: bytes, mt_id: int = 0, codes: Codes = STANDARD) -> BierInfo:
    """Return what the value of a BIER Info sub-TLV says; WireError where it is malformed."""
    if len(value) < _FIXED.size:
        raise WireError(f"BIER Info: {len(value)} octets are less than {_FIXED.size}")
    bar, ipa, sub_domain_id, bfr_id = _FIXED.unpack_from(value)
    ranges, unknown = codes.sort(read_short(value[_FIXED.size :]), _range)
    return BierInfo(
        sub_domain_id=sub_domain_id,
        mt_id=mt_id,
        bfr_id=bfr_id,
        bar=bar,
        ipa=ipa,
        ranges=ranges,
        unknown=unknown,
    )


def _range(encapsulation: Encapsulation, value: bytes) -> BiftIdRange:
    if len(value) != _RANGE:
        raise WireError(
            f"BIER Info: a {encapsulation} encapsulation has {len(value)} octets, not {_RANGE}"
        )
    rest = int.from_bytes(value[1:], "big")
    return BiftIdRange(encapsulation, rest >> 20, rest & 0xFFFFF, value[0])


def encode(info: BierInfo, codes: Codes = STANDARD) -> bytes:
    """Return the value of the sub-TLV; the MT-ID is in the TLV around it.

    ValueError for what does not fit a sub-TLV of 255 octets, and for non-MPLS without a type.
    """
    tlvs = [
        Tlv(
            codes.type_of(offer.encapsulation),
            bytes((offer.max_si,)) + (offer.bsl_code << 20 | offer.base).to_bytes(3, "big"),
        )
        for offer in info.ranges
    ]
    fixed = _FIXED.pack(info.bar, info.ipa, info.sub_domain_id, info.bfr_id)
    value = fixed + write_short([*tlvs, *info.unknown])
    if len(value) > 0xFF:
        raise ValueError(f"BIER Info: {len(value)} octets do not fit a sub-TLV of IS-IS")
    return value
