"""Wireshark reads our LSPs and LSAs as we meant them: no malformed frame, no expert complaint."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lsdb_networks import isis_capture, network, ospf_capture, router_lsas, router_lsps
from tshark import clean, needs_tshark

pytestmark = [pytest.mark.interop, needs_tshark]
BIER = "isis.lsp.bier"


def rows_of(path: Path, fields: list[str], *options: str) -> list[list[str]]:
    names = [part for name in fields for part in ("-e", name)]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), *options, "-T", "fields", *names],
        capture_output=True, text=True, check=True, timeout=60, env=clean(path.parent),
    )  # fmt: skip
    return [line.split("\t") for line in done.stdout.splitlines()]


def complaints(path: Path) -> list[list[str]]:
    wanted = "_ws.malformed or _ws.expert.severity >= 0x400000"  # note, warning, error
    return rows_of(path, ["frame.number", "_ws.expert.message"], "-Y", wanted)


def test_isis_with_bier_info_field_by_field(tmp_path: Path) -> None:
    file, net = tmp_path / "isis.pcap", network(3)
    file.write_bytes(isis_capture(router_lsps(net)))
    assert complaints(file) == []
    fields = ["isis.lsp.lsp_id", "isis.lsp.checksum.status", "isis.lsp.hostname"]
    assert rows_of(file, fields) == [
        [f"{router.system_id}.00-00", "1", name] for name, router in net.routers.items()
    ]
    parts = [
        "subdomain", "bfrid", "alg", "igp_alg", ".subsub.mplsencap.maxsi",
        ".subsub.mplsencap.bslen", ".subsub.mplsencap.label",
    ]  # fmt: skip
    fields = [BIER + (part if part[0] == "." else f"_{part}") for part in parts]
    expected = [
        ["0", str(part.bfr_id or 0), "0", "0", "1", "1", str(part.encapsulations[0].base)]
        for router in net.routers.values()
        for part in router.sub_domains
    ]
    assert [row for row in rows_of(file, fields) if row[0]] == expected


def test_a_wrong_isis_checksum_is_wrong_for_wireshark_too(tmp_path: Path) -> None:
    """Otherwise its status above would say nothing."""
    file = tmp_path / "isis.pcap"
    data = bytearray(isis_capture(router_lsps(network(3))))
    data[-1] ^= 1
    file.write_bytes(data)
    assert rows_of(file, ["isis.lsp.checksum.status"])[-1] == ["0"]
    assert len(complaints(file)) == 1


def test_ospf_with_extended_prefixes(tmp_path: Path) -> None:
    """Debian 12's Wireshark (4.0) knows the Extended Prefix TLV, but not sub-TLV 9 in it."""
    file, net = tmp_path / "ospf.pcap", network(3)
    lsas = router_lsas(net)
    file.write_bytes(ospf_capture(lsas, net))
    assert complaints(file) == []
    rows = rows_of(file, ["ospf.srcrouter", "ospf.ls.number_of_lsas"])
    every = {str(one.router): len(some) for some in lsas.values() for one in some}
    assert {row[0]: int(row[1]) for row in rows} == every
    done = subprocess.run(
        ["tshark", "-n", "-r", str(file), "-V"],
        capture_output=True, text=True, check=True, timeout=60, env=clean(tmp_path),
    )  # fmt: skip
    shown = [line.strip() for line in done.stdout.splitlines()]
    assert shown.count("OSPFv2 Extended Prefix Opaque LSA") == sum(map(len, lsas.values())) - len(
        lsas
    )
    checks = [line for line in shown if line.startswith("Checksum: ") and "[" in line]
    assert len(checks) == len(lsas)
    assert all(line.endswith("[correct]") for line in checks)
    lines = [line.removeprefix("TLV Value: ") for line in shown if line.startswith("TLV Value: ")]
    assert sorted(lines) == sorted(
        f"0000{part.bfr_id or 0:04x}00000000000a000801{part.encapsulations[0].base:06x}10000000"
        for router in net.routers.values()
        for part in router.sub_domains
    )
