"""One delivery by one tool: started, timed from outside, verified, cleaned up.

Time runs from the first frame with data that reaches any receiver's interface (delivery_observer)
until the last receiver has closed its file, or moved it into its place (arrivals): the same for
every tool, nothing of it is a tool's own word.  Every file is compared by BLAKE3 afterwards.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from arena import FILES, PREFIX, Arena, Seen, before_a_tool
from arrivals import Arrivals
from blake3 import blake3

FRAME = 14
CHUNK = bytes(1 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """How a tool delivers once."""

    receivers: list[list[str]]
    sender: list[str]
    quits: bool = True
    """Receivers end by themselves; else they are ended when the sender has."""
    serves: bool = False
    """The sender starts first, and is ended when the receivers have."""
    gro: bool = False
    """Receivers' interfaces bunch packets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a tool is told: what to send, to whom, where it shall lie."""

    source: Path
    folders: list[Path]
    mtu: int
    scratch: Path


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of it; `gbps` is None where not everybody got everything, `reason` says why."""

    tool: str
    setting: str
    gbps: float | None = None
    reason: str = ""
    seconds: float | None = None
    wall: float = 0.0
    loss: float = 0.0
    """Realised: packets lost by chance / packets that came, over all receivers."""
    seen: list[Seen] = field(default_factory=list)
    dropped: int = 0
    """Datagrams that receivers' sockets had no room for."""
    sender_said: str = ""
    receivers_said: list[str] = field(default_factory=list)
    frames_sent: int = 0
    """That left the sender's interface, of whatever length."""
    read: int | None = None
    """Bytes that the sender asked read(2) and its kin for, all files and sockets together."""
    cpu: float = 0.0
    """Seconds of CPU of all the tool's processes."""

    @property
    def report(self) -> dict[str, object]:
        """The last JSON object that our sender printed."""
        return last_json(self.sender_said)


def last_json(text: str) -> dict[str, object]:
    """The last JSON object that begins a line; what is said around it does not matter."""
    for begin in reversed([m.start() for m in re.finditer(r"^\{", text, re.MULTILINE)]):
        try:
            found, _ = json.JSONDecoder().raw_decode(text, begin)
        except ValueError:
            continue
        return found
    return {}


class Ring:
    """An arena with a file to deliver: run tools in it, one after the other."""

    def __init__(self, arena: Arena, source: Path, digest: bytes) -> None:
        self.arena, self.source, self.digest = arena, source, digest
        self._size = source.stat().st_size

    def deliver(
        self, tool: str, setting: str, commands, loss: float, *, seed: int = 1, limit: float = 60.0
    ) -> Outcome:
        """Deliver once with what `commands(Place)` says; never raises for what a tool does."""
        arena, outcome = self.arena, Outcome(tool=tool, setting=setting)
        base = FILES / f"{PREFIX}-{os.getpid()}" / "run"
        shutil.rmtree(base, ignore_errors=True)
        folders = [base / f"r{i}" / "model" for i in range(arena.receivers)]
        for folder in folders:
            folder.mkdir(parents=True)
        touch(folders, self._size)
        place = Place(source=self.source, folders=folders, mtu=arena.mtu, scratch=base)
        made: Commands = commands(place)
        arena.gro(on=made.gro)
        arena.arm(loss, seed)
        sent = arena.sent()
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, base, ignore_errors=True)
            arrivals = Arrivals(folders, self.source.name, self._size)
            stack.callback(arrivals.close)
            processes = _Processes(arena, base)
            stack.callback(processes.end)
            begin = time.monotonic()
            if made.serves:
                processes.start("s", made.sender)
                processes.listening(10)
            for i, argv in enumerate(made.receivers):
                processes.start(f"r{i}", argv)
            if not made.serves:
                processes.listening(10)
                processes.start("s", made.sender)
            late = _wait(processes, arrivals, made, begin + limit)
            outcome.wall = time.monotonic() - begin
            outcome.read, outcome.dropped = processes.read, processes.dropped
            outcome.frames_sent = arena.sent() - sent
            processes.end()
            outcome.cpu = processes.cpu
            outcome.sender_said = processes.said("s")
            outcome.receivers_said = [processes.said(f"r{i}") for i in range(len(folders))]
            self._judge(outcome, arrivals, folders, late)
        return outcome

    def _judge(self, outcome: Outcome, arrivals: Arrivals, folders: list[Path], late: str) -> None:
        outcome.seen = seen = self.arena.seen()
        came = sum(s.passed + s.lost for s in seen)
        outcome.loss = sum(s.lost for s in seen) / came if came else 0.0
        wire = self.arena.mtu + FRAME
        ends = [arrivals.at(folder) for folder in folders]
        wrong = [
            folder.parent.name for folder in folders
            if not (folder / self.source.name).is_file()
            or digest(folder / self.source.name) != self.digest
        ]  # fmt: skip
        longest = max(s.longest for s in seen)
        if longest > wire or any(s.super for s in seen):
            outcome.reason = f"frames of {longest} octets, the wire takes {wire}"
        elif wrong or None in ends:
            outcome.reason = f"not delivered to {', '.join(wrong) or 'all'}" + (
                late and f"; {late}"
            )
            outcome.reason += f": {_tail(outcome.sender_said)}"
        elif not all(s.first for s in seen):
            outcome.reason = "no frame with data was seen"
        else:
            first = min(s.first for s in seen)
            outcome.seconds = (max(e for e in ends if e) - first) / 1e9
            outcome.gbps = self._size * 8 / outcome.seconds / 1e9


