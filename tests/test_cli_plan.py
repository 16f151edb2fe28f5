"""`llmsync plan`: its output to the letter, and the lock file."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.cli.loading import load_plan, lock_path, read_lock, write_lock
from toolkit.cli.main import main
from toolkit.errors import ExitCode

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "plan"
INVENTORIES = {"demo": "inventories/demo", "ipv6": "tests/inventories/ipv6"}


def plan(path: Path, *options: str) -> int:
    return main(["plan", str(path), *options])


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Return a copy of the demonstration inventory without a lock."""
    copy = tmp_path / "demo"
    shutil.copytree(ROOT / "inventories" / "demo", copy, ignore=shutil.ignore_patterns("*.json"))
    return copy


@pytest.mark.parametrize("form", ["json", "yaml", "table"])
@pytest.mark.parametrize("name", INVENTORIES)
def test_the_plan_is_the_golden_one(
    name: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / name
    unlocked = shutil.ignore_patterns("*.json")
    shutil.copytree(ROOT / INVENTORIES[name], copy, ignore=unlocked)
    assert plan(copy, "-o", form) == ExitCode.OK
    told = capsys.readouterr().out
    golden = GOLDEN / f"{name}.{'table.txt' if form == 'table' else form}"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["json", "table"])
def test_the_plan_of_pim_is_the_golden_one(
    form: str, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(demo, "-o", form, "--transport", "pim-sm") == ExitCode.OK
    told = capsys.readouterr().out
    golden = GOLDEN / f"demo-pim-sm.{'table.txt' if form == 'table' else form}"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8")


def test_json_and_yaml_say_the_same() -> None:
    import yaml

    for name in INVENTORIES:
        as_json = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
        as_yaml = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8"))
        assert as_json == as_yaml


def test_a_plain_run_writes_nothing_but_tells_what_is_not_kept(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(demo) == ExitCode.OK
    assert not lock_path(demo).exists()
    assert capsys.readouterr().err == (
        f"llmsync: {demo}/llmsync.lock.json: not locked yet:"
        " BFR-ids 7, routers 12, links 17, hosts 7, deliveries 1 (run with --write-lock)\n"
    )


def test_once_written_the_lock_is_quiet_and_unchanged(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(demo, "--check-lock") == ExitCode.CHANGES_PENDING
    assert plan(demo, "--write-lock") == ExitCode.OK
    before = lock_path(demo).read_bytes()
    capsys.readouterr()
    assert plan(demo, "--write-lock") == plan(demo, "--check-lock") == ExitCode.OK
    assert capsys.readouterr().err == ""
    assert lock_path(demo).read_bytes() == before
    assert sorted(path.name for path in demo.iterdir()) == [
        "deliveries.yaml", "llmsync.lock.json", "network.yaml",
    ]  # fmt: skip


def test_a_new_cloud_shows_as_a_pending_change_and_moves_nobody(demo: Path) -> None:
    plan(demo, "--write-lock")
    _, before, _ = load_plan(demo)
    deliveries = demo / "deliveries.yaml"
    text = deliveries.read_text(encoding="utf-8")
    more = "clouds:\n  another: {router: chi1, region: america, capacity: 10G}\n"
    deliveries.write_text(text.replace("clouds:\n", more), encoding="utf-8")
    assert plan(demo, "--check-lock") == ExitCode.CHANGES_PENDING
    _, after, _ = load_plan(demo)
    assert after.routers["chi1"].sub_domains[0].bfr_id == 8
    for name in before.routers.keys() - {"chi1"}:
        ports = [replace(port, protection=None) for port in after.routers[name].ports]
        assert ports == [replace(port, protection=None) for port in before.routers[name].ports]
        assert replace(after.routers[name], ports=()) == replace(before.routers[name], ports=())
    # But the repository may now set one bit more.
    (old,) = (port.protection for port in before.routers["ams1"].ports if port.peer == "hub")
    (new,) = (port.protection for port in after.routers["ams1"].ports if port.peer == "hub")
    assert old is not None
    assert new is not None
    assert new.bit_strings[0] == old.bit_strings[0] | 1 << 7
    assert after.flows[0].bfr_ids.items() >= before.flows[0].bfr_ids.items()


def test_the_lock_of_a_single_file_stands_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    shutil.copy(ROOT / "tests" / "inventories" / "ipv6" / "network.yaml", file)
    assert plan(file, "--write-lock") == ExitCode.OK
    assert (tmp_path / "net.lock.json").is_file()
    assert read_lock(file).bfr_ids == {
        "mil9": 1, "mil10": 2, "zrh1": 3, "osl1": 4,
    }  # fmt: skip


@pytest.mark.parametrize("content", ["", "{", '{"version": 1}'])
def test_a_damaged_lock_stops_everything(
    demo: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lock_path(demo).write_text(content, encoding="utf-8")
    assert plan(demo, "--write-lock") == ExitCode.INVALID
    captured = capsys.readouterr()
    assert captured.out == ""
    for line in captured.err.splitlines():
        assert line.startswith(f"llmsync: {demo}/llmsync.lock.json")
    assert lock_path(demo).read_text(encoding="utf-8") == content


def test_bytes_that_are_no_text_are_told_as_such(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock_path(demo).write_bytes(b"\xff\xfe")
    assert plan(demo) == ExitCode.INVALID
    assert "llmsync.lock.json: is not UTF-8" in capsys.readouterr().err


def test_a_locked_id_out_of_range_names_the_line_of_the_lock(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(demo, "--write-lock")
    file = lock_path(demo)
    text = file.read_text(encoding="utf-8").replace('"mia1": 1,', '"mia1": 65535,', 1)
    file.write_text(text, encoding="utf-8")
    network = demo / "network.yaml"
    network.write_text(
        network.read_text(encoding="utf-8") + "\nbier: {bsl: 64}\n", encoding="utf-8"
    )
    capsys.readouterr()
    assert plan(demo) == ExitCode.INVALID
    assert capsys.readouterr().err == (
        f"llmsync: {file}:7: bfr_ids.mia1: BFR-id 65535 of mia1 is too large:"
        " 256 sets of 64 bits are all there are"
        " (remove the entry, and the router gets another BFR-id)\n"
    )


def test_writing_keeps_links_and_modes(demo: Path, tmp_path: Path) -> None:
    _, _, lock = load_plan(demo)
    kept = tmp_path / "kept.json"
    kept.touch(mode=0o640)
    lock_path(demo).symlink_to(kept)
    write_lock(demo, lock)
    assert lock_path(demo).is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o640
    assert read_lock(demo) == lock


def test_a_lock_that_cannot_be_written_is_told_and_nothing_is_left(
    demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert plan(demo, "--write-lock") == ExitCode.INVALID
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"llmsync: {demo}/llmsync.lock.json: cannot be written: No space left on device;"
        " it is as it was\n"
    )
    assert sorted(path.name for path in demo.iterdir()) == ["deliveries.yaml", "network.yaml"]


def test_the_plan_of_a_vpn_is_the_golden_one(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = demo / "deliveries.yaml"
    written = file.read_text(encoding="utf-8")
    file.write_text(written.replace("imposition: host", "imposition: router"), encoding="utf-8")
    (demo / "overlay.yaml").write_text(
        "underlay: {igp: ospf}\nqos: {dscp: 5}\n"
        "overlay: {signalling: mvpn, as: 65001, route_reflectors: [fra1, mia1]}\n",
        encoding="utf-8",
    )
    assert plan(demo) == ExitCode.OK
    told = capsys.readouterr().out
    golden = GOLDEN / "demo-mvpn.table.txt"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8")
    assert plan(demo, "-o", "json") == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert document["igp"] == "ospf"
    assert document["qos"] == {"name": "DSCP 5", "dscp": 5}
    assert document["mvpn"]["as"] == 65001
    assert list(document["mvpn"]["instances"]["ams1"]) == [
        "rd", "tunnel", "interfaces", "sub_domain_id",
    ]  # fmt: skip
    assert document["mvpn"]["speakers"]["fra1"]["clients"]
    (port,) = (p for p in document["routers"]["ams1"]["ports"] if p["edge"])
    assert port["vpn"] == "llmsync"
