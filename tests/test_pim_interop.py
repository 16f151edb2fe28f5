"""Wireshark reads our PIM, IGMP and MLD packets as we meant them."""

from __future__ import annotations

import shutil
import struct
import subprocess
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from toolkit.inet import ip, udp
from toolkit.pim import igmp, wire
from toolkit.pim.wire import GroupSet, JoinPrune, Register, RegisterStop, Selection
from toolkit.state.model import IpAddress

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("tshark") is None, reason="tshark is not installed (apt-get install tshark)"
    ),
]

S, G, RP = IPv4Address("10.1.0.6"), IPv4Address("239.1.0.1"), IPv4Address("10.255.0.5")
S6, G6 = IPv6Address("2001:db8::6"), IPv6Address("ff3e::8000:1")
A, B = IPv4Address("10.0.0.0"), IPv4Address("10.0.0.1")
A6, B6 = IPv6Address("fe80::1"), IPv6Address("fe80::2")


def capture(path: Path, packets: list[bytes]) -> None:
    """A pcap file with link type 101: raw IP."""
    records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    for number, packet in enumerate(packets):
        records.append(struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet)
    path.write_bytes(b"".join(records))


def tshark(path: Path, fields: list[str], *options: str) -> list[list[str]]:
    names = [part for name in fields for part in ("-e", name)]
    done = subprocess.run(
        ["tshark", "-r", str(path), *options, "-T", "fields", *names],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [line.split("\t") for line in done.stdout.splitlines()]


def pim(message: wire.Message, source: IpAddress, to: IpAddress) -> bytes:
    body = wire.encode(message, source, to)
    return ip.Template(source, to, wire.PROTOCOL, ttl=1).packet(body)


def test_wireshark_reads_joins_prunes_registers_and_stops(tmp_path: Path) -> None:
    file = tmp_path / "pim.pcap"
    sets = (
        GroupSet(
            G, (Selection(RP, wildcard=True, rpt=True), Selection(S)), (Selection(S, rpt=True),)
        ),
    )
    six = (GroupSet(G6, (Selection(S6),)),)
    inner = udp.Template(S, 61001, G, 61001).packet(bytes(100))
    capture(
        file,
        [
            pim(JoinPrune(B, 17, sets), A, wire.ROUTERS[4]),
            pim(JoinPrune(B6, 17, six), A6, wire.ROUTERS[6]),
            pim(Register(False, inner), A, RP),
            pim(RegisterStop(G, S), RP, A),
        ],
    )
    rows = tshark(file, ["pim.type", "pim.cksum.status", "pim.holdtime", "pim.numgroups"])
    assert [(row[0], row[1]) for row in rows] == [("3", "1"), ("3", "1"), ("1", "1"), ("2", "1")]
    assert [row[2:] for row in rows[:2]] == [["17", "1"], ["17", "1"]]
    addresses = tshark(file, ["pim.group", "pim.join_ip", "pim.prune_ip"], "-Y", "pim.type == 3")
    assert addresses[0][0].split(",")[0] == str(G)
    assert addresses[0][1:] == [f"{RP},{S}", str(S)]
    shown = tshark(file, ["ip.dst", "udp.dstport"], "-Y", "pim.type == 1")
    assert shown == [[f"{RP},{G}", "61001"]]
    assert tshark(file, ["frame.number"], "-Y", "_ws.malformed") == []


def test_wireshark_reads_reports_and_queries(tmp_path: Path) -> None:
    file = tmp_path / "igmp.pcap"
    record = igmp.Record(igmp.RecordType.ALLOW, IPv4Address("232.1.0.1"), (S,))
    six = igmp.Record(igmp.RecordType.TO_EXCLUDE, G6)
    capture(
        file,
        [
            igmp.encode(igmp.Report((record,)), IPv4Address("10.1.0.2")),
            igmp.encode(igmp.Query(3, None, 10, 1.0), IPv4Address("10.1.0.1")),
            igmp.encode(igmp.OldReport(G, 2), IPv4Address("10.1.0.2")),
            igmp.encode(igmp.Report((six,)), A6),
            igmp.encode(igmp.Query(2, None, 10, 1.0), B6),
        ],
    )
    fields = ["igmp.type", "igmp.checksum.status", "igmp.record_type", "igmp.saddr", "igmp.maddr"]
    rows = tshark(file, fields, "-Y", "igmp")
    assert [row[:2] for row in rows] == [["0x22", "1"], ["0x11", "1"], ["0x16", "1"]]
    assert rows[0][2:] == ["5", str(S), "232.1.0.1"]
    fields = ["icmpv6.type", "icmpv6.checksum.status", "icmpv6.mldr.mar.record_type"]
    assert tshark(file, fields, "-Y", "icmpv6")[0] == ["143", "1", "4"]
    assert tshark(file, ["icmpv6.type"], "-Y", "icmpv6")[1] == ["130"]
    assert tshark(file, ["frame.number"], "-Y", "_ws.malformed") == []
