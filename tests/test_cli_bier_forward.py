"""`llmsync bier forward`: what it says of files, and one run of it in a network namespace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from netns import Namespaces, namespaces, needs_namespaces

from toolkit.cli import bier_forward
from toolkit.cli.main import main
from toolkit.errors import ExitCode
from toolkit.yang.schema import reference_schema

ROOT = Path(__file__).parent.parent
YAML = """\
name: r1
bfr_ids: {0: 1}
interfaces:
  core0: {bier: core}
  edge0: {}
neighbors:
  r2: {interface: core0, mac: "02:00:00:00:00:f2"}
bifts:
  - bsl: 64
    bift_id: 100
    rows:
      - {bits: [1], local: true}
      - {bits: "2-4", via: [{neighbor: r2, bift_id: 200}]}
"""
FRAME = (
    bytes.fromhex("020000000011" + "0200000000f1" + "8847")
    + bytes.fromhex("00064109" + "50100007" + "00040003" + "000000000000000e")
    + b"model"
)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["bier", "forward", *words]) == ExitCode.INVALID
    return capsys.readouterr().err


def test_check_says_what_a_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r1.yaml"
    file.write_text(YAML, encoding="utf-8")
    assert main(["bier", "forward", str(file), "--check"]) == 0
    assert capsys.readouterr().out == (
        f"{file}: r1: 2 interfaces, 1 tables, 0 ingress and 0 egress flows; nothing is wrong\n"
    )


def test_all_problems_are_named_with_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r1.yaml"
    wrong = YAML.replace("neighbor: r2,", "neighbor: r3,").replace("[1]", "[65]")
    file.write_text(wrong.replace("edge0: {}", "edge0: {beer: core}"), encoding="utf-8")
    assert refused(capsys, str(file), "--check") == (
        f"llmsync: {file}:5: interfaces.edge0.beer: is not known here "
        "(remove it, or look at its spelling)\n"
        f"llmsync: {file}:12: bifts[0].rows[0].bits: 65 is not 1 to 64\n"
        f"llmsync: {file}:13: bifts[0].rows[1].via[0].neighbor: no neighbor r3 "
        "(declare it under neighbors)\n"
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.json", '{"name": "r1",\n "name": "r2"}', "FILE: 'name' stands twice in one object"),
        ("x.json", '{"name":\n}', "FILE:2: not JSON: Expecting value"),
        ("x.json", "[" * 100_000, "FILE: nested too deeply"),
        ("x.yaml", "name: r1\nname: r2\n", "FILE:2: 'name' stands here twice "
                                            "(merge the two, or rename one)"),
        ("x.yaml", "- 1\n", "FILE:1: document: is a list, not an object"),
        ("x.yaml", "", "FILE:1: document: is nothing, not an object"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused(
    name: str, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert refused(capsys, str(file)) == f"llmsync: {said.replace('FILE', str(file))}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--count", "0"], "--count 0: must be positive"),
        (["--seconds", "-1"], "--seconds -1: must be positive"),
        (["--metrics", "here"], "--metrics here: is not [HOST:]PORT"),
        (["--host-interface", "a-name-too-long!"], "--host-interface a-name-too-long!: "
                                                     "1 to 15 characters"),
        (["--stats", "."], ".: cannot be written: not a file in a folder that exists"),
        (["--state", "no/state.json"], "no/state.json: cannot be written: not a file in a folder "
                                       "that exists"),
        ([], "nowhere.yaml: cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_wrong_arguments(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "nowhere.yaml", *words) == f"llmsync: {said}\n"


@contextmanager
def network() -> Iterator[Namespaces]:
    with namespaces("r1", "peer") as made:
        made.link(("r1", "core0", "02:00:00:00:00:11"), ("peer", "eth0", "02:00:00:00:00:f1"))
        made.link(("r1", "edge0", "02:00:00:00:00:12"), ("peer", "eth1", "02:00:00:00:00:f3"))
        yield made


@contextmanager
def forwarding(
    made: Namespaces, *words: str, before: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["ip", "netns", "exec", made["r1"], *before, sys.executable, "-m", "toolkit.cli", "bier",
         "forward", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().rstrip("\n")


def exchange(made: Namespaces, frame: bytes) -> bytes:
    """Send a frame into core0 and return the copy that comes out of it again."""
    with made.entered("peer"), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened:
        opened.bind(("eth0", 0x8847))
        opened.settimeout(10)
        opened.send(frame)
        return opened.recv(2000)


@needs_namespaces
def test_a_run_forwards_counts_reloads_and_ends(tmp_path: Path) -> None:
    file, stats, state = tmp_path / "r1.yaml", tmp_path / "stats.json", tmp_path / "state.json"
    file.write_text(YAML, encoding="utf-8")
    words = [str(file), "--stats", str(stats), "--state", str(state), "--metrics", "0"]
    with network() as made, forwarding(made, *words) as process:
        url = line(process.stderr).removeprefix("llmsync: counters at ")
        assert line(process.stderr) == "llmsync: r1 forwards BIER on core0, edge0"
        copy = exchange(made, FRAME)
        assert copy.hex() == FRAME.hex().replace(
            "0200000000110200000000f1", "0200000000f2020000000011"
        ).replace("00064109", "000c8108")
        with made.entered("r1"), urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            metrics = answer.read().decode()
        assert 'llmsync_bier_packets_total{router="r1",event="forwarded"} 1\n' in metrics
        assert 'llmsync_bier_dropped_total{router="r1",reason="ttl-expired"} 0\n' in metrics
        assert (
            'llmsync_bier_frames_total{router="r1",interface="core0",direction="sent"} 1\n'
            in metrics
        )

        file.write_text(YAML.replace("name: r1", "name: r1\nbeer: 1"), encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        assert line(process.stderr).startswith(f"llmsync: {file}:2: beer: is not known here")
        assert line(process.stderr) == (
            f"llmsync: {file} is not used; forwarding goes on by the tables as they were"
        )
        file.write_text(YAML.replace("bift_id: 200", "bift_id: 300"), encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        assert line(process.stderr) == f"llmsync: {file} is in use"
        assert exchange(made, FRAME)[14:18].hex() == "0012c108"

        process.send_signal(signal.SIGUSR1)  # taken before or after the next frame
        exchange(made, FRAME)
        exchange(made, FRAME)
        assert json.loads(stats.read_text(encoding="utf-8"))["counters"]["forwarded"] in (2, 3)

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    counted = json.loads(stats.read_text(encoding="utf-8"))
    assert counted["counters"] == {"received": 4, "forwarded": 4, "delivered": 0, "imposed": 0}
    assert counted["dropped"] == {}
    assert counted["interfaces"]["core0"] == {
        "received": 4, "sent": 4, "kernel_dropped": 0, "up": True,
    }  # fmt: skip
    shown = json.loads(state.read_text(encoding="utf-8"))
    canonical = reference_schema().parse_json(shown, "r1", state=True)
    (table,) = canonical["llmsync-bier:bier"]["bift"]
    assert [entry["bfr-id"] for entry in table["entry"]] == [1, 2, 3, 4]
    assert canonical["llmsync-bier:bier"]["counters"]["forwarded"] == "4"


def test_a_start_that_is_told_to_end_gives_back_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "r1.yaml"
    file.write_text(YAML, encoding="utf-8")
    steps: list[str] = []

    def start(*_arguments: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            steps.append("not told")
        finally:
            steps.append("given back")

    monkeypatch.setattr(bier_forward, "_runtime", start)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["bier", "forward", str(file)]) == ExitCode.INTERRUPTED
    assert steps == ["given back"]
    assert signal.getsignal(signal.SIGTERM) is before


@needs_namespaces
def test_counters_that_cannot_be_written_stop_nothing(tmp_path: Path) -> None:
    file, folder = tmp_path / "r1.yaml", tmp_path / "gone"
    file.write_text(YAML, encoding="utf-8")
    folder.mkdir()
    words = [str(file), "--stats", str(folder / "stats.json")]
    with network() as made, forwarding(made, *words) as process:
        assert line(process.stderr) == "llmsync: r1 forwards BIER on core0, edge0"
        folder.rmdir()
        process.send_signal(signal.SIGUSR1)
        assert line(process.stderr) == (
            f"llmsync: {folder / 'stats.json'}: cannot be written: No such file or directory; "
            "forwarding goes on"
        )
        assert exchange(made, FRAME)[12:14] == b"\x88\x47"
        folder.mkdir()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    counted = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    assert counted["counters"]["forwarded"] == 1


@needs_namespaces
def test_bounds_end_a_run(tmp_path: Path) -> None:
    file = tmp_path / "r1.yaml"
    file.write_text(YAML, encoding="utf-8")
    with network() as made:
        with forwarding(made, str(file), "--count", "1") as process:
            assert line(process.stderr) == "llmsync: r1 forwards BIER on core0, edge0"
            exchange(made, FRAME)
            output, _ = process.communicate(timeout=20)
            assert process.returncode == 0
            counted: dict[str, Any] = json.loads(output)
            assert counted["counters"]["forwarded"] == 1
        with forwarding(made, str(file), "--count", "5") as process:
            line(process.stderr)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
            assert process.returncode == ExitCode.INTERRUPTED


@needs_namespaces
def test_an_interface_that_is_missing_is_named(tmp_path: Path) -> None:
    file = tmp_path / "r1.yaml"
    file.write_text(YAML.replace("edge0", "edge7"), encoding="utf-8")
    with network() as made, forwarding(made, str(file)) as process:
        _, said = process.communicate(timeout=20)
        assert (process.returncode, said) == (
            ExitCode.INVALID,
            "llmsync: no interface edge7 here; there are core0, edge0, lo\n",
        )


@needs_namespaces
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is missing")
def test_without_the_capability_it_says_which(tmp_path: Path) -> None:
    file = tmp_path / "r1.yaml"
    file.write_text(YAML, encoding="utf-8")
    without = ("setpriv", "--bounding-set=-net_raw")
    with network() as made, forwarding(made, str(file), before=without) as process:
        _, said = process.communicate(timeout=20)
        assert process.returncode == ExitCode.INVALID
        assert said == (
            "llmsync: packet sockets need root, or the capability CAP_NET_RAW: run as root, or "
            "give the interpreter the capability (setcap cap_net_raw,cap_net_admin+ep)\n"
        )
