"""The packer of the vectors: held to octets written down by hand, and to having no relatives."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from toolkit.bier.conformance import packing, picture, template
from toolkit.bier.conformance.expansion import VectorFileError, cases

FIELDS = {
    "bift_id": 0x12, "tc": 0, "s": 1, "ttl": 64, "nibble": 5, "ver": 0, "bsl": 1, "entropy": 7,
    "oam": 0, "rsv": 0, "dscp": 0, "proto": 4, "bfir_id": 3,
}  # fmt: skip


def test_the_header_of_figure_1_packed_by_hand() -> None:
    by_hand = bytes.fromhex("00012140 50100007 00040003 0000000000000005")
    assert packing.bier(FIELDS, [1, 3], 64) == by_hand


@pytest.mark.parametrize(
    ("field", "by_hand"),
    [
        ("bift_id", "fffff000 00000000 00000000"),
        ("tc", "00000e00 00000000 00000000"),
        ("s", "00000100 00000000 00000000"),
        ("ttl", "000000ff 00000000 00000000"),
        ("nibble", "00000000 f0000000 00000000"),
        ("ver", "00000000 0f000000 00000000"),
        ("bsl", "00000000 00f00000 00000000"),
        ("entropy", "00000000 000fffff 00000000"),
        ("oam", "00000000 00000000 c0000000"),
        ("rsv", "00000000 00000000 30000000"),
        ("dscp", "00000000 00000000 0fc00000"),
        ("proto", "00000000 00000000 003f0000"),
        ("bfir_id", "00000000 00000000 0000ffff"),
    ],
)
def test_every_field_stands_where_figure_1_says(field: str, by_hand: str) -> None:
    widths = dict(packing.LAYOUT)
    said = {**dict.fromkeys(widths, 0), field: (1 << widths[field]) - 1}
    assert packing.bier(said, [], 64)[:12] == bytes.fromhex(by_hand)
    with pytest.raises(ValueError, match="does not fit"):
        packing.bier({**said, field: 1 << widths[field]}, [], 64)


@pytest.mark.parametrize("bits", packing.CODES)
def test_bit_1_is_the_last_bit_and_the_highest_the_first(bits: int) -> None:
    assert packing.bit_string([1], bits) == bytes(bits // 8 - 1) + b"\x01"
    assert packing.bit_string([bits], bits) == b"\x80" + bytes(bits // 8 - 1)
    assert packing.bit_string([8, 9], bits)[-2:] == b"\x01\x80"
    assert 32 << packing.CODES[bits] == bits


def test_checksums_are_those_of_a_packet_on_the_wire() -> None:
    """RFC 1071's example, and a UDP datagram that tcpdump calls correct."""
    assert packing.internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2
    packet = packing.ip("192.0.2.1", "192.0.2.2", 17, b"", 64, 0)
    assert packing.internet_checksum(packet[:20]) == 0
    datagram = packing.udp("192.0.2.1", 1, "192.0.2.2", 2, b"x", checked=True)
    pseudo = bytes.fromhex("c0000201 c0000202 0011") + len(datagram).to_bytes(2, "big")
    assert packing.internet_checksum(pseudo + datagram) == 0


@pytest.mark.parametrize("module", [packing, picture, template])
def test_nothing_that_makes_expected_octets_knows_the_code_under_test(module: object) -> None:
    tree = ast.parse(Path(str(getattr(module, "__file__", ""))).read_text("utf-8"))
    names = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    ours = {name for name in names if name.startswith("toolkit")}
    assert all(name.startswith("toolkit.bier.conformance") for name in ours)


def test_the_language_of_the_files() -> None:
    symbols = {"BSL": 64, "n": 3, "KIND": "gre"}
    assert template.expand("=BSL//2+n % 2", symbols) == 33
    assert template.expand("1-{BSL-1},{KIND}", symbols) == "1-63,gre"
    assert template.expand({"N{n}": ["=n == 3"]}, symbols) == {"N3": [1]}
    spread = [{"for": {"a": "1-3", "b": ["x", "y"]}, "if": "=a != 2", "do": "{a}{b}"}, 7]
    assert template.expand(spread, {}) == ["1x", "1y", "3x", "3y", 7]
    assert template.expand({"merge": [{"a": 1}, {"b": "=n"}]}, symbols) == {"a": 1, "b": 3}
    assert template.ranges(template.numbers("1,3,5-9")) == "1,3,5-9"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("=__import__('os')", "more than arithmetic"),
        ("=BSL.bit_length()", "more than arithmetic"),
        ("=1 << 99", "more than arithmetic"),
        ("=NO", "NO in 'NO' is not known"),
        ("=1 +", "is no expression"),
        ("=KIND+1", "computes with a text"),
    ],
)
def test_the_language_says_nothing_but_numbers(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        template.expand(text, {"BSL": 64, "KIND": "gre"})


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"receive": {"on": "eth0", "bier": {"bits": [1]}}}, "a packet needs its bift_id"),
        ({"receive": {"on": "eth0", "bier": {}, "oops": 1}}, "oops is not known here"),
        ({"program": "none"}, "no program none"),
        ({"recieve": {}}, "recieve is not known here"),
        ({"program": {"bifts": [{"bift_id": 1}]}}, r"bifts\[0\].bift_id: 1 is not 16 to 1048575"),
    ],
)
def test_a_wrong_step_is_refused_with_its_place(step: dict[str, object], why: str) -> None:
    vector = {"name": "v", "meaning": "m", "source": "s", "over": "once", "steps": [step]}
    with pytest.raises(Exception, match=why) as caught:
        [case.vector() for case in cases({"vectors": [vector]}, "group")]
    assert "v" in str(caught.value)


def test_an_unknown_member_of_a_vector_is_refused() -> None:
    with pytest.raises(VectorFileError, match=r"group.json: v: stepz is not known"):
        list(cases({"vectors": [{"name": "v", "stepz": []}]}, "group"))
