"""One stream, one host, several agents: real processes on loopback, some of which are killed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import multiprocessing
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import share_role
from safetensors.numpy import save_file

from toolkit.delivery.keys import public_path, sending_key
from toolkit.delivery.model import symbol_size
from toolkit.errors import ExitCode

HERE = Path(__file__).parent
SYMBOL = symbol_size(1400)
WINDOW = 4_000_000
SLACK = 32 * 2**20
"""What slabs and their sizes may add to the window."""
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)


def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


FORKS = multiprocessing.get_context("forkserver")
"""Its server imports torch once, for all processes of these tests."""


class Role:
    """A process of `share_role.py`."""

    def __init__(self, site: Site, name: str, words: dict[str, Any]) -> None:
        self.name = name
        self._log = site.path / f"{name}-{len(site.roles)}.log"
        self._log.touch()
        self._pipe, theirs = FORKS.Pipe()
        said = {"name": name, **words}
        self.process = FORKS.Process(target=share_role.run, args=(said, theirs, self._log))
        self.process.start()
        theirs.close()
        site.roles.append(self)

    def line(self) -> dict[str, Any]:
        """Wait for what it says next."""
        try:
            return dict(self._pipe.recv())
        except EOFError:
            raise AssertionError(f"{self.name} ended: {self.log()}") from None

    def held(self) -> int:
        """Wait until it holds."""
        said = self.line()
        assert "held" in said, f"{said} {self.log()}"
        return int(said["held"])

    def go_on(self) -> None:
        self._pipe.send("go on")

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def done(self) -> dict[str, Any]:
        """Wait for a good end, and return what it says of it."""
        said = self.line()
        assert "error" not in said, f"{said} {self.log()}"
        self.process.join()
        assert self.process.exitcode == 0, self.log()
        return said

    def failed(self) -> tuple[str, int]:
        said = self.line()
        assert "error" in said, f"{said} {self.log()}"
        self.process.join()
        assert self.process.exitcode == said["code"]
        return said["error"], said["code"]

    def end(self) -> None:
        if self.process.is_alive():
            self.kill()
        self.process.close()
        self._pipe.close()

    def log(self) -> str:
        return self._log.read_text()

    def logged(self, text: str) -> None:
        """Wait for a line in what it tells a person."""
        while text not in self.log():
            assert self.process.is_alive(), self.log()
            time.sleep(0.02)


class Site:
    """A model to send, and the processes that were started for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model"
        self.model.mkdir()
        chance = np.random.default_rng(5)
        tensors = {
            f"layer{i:02}": chance.integers(0, 256, (512, 1024), np.uint8) for i in range(24)
        }
        tensors["bias"] = np.arange(1000, dtype=np.float32).view(np.uint8)
        save_file(tensors, self.model / "model.safetensors")
        (self.model / "config.json").write_bytes(b'{"layers": 24}')
        self.size = sum(p.stat().st_size for p in self.model.iterdir())
        self.weights = self.model / "model.safetensors"
        self.socket = path / "w"
        sending_key(path / "key")
        self.key = public_path(path / "key")
        self.control, self.listen = port(), port()
        self.roles: list[Role] = []
        self.senders: list[subprocess.Popen[str]] = []

    def send(self, rate: str = "150M") -> subprocess.Popen[str]:
        with (self.path / "sender.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "toolkit.cli", "send", str(self.model), "--to",
                 f"host=127.0.0.1:{self.listen}", "--control", f"127.0.0.1:{self.control}",
                 "--rate", rate, "--key", str(self.path / "key"), "--timeout", "60", "-o", "json",
                 "--no-probe"],
                stdout=subprocess.PIPE, stderr=log, text=True, cwd=HERE.parent,
                env={**os.environ, "PYTHONPATH": str(HERE.parent)},
            )  # fmt: skip
        self.senders.append(process)
        return process

    def host(self, **more: Any) -> Role:
        words = {
            "share": str(self.socket), "agents": 3, "window": WINDOW, "agent_patience": 30.0,
            "listen": f"127.0.0.1:{self.listen}", "sender": f"127.0.0.1:{self.control}",
            "timeout": 60.0, "agent_wait": 100.0, "trust": str(self.key),
        }  # fmt: skip
        role = Role(self, "host", {**words, **more})
        role.logged("waiting for")
        return role

    def agent(self, name: str, **more: Any) -> Role:
        words = {
            "window_of": str(self.socket), "device": "cpu", "weights": "gpu",
            "model": str(self.weights), "trust": str(self.key),
        }  # fmt: skip
        return Role(self, name, {**words, **more})

    def sent(self, sender: subprocess.Popen[str]) -> dict[str, Any]:
        out, _ = sender.communicate()
        assert sender.returncode == 0, (self.path / "sender.log").read_text()
        return dict(json.loads(out))

    def end(self) -> None:
        for role in self.roles:
            role.end()
        for process in self.senders:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    FORKS.set_forkserver_preload(
        ["torch", "toolkit.gpu.desk", "toolkit.gpu.sink", "toolkit.agent.session"]
    )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.end()


