"""`llmsync bier lsdb` over committed captures, its exit codes, and any octets at all.

LLMSYNC_UPDATE_GOLDEN=1 rewrites the captures and what is said of them.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsdb_lan import assert_read
from lsdb_networks import (
    AREA,
    capture,
    isis_capture,
    isis_frame,
    ospf_frame,
    router_id,
    router_lsas,
    router_lsps,
)
from planes_networks import state

from toolkit.bier.signalling.info import BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.cli.main import main
from toolkit.errors import WireError
from toolkit.inet import pcap
from toolkit.inet.pcap import Frame
from toolkit.inet.tlv import Tlv
from toolkit.lsdb import lsp, ospf_packet
from toolkit.lsdb.capture import read_databases
from toolkit.lsdb.survey import document, survey

GOLDEN = Path(__file__).parent / "golden" / "lsdb"
SQUARE = [("fra", "par", 10), ("par", "lon", 20), ("fra", "ams", 15), ("ams", "lon", 15)]
IDS = {"fra": 1, "par": None, "lon": 3, "ams": 4}


def sound() -> bytes:
    return isis_capture(router_lsps(state(SQUARE, bfr_ids=IDS, bsl=256)))


def troubled() -> bytes:
    """Both protocols at once, a VLAN, a stranger's frame, and most of what can be wrong."""

    def change(name: str, info: BierInfo) -> list[BierInfo]:
        if name == "lon":
            return [replace(info, bfr_id=4)]
        if name == "par":
            longer = BiftIdRange(Encapsulation.MPLS, 4, 3000, 0)
            return [replace(info, ranges=(*info.ranges, longer))]
        return [info]

    net = state(SQUARE, bfr_ids=IDS, bsl=256)
    lsps = router_lsps(net, change)
    lsps["fra"] = replace(lsps["fra"], tlvs=(*lsps["fra"].tlvs, Tlv(135, b"\0\0\0\1\x60")))
    frames = [isis_frame(lsp.encode(one), vlan=7) for one in lsps.values()]
    broken = bytearray(lsp.encode(replace(lsps["ams"], sequence=8)))
    broken[-1] ^= 1
    frames.append(isis_frame(bytes(broken)))
    frames.append(Frame(frames[0].data[:12] + b"\x08\x06" + bytes(46)))
    frames.append(Frame(frames[0].data[:30], length=len(frames[0].data)))
    plain = state([("10", "20"), ("20", "30")], bfr_ids={"10": 1, "30": 300}, bsl=256)
    for name, lsas in router_lsas(plain).items():
        packet = ospf_packet.encode_update(router_id(name, plain), AREA, lsas)
        frames.append(ospf_frame(packet))
    return capture(frames)


CAPTURES = {"sound": sound, "troubled": troubled}


def golden(name: str, found: bytes) -> None:
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / name).write_bytes(found)
    assert (GOLDEN / name).read_bytes() == found, "make golden rewrites it"


