"""MPLS label stacks against octets packed by hand, and against tshark."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import WireError
from toolkit.inet import udp
from toolkit.srp2mp.engine import Engine, Send
from toolkit.srp2mp.table import Branch, Segment
from toolkit.srp2mp.wire import EXPLICIT_NULL, Lse, encode, parse

VECTORS = [
    # RFC 3032 section 2.1: label 20 bits, TC 3 (RFC 5462), S 1, TTL 8; packed by hand.
    ("03a99140", (Lse(15001, 64),)),  # 15001 << 12 | S | 64
    ("03e8003f03a9913f", (Lse(16000, 63), Lse(15001, 63))),
    ("fffffeff00000501", (Lse((1 << 20) - 1, 255, 7), Lse(0, 1, 2))),  # explicit null beneath
    ("00002103", (Lse(EXPLICIT_NULL[6], 3, 0),)),
]


@pytest.mark.parametrize(("text", "stack"), VECTORS)
def test_vectors_both_ways(text: str, stack: tuple[Lse, ...]) -> None:
    octets = bytes.fromhex(text)
    assert encode(stack) == octets
    assert parse(octets + b"rest") == (stack, len(octets))


entries = st.builds(Lse, st.integers(0, (1 << 20) - 1), st.integers(0, 255), st.integers(0, 7))


@given(st.lists(entries, min_size=1, max_size=6), st.binary(max_size=9))
def test_round_trip(stack: list[Lse], payload: bytes) -> None:
    data = encode(stack) + payload
    found, offset = parse(data)
    assert (list(found), data[offset:]) == (stack, payload)


@given(st.binary(max_size=40))
def test_garbage_is_a_wire_error_or_a_stack(data: bytes) -> None:
    try:
        stack, offset = parse(data)
    except WireError:
        return
    assert encode(stack) == data[:offset]


@pytest.mark.parametrize(
    "stack", [(), (Lse(1 << 20, 1),), (Lse(-1, 1),), (Lse(16, 256),), (Lse(16, 1, 8),)]
)
def test_what_does_not_fit_is_our_callers_error(stack: tuple[Lse, ...]) -> None:
    with pytest.raises(ValueError):
        encode(stack)


def _pcap(frames: list[bytes]) -> bytes:
    """Return a capture file (libpcap 2.4, Ethernet)."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack("<IIII", 0, 0, len(f), len(f)) + f for f in frames)


@pytest.mark.interop
def test_tshark_reads_what_a_root_imposes(tmp_path: Path) -> None:
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed (make deps)")
    from ipaddress import ip_address

    segment = Segment(
        root="10.255.0.1", tree_id=8193, instance_id=1, sid=15001, leaf=False,
        branches=(
            Branch("10.255.0.2", "b", "to-b", (15001,)),
            Branch("10.255.0.3", "b", "to-b", (16003, 15002)),
        ),
    )  # fmt: skip
    inner = udp.Template(ip_address("10.1.0.1"), 61001, ip_address("232.1.0.1"), 61001)
    outputs = Engine(lambda _: None).impose(segment, inner.packet(b"model"))
    frames = [bytes(12) + b"\x88\x47" + o.packet for o in outputs if isinstance(o, Send)]
    capture = tmp_path / "labels.pcap"
    capture.write_bytes(_pcap(frames))
    fields = ("mpls.label", "mpls.exp", "mpls.bottom", "mpls.ttl", "ip.dst", "udp.dstport")
    options = [option for field in fields for option in ("-e", field)]
    run = subprocess.run(
        [tshark, "-r", str(capture), "-T", "json", *options],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    layers = [packet["_source"]["layers"] for packet in json.loads(run.stdout)]
    assert [[int(x) for x in p["mpls.label"]] for p in layers] == [[15001], [16003, 15002]]
    assert [[int(x) for x in p["mpls.ttl"]] for p in layers] == [[255], [255, 255]]
    assert [p["mpls.bottom"][-1] for p in layers] in (["1", "1"], ["True", "True"])
    assert {p["ip.dst"][0] for p in layers} == {"232.1.0.1"}
    assert {p["udp.dstport"][0] for p in layers} == {"61001"}
