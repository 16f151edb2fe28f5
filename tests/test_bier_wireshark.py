"""wireshark/bier.lua in a real tshark: it and `toolkit.bier.decode` say the same of each packet."""

from __future__ import annotations

import random
import subprocess
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
import tshark
from bier_packets import Packet, packets

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.decode import Explained, Known, explain
from toolkit.bier.locate import in_frame
from toolkit.bier.wire import Encapsulation, Header, Proto
from toolkit.inet import gre, ip, udp
from toolkit.inet.pcap import Frame

pytestmark = tshark.needs_tshark

MPLS, NON_MPLS = Encapsulation.MPLS, Encapsulation.NON_MPLS
ETHERNET = bytes.fromhex("020000000002020000000001")
TYPES = {MPLS: b"\x88\x47", NON_MPLS: b"\xab\x37"}
KEYS = (
    "bift_id", "tc", "s", "ttl", "nibble", "version", "bsl", "entropy", "oam", "rsv", "dscp",
    "proto", "bfir_id",
)  # fmt: skip
EXPERTS = (
    "truncated", "not_bottom_of_stack", "wrong_nibble", "unknown_version", "bsl_unassigned",
    "bsl_mismatch", "ttl_expired", "empty_bit_string", "unknown_proto", "rsv_not_zero",
    "nibble_ignored", "s_ignored", "capture_cut",
)  # fmt: skip
DERIVED = ("bsl_bits", "bitstring", "bits", "bit", "si", "bfer_id")
NAMES = tuple(f"bier.{name}" for name in (*KEYS, *DERIVED, *EXPERTS))
ALL_LABELS = "bier.mpls_labels:16-1048575"


def frame(encapsulation: Encapsulation, packet: bytes) -> bytes:
    return ETHERNET + TYPES[encapsulation] + packet


def ours(header: Explained) -> dict[str, list[str]]:
    """Return what tshark should say, as `tshark.fields` gives it."""
    said: dict[str, list[str]] = {f.key: [str(f.value)] for f in header.fields}
    if header.bsl is not None and "bsl" in said:
        said["bsl_bits"] = [str(header.bsl.bits)]
    if header.bits is not None:
        said["bitstring"] = [header.bits.hex()]
        said["bits"] = [str(len(header.bits))]
        said["bit"] = [str(bit) for bit in header.bits]
        if header.si is not None:
            said["si"] = [str(header.si)]
            said["bfer_id"] = [str(n) for n in header.bfr_ids or ()]
    said |= {remark.id.replace("-", "_"): ["1"] for remark in header.remarks}
    return {f"bier.{name}": values for name, values in said.items() if values}


def seen(row: dict[str, list[str]]) -> dict[str, list[str]]:
    """Bit positions rise here: tshark lists them so too; an expert info is there or not."""
    return {n: v for n, v in row.items() if n in NAMES}


GIVEN = packets("header", "forwarding", "refused", "figures", most=8)


def visible(given: Packet) -> bool:
    """MPLS hands nothing on before it has a whole label, and labels below 16 are its own."""
    if given.encapsulation is NON_MPLS:
        return bool(given.octets)
    return len(given.octets) >= 4 and int.from_bytes(given.octets[:4], "big") >> 12 >= 16


def test_every_field_of_every_vector_is_ours_where_the_field_is_believed(tmp_path: Path) -> None:
    chosen = [given for given in GIVEN if visible(given)]
    frames = [frame(given.encapsulation, given.octets) for given in chosen]
    rows = tshark.fields(frames, tmp_path, NAMES, "-o", ALL_LABELS)
    assert len(rows) == len(chosen) > 80
    for given, row in zip(chosen, rows, strict=True):
        header = explain(given.octets, given.encapsulation)
        assert seen(row) == ours(header), given.name