@pytest.mark.parametrize("name", list(CAPTURES))
def test_golden(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    golden(f"{name}.pcap", CAPTURES[name]())
    code = 0 if name == "sound" else 1
    for form, end in (("table", "txt"), ("json", "json")):
        assert main(["bier", "lsdb", str(GOLDEN / f"{name}.pcap"), "-o", form]) == code
        out, err = capsys.readouterr()
        golden(f"{name}.{end}", out.encode())
        assert err == ""
    found = json.loads(out)
    assert any(p["harms"] for p in found["problems"]) == bool(code)


def test_what_frrouting_flooded_on_a_lan() -> None:
    """FRRouting 8.4 as test_lsdb_frr.py runs it; hellos and repetitions are left out."""
    found = read_databases((GOLDEN / "frr-lan.pcap").read_bytes())
    assert_read(found)
    assert (found.frames, [str(p) for p in found.problems]) == (found.used, [])


def test_from_one_router(capsys: pytest.CaptureFixture[str]) -> None:
    there = str(GOLDEN / "sound.pcap")
    for name in ("fra", "0000.0000.0002", "10.255.0.2", "10.255.0.2/32"):
        assert main(["bier", "lsdb", there, "--from", name, "-o", "json"]) == 0
        (scope,) = json.loads(capsys.readouterr().out)["scopes"]
        assert [birt["router"] for birt in scope["birts"]] == ["fra"]
        assert len(scope["bier"]) == 4


def test_what_a_person_gets_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = str(GOLDEN / "sound.pcap")
    (tmp_path / "no.pcap").write_text("hello")
    net = state([("a", "b")], bfr_ids={"a": 1})
    (tmp_path / "half.pcap").write_bytes(isis_capture(router_lsps(net)))
    cases = {
        (str(tmp_path / "no.pcap"),): "no.pcap: neither pcap nor pcapng: it starts with 68656c6c",
        (str(tmp_path / "none"),): "none: cannot be read: No such file or directory",
        (str(tmp_path),): "cannot be read: Is a directory",
        (there, "--from", "fro"): "--from fro: no such router in the capture (did you mean fra?)",
        (there, "--from", "zzz"): "--from zzz: no such router in the capture "
        "(BFRs: ams, fra, lon, par)",
        (str(tmp_path / "half.pcap"), "--from", "b"): "--from b: has no BIRT: it advertises no "
        "BIER that counts (BFRs: a)",
        (there, "--non-mpls-type", "1"): "--non-mpls-type 1: not 2 to 255, or it is taken "
        "(10: MPLS in OSPF)",
    }
    for arguments, message in cases.items():
        assert main(["bier", "lsdb", *arguments]) == 2
        out, err = capsys.readouterr()
        assert (out, err.rstrip().endswith(message)) == ("", True), err


def test_a_capture_of_other_things(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.pcap").write_bytes(pcap.write([Frame(bytes(60))]))
    assert main(["bier", "lsdb", str(tmp_path / "x.pcap")]) == 1
    out, err = capsys.readouterr()
    assert out == "0 of 1 frames are IS-IS or OSPF\n"
    assert err.endswith("x.pcap: no usable IS-IS or OSPF PDU in 1 frames\n")


def test_frames_of_other_links_and_a_damaged_file() -> None:
    data = pcap.write([Frame(b"abc", link_type=147)] * 2, 147)
    found = survey(read_databases(data[:-1]))
    assert [str(p) for p in found.problems] == [
        "the file: the file ends inside frame 2; 1 frames before that are read",
        "the file: 1 frames of link type 147; Ethernet, raw IP and Linux cooked are read",
    ]
    assert not found.harmed


def test_a_fragment_of_an_ospf_packet_is_named() -> None:
    frame = bytearray(ospf_frame(ospf_packet.encode_update(router_id("a", NET), AREA, [])).data)
    frame[20:22] = b"\x20\x00"  # more fragments
    frame[24:26] = bytes(2)
    from toolkit.inet.checksum import checksum

    frame[24:26] = checksum(bytes(frame[14:34])).to_bytes(2, "big")
    (problem,) = read_databases(capture([Frame(bytes(frame))])).problems
    assert str(problem) == "frame 1: an IP fragment of an OSPF packet; it is not used"


NET = state([("a", "b")], bfr_ids={"a": 1, "b": 2})
PDUS = [lsp.encode(one) for one in router_lsps(NET).values()]
UPDATES = [
    ospf_packet.encode_update(router_id(name, NET), AREA, lsas)
    for name, lsas in router_lsas(NET).items()
]


@given(st.data())
def test_any_octets_end_in_a_survey_or_a_wire_error(draw: st.DataObject) -> None:
    """LSPs and LSAs with octets changed, their checksums mended so that readers go on."""
    frames = []
    for pdu, at, make in ((PDUS, 12, isis_frame), (UPDATES, 28, ospf_frame)):
        data = bytearray(draw.draw(st.sampled_from(pdu)))
        for _ in range(draw.draw(st.integers(0, 4))):
            data[draw.draw(st.integers(at, len(data) - 1))] = draw.draw(st.integers(0, 255))
        if make is isis_frame:
            from toolkit.inet import fletcher

            data[24:26] = fletcher.check_octets(bytes(data[12:]), 12)
        else:
            data[14:16] = b"\0\2"
        frames.append(make(bytes(data)))
    file = capture(frames)
    try:
        found = survey(read_databases(file[: draw.draw(st.integers(24, len(file)))]))
    except WireError:
        return
    json.dumps(document(found))


@given(st.binary(max_size=200))
def test_any_frame_is_read_or_passed_over(data: bytes) -> None:
    isis = bytes.fromhex("0180c2000015") + bytes(6) + b"\x00\xc8" + lsp.LLC + data
    ip = bytes(12) + b"\x08\x00" + data
    found = survey(read_databases(capture([Frame(isis), Frame(ip), Frame(data)])))
    json.dumps(document(found))
