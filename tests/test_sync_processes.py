"""`llmsync sync` over loopback, real processes: versions, deltas, switches, kills, rollbacks."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from toolkit.delivery.model import Coding, symbol_size
from toolkit.delivery.sealing import cut
from toolkit.service.tokens import new_token
from toolkit.sync.journal import read_journal

SYMBOL = symbol_size(1400)
BLOCK = SYMBOL * Coding(symbol=SYMBOL).block
COMMIT = "c0ffee" + "0" * 34


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(what: Callable[[], object], seconds: float = 60.0) -> None:
    """Until `what()` is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


class Process:
    """A command of llmsync, and what it says."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("ab") as stream:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "toolkit.cli", *arguments],
                stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def said(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def end(self) -> int:
        self.popen.terminate()
        return self.popen.wait(30)


class Site:
    """A repository and its clouds on this host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.models = folder / "models"
        self.stack = ExitStack()
        lines = []
        for name in ("fra", "lon", "hel", "ops"):
            token, proof = new_token()
            (folder / f"{name}.token").write_text(token)
            lines.append(f"{name} {'operator,reader' if name == 'ops' else 'receiver'} {proof}\n")
        (folder / "tokens").write_text("".join(lines))

    def configure(self, **more: object) -> None:
        document = {
            "repository": "models", "state": "state", "window": "5s", "settle": "200ms",
            "interval": "100ms", "timeout": "5s", "rate": "500M",
            "retry": {"first": "200ms", "most": "1s"},
            "models": {"llama": {}},
            "clouds": {name: {"models": "all"} for name in ("fra", "lon", "hel")}, **more,
        }  # fmt: skip
        (self.folder / "sync.yaml").write_text(yaml.safe_dump(document))

    def put(self, version: str, files: dict[str, bytes], model: str = "llama") -> None:
        for path, content in files.items():
            to = self.models / model / version / path
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(content)

    def serve(self, *more: str) -> Process:
        return self._run(
            "serve.log", "sync", "serve", str(self.folder / "sync.yaml"), "--listen",
            f"127.0.0.1:{self.port}", "--tokens", str(self.folder / "tokens"),
            "--key", str(self.folder / "key"), *more,
        )  # fmt: skip

    def agent(self, name: str, *more: str) -> Process:
        wait_for((self.folder / "key.pub").exists)
        return self._run(
            f"{name}.log", "sync", "agent", "--name", name, "--repository", self.url,
            "--token-file", str(self.folder / f"{name}.token"),
            "--store", str(self.folder / name), "--trust", str(self.folder / "key.pub"),
            "--listen", "127.0.0.1:0", "--timeout", "5", *more,
        )  # fmt: skip

    def agents(self, *names: str) -> dict[str, Process]:
        return {name: self.agent(name) for name in names or ("fra", "lon", "hel")}

    def _run(self, log: str, *arguments: str) -> Process:
        process = Process(self.folder / log, *arguments)
        self.stack.callback(lambda: (process.popen.kill(), process.popen.wait()))
        return process

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "toolkit.cli", "sync", *arguments],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def status(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.call(
            "status", "--repository", self.url, "--token-file", str(self.folder / "ops.token"),
            *more,
        )  # fmt: skip

    def current(self, name: str, model: str = "llama") -> str | None:
        link = self.folder / name / model.replace("/", "--") / "current"
        return link.readlink().name if link.is_symlink() else None

    def files(self, name: str, model: str = "llama") -> dict[str, bytes]:
        root = self.folder / name / model.replace("/", "--") / "current"
        return {
            p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()
        }

    def all_use(self, version: str, *names: str) -> bool:
        return all(self.current(n) == version for n in names or ("fra", "lon", "hel"))

    def sent(self, session: int) -> int:
        """Bytes of payload that a session took."""
        said = (self.folder / "serve.log").read_text()
        [found] = re.findall(rf"session {session}: .*?; (\d+) bytes sent", said)
        return int(found)

    def sessions(self) -> list[tuple[str, tuple[str, ...]]]:
        records = read_journal(self.folder / "state" / "journal")
        return [(str(r.target), r.clouds) for r in records if r.event == "started"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    with found.stack:
        yield found


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


V1 = {
    "config.json": b'{"v": 1}',
    "model.bin": noise(1, 40 * BLOCK),
    "big.bin": noise(2, 20 * BLOCK),
}


def second() -> dict[str, bytes]:
    """Two blocks of one file and a small file have changed; another was renamed."""
    model = bytearray(V1["model.bin"])
    model[5 * BLOCK] ^= 1
    model[31 * BLOCK + 7] ^= 1
    return {"config.json": b'{"v": 2}', "model.bin": bytes(model), "renamed.bin": V1["big.bin"]}


V2 = second()


def changed(*, sealed: bool) -> int:
    """Bytes of the two blocks and the small file; blocks of a sealed session are a bit shorter."""
    part = cut(40 * BLOCK, SYMBOL, Coding(symbol=SYMBOL).block, sealed=sealed)
    blocks = [part.block_at(at) for at in (5 * BLOCK, 31 * BLOCK + 7)]
    return sum(map(part.size, blocks)) + len(V2["config.json"])


@pytest.mark.parametrize(("multicast", "sealed"), [(False, True), (True, False)])
def test_a_new_version_travels_as_what_changed_and_is_switched_everywhere(
    site: Site, multicast: bool, sealed: bool
) -> None:
    site.put("v1", V1)
    port = free_port()
    group = {"group": f"239.255.80.1:{port}", "interface": "127.0.0.1"} if multicast else {}
    site.configure(**group, sealed=sealed)
    serve = site.serve()
    for name in ("fra", "lon", "hel"):
        site.agent(name, "--interface", "127.0.0.1")
    wait_for(lambda: site.all_use("v1"))
    assert [site.files(n) for n in ("fra", "lon", "hel")] == [V1] * 3
    site.put("v2", V2)
    wait_for(lambda: site.all_use("v2"))
    assert [site.files(n) for n in ("fra", "lon", "hel")] == [V2] * 3
    wait_for(lambda: "session 2: llama@v2 is in" in serve.said())
    assert site.sessions() == [
        ("llama@v1", ("fra", "hel", "lon")), ("llama@v2", ("fra", "hel", "lon")),
    ]  # fmt: skip
    size = sum(map(len, V1.values()))
    assert site.sent(1) >= size
    # What changed, the digests of all blocks, FDT and manifest; a packet counts as a whole one.
    digests = 32 * (40 + 20 + 1)
    least = changed(sealed=sealed)
    assert least <= site.sent(2) <= 1.05 * least + digests + 12 * SYMBOL
    wait_for(lambda: site.status().returncode == 0)
    document = json.loads(site.status("-o", "json").stdout)
    assert document["converged"]
    assert {(c["cloud"], c["current"], c["stage"]) for c in document["clouds"]} == {
        (n, "v2", "current") for n in ("fra", "lon", "hel")
    }
    assert serve.end() == 130


def test_rollback_stays_until_it_is_released(site: Site) -> None:
    site.put("v1", V1)
    site.configure(clouds={"fra": {"models": "all"}})
    site.serve()
    agent = site.agent("fra")
    wait_for(lambda: site.all_use("v1", "fra"))
    site.put("v2", V2)
    wait_for(lambda: site.all_use("v2", "fra"))
    store = ("--store", str(site.folder / "fra"))
    rolled = site.call("rollback", "llama", *store)
    assert (rolled.returncode, json.loads(rolled.stdout)) == (
        0, {"model": "llama", "current": "v1", "before": "v2"},
    )  # fmt: skip
    assert site.files("fra") == V1
    wait_for(lambda: "pinned" in site.status().stdout)
    site.put("v3", {**V2, "config.json": b"3"})
    wait_for(lambda: "v3" in site.status().stdout)  # The repository has seen it.
    assert site.current("fra") == "v1", "neither v2 nor v3: its operator has decided"
    listed = site.call("versions", *store, "--verify", "-o", "json")
    assert [(v["version"], v["current"], v["pinned"], v["damages"])
            for v in json.loads(listed.stdout)] == [
        ("v1", True, True, []), ("v2", False, False, []),
    ]  # fmt: skip
    assert site.call("rollback", "llama", *store, "--release").returncode == 0
    wait_for(lambda: site.all_use("v3", "fra"))
    wait_for(lambda: "v2 is removed" in agent.said())
    left = json.loads(site.call("versions", *store, "-o", "json").stdout)
    assert [v["version"] for v in left] == ["v1", "v3"], "the one in use before stays"
    (site.folder / "fra/llama/versions/v1/model.bin").write_bytes(b"spoiled")
    spoiled = site.call("versions", "llama", *store, "--verify")
    assert spoiled.returncode == 1
    assert "model.bin: has 7 bytes" in spoiled.stderr


BIG = {"config.json": b"{}", "model.bin": noise(3, 12_000_000)}


def staged(site: Site, name: str) -> int:
    """Blocks that an unfinished delivery has."""
    found = (site.folder / name / "llama/versions").glob(".v*.llmsync/blocks/*")
    return sum(p.read_bytes().count(b"\1") for p in found)


def test_an_agent_that_is_killed_goes_on_where_it_was(site: Site) -> None:
    site.put("v1", BIG)
    site.configure(models={"llama": {"rate": "20M"}})
    site.serve()
    agents = site.agents()
    wait_for(lambda: staged(site, "fra") >= 10)
    agents["fra"].kill()
    assert site.current("fra") is None
    before = staged(site, "fra")
    assert before < 12_000_000 // BLOCK
    site.agent("fra")
    wait_for(lambda: site.all_use("v1"))
    assert site.files("fra") == site.files("lon") == BIG
    [received] = re.findall(r"v1 is here; (\d+) bytes came", agents["fra"].said())
    assert int(received) <= 12_000_000 - before * BLOCK + 20 * BLOCK


def test_killed_again_and_again_current_is_always_a_whole_version(site: Site) -> None:
    chance = random.Random(7)
    versions = {f"v{n}": {"model.bin": noise(n, 30 * BLOCK), "same.bin": noise(0, 10 * BLOCK)}
                for n in range(1, 4)}  # fmt: skip
    site.configure(
        models={"llama": {"rate": "100M"}}, clouds={"fra": {"models": "all"}}, window="0s"
    )
    site.models.mkdir()
    site.serve()
    seen = set()
    for version, files in versions.items():
        site.put(version, files)
        agent = site.agent("fra")
        for _ in range(4):
            time.sleep(chance.uniform(1.0, 2.5))
            agent.kill()
            current = site.current("fra")
            if current is not None:
                assert site.files("fra") == versions[current]
                seen.add(current)
            agent = site.agent("fra")
        wait_for(lambda: site.current("fra") == version)  # noqa: B023 - called at once
        assert site.files("fra") == files
        agent.kill()
    verified = site.call("versions", "--store", str(site.folder / "fra"), "--verify")
    assert verified.returncode == 0, verified.stderr


def test_a_repository_that_is_killed_goes_on_where_it_was(site: Site) -> None:
    site.put("v1", BIG)
    site.configure(models={"llama": {"rate": "20M"}})
    serve = site.serve()
    site.agents()
    wait_for(lambda: staged(site, "fra") >= 10)
    children = sessions_of(serve.popen.pid)
    assert len(children) == 1
    serve.kill()
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    before = staged(site, "fra")
    site.serve()
    wait_for(lambda: site.all_use("v1"))
    assert [site.files(n) for n in ("fra", "lon", "hel")] == [BIG] * 3
    wait_for(lambda: "session 2: llama@v1 is in" in serve.said())
    assert site.sent(2) <= 12_000_000 - before * BLOCK + 20 * BLOCK
    assert [name for name, _ in site.sessions()] == ["llama@v1"] * 2


def sessions_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def test_a_cloud_that_fails_is_retried_without_the_others(site: Site) -> None:
    site.put("v1", V1)
    site.configure()
    site.serve()
    (site.folder / "fra" / "llama").mkdir(parents=True)
    (site.folder / "fra" / "llama" / "versions").write_bytes(b"in the way")
    site.agents()
    wait_for(lambda: site.all_use("v1", "lon", "hel"))
    wait_for(lambda: len(site.sessions()) >= 2)
    document = json.loads(site.status("-o", "json").stdout)
    [fra] = [c for c in document["clouds"] if c["cloud"] == "fra"]
    assert fra["failures"] >= 1
    (site.folder / "fra" / "llama" / "versions").unlink()
    wait_for(lambda: site.all_use("v1", "fra"))
    assert {clouds for _, clouds in site.sessions()[1:]} == {("fra",)}


def test_the_cache_of_hugging_face_is_delivered_by_commit(site: Site) -> None:
    cache = site.models / "models--org--mini"
    for path, content in V1.items():
        blob = cache / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link = cache / "snapshots" / COMMIT / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    site.configure(models={"org/mini": {"version": "main"}})
    serve = site.serve("--once", "--within", "60")
    agents = {n: site.agent(n, "--once", "--within", "60") for n in ("fra", "lon", "hel")}
    assert [a.popen.wait(60) for a in agents.values()] == [0, 0, 0]
    assert serve.popen.wait(60) == 0
    assert [site.files(n, "org/mini") for n in agents] == [V1] * 3
    assert site.current("fra", "org/mini") == COMMIT


def test_check_delivers_nothing_and_says_what_is_pending(site: Site) -> None:
    site.put("v1", V1)
    site.configure(clouds={"fra": {"models": "all"}})
    lonely = site.serve("--check", "--within", "1")
    assert lonely.popen.wait(30) == 4
    assert "none of them has reported" in lonely.said()
    agent = site.agent("fra")
    assert site.serve("--check", "--within", "30").popen.wait(60) == 3
    assert site.sessions() == []
    assert site.serve("--once", "--within", "30").popen.wait(60) == 0
    assert site.serve("--check", "--within", "30").popen.wait(60) == 0
    assert agent.end() == 130


def test_wrong_tokens_wrong_names_and_wrong_keys_get_nothing(site: Site) -> None:
    site.put("v1", V1)
    site.configure(clouds={"fra": {"models": "all"}}, retry={"first": "100ms", "tries": 1})
    site.serve()
    stranger = site.agent("fra", "--token-file", str(site.folder / "lon.token"))
    assert stranger.popen.wait(30) == 2
    assert "you are not 'fra'" in stranger.said()
    unknown = site.agent("hel")
    assert unknown.popen.wait(30) == 2
    assert "names no cloud 'hel'" in unknown.said()
    assert site.status("--token-file", str(site.folder / "fra.token")).returncode == 2
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", site.folder / "x"],
                   check=True)  # fmt: skip
    subprocess.run(["openssl", "pkey", "-in", site.folder / "x", "-pubout", "-out",
                    site.folder / "x.pub"], check=True)  # fmt: skip
    wrong = site.agent("fra", "--trust", str(site.folder / "x.pub"))
    wait_for(lambda: "given up" in site.status().stdout)
    assert "not signed by the trusted key" in wrong.said()
    assert not (site.folder / "fra/llama/current").exists()


def test_serve_says_all_that_is_wrong_before_it_begins(site: Site) -> None:
    site.configure(windw="1s")
    command = ["serve", str(site.folder / "sync.yaml"), "--tokens", str(site.folder / "tokens")]
    refused = site.call(*command)
    assert refused.returncode == 2
    assert "windw: unknown key (did you mean 'window'?)" in refused.stderr
    site.configure()
    assert "models: no such folder" in site.call(*command).stderr
    site.models.mkdir()
    assert "clouds must prove who they are" in site.call(*command[:2]).stderr
    site.serve()
    wait_for((site.folder / "state/journal").exists)
    assert "another `llmsync sync serve` works there" in site.call(*command).stderr
