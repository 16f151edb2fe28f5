"""The header, both ways, against vectors that were packed by hand."""

from __future__ import annotations

import pytest
from bier_cases import stems
from bier_packets import packets_of
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.wire import Encapsulation, Header, HeaderError, Proto, parse
from toolkit.errors import WireError

REFUSED = {
    "truncated",
    "unknown-bift-id",
    "not-bottom-of-stack",
    "wrong-nibble",
    "unknown-version",
    "bsl-mismatch",
}
STEMS = stems()
GROUPS = ("header", "refused", "forwarding", "sets")


@pytest.mark.parametrize("stem", [s for s in STEMS if s.startswith(GROUPS)])
def test_vectors_parse_to_their_fields_and_encode_to_their_octets(stem: str) -> None:
    judged = 0
    # no field of the header says the set
    cases = [c for c in STEMS[stem] if "/si-1" not in c.name and "/si-max" not in c.name]
    for packet in packets_of(cases):
        if REFUSED & packet.dropped.keys():
            with pytest.raises(HeaderError) as caught:
                parse(packet.octets, packet.encapsulation, packet.lengths)
            assert {str(caught.value.reason): 1} == packet.dropped
            assert isinstance(caught.value, WireError)
        elif "wrong-encapsulation" in packet.dropped or "edge-interface" in packet.dropped:
            continue
        else:
            header, offset = parse(packet.octets, packet.encapsulation, packet.lengths)
            fields = packet.fields
            assert (header.ttl, header.bift_id) == (fields["ttl"], fields["bift_id"])
            if packet.ordinary:
                assert header == packet.header()
                assert packet.octets[:offset] == header.encode()
        judged += 1
    assert judged or stem in ("refused/other-ethertype", "refused/ethertype-8848")


def test_a_known_label_of_another_length_is_a_mismatch() -> None:
    """The length comes from the BIFT-id; the packet's own field cannot change it."""
    packet = bytes.fromhex("00012140 50100007 00040003 0000000000000005") + bytes(600)
    with pytest.raises(HeaderError, match="BSL code 1"):
        parse(packet, Encapsulation.MPLS, {0x12: Bsl.B128})


def test_proto_numbers_are_ianas() -> None:
    assert [p.value for p in Proto] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert (Proto.IPV4, Proto.OAM, Proto.IPV6) == (4, 5, 6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bift_id", 1 << 20),
        ("ttl", 256),
        ("ttl", -1),
        ("proto", 64),
        ("bfir_id", 65536),
        ("entropy", 1 << 20),
        ("tc", 8),
        ("oam", 4),
        ("dscp", 64),
    ],
)
def test_what_does_not_fit_cannot_be_constructed(field: str, value: int) -> None:
    fields = {"bift_id": 16, "ttl": 64, "proto": 4, "bfir_id": 1, field: value}
    with pytest.raises(ValueError, match=field):
        Header(encapsulation=Encapsulation.MPLS, bits=BitString(Bsl.B64), **fields)


HEADERS = st.sampled_from(Bsl).flatmap(
    lambda bsl: st.builds(
        Header,
        encapsulation=st.sampled_from(Encapsulation),
        bift_id=st.integers(0, (1 << 20) - 1),
        ttl=st.integers(0, 255),
        proto=st.integers(0, 63),
        bfir_id=st.integers(0, 65535),
        bits=st.builds(BitString, st.just(bsl), st.integers(0, (1 << bsl.bits) - 1)),
        entropy=st.integers(0, (1 << 20) - 1),
        oam=st.integers(0, 3),
        dscp=st.integers(0, 63),
    )
)


@given(HEADERS, st.binary(max_size=8))
def test_what_is_encoded_is_what_is_parsed(header: Header, payload: bytes) -> None:
    data = header.encode() + payload
    parsed, offset = parse(data, header.encapsulation, {header.bift_id: header.bits.bsl})
    assert (parsed, data[offset:]) == (header, payload)


@given(st.binary(max_size=700), st.sampled_from(Encapsulation), st.sampled_from(Bsl))
def test_garbage_is_a_header_or_a_wire_error(
    data: bytes, encapsulation: Encapsulation, bsl: Bsl
) -> None:
    known = {int.from_bytes(data[:3], "big") >> 4: bsl}
    try:
        header, offset = parse(data, encapsulation, known)
    except WireError:
        return
    assert header.bits.bsl is bsl
    assert offset == 12 + bsl.octets


@given(HEADERS, st.integers(0, 11 + 512))
def test_a_cut_header_is_always_truncated(header: Header, size: int) -> None:
    data = header.encode()
    if size < len(data):
        with pytest.raises(HeaderError) as caught:
            parse(data[:size], header.encapsulation, {header.bift_id: header.bits.bsl})
        assert caught.value.reason == "truncated"
