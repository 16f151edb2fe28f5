"""`llmsync receive --share` and `--window-of`: options, exit codes, and what is said."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from share_site import port

from toolkit.cli.main import main
from toolkit.errors import ExitCode
from toolkit.gpu.share import refusing
from toolkit.gpu.share.place import Place

HERE = Path(__file__).parent.parent
NETWORK = ("--listen", "127.0.0.1:0", "--sender", "127.0.0.1")
HAS_TORCH = importlib.util.find_spec("torch") is not None


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["receive", "--name", "a", *words])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--agents", "0"), "--agents 0: 1 to 62 are possible"),
        (("--agents", "63"), "--agents 63: 1 to 62 are possible"),
        (("--agent-wait", "0"), "--agent-wait 0: must be positive"),
        (("--agent-patience", "-1"), "--agent-patience -1: must be positive"),
        (("--window-mode", "0060"), "--window-mode 0060: the owner must be able"),
        (("--window-mode", "rw"), "--window-mode rw: not permissions in octal"),
        (("--window-mode", "01777"), "--window-mode 01777: not permissions in octal"),
        (("--window-of", "/x/y"), "--share and --window-of: a host or an agent of one"),
    ],
)
def test_every_option_that_is_wrong_is_named(
    words: tuple[str, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, "--share", str(tmp_path / "w"), *NETWORK, *words)
    assert code == ExitCode.INVALID
    assert why in text


def test_an_agent_has_no_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(
        capsys, "--window-of", str(tmp_path / "w"), "--output", str(tmp_path / "o"), *NETWORK
    )
    assert code == ExitCode.INVALID
    assert "--sender, --listen: the host of the window talks to the sender" in text


def test_an_agent_must_have_somewhere_to_put_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, "--window-of", str(tmp_path / "w"))
    assert code == ExitCode.INVALID
    assert "--output missing" in text


def test_without_a_host_it_says_what_to_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--output", str(tmp_path / "o"), "--window-of")
    code, text = said(capsys, *words, str(tmp_path / "w"))
    assert code == ExitCode.UNREACHABLE
    assert "no host is there (start `llmsync receive --share` with this path first)" in text
    code, text = said(capsys, *words, str(tmp_path / ("w" * 200)))
    assert code == ExitCode.INVALID
    assert "are too long for a socket" in text


def test_a_second_host_at_one_socket_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path / "w")
    try:
        code, text = said(capsys, "--share", str(tmp_path / "w"), *NETWORK)
    finally:
        place.close()
    assert code == ExitCode.INVALID
    assert "another receiver shares its window there" in text


def test_without_memfd_a_host_does_not_begin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    code, text = said(capsys, "--share", str(tmp_path / "w"), *NETWORK)
    assert code == ExitCode.INVALID
    assert "start one receiver per GPU instead" in text
    assert not (tmp_path / "w").exists()


# ----- real commands


class Commands:
    """Commands that run, and a small model to send."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model"
        self.model.mkdir()
        (self.model / "weights.bin").write_bytes(os.urandom(3_000_000))
        (self.model / "config.json").write_bytes(b"{}")
        self.control, self.listen = port(), port()
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> subprocess.Popen[str]:
        with (self.path / f"log{len(self.running)}").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "toolkit.cli", *words], stdout=subprocess.PIPE, stderr=log,
                text=True, cwd=HERE, env={**os.environ, "PYTHONPATH": str(HERE)},
            )  # fmt: skip
        self.running.append(process)
        return process

    def host(self, *more: str) -> subprocess.Popen[str]:
        return self.start(
            "receive", "--name", "host", "--listen", f"127.0.0.1:{self.listen}", "--sender",
            f"127.0.0.1:{self.control}", "--share", str(self.path / "w"), "-o", "json", *more,
        )  # fmt: skip

    def agent(self, name: str) -> subprocess.Popen[str]:
        return self.start(
            "receive", "--window-of", str(self.path / "w"), "--name", name, "--output",
            str(self.path / name), "-o", "json",
        )  # fmt: skip

    def send(self, *more: str) -> subprocess.Popen[str]:
        return self.start(
            "send", str(self.model), "--to", f"host=127.0.0.1:{self.listen}", "--control",
            f"127.0.0.1:{self.control}", "--key", str(self.path / "key"), "--no-probe", *more,
        )  # fmt: skip

    def log(self, process: subprocess.Popen[str]) -> str:
        return (self.path / f"log{self.running.index(process)}").read_text()

    def logged(self, process: subprocess.Popen[str], text: str) -> None:
        while text not in self.log(process):
            assert process.poll() is None, self.log(process)
            time.sleep(0.02)

    def end(self) -> None:
        for process in self.running:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("sealed", [False, True])
