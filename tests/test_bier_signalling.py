"""BIER in IS-IS and OSPF: octets by hand both ways, any value, any octets, what must be ignored."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.signalling import isis, ospf
from toolkit.bier.signalling.acceptance import (
    Advertisement,
    Conflict,
    Reason,
    accept,
    conflict,
    duplicates,
)
from toolkit.bier.signalling.codes import Codes
from toolkit.bier.signalling.info import BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.errors import WireError
from toolkit.inet.tlv import Tlv

MPLS, NON_MPLS = Encapsulation.MPLS, Encapsulation.NON_MPLS
VECTORS = json.loads((Path(__file__).parent / "vectors" / "igp_bier.json").read_text())


def value(fields: dict[str, Any]) -> BierInfo:
    ranges = tuple(
        BiftIdRange(Encapsulation(kind), code, base, max_si)
        for kind, code, base, max_si in fields["ranges"]
    )
    unknown = tuple(Tlv(kind, bytes.fromhex(text)) for kind, text in fields.get("unknown", []))
    return BierInfo(**{**fields, "ranges": ranges, "unknown": unknown})


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_octets_packed_by_hand_both_ways(vector: dict[str, Any]) -> None:
    octets, info = bytes.fromhex(vector["octets"].replace(" ", "")), value(vector["info"])
    if vector["protocol"] == "isis":
        assert isis.encode(info) == octets
        assert isis.parse(octets) == info
    else:
        assert ospf.encode(info) == octets
        assert ospf.parse(octets) == info


def test_the_layout_of_the_non_mpls_draft_under_a_type_that_is_given() -> None:
    codes = Codes(1, 42)
    info = BierInfo(sub_domain_id=1, ranges=(BiftIdRange(NON_MPLS, 3, 0x12345, 2),))
    octets = bytes.fromhex("00000100002a0402312345")
    assert isis.encode(info, codes) == octets
    assert isis.parse(octets, 0, codes) == info
    assert isis.parse(octets).unknown == (Tlv(42, bytes.fromhex("02312345")),)
    with pytest.raises(ValueError, match="no type is assigned to the non-MPLS encapsulation"):
        isis.encode(info)
    there = bytes.fromhex("0100000000000000002a00080201234530000000")
    assert ospf.encode(info, Codes(10, 42)) == there
    assert ospf.parse(there, Codes(10, 42)) == info


def test_reserved_bits_are_ignored() -> None:
    there = bytes.fromhex("010000000000ffff000a000802f123453fffffff")
    assert ospf.parse(there).ranges == (BiftIdRange(MPLS, 3, 0x12345, 2),)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("00000000", "BIER Info: 4 octets are less than 5"),
        ("000000000001", "one octet is left at offset 0: no room for a TLV"),
        ("00000000000104000000", "TLV 1 at offset 0 wants 4 octets, 3 are left"),
        ("00000000000103000000", "BIER Info: a mpls encapsulation has 3 octets, not 4"),
    ],
)
def test_malformed_in_isis(octets: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        isis.parse(bytes.fromhex(octets))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("00000000000000", "BIER sub-TLV: 7 octets are less than 8"),
        ("0000000000000000000a", "2 octets are left at offset 0: no room for a TLV"),
        ("0000000000000000000a000800", "TLV 10 at offset 0 wants 8 octets, 1 are left"),
        ("0000000000000000000a000100", "BIER sub-TLV: a mpls encapsulation has 1 octets, not 8"),
    ],
)
def test_malformed_in_ospf(octets: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        ospf.parse(bytes.fromhex(octets))
    assert str(caught.value) == message


def test_what_does_not_fit_its_field_is_not_constructible() -> None:
    for wrong in ({"bfr_id": 65536}, {"bar": -1}, {"ipa": 256}, {"mt_id": 4096}):
        with pytest.raises(ValueError, match="is not 0"):
            BierInfo(sub_domain_id=0, **wrong)  # type: ignore[arg-type]
    for fields in ((16, 0, 0), (0, 1 << 20, 0), (0, 0, 256)):
        with pytest.raises(ValueError, match="is not 0"):
            BiftIdRange(MPLS, *fields)


octet = st.integers(0, 255)
ranges = st.lists(
    st.builds(
        BiftIdRange,
        st.sampled_from(Encapsulation),
        st.integers(0, 15),
        st.integers(0, 0xFFFFF),
        octet,
    ),
    max_size=4,
).map(tuple)
unknown = st.lists(st.builds(Tlv, st.integers(100, 255), st.binary(max_size=9)), max_size=2).map(
    tuple
)
values = st.builds(
    BierInfo,
    sub_domain_id=octet,
    mt_id=octet,
    bfr_id=st.integers(0, 65535),
    bar=octet,
    ipa=octet,
    ranges=ranges,
    unknown=unknown,
)


@given(values)
def test_what_is_encoded_is_parsed(info: BierInfo) -> None:
    codes = Codes(1, 2)
    assert isis.parse(isis.encode(info, codes), info.mt_id, codes) == info
    codes = Codes(10, 11)
    assert ospf.parse(ospf.encode(info, codes), codes) == info


@given(st.binary(max_size=60), st.sampled_from([b"", bytes(5), bytes(8), bytes(8) + b"\0\x0a"]))
def test_any_octets_give_a_value_or_a_wire_error(data: bytes, prefix: bytes) -> None:
    for parse, encode in ((isis.parse, isis.encode), (ospf.parse, ospf.encode)):
        try:
            info = parse(prefix + data)  # type: ignore[operator]
        except WireError:
            continue
        assert parse(encode(info)) == info  # type: ignore[operator]


# What must be ignored.


def said(
    *ranges: BiftIdRange, sd: int = 0, prefix: str = "10.0.0.1/32", router: str = "r", **rest: int
) -> Advertisement:
    info = BierInfo(sub_domain_id=sd, ranges=ranges, **rest)  # type: ignore[arg-type]
    return Advertisement(router=router, prefix=IPv4Network(prefix), info=info, place=f"sd {sd}")


def reasons(*some: Advertisement) -> list[str]:
    return [refusal.reason for refusal in accept(some, 127)[1]]


def label(base: int, max_si: int = 0, code: int = 3) -> BiftIdRange:
    return BiftIdRange(MPLS, code, base, max_si)


def test_a_sound_advertisement_counts_as_it_is() -> None:
    some = (said(label(100, 3), label(104, 0, 4), sd=0), said(label(200), sd=1))
    assert accept(some, 127) == (some, ())


def test_the_same_bsl_twice_takes_the_bier_info_away_and_no_other() -> None:
    good = said(label(200), sd=1)
    kept, refused = accept([said(label(100), label(300)), good], 127)
    assert kept == (good,)
    assert [r.reason for r in refused] == [Reason.BSL_REPEATED]
    assert refused[0].what == (
        "sub-domain 0: BS Len 3 twice in one BIER Info (mpls); the BIER Info is ignored"
    )


def test_ranges_that_overlap_take_the_whole_router_away() -> None:
    """Max SI is the largest SI: 100 to 103 and 103 overlap, 100 to 103 and 104 do not."""
    kept, refused = accept([said(label(100, 3), sd=0), said(label(103), sd=1)], 127)
    assert kept == ()
    assert [r.reason for r in refused] == [Reason.LABEL_OVERLAP, Reason.LABEL_OVERLAP]
    assert refused[0].what == (
        "labels 100-103 (sub-domain 0, BSL 256) and labels 103-103 (sub-domain 1, BSL 256) overlap"
    )
    assert reasons(said(label(100, 3), sd=0), said(label(104), sd=1)) == []


def test_an_ignored_info_takes_part_in_no_overlap() -> None:
    assert reasons(said(label(100), label(100), sd=0), said(label(100), sd=1)) == [
        Reason.BSL_REPEATED
    ]


def test_overlap_without_mpls_takes_the_ranges_without_mpls_away() -> None:
    some = said(label(100), BiftIdRange(NON_MPLS, 3, 7, 1), BiftIdRange(NON_MPLS, 4, 8, 0))
    kept, refused = accept([some], 127)
    assert [one.info.ranges for one in kept] == [(label(100),)]
    assert [r.reason for r in refused] == [Reason.BIFT_ID_OVERLAP]


def test_ranges_that_cannot_be_are_ignored_alone() -> None:
    good = label(100, 0, 2)
    some = said(label(0xFFFFF, 1), label(50, 0, 9), label(3, 0, 4), good)
    kept, refused = accept([some], 127)
    assert kept[0].info.ranges == (good,)
    assert [r.reason for r in refused] == [
        Reason.OUT_OF_RANGE,
        Reason.UNKNOWN_BSL,
        Reason.SPECIAL_LABEL,
    ]


def test_prefix_topology_and_repeated_sub_domains() -> None:
    assert reasons(said(label(100), prefix="10.0.0.0/31")) == [Reason.NOT_HOST_PREFIX]
    assert reasons(said(label(100), mt_id=128)) == [Reason.MT_ID]
    twice = [said(label(100), mt_id=0), said(label(200), mt_id=2), said(label(300), sd=9)]
    kept, refused = accept(twice, 127)
    assert kept == (twice[2],)
    assert [r.reason for r in refused] == [Reason.SUB_DOMAIN_REPEATED] * 2


def test_conflicts_of_two_bfrs() -> None:
    own = BierInfo(sub_domain_id=0)
    assert conflict(own, replace(own, bfr_id=7)) is None
    assert conflict(own, replace(own, mt_id=2)) is Conflict.TOPOLOGY
    assert conflict(own, replace(own, bar=1)) is Conflict.ALGORITHM
    assert conflict(own, replace(own, ipa=128)) is Conflict.ALGORITHM


def test_bfr_ids_held_twice() -> None:
    a, b, c = (
        said(bfr_id=n, prefix=f"10.0.0.{i}/32", router=f"r{i}") for i, n in enumerate((5, 5, 0))
    )
    other = said(bfr_id=5, sd=1, prefix="10.0.0.9/32", router="r9")
    again = replace(a, router="abr", redistributed=True)
    assert duplicates([a, b, c, replace(c, router="x"), other, again]) == {(0, 5): (a, b)}
    assert duplicates([a, again, other]) == {}
