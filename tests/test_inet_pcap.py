"""Capture files: vectors packed by hand, both byte orders, damage, tshark as the other side."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.errors import WireError
from toolkit.inet.pcap import Capture, Frame, LinkType, Payload, payload, read, write

ETHERNET = bytes.fromhex("0180c2000014 020000000001")
FRAME = ETHERNET + bytes.fromhex("0800") + b"\x45abc"
SECOND = 1_000_000_000


def pcap(order: str, magic: int, *records: tuple[int, int, bytes, int], network: int = 1) -> bytes:
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, network)
    for seconds, rest, data, length in records:
        out += struct.pack(order + "IIII", seconds, rest, len(data), length) + data
    return out


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_pcap_of_both_byte_orders_and_resolutions(order: str, magic: int, unit: int) -> None:
    data = pcap(order, magic, (7, 5, FRAME, 60), (8, 0, b"", 0))
    first = Frame(FRAME, 7 * SECOND + 5 * unit, LinkType.ETHERNET, 1, 60)
    assert read(data) == Capture((first, Frame(b"", 8 * SECOND, LinkType.ETHERNET, 2, 0)))
    assert first.cut


def test_pcap_written_octet_by_octet() -> None:
    assert write([Frame(b"\x01\x02\x03", 2 * SECOND + 9)]).hex() == (
        "4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000"
        " 02000000 09000000 03000000 03000000 010203"
    ).replace(" ", "")


def test_old_linux_records_have_a_longer_header() -> None:
    data = struct.pack("<IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65535, 113)
    data += struct.pack("<IIII", 1, 2, 3, 3) + bytes(8) + b"abc"
    assert read(data).frames == (Frame(b"abc", SECOND + 2000, 113, 1, 3),)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return (
        struct.pack(order + "II", kind, len(body) + 12)
        + body
        + struct.pack(order + "I", len(body) + 12)
    )


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_blocks(order: str) -> None:
    resolution = struct.pack(order + "HH", 9, 1) + b"\x09\0\0\0" + bytes(4)
    binary = struct.pack(order + "HH", 9, 1) + b"\x8a\0\0\0"
    binary += struct.pack(order + "HHq", 14, 8, 100)
    data = section(order)
    data += block(order, 1, struct.pack(order + "HHI", 1, 0, 0))
    data += block(order, 1, struct.pack(order + "HHI", 101, 0, 2) + resolution)
    data += block(order, 6, struct.pack(order + "IIIII", 0, 0, 5, len(FRAME), 60) + FRAME)
    data += block(order, 6, struct.pack(order + "IIIII", 1, 1, 2, 1, 1) + b"\x45")
    data += block(order, 5, bytes(12))  # statistics: skipped
    data += block(order, 2, struct.pack(order + "HHIIII", 1, 3, 0, 7, 1, 1) + b"\x60")
    data += block(order, 3, struct.pack(order + "I", 4) + b"abcd")
    data += section(order)
    data += block(order, 1, struct.pack(order + "HHI", 1, 0, 2) + binary)
    data += block(order, 6, struct.pack(order + "IIIII", 0, 0, 512, 1, 1) + b"z")
    data += block(order, 3, struct.pack(order + "I", 4) + b"ab")
    assert read(data).frames == (
        Frame(FRAME, 5000, 1, 1, 60),
        Frame(b"\x45", (1 << 32) + 2, 101, 2, 1),
        Frame(b"\x60", 7, 101, 3, 1),
        Frame(b"abcd", 0, 1, 4, 4),
        Frame(b"z", 100 * SECOND + SECOND // 2, 1, 5, 1),
        Frame(b"ab", 0, 1, 6, 4),
    )


def test_the_frames_before_the_damage_are_kept_and_the_damage_is_named() -> None:
    data = pcap("<", 0xA1B2C3D4, (1, 0, b"abc", 3), (1, 0, b"defg", 4))
    assert read(data[:-1]) == Capture(read(data).frames[:1], "the file ends inside frame 2")
    assert read(data[:-8]).damage == "the file ends inside the header of frame 2"
    huge = data + struct.pack("<IIII", 1, 0, 1 << 30, 1 << 30)
    assert read(huge).damage == "frame 3 would have 1073741824 octets"
    ng = section("<") + block("<", 1, struct.pack("<HHI", 1, 0, 0))
    ng += block("<", 3, struct.pack("<I", 2) + b"ab")
    assert read(ng + b"\0" * 8) == Capture(
        (Frame(b"ab", 0, 1, 1, 2),), f"pcapng: the file ends inside a block, at octet {len(ng)}"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither pcap nor pcapng: the file is shorter than 4 octets"),
        (b"abcdefgh", "neither pcap nor pcapng: it starts with 61626364"),
        (pcap("<", 0xA1B2C3D4)[:20], "pcap: 20 octets are less than the file header of 24"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 3, 0, 0, 0, 0, 1), "pcap: version 3 is not 2"),
        (
            bytes.fromhex("0a0d0d0a1c0000000102030401000000"),
            "pcapng: 01020304 is no byte-order magic",
        ),
        (
            section("<") + block("<", 3, struct.pack("<I", 2) + b"ab"),
            "pcapng: a packet of interface 0, which nothing describes",
        ),
    ],
)
def test_what_is_no_capture_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(WireError) as caught:
        read(data)
    assert str(caught.value) == message


def test_payloads_past_every_kind_of_link_header() -> None:
    mac = bytes.fromhex("020000000001")
    assert payload(Frame(FRAME)) == Payload(0x0800, b"\x45abc", (), mac)
    tagged = ETHERNET + bytes.fromhex("88a8 0005 8100 6007 0800") + b"x"
    assert payload(Frame(tagged)) == Payload(0x0800, b"x", (5, 7), mac)
    llc = ETHERNET + bytes.fromhex("0004 fefe03 83 00000000")  # four octets, then padding
    assert payload(Frame(llc)) == Payload(0, bytes.fromhex("fefe0383"), (), mac)
    tagged_llc = ETHERNET + bytes.fromhex("8100 0009 0003 fefe03 ff")
    assert payload(Frame(tagged_llc)) == Payload(0, bytes.fromhex("fefe03"), (9,), mac)
    cooked = bytes.fromhex("0000 0001 0006") + mac + bytes.fromhex("0000 0800") + b"ip"
    assert payload(Frame(cooked, 0, 113)) == Payload(0x0800, b"ip", (), mac)
    cooked = cooked[:14] + bytes.fromhex("0004 fefe03")
    assert payload(Frame(cooked, 0, 113)) == Payload(0, bytes.fromhex("fefe03"), (), mac)
    cooked = cooked[:14] + bytes.fromhex("8100 0007 0800") + b"ip"
    assert payload(Frame(cooked, 0, 113)) == Payload(0x0800, b"ip", (7,), mac)
    second = bytes.fromhex("0800 0000 00000002 0001 04 06") + mac + bytes(2) + b"ip"
    assert payload(Frame(second, 0, 276)) == Payload(0x0800, b"ip", (), mac)
    second = b"\0\4" + second[2:20] + bytes.fromhex("fefe03")
    assert payload(Frame(second, 0, 276)) == Payload(0, bytes.fromhex("fefe03"), (), mac)
    assert payload(Frame(b"\x60", 0, 101)) == Payload(0x86DD, b"\x60")
    assert payload(Frame(b"\x45", 0, 228)) == Payload(0x0800, b"\x45")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (Frame(b"abc"), "Ethernet: 3 octets are less than 14"),
        (Frame(ETHERNET + b"\x81\x00\x00"), "Ethernet: the frame ends inside its VLAN tags"),
        (Frame(b"", 0, 101), "IP: empty packet"),
        (Frame(b"\x10", 0, 101), "IP: version 1 is neither 4 nor 6"),
        (Frame(b"abc", 0, 113), "Linux cooked capture: 3 octets are less than 16"),
        (Frame(bytes(19), 0, 276), "Linux cooked capture: 19 octets are less than 20"),
        (Frame(b"abc", 0, 147), "link type 147 is not Ethernet, raw IP or Linux cooked"),
    ],
)
def test_frames_without_a_payload(frame: Frame, message: str) -> None:
    with pytest.raises(WireError) as caught:
        payload(frame)
    assert str(caught.value) == message


frames = st.lists(
    st.builds(Frame, st.binary(max_size=40), st.integers(0, (1 << 32) * SECOND - 1)), max_size=4
)


@given(frames)
def test_what_is_written_is_read(some: list[Frame]) -> None:
    expected = tuple(Frame(f.data, f.time_ns, 1, n + 1, len(f.data)) for n, f in enumerate(some))
    capture = read(write(some))
    assert capture == Capture(expected)
    assert write(capture.frames) == write(some)


PREFIXES = [
    b"",
    pcap("<", 0xA1B2C3D4),
    pcap(">", 0xA1B23C4D, network=113),
    pcap("<", 0xA1B2C3D4, network=276),
    section("<") + block("<", 1, struct.pack("<HHI", 1, 0, 0)),
    section(">"),
]


@given(st.sampled_from(PREFIXES), st.binary(max_size=80))
@example(section("<") + block("<", 1, struct.pack("<HHIHHB3x", 1, 0, 0, 9, 1, 255)), b"")
def test_any_octets_give_frames_or_a_wire_error(prefix: bytes, data: bytes) -> None:
    try:
        capture = read(prefix + data)
    except WireError:
        return
    for frame in capture.frames:
        try:
            payload(frame)
        except WireError:
            continue


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (Frame(b"", -1), "pcap has no time -1 ns"),
        (Frame(b"ab", length=1), "pcap has no frame of 2 octets out of 1"),
        (Frame(b"", link_type=101), "a frame of link type 101 in a file of 1"),
    ],
)
def test_what_pcap_cannot_hold(frame: Frame, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        write([frame])


@pytest.mark.interop
def test_tshark_reads_what_we_write_and_we_read_what_it_writes(tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed (tests/deps.sh)")
    ours = [Frame(FRAME + bytes(46), SECOND * 3 + 5, length=200), Frame(FRAME + bytes(50), SECOND)]
    (tmp_path / "a.pcap").write_bytes(write(ours))
    for kind in ("pcapng", "nsecpcap", "pcap"):
        there = tmp_path / f"b.{kind}"
        command = ["tshark", "-n", "-r", str(tmp_path / "a.pcap"), "-F", kind, "-w", str(there)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        back = read(there.read_bytes())
        assert not back.damage
        unit = 1000 if kind == "pcap" else 1
        assert [(f.data, f.length, f.time_ns) for f in back.frames] == [
            (f.data, max(f.length, len(f.data)), f.time_ns // unit * unit) for f in ours
        ]
