"""BIER: sub-TLV 9 of OSPFv2's Extended Prefix TLV, with sub-TLV 10 in it.  RFC 8444 section 2.

    +---------------+---------------+-------------------------------+
    | sub-domain-id |     MT-ID     |             BFR-id            |   section 2.1
    +---------------+---------------+-------------------------------+
    |      BAR      |      IPA      |            Reserved           |
    +---------------+---------------+-------------------------------+
    | sub-TLVs ...
    +---------------------------------------------------------------+

    +---------------+-----------------------------------------------+
    |    Max SI     |        Label (24, the 20 rightmost count)     |   section 2.2
    +-------+-------+-----------------------------------------------+
    | BSLen |                       Reserved                        |
    +-------+-------------------------------------------------------+

The non-MPLS encapsulation of draft-ietf-bier-lsr-non-mpls-extensions has the same eight octets,
with a BIFT-id in the place of the label; we could establish no assigned type (`Codes`).  Pure.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from toolkit.bier.signalling.codes import Codes
from toolkit.bier.signalling.info import MAX_BIFT_ID, BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.errors import WireError
from toolkit.inet.tlv import Tlv, read_long, write_long

SUB_TLV: Final = 9
"""BIER in the registry of OSPFv2 Extended Prefix TLV sub-TLVs."""
MPLS_ENCAPSULATION: Final = 10
MAX_MT_ID: Final = 127
"""Of RFC 4915; a BIER sub-TLV with another MUST be ignored (RFC 8444 section 2.1)."""
STANDARD: Final = Codes(MPLS_ENCAPSULATION)
_FIXED: Final = Struct("!BBHBBxx")
_RANGE: Final = 8


def parse(value: bytes, codes: Codes = STANDARD) -> BierInfo:
    """Return what the value of a BIER sub-TLV says; WireError where it is malformed."""
    if len(value) < _FIXED.size:
        raise WireError(f"BIER sub-TLV: {len(value)} octets are less than {_FIXED.size}")
    sub_domain_id, mt_id, bfr_id, bar, ipa = _FIXED.unpack_from(value)
    ranges, unknown = codes.sort(read_long(value[_FIXED.size :]), _range)
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
            f"BIER sub-TLV: a {encapsulation} encapsulation has {len(value)} octets, not {_RANGE}"
        )
    base = int.from_bytes(value[1:4], "big") & MAX_BIFT_ID
    return BiftIdRange(encapsulation, value[4] >> 4, base, value[0])


def encode(info: BierInfo, codes: Codes = STANDARD) -> bytes:
    """Return the value of the sub-TLV.

    ValueError for an MT-ID above 255, for what does not fit 65535 octets, and for non-MPLS without
    a type.
    """
    if info.mt_id > 0xFF:
        raise ValueError(f"MT-ID {info.mt_id} does not fit the 8 bits that OSPF has for it")
    tlvs = [
        Tlv(
            codes.type_of(offer.encapsulation),
            bytes((offer.max_si,))
            + offer.base.to_bytes(3, "big")
            + bytes((offer.bsl_code << 4, 0, 0, 0)),
        )
        for offer in info.ranges
    ]
    fixed = _FIXED.pack(info.sub_domain_id, info.mt_id, info.bfr_id, info.bar, info.ipa)
    return fixed + write_long([*tlvs, *info.unknown])
