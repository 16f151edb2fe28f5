"""`llmsync bier decode` as a person types it; golden texts in tests/golden/bier."""

from __future__ import annotations

import io
import json
import os
import sys
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from bier_packets import packets_of
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.wire import Encapsulation, Header
from toolkit.cli.main import main
from toolkit.cli.octets import from_hex
from toolkit.cli.vector_files import all_cases
from toolkit.errors import UsageError
from toolkit.inet import pcap, udp

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden" / "bier"
MPLS, NON_MPLS = Encapsulation.MPLS, Encapsulation.NON_MPLS
ETHERNET = bytes.fromhex("020000000002020000000001")
TYPES = {MPLS: b"\x88\x47", NON_MPLS: b"\xab\x37"}
DATAGRAM = udp.Template(IPv4Address("10.0.0.1"), 4001, IPv4Address("232.1.1.1"), 3400)
GOOD = Header(
    encapsulation=MPLS, bift_id=1001, ttl=64, proto=4, bfir_id=7, entropy=99, tc=5,
    bits=BitString.of(Bsl.B256, {1, 2, 3, 9, 256}),
).encode() + DATAGRAM.packet(b"model")  # fmt: skip
BAD = bytes.fromhex("00012000 41200000 70040003 0000000000000000")
RANGE = "1000-1003:256:0"


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "make golden rewrites it"


def dump(data: bytes) -> str:
    """Return what tcpdump -X prints."""
    rows = [(i, data[i : i + 16]) for i in range(0, len(data), 16)]
    lines = [f"\t0x{i:04x}:  {row.hex(' ', -2):<39}  {'a: 0x' * 3}" for i, row in rows]
    return "\n".join(["12:00:00.000000 MPLS (label 1001, tc 5, [S], ttl 64)", *lines])