def test_two_agents_place_files_of_their_own(commands: Commands, sealed: bool) -> None:
    """Without a device an agent copies to a folder; what was sealed is open in the window."""
    seal = ("--seal-key", str(commands.path / "seal")) if sealed else ()
    sender = commands.send(*seal)
    if sealed:
        while not (commands.path / "seal").exists():
            assert sender.poll() is None, commands.log(sender)
            time.sleep(0.02)
    host = commands.host("--agents", "2", *seal)
    commands.logged(host, "waiting for 2 of 2 agents")
    agents = [commands.agent("one"), commands.agent("two")]
    for agent in agents:
        out, _ = agent.communicate()
        assert agent.returncode == 0, commands.log(agent)
        assert "attached to the window of host at" in commands.log(agent)
        assert json.loads(out)["files"] == 2
    out, _ = host.communicate()
    assert host.returncode == 0, commands.log(host)
    document = json.loads(out)
    assert document["placed"] == "memory of the agents"
    assert [(agent["name"], agent["placed"]) for agent in document["agents"]] != []
    assert {agent["name"] for agent in document["agents"]} == {"one", "two"}
    for name in ("one", "two"):
        for file in commands.model.iterdir():
            assert (commands.path / name / file.name).read_bytes() == file.read_bytes()
    assert sender.wait() == 0


def test_a_host_that_is_interrupted_lets_its_agents_know(commands: Commands) -> None:
    host = commands.host("--agents", "2")
    commands.logged(host, "waiting for 2 of 2 agents")
    agent = commands.agent("one")
    commands.logged(host, "waiting for 1 of 2 agents")
    host.send_signal(signal.SIGINT)
    assert host.wait() == ExitCode.INTERRUPTED, commands.log(host)
    assert "nothing is kept" in commands.log(host)
    assert agent.wait() == ExitCode.ROLLED_BACK
    assert "says: the host was ended; nothing was placed here" in commands.log(agent)
    assert not (commands.path / "w").exists()
    assert not (commands.path / "one").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_who_may_connect_is_asked_again_by_the_host(commands: Commands) -> None:
    host = commands.host()
    commands.logged(host, "waiting for 1 of 1 agents")
    (commands.path / "w").chmod(0o666)
    for folder in (commands.path, *commands.path.parents):
        if folder.name.startswith(("pytest", "popen", "test_")):
            folder.chmod(0o711)
    code = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from toolkit.errors import DeliveryError
        from toolkit.gpu.share.agent import Agent
        os.setgid(65534), os.setuid(65534)
        try:
            Agent(Path(sys.argv[1]), "stranger")
        except DeliveryError as error:
            print(error)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(commands.path / "w")], capture_output=True, text=True,
        check=True, env={**os.environ, "PYTHONPATH": str(HERE)},
    )  # fmt: skip
    assert refusing.PRIVATE in done.stdout
    assert host.poll() is None


@pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed (extra `gpu`)")
def test_from_python_an_agent_hands_out_tensors(commands: Commands) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    arrays = {f"layer{i}": np.full((64, 64), i, np.float32) for i in range(8)}
    save_file(arrays, commands.model / "model.safetensors")
    host = commands.host()
    commands.logged(host, "waiting for 1 of 1 agents")
    commands.send()
    code = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from toolkit.agent import receive

        async def take():
            async with receive(
                name="py", window_of=Path(sys.argv[1]), device="cpu", weights="gpu"
            ) as receiver:
                config = await receiver.file("config.json")
                async for tensor in receiver.tensors():
                    print(tensor.name, int(tensor.value.sum()))
                await receiver.finished()
                assert config == b"{}"

        asyncio.run(take())
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(commands.path / "w")], capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": str(HERE)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found == {f"layer{i}": str(64 * 64 * i) for i in range(8)}
    assert host.wait() == 0, commands.log(host)
