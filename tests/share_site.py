"""A model to send, and the processes that receive it by one window."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import share_role
from safetensors.numpy import save_file

from toolkit.agent.settings import LEAST_WINDOW
from toolkit.delivery.keys import public_path, sending_key
from toolkit.delivery.model import symbol_size

HERE = Path(__file__).parent
SYMBOL = symbol_size(1400)
WINDOW = LEAST_WINDOW
SLACK = 32 * 2**20
"""What slabs and their sizes may add to the window."""


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
            f"layer{i:02}": chance.integers(0, 256, (1024, 2048), np.uint8) for i in range(24)
        }
        tensors["bias"] = np.arange(1000, dtype=np.float32).view(np.uint8)
        save_file(tensors, self.model / "model.safetensors")
        (self.model / "config.json").write_bytes(b'{"layers": 24}')
        self.size = sum(p.stat().st_size for p in self.model.iterdir())
        self.weights = self.model / "model.safetensors"
        # Every symbol of data and of digests; FDT and manifest take a few more.
        blocks = -(-self.weights.stat().st_size // (128 * SYMBOL)) + 1
        self.symbols = -(-self.weights.stat().st_size // SYMBOL) - (-blocks * 32 // SYMBOL) + 2
        self.socket = path / "w"
        sending_key(path / "key")
        self.key = public_path(path / "key")
        self.control, self.listen = port(), port()
        self.roles: list[Role] = []
        self.senders: list[subprocess.Popen[str]] = []

    def send(self, rate: str = "250M") -> subprocess.Popen[str]:
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

    def stored(self) -> int:
        """Blocks of the weights that a host has in its staging folder `out`."""
        journal = self.path / ".out.llmsync" / "blocks" / "1"
        return journal.read_bytes().count(1) if journal.exists() else 0

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
