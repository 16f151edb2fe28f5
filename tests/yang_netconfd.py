"""Debian's netconfd, started alone in a folder of its own, and one NETCONF 1.0 session with it.

netconfd keeps state files in the working directory, below --home and below --yuma-home, and shares
existing ones between instances, so each gets its own of all three.  The session goes through
netconf-subsystem, which is what sshd would start.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("/usr/sbin/netconfd", "/usr/sbin/netconf-subsystem")
MODULES = Path("/usr/share/yuma/modules")
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
PORT = 18830
"""Never opened: netconfd compares it with the one that the subsystem names."""
PATIENCE = 15.0
"""Seconds before a step of the server's counts as hung."""
USER = "operator"


def missing() -> str:
    """Return why netconfd cannot be used here; empty when it can."""
    absent = [program for program in PROGRAMS if not shutil.which(program)]
    absent += [] if MODULES.is_dir() else [str(MODULES)]
    return f"{', '.join(absent)} not there (apt-get install netconfd)" if absent else ""


class Netconfd:
    """A running server."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.process = folder, process

    @property
    def socket(self) -> Path:
        return self.folder / "ncx.sock"

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def wait_for(self, found: re.Pattern[str]) -> None:
        """Return once the log says so."""
        self.until(lambda: bool(found.search(self.log())), found.pattern)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Return once `condition` holds; fail with the log when the server ends or hangs."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"netconfd: no {what}:\n{self.log()}")
            select.select([], [], [], 0.01)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def netconfd(folder: Path, modules: Sequence[str], own: Path) -> Iterator[Netconfd]:
    """Run netconfd with `modules`, ours from the folder `own`."""
    (folder / "data").mkdir(parents=True)
    (folder / "startup-cfg-txid.txt").write_text("0\n")
    (folder / "backup-cfg.xml").write_text(f'<config xmlns="{BASE}"/>')
    (folder / "log").touch()
    process = subprocess.Popen(
        [
            PROGRAMS[0],
            *(f"--module={name}" for name in modules),
            f"--modpath={own}:{MODULES}",
            f"--ncxserver-sockname={folder / 'ncx.sock'}",
            f"--port={PORT}",
            f"--superuser={USER}",
            "--no-startup",
            f"--log={folder / 'log'}",
            f"--home={folder}",
            f"--yuma-home={folder}",
        ],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    server = Netconfd(folder, process)
    try:
        server.wait_for(re.compile("Running netconfd server"))
        server.until(server.socket.exists, "socket")
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


class Session:
    """One session; requests are RPC bodies, replies the whole <rpc-reply>."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._number = 0
        self.hello = self._read()

    def rpc(self, body: str) -> str:
        self._number += 1
        self.send(f'<rpc xmlns="{BASE}" message-id="{self._number}">{body}</rpc>')
        return self._read()

    def send(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"]]>]]>")
        self.process.stdin.flush()

    def _read(self) -> str:
        assert self.process.stdout is not None
        received, pipe = b"", self.process.stdout.fileno()
        while not received.endswith(b"]]>]]>"):
            if not select.select([pipe], [], [], PATIENCE)[0]:
                raise AssertionError(f"netconfd: no answer after {received[-200:]!r}")
            chunk = os.read(pipe, 65536)
            if not chunk:
                raise EOFError(f"netconfd: session closed after {received[-200:]!r}")
            received += chunk
        return received[: -len(b"]]>]]>")].decode()


def _open(server: Netconfd) -> Session:
    """Connect.  The socket has its name a moment before it listens: a refusal is tried again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        process = subprocess.Popen(
            [PROGRAMS[1], f"--ncxserver-sockname={PORT}@{server.socket}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=server.folder,
            env={**os.environ, "USER": USER, "SSH_CONNECTION": f"127.0.0.1 1 127.0.0.1 {PORT}"},
        )  # fmt: skip
        try:
            return Session(process)
        except EOFError:
            _end(process)
            if time.monotonic() > deadline:
                raise AssertionError(f"netconfd: no session:\n{server.log()}") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with process:
        pass


@contextmanager
def session(server: Netconfd) -> Iterator[Session]:
    """Open a session with `server` and say hello."""
    opened = _open(server)
    try:
        opened.send(
            f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:1.0'
            "</capability></capabilities></hello>"
        )
        # It loses a request that arrives in one read with the hello.
        server.wait_for(re.compile(rf"Session \d+ for {USER}@\S+ now active"))
        yield opened
    finally:
        _end(opened.process)
