"""`llmsync doctor` on this host, and probing through a real network of namespaces."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from netns import Namespaces, namespaces, needs_namespaces

from toolkit.cli.main import main
from toolkit.transport import links
from toolkit.transport.disk import CHUNK, measure

GROUP = "232.7.7.7:4401"
MACS = {n: f"02:00:00:00:07:{i:02x}" for i, n in enumerate(("s", "ra", "rb", "a", "rs", "b"))}


def doctor(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    code = main(["doctor", "-o", "json", *words])
    return code, json.loads(capsys.readouterr().out)


def test_it_says_what_is_lacking_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = doctor(
        capsys, "--payload", "64900", "--interface", "127.0.0.1", "--output", str(tmp_path / "x"),
        "--size", "900000T", "--rate", "1000",
    )  # fmt: skip
    assert code == 1
    findings = {f["id"]: f for f in said["findings"]}
    assert findings["disk-space"]["weight"] == "fault"
    assert "mtu" not in findings, "the loopback interface takes 65536 bytes"
    host = said["host"]
    assert host["interface"]["name"] == "lo"
    assert host["disk_write"] > 1e6
    assert host["cpus"] == len(os.sched_getaffinity(0))
    assert list(tmp_path.iterdir()) == [], "the disk test left something"


def test_a_modest_wish_has_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = doctor(
        capsys, "--interface", "lo", "--output", str(tmp_path), "--rate", "100k", "--size", "1k"
    )
    assert [f for f in said["findings"] if f["weight"] == "fault"] == []
    assert (code, said["receivers"]) == (0, [])


def test_the_table_has_every_finding_with_why_and_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor", "--interface", "nope0"]) == 1
    out = capsys.readouterr().out
    assert "fault interface: nope0: is not an address of this host" in out
    assert "  why: " in out
    assert "  do:  " in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--payload", "9"], "--payload 9"),
        (["--group", "192.0.2.1:1"], "not a multicast address"),
        (["--size", "big"], "--size big"),
        (["--rate", "0"], "--rate 0"),
        (["--to", "a=127.0.0.1:1", "--to", "a=127.0.0.1:2"], "given twice"),
        (["--patience", "0"], "--patience 0"),
        (["--dscp", "64"], "--dscp 64"),
    ],
)
def test_wrong_use_is_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *words]) == 2
    assert said in capsys.readouterr().err


def test_interfaces_are_those_that_the_kernel_lists() -> None:
    found = {link.name: link for link in links.read()}
    listed = {p.name: p for p in Path("/sys/class/net").iterdir() if (p / "mtu").exists()}
    assert set(found) == set(listed)
    for name, path in listed.items():
        assert found[name].mtu == int((path / "mtu").read_text())
    assert found["lo"].loopback
    assert links.of_address("127.0.0.1") == "lo"
    assert links.of_address("192.0.2.99") == links.of_address("junk") == ""


def test_the_disk_is_measured_by_writing_to_it_and_is_left_as_it_was(tmp_path: Path) -> None:
    rate = measure(tmp_path, seconds=5.0, limit=2 * CHUNK)
    assert rate is not None
    assert rate > 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="No such file"):
        measure(tmp_path / "missing")


# ----- a real network: sender - router - two receivers, the way to b has a small MTU


@contextlib.contextmanager
def network(small: int = 1500) -> Iterator[Namespaces]:
    with namespaces("s", "r", "a", "b") as net:
        net.link(("s", "eth0", MACS["s"]), ("r", "es", MACS["rs"]))
        net.link(("a", "eth0", MACS["a"]), ("r", "ea", MACS["ra"]))
        net.link(("b", "eth0", MACS["b"]), ("r", "eb", MACS["rb"]))
        for device in ("es", "ea", "eb"):
            net.ip("r", "link", "set", device, "down")
        net.ip("r", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        for device in ("es", "ea", "eb"):
            net.ip("r", "link", "set", device, "master", "br0", "up")
        net.ip("r", "link", "set", "br0", "up")
        for i, name in enumerate(("s", "a", "b"), 1):
            net.ip(name, "address", "add", f"10.9.7.{i}/24", "dev", "eth0")
            net.ip(name, "route", "add", "224.0.0.0/4", "dev", "eth0")
        if small != 1500:
            net.ip("r", "link", "set", "eb", "mtu", str(small))
            net.ip("b", "link", "set", "eth0", "mtu", str(small))
        yield net


@contextlib.contextmanager
def receiving(net: Namespaces, name: str, folder: Path, *more: str) -> Iterator[None]:
    address = f"10.9.7.{'sab'.index(name) + 1}"
    command = [
        "ip", "netns", "exec", net[name], sys.executable, "-m", "toolkit.cli", "receive",
        "--name", name, "--listen", f"{address}:4401", "--sender", "10.9.7.1",
        "--output", str(folder / name), *more,
    ]  # fmt: skip
    with (folder / f"{name}.err").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def sending(net: Namespaces, *words: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        ["ip", "netns", "exec", net["s"], sys.executable, "-m", "toolkit.cli", *words, "-o", "json",
         "--control", "10.9.7.1", "--group", GROUP, "--interface", "10.9.7.1"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


TO = ("--to", "a=10.9.7.2:4401", "--to", "b=10.9.7.3:4401")
IN_GROUP = ("--group", GROUP)


@needs_namespaces
def test_every_receiver_has_its_verdict(tmp_path: Path) -> None:
    with (
        network() as net,
        receiving(net, "a", tmp_path, *IN_GROUP, "--interface", "10.9.7.2"),
        receiving(net, "b", tmp_path),
    ):
        code, said = sending(
            net, "doctor", *TO, "--to", "c=10.9.7.4:4401", "--patience", "4", "--rate", "100M"
        )
    receivers = {r["receiver"]: r for r in said["receivers"]}
    assert code == 1
    assert receivers["a"]["reach"] == "multicast"
    assert (receivers["a"]["group_payload"], receivers["a"]["hops"]) == (1400, 1)
    assert receivers["a"]["rtt"] < 1
    assert (receivers["b"]["reach"], receivers["b"]["unicast_payload"]) == ("unicast", 1400)
    assert "--group" in receivers["b"]["remedy"]
    assert receivers["c"]["reach"] == "none"


@needs_namespaces
def test_a_small_mtu_on_the_way_is_found(tmp_path: Path) -> None:
    with (
        network(small=1300) as net,
        receiving(net, "a", tmp_path, *IN_GROUP, "--interface", "10.9.7.2"),
        receiving(net, "b", tmp_path, *IN_GROUP, "--interface", "10.9.7.3"),
    ):
        code, said = sending(net, "doctor", *TO, "--patience", "3", "--rate", "100M")
    receivers = {r["receiver"]: r for r in said["receivers"]}
    assert code == 1
    assert receivers["a"]["reach"] == "multicast"
    assert receivers["b"]["reach"] == "small packets"
    assert receivers["b"]["group_payload"] == receivers["b"]["unicast_payload"] == 1252
    assert "--payload 1252" in receivers["b"]["remedy"]


@needs_namespaces
def test_a_receiver_that_the_group_does_not_reach_is_served_by_unicast_and_shown(
    tmp_path: Path,
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(os.urandom(3_000_000))
    with (
        network() as net,
        receiving(net, "a", tmp_path, *IN_GROUP, "--interface", "10.9.7.2"),
        receiving(net, "b", tmp_path),
    ):
        code, said = sending(
            net, "send", str(model), *TO, "--rate", "200M", "--key", str(tmp_path / "key"),
            "--gather", "5",
        )  # fmt: skip
    receivers = {r["receiver"]: r for r in said["receivers"]}
    assert code == 0, said
    assert (receivers["a"]["by"], receivers["b"]["by"]) == ("group", "unicast")
    for name in "ab":
        assert (tmp_path / name / "weights.bin").read_bytes() == (
            model / "weights.bin"
        ).read_bytes()
        assert receivers[name]["repairs"] == 0, "what the group did not bring was sent again"
