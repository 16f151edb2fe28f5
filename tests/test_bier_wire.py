"""The header, both ways, against vectors that were packed by hand."""

from __future__ import annotations

import bier_vectors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.wire import Encapsulation, Header, HeaderError, Proto, parse
from toolkit.errors import WireError

ALL = bier_vectors.vectors("header", "refused", "forwarding", "rfc8279_figures")
SOUND = [v for v in ALL if "header" in v]
REFUSED = {
    "truncated",
    "unknown-bift-id",
    "not-bottom-of-stack",
    "wrong-nibble",
    "unknown-version",
    "bsl-mismatch",
}
BROKEN = [v for v in ALL if REFUSED & set(v["dropped"])]


@pytest.mark.parametrize("vector", SOUND, ids=lambda v: v["name"])
def test_vectors_parse_to_their_fields(vector: bier_vectors.Vector) -> None:
    packet = bier_vectors.octets(vector["packet"])
    header, offset = parse(
        packet, Encapsulation(vector["encapsulation"]), bier_vectors.lengths(vector)
    )
    assert header == bier_vectors.header(vector)
    assert packet[offset:].hex() in ("c0ffee00", "")


@pytest.mark.parametrize("vector", SOUND, ids=lambda v: v["name"])
def test_fields_encode_to_their_vectors(vector: bier_vectors.Vector) -> None:
    packet = bier_vectors.octets(vector["packet"])
    encoded = bier_vectors.header(vector).encode()
    assert packet[: len(encoded)] == encoded
    assert len(packet) - len(encoded) in (0, 4)


@pytest.mark.parametrize("vector", BROKEN, ids=lambda v: v["name"])
def test_forbidden_headers_are_refused_with_their_reason(vector: bier_vectors.Vector) -> None:
    with pytest.raises(HeaderError) as caught:
        parse(
            bier_vectors.octets(vector["packet"]),
            Encapsulation(vector["encapsulation"]),
            bier_vectors.lengths(vector),
        )
    assert {str(caught.value.reason): 1} == vector["dropped"]
    assert isinstance(caught.value, WireError)


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