def _wait(processes: _Processes, arrivals: Arrivals, made: Commands, until: float) -> str:
    """Wait for the end; return what did not end in time."""
    while time.monotonic() < until:
        alive = processes.alive()
        waited = set(alive) - ({"s"} if made.serves else set())
        if not (waited & {"s"} if not made.quits else waited):
            return ""
        if "s" not in alive and not arrivals.all and processes.quiet(3.0):
            return "receivers still waited 3 s after the sender had ended"
        time.sleep(0.02)
    return f"timed out, {', '.join(processes.alive())} still ran"


class _Processes:
    """Processes of one delivery, in their namespaces."""

    def __init__(self, arena: Arena, folder: Path) -> None:
        self._arena, self._folder = arena, folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._sender_ended: float | None = None
        self._io = 0
        self._drops: dict[str, int] = {}
        self._before = os.times()
        self.cpu = 0.0

    def start(self, name: str, argv: list[str]) -> None:
        words = ["ip", "netns", "exec", self._arena.space(name), *argv]
        with (self._folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self._folder, start_new_session=True, preexec_fn=before_a_tool,
            )  # fmt: skip

    def listening(self, seconds: float) -> None:
        """Wait until every process has a socket, in its network namespace."""
        until = time.monotonic() + seconds
        waiting = dict(self._running)
        while waiting and time.monotonic() < until:
            for name, process in list(waiting.items()):
                if process.poll() is not None or len(_sockets(process.pid)) > 0:
                    del waiting[name]
            time.sleep(0.02)
        time.sleep(0.2)

    def alive(self) -> list[str]:
        """Return who still runs; of those who do not, the counts are final."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT  # not reaped: /proc still has its counts
        ended = {
            n for n, p in self._running.items()
            if p.returncode is not None or os.waitid(os.P_PID, p.pid, flags) is not None
        }  # fmt: skip
        self._look()
        for name in ended:
            self._running[name].poll()
        return [n for n in self._running if n not in ended]

    def quiet(self, seconds: float) -> bool:
        """Say whether the sender ended that long ago."""
        self._sender_ended = self._sender_ended or time.monotonic()
        return time.monotonic() > self._sender_ended + seconds

    def _look(self) -> None:
        sender = self._running.get("s")
        if sender is not None:
            try:
                said = Path(f"/proc/{sender.pid}/io").read_text()
                self._io = max(self._io, int(re.search(r"rchar: (\d+)", said)[1]))
            except (OSError, TypeError):
                pass
        for name, process in self._running.items():
            drops = sum(_sockets(process.pid))
            self._drops[name] = max(self._drops.get(name, 0), drops)

    @property
    def read(self) -> int:
        return self._io

    @property
    def dropped(self) -> int:
        return sum(n for name, n in self._drops.items() if name != "s")

    def said(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def end(self) -> None:
        """End what still runs: first by asking, then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._running.values():
                if process.poll() is None:
                    os.killpg(process.pid, number)
            until = time.monotonic() + 2
            while time.monotonic() < until and self.alive():
                time.sleep(0.01)
        for process in self._running.values():
            process.wait()
        after = os.times()
        self.cpu = sum(after[2:4]) - sum(self._before[2:4])


def _sockets(pid: int) -> list[int]:
    """Return drops of each UDP socket in the network namespace of a process; 0 for TCP's."""
    try:
        udp = Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]
        tcp = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return []
    return [int(line.split()[-1]) for line in udp] + [0] * len(tcp)


def _tail(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return " | ".join(lines[-2:])[-300:]


def touch(folders: list[Path], size: int) -> None:
    """Write as much as will come, once, and remove it: the memory is there for every tool."""
    for folder in folders:
        with (folder / ".touched").open("wb") as file:
            for _ in range(-(-size // len(CHUNK))):
                file.write(CHUNK)
    for folder in folders:
        (folder / ".touched").unlink()


def digest(file: Path) -> bytes:
    hasher = blake3()
    hasher.update_mmap(file)
    return hasher.digest()