def capture(folder: Path) -> Path:
    known = [c for c in all_cases() if "/bsl-64/" in c.name and "/si-0" in c.name]
    cases = [c for group in ("refused", "figures") for c in known if c.group == group]
    frames = [packet.frame for packet in packets_of(cases, 2)]
    frames += [ETHERNET + TYPES[MPLS] + bytes.fromhex("007d0040") + GOOD,
               ETHERNET + b"\x08\x00" + DATAGRAM.packet(b"")]  # fmt: skip
    path = folder / "frames.pcap"
    path.write_bytes(pcap.write(pcap.Frame(data) for data in frames))
    return path


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("good.txt", [GOOD.hex()], 0),
        ("known.txt", [(ETHERNET + TYPES[MPLS] + GOOD).hex(), "--bift-id", RANGE], 0),
        ("known.json", [GOOD.hex(), "--bift-id", RANGE, "-o", "json"], 0),
        ("bad.txt", [BAD.hex(), "--encapsulation", "mpls", "--bift-id", "18:128"], 1),
        ("bad-non-mpls.txt", [BAD.hex(), "--encapsulation", "non-mpls"], 1),
    ],
)
def test_one_packet(
    name: str, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bier", "decode", *arguments]) == code
    out, err = capsys.readouterr()
    assert err == ""
    golden(name, out)


def test_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(capture(tmp_path))
    assert main(["bier", "decode", path, "--bift-id", RANGE, "--bift-id", "100:64:0"]) == 1
    out, err = capsys.readouterr()
    golden("capture.txt", out)
    assert err.splitlines() == [
        "frame 1 cannot be read: MPLS: 14 octets end inside the label stack",
        "frame 2 cannot be read: MPLS: 15 octets end inside the label stack",
        "frame 48 cannot be read: MPLS: 38 octets end inside the label stack",
    ]
    assert main(["bier", "decode", path, "-v"]) == 1
    verbose = capsys.readouterr().out
    assert main(["bier", "decode", path, "-o", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert verbose.count("receiver: ") == len(told["packets"]) == told["counts"]["BIER"]
    assert told["packets"][-1]["around"][-1] == "MPLS label 2000 TTL 64"
    assert told["packets"][-1]["payload"].endswith("UDP 4001 > 3400, 5 octets")


def test_a_capture_that_ends_too_early_is_read_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    assert main(["bier", "decode", str(path), "--bift-id", RANGE]) == 1
    assert f"{path}: the file ends inside frame" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        GOOD.hex(" "),
        GOOD.hex(":").upper(),
        "0x" + GOOD.hex(),
        "\n".join(GOOD.hex(" ", 2)[i : i + 40] for i in range(0, len(GOOD.hex(" ", 2)), 40)),
        "".join(
            f"\t0x{i:04x}:  {GOOD[i : i + 16].hex(' ', -2)}\n" for i in range(0, len(GOOD), 16)
        ),
    ],
    ids=["spaces", "colons", "0x", "lines", "tcpdump"],
)
def test_hexadecimal_in_every_spelling(
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = (GOLDEN / "good.txt").read_text(encoding="utf-8")
    assert main(["bier", "decode", text]) == 0
    assert capsys.readouterr().out == wanted
    (tmp_path / "packet.hex").write_text(text)
    assert main(["bier", "decode", str(tmp_path / "packet.hex")]) == 0
    assert capsys.readouterr().out == wanted
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["bier", "decode", "-"]) == 0
    assert capsys.readouterr().out == wanted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to decode: give HEX, a file, or - for standard input"),
        (["/no/such/file"], "/no/such/file: no such file"),
        (["gone.pcap"], "gone.pcap: no such file"),
        (["/"], "/: is a folder, not a capture or a text file"),
        (["xyz"], "HEX: 'x' is no hexadecimal digit (neither hexadecimal nor a file that exists)"),
        (["000"], "HEX: 3 hexadecimal digits are half an octet too many (neither hexadecimal nor a"
         " file that exists)"),
        ([""], "HEX: no octets"),
        ([dump(GOOD) + "\n" + dump(GOOD)], "HEX: a dump of more than one packet; a capture file can"
         " hold them (neither hexadecimal nor a file that exists)"),
        (["00" * 20], "HEX: the octets begin neither with an Ethernet header before BIER nor with a"
         " BIER header without faults; --encapsulation says what it is"),
        ([(ETHERNET + b"\x08\x00").hex(), "--encapsulation", "frame"], "HEX: IP: empty packet"),
        ([(ETHERNET + b"\x08\x06").hex(), "--encapsulation", "frame"],
         "HEX: the frame carries no BIER that can be seen; --bift-id names its label"),
        ([GOOD.hex(), "--set", "256"], "--set 256: SI is 0 to 255"),
        (["00", "--bift-id", "5", "--bift-id", "7:65", "--bift-id", "8-2:64", "--bift-id",
          "0-1:64:255"],
         "--bift-id 5: not N:BSL or N:BSL:SI, such as 1000:256 or 1000-1003:256:0\n"
         "--bift-id 7:65: 65 is no BitString length (64, 128, 256, 512, 1024, 2048, 4096)\n"
         "--bift-id 8-2:64: BIFT-ids are 0 to 1048575, the smaller one first\n"
         "--bift-id 0-1:64:255: SI is 0 to 255"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_said(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bier", "decode", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "".join(f"llmsync: {line}\n" for line in said.splitlines())


def test_a_file_that_is_neither(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear all,")
    assert main(["bier", "decode", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"llmsync: {path}: 'r' is no hexadecimal digit (neither hexadecimal nor a capture"
        " (pcap, pcapng))\n"
    )
    assert main(["bier", "decode", str(capture(tmp_path)), "--encapsulation", "mpls"]) == 2
    assert capsys.readouterr().err == "llmsync: --encapsulation mpls: a capture holds frames\n"


def test_the_dissector_is_written_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bier", "decode", "--dissector", str(tmp_path / "plugins")]) == 0
    said = capsys.readouterr().err
    for name in ("bier.lua", "llmsync.lua"):
        written = tmp_path / "plugins" / name
        assert written.read_bytes() == (ROOT / "wireshark" / name).read_bytes()
        assert str(written) in said


@given(st.text(alphabet="0123456789abcdefxX :.\n\tz", max_size=60))
def test_text_is_octets_or_a_usage_error(text: str) -> None:
    try:
        data = from_hex(text)
    except UsageError:
        return
    assert from_hex(data.hex()) == data
