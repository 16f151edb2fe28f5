"""One stream, one host, several agents: real processes on loopback, some of which are killed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
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


class Role:
    """A process of `share_role.py`."""

    def __init__(self, site: Site, name: str, words: dict[str, Any]) -> None:
        self.name = name
        self._log = site.path / f"{name}-{len(site.running)}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "share_role.py"), json.dumps({"name": name, **words})],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        site.running.append(self.process)

    def line(self) -> dict[str, Any]:
        """Wait for what it says next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{self.name} ended: {self.log()}"
        return dict(json.loads(line))

    def held(self) -> int:
        """Wait until it holds."""
        said = self.line()
        assert "held" in said, f"{said} {self.log()}"
        return int(said["held"])

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def done(self) -> dict[str, Any]:
        """Wait for a good end, and return what it says of it."""
        said = self.line()
        assert "error" not in said, f"{said} {self.log()}"
        assert self.process.wait() == 0
        return said

    def failed(self) -> tuple[str, int]:
        said = self.line()
        assert "error" in said, f"{said} {self.log()}"
        assert self.process.wait() == said["code"]
        return said["error"], said["code"]

    def log(self) -> str:
        return self._log.read_text()

    def logged(self, text: str) -> None:
        """Wait for a line in what it tells a person."""
        while text not in self.log():
            assert self.process.poll() is None, self.log()
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
        self.running: list[subprocess.Popen[str]] = []

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
        self.running.append(process)
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
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.end()


def window_of(process: subprocess.Popen[str], figure: str) -> int:
    """Bytes of the window's mappings of a process: `Pss` or `Rss`."""
    found, inside = 0, False
    for line in Path(f"/proc/{process.pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = "llmsync-window" in line
        elif inside and line.startswith(f"{figure}:"):
            found += int(line.split()[1]) * 1024
    return found


def test_three_agents_have_the_model_and_the_stream_came_once(site: Site) -> None:
    host = site.host()
    agents = [site.agent(f"gpu{i}", hold=1_000_000) for i in range(3)]
    sender = site.send()
    for agent in agents:
        agent.held()
    # All four have the window mapped now: it is there once, whoever looks at it.
    everybody = [host.process, *(agent.process for agent in agents)]
    once = sum(window_of(process, "Pss") for process in everybody)
    seen = sum(window_of(process, "Rss") for process in everybody)
    for agent in agents:
        agent.go_on()
    results = [agent.done() for agent in agents]
    received = host.done()
    assert 0 < once <= received["window"] < seen
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
    # As for one receiver: every symbol of data and of digests, and a few of FDT and manifest.
    blocks = -(-site.weights.stat().st_size // (128 * SYMBOL)) + 1
    symbols = -(-site.weights.stat().st_size // SYMBOL) + 1 + -(-blocks * 32 // SYMBOL) + 1
    told = site.sent(sender)
    assert symbols <= received["packets"] + received["duplicates"] <= symbols + 20
    assert symbols <= told["packets"] <= symbols + 20
    assert not site.socket.exists()


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
    assert received["packets"] < -(-site.size // SYMBOL)
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
        for process in site.running:
            process.kill()
            process.wait()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_agents_that_do_not_come_are_missed_before_anything_is_received(site: Site) -> None:
    host = site.host(agents=2, agent_wait=1.5)
    agent = site.agent("gpu0")
    reason, code = host.failed()
    assert re.search(r"[01] of 2 agents are here after 1.5 s", reason)
    assert code == ExitCode.UNREACHABLE
    assert not site.socket.exists()
    agent.process.wait()
    assert agent.process.returncode != 0


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
