"""Senders and receivers that are killed and started again, as engines and as real processes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from net import KEY, Net, Weather

from toolkit.delivery.control import Have, Message
from toolkit.delivery.manifest import digest
from toolkit.delivery.model import Session, Standing
from toolkit.delivery.sender import Sender

FILES = {"weights": random.Random(1).randbytes(64 * 8 * 200), "config": b"{}"}
BLOCKS = 200


def restart_sender(net: Net, tsi: int) -> None:
    """Another sender of the same files takes its place; it knows nothing of the first one."""
    session = Session(
        name="model", tsi=tsi, key=KEY, rate=net.rate, gather=net.gather, timeout=net.timeout
    )
    net.sender = Sender(session, net.source, net.names)


@pytest.mark.parametrize("loss", [0.0, 0.1])
@pytest.mark.parametrize("pause", [0.0, 3.0, 9.0])
def test_receivers_go_on_with_a_sender_that_was_started_again(loss: float, pause: float) -> None:
    net = Net(FILES, ["fra", "lon"], rate=2_000_000, weather=Weather(loss=loss, delay=0.001))
    first = net.sender
    net.at(0.3, lambda: setattr(net, "sender", _Gone()))
    net.at(0.3 + pause, lambda: restart_sender(net, 8))
    net.run()
    for name in net.names:
        assert net.sinks[name].placed == FILES
        assert max(net.sinks[name].writes.values()) == 1
    assert {r.standing for r in net.sender.results()} == {Standing.COMPLETE}
    if not loss:
        # A block was open at each of them, and as much was on its way.
        again = first.tally.packets + net.sender.tally.packets - (BLOCKS * 8 + 1)
        boot_and_digests = 2 * 110
        assert again <= boot_and_digests + 2 * 8


class _Gone(Sender):
    """A sender that was killed."""

    def __init__(self) -> None:
        pass

    @property
    def finished(self) -> bool:
        return True

    @property
    def deadline(self) -> float | None:
        return None

    def receive(self, receiver: str, message: bytes, now: float) -> list[Any]:
        return []


def test_a_receiver_is_not_led_astray_while_its_own_session_lives() -> None:
    net = Net(FILES, ["fra", "lon"], rate=2_000_000, weather=Weather(delay=0.001))
    other = Sender(
        Session(name="model", tsi=9, key=KEY, rate=net.rate, gather=0.0), net.source, ["fra"]
    )

    def intrude() -> None:
        for packet in other.poll(net.now):
            net._arrive("fra", packet.header + packet.payload)
        have = Have(
            manifest=digest(net.source.manifest.encode()), total=4, first=0, states=bytes(4)
        )
        other.receive("fra", Message(tsi=9, incarnation=1, name="fra", body=have).encode(), net.now)

    for tenth in range(1, 6):
        net.at(tenth / 10, intrude)
    net.run()
    assert {r.standing for r in net.sender.results()} == {Standing.COMPLETE}
    assert net.receivers["fra"].counters.ignored["TSI 9 is not that of our session"] > 10


# ----- real processes

SIZE = 24 * 2**20
BLOCK = 128 * 1376
"""Of the default payload of 1400 bytes."""


def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Place:
    """A folder to send, two receivers, and the processes that were started for them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model"
        self.model.mkdir()
        (self.model / "weights.bin").write_bytes(random.Random(7).randbytes(SIZE))
        (self.model / "config.json").write_bytes(b'{"layers": 2}')
        self.control = port()
        self.ports = {"fra": port(), "lon": port()}
        self.outputs = {name: path / name for name in self.ports}
        self._running: list[subprocess.Popen[str]] = []
        self._logs = 0

    def start(self, *words: str) -> subprocess.Popen[str]:
        self._logs += 1
        with (self.path / f"log{self._logs}").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "toolkit.cli", *words], stdout=subprocess.PIPE, stderr=log,
                text=True, cwd=Path(__file__).parent.parent,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            )  # fmt: skip
        self._running.append(process)
        return process

    def send(self, rate: str = "80M", *more: str) -> subprocess.Popen[str]:
        to = [w for name, p in self.ports.items() for w in ("--to", f"{name}=127.0.0.1:{p}")]
        return self.start(
            "send", str(self.model), *to, "--control", f"127.0.0.1:{self.control}", "--rate", rate,
            "--key", str(self.path / "key"), "--timeout", "20", "-o", "json", "--no-probe", *more,
        )  # fmt: skip

    def receive(self, name: str) -> subprocess.Popen[str]:
        return self.start(
            "receive", "--name", name, "--listen", f"127.0.0.1:{self.ports[name]}", "--sender",
            f"127.0.0.1:{self.control}", "--output", str(self.outputs[name]), "--timeout", "20",
            "-o", "json",
        )  # fmt: skip

    def staged(self, name: str) -> int:
        """Blocks of the weights that a receiver has in its staging folder; -1: all are placed."""
        output = self.outputs[name]
        if output.exists():
            return -1
        journal = output.parent / f".{name}.llmsync" / "blocks" / "1"
        return journal.read_bytes().count(1) if journal.exists() else 0

    def until(self, name: str, blocks: int) -> None:
        """Wait until a receiver has so many blocks."""
        deadline = time.monotonic() + 60
        while 0 <= self.staged(name) < blocks:
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.005)

    def result(self, process: subprocess.Popen[str], *, well: bool = True) -> dict[str, Any]:
        out, _ = process.communicate(timeout=90)
        assert (process.returncode == 0) is well, self.logs()
        return dict(json.loads(out)) if out.strip() else {}

    def logs(self) -> str:
        return "\n".join(f"{p.name}: {p.read_text()}" for p in sorted(self.path.glob("log*")))

    def delivered(self, name: str) -> bool:
        return all(
            (self.outputs[name] / p.name).read_bytes() == p.read_bytes()
            for p in self.model.iterdir()
        )

    def end(self) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.end()


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_a_receiver_that_is_killed_again_and_again_loses_its_open_blocks_and_no_more(
    place: Place,
) -> None:
    chance = random.Random(3)
    sender = place.send()
    lon, fra = place.receive("lon"), place.receive("fra")
    kills = before = 0
    for share in sorted(chance.uniform(0.05, 0.8) for _ in range(4)):
        place.until("fra", int(share * SIZE / BLOCK))
        if place.staged("fra") < 0:
            break
        kill(fra)
        kills += 1
        before = place.staged("fra")
        fra = place.receive("fra")
        assert place.staged("fra") >= before
    assert kills >= 2
    done, _ = place.result(fra), place.result(lon)
    place.result(sender)
    assert place.delivered("fra")
    assert place.delivered("lon")
    assert done["polluted"] == 0
    # The last run was sent what it lacked, and again the blocks that were open when it was killed,
    # one of each object; besides what was on its way when it came back.
    lacked = -(-SIZE // 1376) - before * 128
    assert lacked <= done["packets"] <= lacked + 2 * 128 + 50


def test_receivers_go_on_with_a_real_sender_that_was_killed(place: Place) -> None:
    sender = place.send()
    receivers = [place.receive("fra"), place.receive("lon")]
    place.until("fra", int(0.4 * SIZE / BLOCK))
    kill(sender)
    had = min(place.staged("fra"), place.staged("lon"))
    assert had > 0
    again = place.send()
    told = place.result(again)
    for receiver in receivers:
        place.result(receiver)
    assert place.delivered("fra")
    assert place.delivered("lon")
    whole = -(-SIZE // 1376)
    # What was there was not sent again: but for the open block and what was on its way.
    assert told["packets"] + told["late"] <= whole - had * 128 + 2 * 128 + 800


def test_a_power_cut_that_lost_data_but_not_the_journal_is_found_out(place: Place) -> None:
    sender = place.send()
    lon, fra = place.receive("lon"), place.receive("fra")
    place.until("fra", int(0.3 * SIZE / BLOCK))
    kill(fra)
    assert place.staged("fra") > 3
    with (place.path / ".fra.llmsync" / "files" / "weights.bin").open("r+b") as file:
        file.seek(BLOCK)
        file.write(bytes(2 * BLOCK))
    fra = place.receive("fra")
    place.result(fra)
    place.result(lon)
    place.result(sender)
    assert place.delivered("fra")


# ----- the source


@pytest.mark.parametrize("how", ["truncated", "replaced", "edited", "removed"])
def test_a_source_that_changes_while_it_is_sent_ends_it_for_all(place: Place, how: str) -> None:
    sender = place.send("40M")
    receivers = [place.receive("fra"), place.receive("lon")]
    place.until("fra", 5)
    weights = place.model / "weights.bin"
    match how:
        case "truncated":
            os.truncate(weights, SIZE // 2)
        case "replaced":
            other = place.path / "other"
            other.write_bytes(random.Random(8).randbytes(SIZE))
            other.replace(weights)
        case "edited":
            with weights.open("r+b") as file:
                file.seek(SIZE - BLOCK)
                file.write(b"changed")
        case "removed":
            weights.unlink()
    sender.communicate(timeout=60)
    assert sender.returncode not in (0, None)
    assert "changed while it was being sent" in place.logs()
    for receiver in receivers:
        receiver.communicate(timeout=60)
        assert receiver.returncode not in (0, None)
    assert not (place.path / "fra").exists()
    assert not (place.path / "lon").exists()


@pytest.mark.parametrize("how", ["touched", "replaced by the same"])
def test_a_source_that_only_looks_changed_is_sent_to_its_end(place: Place, how: str) -> None:
    sender = place.send()
    receivers = [place.receive("fra"), place.receive("lon")]
    place.until("fra", 5)
    weights = place.model / "weights.bin"
    if how == "touched":
        os.utime(weights)
    else:
        other = place.path / "other"
        shutil.copyfile(weights, other)
        other.replace(weights)
    for process in (*receivers, sender):
        place.result(process)
    assert place.delivered("fra")
    assert place.delivered("lon")


# ----- a full disk


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_fills_up_ends_one_receiver_and_it_goes_on_when_there_is_room(
    place: Place,
) -> None:
    disk = place.path / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE + 2**20 * 4}", "llmsync-test", str(disk)],
        check=True,
    )
    try:
        place.outputs["fra"] = disk / "fra"
        sender = place.send("40M")
        lon, fra = place.receive("lon"), place.receive("fra")
        place.until("fra", 10)
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(2**16))
        fra.communicate(timeout=60)
        assert fra.returncode not in (0, None)
        assert "no space is left on the disk" in place.logs()
        had = place.staged("fra")
        assert had >= 10
        assert not (disk / "fra").exists()
        place.result(lon)
        told = {r["receiver"]: r for r in place.result(sender, well=False)["receivers"]}
        assert told["lon"]["standing"] == "complete"
        assert "no space is left on the disk" in told["fra"]["reason"]
        filler.unlink()
        again = place.send("80M")
        done = place.result(place.receive("fra"))
        again.kill()
        assert place.delivered("fra")
        assert done["packets"] <= -(-SIZE // 1376) - had * 128 + 2 * 128 + 50
    finally:
        place.end()
        subprocess.run(["umount", str(disk)], check=True)