def slabs(process: BaseProcess) -> dict[str, int]:
    """The window's slabs that a process has mapped: what memory each is, and its bytes."""
    found = {}
    for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
        if "llmsync-window" in line:
            place, _, _, device, inode, *_ = line.split()
            start, end = (int(number, 16) for number in place.split("-"))
            found[f"{device} {inode}"] = end - start
    return found


def proportional(process: BaseProcess) -> int:
    """Bytes of the window that are a process's own share, as the kernel counts it."""
    found, inside = 0, False
    for line in Path(f"/proc/{process.pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = "llmsync-window" in line
        elif inside and line.startswith("Pss:"):
            found += int(line.split()[1]) * 1024
    return found


def test_three_agents_have_the_model_and_the_stream_came_once(site: Site) -> None:
    host = site.host()
    agents = [site.agent(f"gpu{i}", hold=1_000_000) for i in range(3)]
    sender = site.send()
    for agent in agents:
        agent.held()
    # All four have the same memory mapped now, and it is there once.
    everybody = [host.process, *(agent.process for agent in agents)]
    mapped = [slabs(process) for process in everybody]
    together = sum(map(proportional, everybody))
    for agent in agents:
        agent.go_on()
    results = [agent.done() for agent in agents]
    received = host.done()
    assert mapped[0]
    assert mapped == [mapped[0]] * 4
    assert sum(mapped[0].values()) <= received["window"]
    assert 1_000_000 <= together <= received["window"]
    assert received["window"] <= WINDOW + SLACK
    for result in results:
        assert result["equal"] == 25
        assert result["device"] == "cpu"
        assert result["device_checked"] == site.weights.stat().st_size
        assert result["placed"] == "memory"
        assert result["packets"] == 0
        assert {"announce", "join", "first_byte", "last_tensor"} <= set(result["timeline"])
    assert {agent["name"]: agent["placed"] for agent in received["agents"]} == {
        "gpu0": True, "gpu1": True, "gpu2": True,
    }  # fmt: skip
    site.sent(sender)
    assert not site.socket.exists()


def test_for_the_network_three_agents_are_one_receiver(site: Site) -> None:
    host = site.host(window=32_000_000)
    agents = [site.agent(f"gpu{i}") for i in range(3)]
    sender = site.send("60M")
    for agent in agents:
        assert agent.done()["equal"] == 25
    received = host.done()
    # As for one receiver: every symbol of data and of digests, and a few of FDT and manifest.
    blocks = -(-site.weights.stat().st_size // (128 * SYMBOL)) + 1
    symbols = -(-site.weights.stat().st_size // SYMBOL) + 1 + -(-blocks * 32 // SYMBOL) + 1
    told = site.sent(sender)
    assert symbols <= received["packets"] + received["duplicates"] <= symbols + 20
    assert symbols <= told["packets"] <= symbols + 20
    assert told["repairs"] == 0
    assert [receiver["receiver"] for receiver in told["receivers"]] == ["host"]


@pytest.mark.parametrize("where", ["disk", "nowhere"])
def test_an_agent_that_is_killed_in_the_middle_holds_up_nobody(site: Site, where: str) -> None:
    more = {"output": str(site.path / "out")} if where == "disk" else {}
    host = site.host(**more)
    agents = [site.agent("gpu0", hold=1_000_000), site.agent("gpu1")]
    victim = site.agent("victim", hold=1_000_000)
    sender = site.send()
    assert victim.held() < site.size
    victim.kill()
    host.logged("is served no more: it is gone")
    again = site.agent("victim") if where == "disk" else None
    if again is not None:
        host.logged(f"agent victim (process {again.process.pid}) attached")
    agents[0].held()
    agents[0].go_on()
    for agent in agents:
        assert agent.done()["equal"] == 25
    if again is not None:
        # It is served what is still to come, and reads the rest from the host's files.
        assert again.done()["equal"] == 25
    received = host.done()
    site.sent(sender)
    failures = [agent["failure"] for agent in received["agents"]]
    assert sorted(failures) == sorted(["it is gone", *([""] * (len(failures) - 1))])
    if where == "disk":
        assert (site.path / "out" / "model.safetensors").read_bytes() == site.weights.read_bytes()


def test_an_agent_that_comes_too_late_is_told_what_to_do(site: Site) -> None:
    host = site.host(agents=1, hold=5_000_000)
    first = site.agent("first")
    sender = site.send()
    host.held()
    host.go_on()
    first.done()
    host.done()
    site.sent(sender)
    reason, code = site.agent("late").failed()
    assert "no host is there" in reason
    assert code == ExitCode.UNREACHABLE


def test_an_agent_that_is_stuck_is_cut_off_and_the_others_go_on(site: Site) -> None:
    host = site.host(agent_patience=1.0)
    agents = [site.agent(f"gpu{i}") for i in range(2)]
    stuck = site.agent("stuck", hold=1_000_000)
    sender = site.send()
    stuck.held()
    for agent in agents:
        assert agent.done()["equal"] == 25
    received = host.done()
    site.sent(sender)
    failure = {agent["name"]: agent["failure"] for agent in received["agents"]}
    assert "gave nothing back for 1 s" in failure["stuck"]
    assert failure["gpu0"] == failure["gpu1"] == ""
    stuck.go_on()
    reason, code = stuck.failed()
    assert "gave nothing back for 1 s" in reason
    assert code == ExitCode.ROLLED_BACK


def test_a_host_that_is_killed_is_told_by_its_agents_and_can_begin_again(site: Site) -> None:
    host = site.host(hold=5_000_000, output=str(site.path / "out"))
    agents = [site.agent(f"gpu{i}") for i in range(3)]
    sender = site.send()
    host.held()
    host.kill()
    for agent in agents:
        reason, code = agent.failed()
        assert "is gone (ended, or killed)" in reason
        assert "nothing was placed" in reason
        assert code == ExitCode.FINDINGS
    assert site.socket.exists()
    host = site.host(output=str(site.path / "out"))
    agents = [site.agent(f"gpu{i}") for i in range(3)]
    for agent in agents:
        assert agent.done()["equal"] == 25
    received = host.done()
    site.sent(sender)
    # What the first host had stored was of no more use, if it came again.
    assert received["packets"] - received["duplicates"] < -(-site.size // SYMBOL)
    assert (site.path / "out" / "model.safetensors").read_bytes() == site.weights.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_at_the_host_ends_all_with_its_reason(site: Site) -> None:
    disk = site.path / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={site.size + 4 * 2**20}", "llmsync-test", str(disk)],
        check=True,
    )
    try:
        host = site.host(hold=3_000_000, output=str(disk / "out"))
        agents = [site.agent(f"gpu{i}") for i in range(3)]
        site.send()
        host.held()
        with contextlib.suppress(OSError), (disk / "filler").open("wb") as filler:
            while True:
                filler.write(random.Random(1).randbytes(2**20))
                filler.flush()
        host.go_on()
        reason, _ = host.failed()
        assert "no space is left on the disk" in reason
        for agent in agents:
            reason, code = agent.failed()
            assert "no space is left on the disk" in reason
            assert code == ExitCode.ROLLED_BACK
        for role in site.roles:
            role.process.join()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_agents_that_do_not_come_are_missed_before_anything_is_received(site: Site) -> None:
    host = site.host(agents=2, agent_wait=1.5)
    agent = site.agent("gpu0")
    reason, code = host.failed()
    assert re.search(r"[01] of 2 agents are here after 1.5 s", reason)
    assert code == ExitCode.UNREACHABLE
    assert not site.socket.exists()
    agent.process.join()
    assert agent.process.exitcode != 0


def test_halves_of_a_model_for_two_ranks(site: Site) -> None:
    host = site.host(agents=2)
    halves = [
        site.agent(f"rank{r}", rank=r, world=2, shard=[["layer*", 0]], model=None) for r in (0, 1)
    ]
    sender = site.send()
    found = [half.done() for half in halves]
    host.done()
    site.sent(sender)
    for half in found:
        assert half["device_bytes"] < 0.55 * site.weights.stat().st_size