def buckets() -> list[tuple[dict[tuple[Encapsulation, int], Known], list[Packet]]]:
    """Vectors whose tables do not contradict each other share a run of tshark."""
    found: list[tuple[dict[tuple[Encapsulation, int], Known], list[Packet]]] = []
    for given in filter(visible, GIVEN):
        mine = given.tables
        for known, members in found:
            if all(known.get(key, value) == value for key, value in mine.items()):
                known.update(mine)
                members.append(given)
                break
        else:
            found.append((dict(mine), [given]))
    return found


def test_every_field_of_every_vector_is_ours_where_the_bift_id_is_known(tmp_path: Path) -> None:
    compared = 0
    for known, members in buckets():
        texts: dict[str, list[str]] = {MPLS: ["16-1048575"], NON_MPLS: []}
        for (encapsulation, number), value in known.items():
            # the first entry that holds a label counts
            texts[encapsulation].insert(0, f"{number}:{value.bsl.bits}:{value.si}")
        frames = [frame(given.encapsulation, given.octets) for given in members]
        rows = tshark.fields(
            frames, tmp_path, NAMES,
            "-o", f"bier.mpls_labels:{','.join(texts[MPLS])}",
            "-o", f"bier.bift_ids:{','.join(texts[NON_MPLS])}",
        )  # fmt: skip
        for given, row in zip(members, rows, strict=True):
            space = given.encapsulation
            table = {n: value for (e, n), value in known.items() if e is space}
            header = explain(given.octets, space, table)
            assert seen(row) == ours(header), given.name
            compared += 1
    assert compared > 80


