"""One stream, one host, several agents: real processes on loopback, some of which are killed."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from share_site import FORKS, SLACK, WINDOW, Site

from toolkit.errors import ExitCode

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra `gpu`)"
)


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
    # What agents have mapped now is the host's own memory, and it is there once.
    mapped = [slabs(agent.process) for agent in agents]
    hosts = slabs(host.process)
    together = sum(proportional(role.process) for role in (host, *agents))
    for agent in agents:
        agent.go_on()
    results = [agent.done() for agent in agents]
    received = host.done()
    assert all(mapped)
    assert all(slab.items() <= hosts.items() for slab in mapped)
    assert sum(hosts.values()) <= received["window"]
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
    told = site.sent(sender)
    # The sender was told that there was no room when the agents stopped: nothing was sent twice.
    assert told["packets"] <= site.symbols + 20
    assert not site.socket.exists()


def test_for_the_network_three_agents_are_one_receiver(site: Site) -> None:
    host = site.host(window=4 * WINDOW)
    agents = [site.agent(f"gpu{i}") for i in range(3)]
    sender = site.send("150M")
    for agent in agents:
        assert agent.done()["equal"] == 25
    received = host.done()
    told = site.sent(sender)
    assert site.symbols <= received["packets"] + received["duplicates"] <= site.symbols + 20
    assert site.symbols <= told["packets"] <= site.symbols + 20
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
    host = site.host(hold=25_000_000, output=str(site.path / "out"))
    agents = [site.agent(f"gpu{i}") for i in range(3)]
    sender = site.send()
    host.held()
    # Its writer goes on while the rest of it is held.
    while site.stored() < 50:
        time.sleep(0.02)
    host.kill()
    stored = site.stored()
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
    # What the first host had stored was not asked for again; some of it was on its way already.
    assert received["packets"] < site.symbols - stored * 128 // 2
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
