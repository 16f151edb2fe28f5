"""OAM in wireshark/bier.lua in a real tshark: octets packed by hand, and those of our codec."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import tshark

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.oam import Echo, MessageType, ReturnCode
from toolkit.bier.oam_tlv import SetBits, SiBitString, TlvType
from toolkit.bier.wire import Encapsulation, Header, Proto
from toolkit.inet import udp

pytestmark = tshark.needs_tshark

ETHERNET = bytes.fromhex("020000000002020000000001")
TYPES = {Encapsulation.MPLS: b"\x88\x47", Encapsulation.NON_MPLS: b"\xab\x37"}
ECHO = bytes.fromhex(
    "10400000 0000002c 20020000 deadbeef 00000007 0102030405060708 0000000000000000"
    "00010004 00000001"
)


def frame(encapsulation: Encapsulation, message: bytes) -> bytes:
    header = Header(
        encapsulation=encapsulation, bift_id=1000, ttl=64, proto=Proto.OAM, bfir_id=1,
        bits=BitString.of(Bsl.B256, {3, 7}),
    )  # fmt: skip
    return ETHERNET + TYPES[encapsulation] + header.encode() + message


def test_oam_messages(tmp_path: Path) -> None:
    names = ["type", "version", "proto", "length", "qtf", "rtf", "reply_mode", "return_code",
             "sender_handle", "sequence", "tlv.type", "tlv.length"]  # fmt: skip
    full = [f"bier_oam.{name}" for name in names] + ["bier_oam.truncated", "bier_oam.length_wrong"]
    reply = bytes.fromhex("1080") + ECHO[2:8] + bytes.fromhex("22030300") + ECHO[12:]
    cut = [frame(Encapsulation.NON_MPLS, ECHO[:n]) for n in range(1, len(ECHO))]
    whole = [frame(e, m) for e in Encapsulation for m in (ECHO, reply)]
    rows = tshark.fields(whole + cut, tmp_path, full, "-o", "bier.mpls_labels:1000")
    request = ["1", "1", "0", "44", "2", "0", "2", "0", "0xdeadbeef", "7", "1", "4"]
    answer = ["2", "1", "0", "44", "2", "2", "3", "3", "0xdeadbeef", "7", "1", "4"]
    for row, said in zip(rows[:4], [request, answer] * 2, strict=True):
        assert row == {f"bier_oam.{n}": [v] for n, v in zip(names, said, strict=True)}
    assert all({"bier_oam.truncated", "bier_oam.length_wrong"} & row.keys() for row in rows[4:])


def test_oam_by_udp_is_decoded_as_asked(tmp_path: Path) -> None:
    reply = udp.Template(IPv4Address("10.0.0.1"), 5000, IPv4Address("10.0.0.2"), 49205).packet(ECHO)
    (row,) = tshark.fields(
        [ETHERNET + b"\x08\x00" + reply], tmp_path, ["bier_oam.sequence"],
        "-d", "udp.port==49205,bier_oam",
    )  # fmt: skip
    assert row == {"bier_oam.sequence": ["7"]}


def test_messages_of_our_codec_are_read_as_they_were_meant(tmp_path: Path) -> None:
    bits = SetBits(5, 1, BitString.of(Bsl.B256, {3, 7}))
    messages = [
        Echo(
            message=MessageType.ECHO_REPLY, handle=0x1000 + code, sequence=code, reply_mode=3,
            return_code=code, qtf=2, rtf=3, sent=1 << 40, received=1 << 41,
            tlvs=(SiBitString(TlvType.ORIGINAL, bits), SiBitString(TlvType.TARGET, bits)),
        )
        for code in ReturnCode
    ]  # fmt: skip
    names = ["type", "rtf", "return_code", "sender_handle", "sequence", "timestamp_received",
             "tlv.type", "tlv.length"]  # fmt: skip
    frames = [frame(Encapsulation.NON_MPLS, m.encode()) for m in messages]
    rows = tshark.fields(frames, tmp_path, [f"bier_oam.{name}" for name in names])
    size = str(len(bits.encode()))
    for message, row in zip(messages, rows, strict=True):
        code = int(message.return_code)
        said = [["2"], ["3"], [str(code)], [f"{message.handle:#010x}"], [str(code)],
                ["0000020000000000"], ["1", "2"], [size, size]]  # fmt: skip
        assert row == {f"bier_oam.{n}": v for n, v in zip(names, said, strict=True)}
    shown = tshark.run(tmp_path / "frames.pcap", "-V")
    for code in ReturnCode:
        assert f"Return Code: {code!s} ({int(code)})" in shown