def some_headers() -> list[Header]:
    return [
        Header(
            encapsulation=encapsulation, bift_id=100 + bsl, ttl=9, proto=proto, bfir_id=4660,
            bits=BitString.of(bsl, {1, bsl.bits // 2, bsl.bits}), entropy=0xABCDE, dscp=46,
        )
        for encapsulation in Encapsulation for bsl in Bsl for proto in (4, 10)
    ]  # fmt: skip


def test_all_lengths_in_both_encapsulations(tmp_path: Path) -> None:
    headers = some_headers()
    rows = tshark.fields(
        [frame(h.encapsulation, h.encode() + b"\x45") for h in headers], tmp_path, NAMES,
        "-o", "bier.mpls_labels:101-107", "-o", "bier.bift_ids:101:64:3",
    )  # fmt: skip
    for header, row in zip(headers, rows, strict=True):
        known = {101: Known(Bsl.B64, 3)} if header.encapsulation is NON_MPLS else {}
        assert seen(row) == ours(explain(header.encode(), header.encapsulation, known))


def test_mutated_and_cut_frames_are_no_lua_errors_and_the_same_for_both(tmp_path: Path) -> None:
    rng = random.Random(8296)
    cases: list[tuple[Encapsulation, bytes]] = []
    for _ in range(400):
        given = rng.choice([p for p in GIVEN if p.octets])
        data = bytearray(given.octets)
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        packet = bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.4 else data)
        cases.append((given.encapsulation, packet))
    frames = [frame(encapsulation, packet) for encapsulation, packet in cases]
    rows = tshark.fields(frames, tmp_path, NAMES, "-o", ALL_LABELS)
    compared = 0
    for (encapsulation, packet), row in zip(cases, rows, strict=True):
        first = int.from_bytes(packet[:4], "big")
        # With S 0 MPLS looks for another label; those below 16, and 628871, are others'.
        hidden = first >> 12 < 16 or not first & 0x100 or first >> 12 == 628871
        if len(packet) < 4 or (encapsulation is MPLS and hidden):
            continue
        assert seen(row) == ours(explain(packet, encapsulation)), packet.hex()
        compared += 1
    assert compared > 200
    tshark.run(tmp_path / "frames.pcap", "-V", "-o", ALL_LABELS)
    tshark.run(tmp_path / "frames.pcap")


def test_a_frame_that_the_capture_cut_is_not_called_malformed(tmp_path: Path) -> None:
    header = some_headers()[-1]
    whole = frame(NON_MPLS, header.encode())
    for kept in (14, 18, 30, 300):
        (row,) = tshark.fields([Frame(whole[:kept], length=len(whole))], tmp_path, NAMES)
        assert "bier.truncated" not in row
        told = explain(whole[14:kept], NON_MPLS, length=len(whole) - 14)
        assert told.verdict is None
        assert [r.id for r in told.remarks if r.id != "unknown-proto"] == ["capture-cut"]
        if kept > 14:
            assert seen(row) == ours(told)


SOURCE, GROUP = IPv4Address("10.0.0.1"), IPv4Address("232.1.1.1")
DATAGRAM = udp.Template(SOURCE, 4001, GROUP, 3400).packet(b"model")
SIX = udp.Template(IPv6Address("2001:db8::1"), 4001, IPv6Address("ff3e::1"), 3401).packet(b"six")


def bier(encapsulation: Encapsulation, proto: int, payload: bytes) -> bytes:
    header = Header(
        encapsulation=encapsulation, bift_id=1000, ttl=64, proto=proto, bfir_id=1,
        bits=BitString.of(Bsl.B256, {3, 7}),
    )  # fmt: skip
    return header.encode() + payload


def test_the_payload_is_handed_on_by_proto(tmp_path: Path) -> None:
    inner = bytes.fromhex("0200000000aa0200000000bb0800") + DATAGRAM
    vxlan = bytes.fromhex("0800000000002a00") + inner
    frames = [
        frame(e, bier(e, proto, payload))
        for e in Encapsulation
        for proto, payload in (
            (Proto.IPV4, DATAGRAM),
            (Proto.IPV6, SIX),
            (Proto.ETHERNET, inner),
            (Proto.MPLS_DOWNSTREAM, bytes.fromhex("007d1140") + DATAGRAM),
            (Proto.MPLS_UPSTREAM, bytes.fromhex("007d2140") + DATAGRAM),
            (Proto.VXLAN, vxlan),
            (Proto.NVGRE, bytes.fromhex("2000655800002a00") + inner),
            (Proto.GENEVE, bytes.fromhex("0000655800002a00") + inner),
        )
    ]
    names = ["udp.dstport", "eth.dst", "mpls.label", "vxlan.vni", "gre.proto", "geneve.vni"]
    rows = tshark.fields(frames, tmp_path, names, "-o", "bier.mpls_labels:1000:256:0")
    assert [row.get("udp.dstport", ["none"])[-1] for row in rows] == [
        "3400",
        "3401",
        *["3400"] * 6,
    ] * 2
    for half, bift_id in ((rows[:8], ["1000"]), (rows[8:], [])):
        assert half[2]["eth.dst"] == ["02:00:00:00:00:02", "02:00:00:00:00:aa"]
        assert half[3]["mpls.label"] == [*bift_id, "2001"]
        assert half[4]["mpls.label"] == [*bift_id, "2002"]
        assert half[5]["vxlan.vni"] == ["42"]
        assert half[6]["gre.proto"] == ["0x6558"]
        assert half[7]["geneve.vni"] == ["0x00002a"]


def test_bier_in_gre_vxlan_vlan_and_under_labels(tmp_path: Path) -> None:
    far = ip.Template(IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"), gre.PROTOCOL)
    far6 = ip.Template(IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2"), gre.PROTOCOL)
    tunnel = udp.Template(IPv4Address("192.0.2.1"), 9, IPv4Address("192.0.2.2"), 4789)
    vni = bytes.fromhex("0800000000002a00")
    packet = {e: bier(e, Proto.IPV4, DATAGRAM) for e in Encapsulation}
    frames = []
    for e, kind in ((MPLS, 0x8847), (NON_MPLS, 0xAB37)):
        frames += [
            ETHERNET + b"\x08\x00" + far.packet(gre.header(kind) + packet[e]),
            ETHERNET + b"\x86\xdd" + far6.packet(gre.header(kind) + packet[e]),
            ETHERNET + b"\x08\x00" + tunnel.packet(vni + frame(e, packet[e])),
            ETHERNET + bytes.fromhex("81000005") + TYPES[e] + packet[e],
        ]
    frames.append(frame(MPLS, bytes.fromhex("007d0040") + packet[MPLS]))
    names = ["bier.bift_id", "bier.ttl", "bier.bfer_id", "udp.dstport"]
    rows = tshark.fields(frames, tmp_path, names, "-o", "bier.mpls_labels:1000:256:1",
                         "-o", "bier.bift_ids:1000:256:1")  # fmt: skip
    for data, row in zip(frames, rows, strict=True):
        assert row["bier.bift_id"] == ["1000"]
        assert row["bier.ttl"] == ["64"]
        assert row["bier.bfer_id"] == ["259", "263"]
        assert row["udp.dstport"][-1] == "3400"
        found = in_frame(data)
        assert found is not None
        assert explain(data[found.offset :], found.encapsulation).value("bift_id") == 1000


def test_display_filters_of_the_page(tmp_path: Path) -> None:
    packets_ = [frame(e, bier(e, Proto.IPV4, DATAGRAM)) for e in Encapsulation]
    capture = tshark.written([*packets_, ETHERNET + b"\x08\x00" + DATAGRAM], tmp_path)
    page = (Path(__file__).parent.parent / "docs" / "how-to" / "wireshark.md").read_text("utf-8")
    about_bier = page[: page.index("## Deliveries")]  # those of llmsync.lua are another test's
    filters = [line.split("`")[1] for line in about_bier.splitlines() if line.startswith("| `")]
    assert len(filters) > 8
    for text in filters:
        tshark.run(capture, "-Y", text)
    options = ["-o", "bier.mpls_labels:1000:256:0", "-o", "bier.bift_ids:1000:256:0"]
    lines = tshark.run(capture, "-Y", "bier.bfer_id == 7", *options).splitlines()
    assert len(lines) == 2
    assert lines[0] in page.splitlines()
    assert len(tshark.run(capture, "-Y", "bier && !mpls", *options).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("18:65", "18:65: BSL is 64, 128, 256, 512, 1024, 2048 or 4096"),
        ("18-17", "18-17 is not RANGE[:BSL[:SI]]"),
        ("18, x", "x is not RANGE[:BSL[:SI]]"),
        ("1048576", "1048576 is not RANGE[:BSL[:SI]]"),
        ("16-300:64:0", "16-300:64:0: SI goes up to 255"),
    ],
)
def test_a_wrong_preference_is_said(text: str, said: str, tmp_path: Path) -> None:
    capture = tshark.written([frame(MPLS, bier(MPLS, 4, DATAGRAM))], tmp_path)
    done = subprocess.run(
        ["tshark", "-X", f"lua_script:{tshark.DISSECTOR}", "-o", f"bier.mpls_labels:{text}",
         "-r", str(capture)],
        capture_output=True, text=True, timeout=60, check=False, env=tshark.clean(tmp_path),
    )  # fmt: skip
    assert f"bier.mpls_labels: {said}; the preference is not used" in done.stderr
    assert done.returncode == 0


def test_loaded_twice_it_steps_aside_and_two_passes_agree(tmp_path: Path) -> None:
    capture = tshark.written(
        [frame(e, bier(e, Proto.IPV4, DATAGRAM)) for e in Encapsulation], tmp_path
    )
    options = ["-T", "fields", "-e", "bier.bit", "-o", "bier.mpls_labels:1000"]
    once = tshark.run(capture, *options)
    assert once.splitlines() == ["3,7", "3,7"]
    assert tshark.run(capture, *options, "-X", f"lua_script:{tshark.DISSECTOR}") == once
    assert tshark.run(capture, *options, "-2") == once


def test_a_label_may_be_said_to_be_bier_for_once(tmp_path: Path) -> None:
    capture = tshark.written([frame(MPLS, bier(MPLS, Proto.IPV4, DATAGRAM))], tmp_path)
    assert "BIER" not in tshark.run(capture)
    assert "BIER 1000 TTL 64 bits {3,7}" in tshark.run(capture, "-d", "mpls.label==1000,bier_mpls")
