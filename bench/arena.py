"""Where the tools of bench/delivery.py meet: a switch, one sender, receivers, all on one machine.

A Linux bridge that floods (no IGMP snooping, so that no tool waits for a querier), and a network
namespace for each host, joined by veth.  Wires carry what wires carry: TSO and GSO are off at every
interface, so that whoever leaves segmentation to the kernel has it done before the wire, and a
program at every port of the switch that leads to a receiver (delivery_observer.bpf.c, tcx egress)
counts packets that are longer than the MTU allows: one is enough, and the run has no figure.  The
same program loses packets by chance and notes when the first frame with data passed.  GRO, which
hosts do behind the wire, is on for the tools that gain by it (`gro`): the others pay for it.  tcx
and not generic XDP, which would copy every packet once more, for the fastest tool as for the
slowest.

Namespaces are named by this process's number; those of a process that is gone are removed when
the next arena is made.  X: makes and removes network namespaces.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, pack

from toolkit.bier.kernel.compiler import compiled
from toolkit.bier.kernel.libbpf import Libbpf, Link, Object
from toolkit.bier.runtime_namespace import entered
from toolkit.transport import segmentation

OBSERVER = Path(__file__).parent / "delivery_observer.bpf.c"
PREFIX = "lsbench"
FILES = Path("/dev/shm")
SENDER = "10.77.0.1"
_SEEN = Struct("=11Q")
PRIORITY = -15
"""Of every process of every tool: what else this machine does disturbs them less."""
_KEY = bytes(4)
_SIOCETHTOOL = 0x8946
_STSO, _SGSO, _SGRO = 0x1F, 0x24, 0x2C
"""ETHTOOL_STSO and so on (linux/ethtool.h)."""
_TCX_EGRESS = 47


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came to one receiver's interface; `lost`: by chance, on purpose."""

    passed: int
    lost: int
    octets: int
    data: int
    data_lost: int
    first: int
    """Nanoseconds of CLOCK_MONOTONIC; 0: no frame with data."""
    last: int
    longest: int
    super: int


def host(receiver: int) -> str:
    """Return the address of a receiver, counted from 0."""
    return f"10.77.0.{receiver + 2}"


def run(*words: str) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=30)
    if done.returncode:
        sys.exit(f"bench: {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def lacking() -> str:
    """Return what an arena needs and this machine lacks; empty: nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [p for p in ("ip", "tc", "clang") if shutil.which(p) is None]
    return f"not installed: {', '.join(missing)} (iproute2, clang)" if missing else ""


def sweep() -> None:
    """Remove what benches left that were killed: namespaces and files of processes now gone."""
    listed = run("ip", "netns", "list").split("\n")
    for name in (line.split(" ")[0] for line in listed):
        if _orphan(name):
            run("ip", "netns", "del", name)
    for folder in FILES.glob(f"{PREFIX}-*"):
        if _orphan(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _orphan(name: str) -> bool:
    matched = re.fullmatch(rf"{PREFIX}-(\d+)(-.*)?", name)
    return matched is not None and not Path(f"/proc/{matched[1]}").exists()


class Arena:
    """`receivers` hosts and a sender on links of `mtu`; `close` removes everything."""

    def __init__(self, receivers: int, mtu: int) -> None:
        self.receivers, self.mtu = receivers, mtu
        self._library = Libbpf()
        self._objects: list[Object] = []
        self._links: list[Link] = []
        self._made: list[str] = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        for name in ("sw", "s", *(f"r{i}" for i in range(self.receivers))):
            run("ip", "netns", "add", self.space(name))
            self._made.append(name)
            with self.entered(name):
                for which in ("default", "all"):  # nobody speaks but the tools
                    Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1")
            self.ip(name, "link", "set", "lo", "up")
        with self.entered("sw"), contextlib.suppress(OSError):
            # No firewall looks at what crosses the switch: it would cost all tools a sixth.
            Path("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("0")
        self.ip("sw", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self.ip("sw", "link", "set", "br0", "mtu", str(self.mtu), "up")
        self._plug("s", SENDER)
        for i in range(self.receivers):
            self._plug(f"r{i}", host(i))
            self._observe(f"to-r{i}")

    def space(self, name: str) -> str:
        """Return the full name of a namespace: `s`, `sw`, `r0`, ..."""
        return f"{PREFIX}-{os.getpid()}-{name}"

    def ip(self, name: str, *words: str) -> str:
        return run("ip", "-n", self.space(name), *words)

    def entered(self, name: str):
        """Be in a namespace meanwhile (this thread)."""
        return _Entered(Path("/run/netns") / self.space(name))

    def _plug(self, name: str, address: str) -> None:
        run("ip", "link", "add", f"to-{name}", "mtu", str(self.mtu), "netns", self.space("sw"),
            "type", "veth", "peer", "name", "eth", "mtu", str(self.mtu),
            "netns", self.space(name))  # fmt: skip
        for where, device in (("sw", f"to-{name}"), (name, "eth")):
            with self.entered(where):
                _offloads(device, gro=False)
                segmentation.turn_off(device)
        self.ip("sw", "link", "set", f"to-{name}", "master", "br0", "up")
        self.ip(name, "addr", "add", f"{address}/24", "brd", "+", "dev", "eth")
        self.ip(name, "link", "set", "eth", "gso_max_segs", "1", "up")  # UDP_SEGMENT heeds this
        self.ip(name, "route", "add", "224.0.0.0/4", "dev", "eth")

    def _observe(self, port: str) -> None:
        program = Object(self._library, compiled(OBSERVER))
        self._objects.append(program)
        program.load()
        with self.entered("sw"):
            index, number = socket.if_nametoindex(port), program.program("observe")
            self._links.append(Link(self._library, number, index, _TCX_EGRESS))

    def gro(self, *, on: bool) -> None:
        """Have receivers' interfaces bunch packets (GRO), or not."""
        for i in range(self.receivers):
            with self.entered(f"r{i}"):
                _offloads("eth", gro=on)

    def arm(self, loss: float, seed: int) -> None:
        """Forget what was seen; from now on each receiver loses this share of its packets."""
        for number, program in enumerate(self._objects):
            per_cpu = b""
            for cpu in range(self._library.cpus):
                chance = (seed * 1_000_003 + number * 1009 + cpu + 1) * 0x9E3779B97F4A7C15
                per_cpu += _SEEN.pack((chance & (2**64 - 1)) or 1, int(loss * 2**32), *[0] * 9)
            program.map("seen").put(_KEY, per_cpu)

    def seen(self) -> list[Seen]:
        """Return what came to each receiver since `arm`."""
        return [self._seen(program) for program in self._objects]

    def _seen(self, program: Object) -> Seen:
        data = program.map("seen").get(_KEY, _SEEN.size * self._library.cpus)
        rows = list(_SEEN.iter_unpack(data))
        _, _, passed, lost, octets, frames, frames_lost, first, last, longest, big = zip(
            *rows, strict=True
        )
        return Seen(
            passed=sum(passed), lost=sum(lost), octets=sum(octets), data=sum(frames),
            data_lost=sum(frames_lost), first=min((f for f in first if f), default=0),
            last=max(last), longest=max(longest), super=sum(big),
        )  # fmt: skip

    def sent(self) -> int:
        """Return how many frames have left the sender's interface."""
        found = json.loads(self.ip("s", "-j", "-s", "link", "show", "eth"))
        return int(found[0]["stats64"]["tx"]["packets"])

    def close(self) -> None:
        for link in self._links:
            link.close()
        for program in self._objects:
            program.close()
        for name in reversed(self._made):
            run("ip", "netns", "del", self.space(name))
        self._links, self._objects, self._made = [], [], []

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Entered:
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._inside = entered(self._file.fileno())

    def __enter__(self) -> None:
        self._inside.__enter__()

    def __exit__(self, *error: object) -> None:
        self._inside.__exit__(*error)
        self._file.close()


def _offloads(device: str, *, gro: bool) -> None:
    """Turn TSO and GSO off, and GRO as told (ethtool -K)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command, on in ((_STSO, 0), (_SGSO, 0), (_SGRO, int(gro))):
            value = array.array("I", [command, on])
            where, _ = value.buffer_info()
            request = pack("16sP", device.encode(), where) + bytes(16)
            fcntl.ioctl(sock, _SIOCETHTOOL, request)


def before_a_tool() -> None:
    """For a child before it executes: be killed when the bench is, go before the machine's rest.

    PR_SET_PDEATHSIG; the priority of the session too, where the scheduler groups by sessions.
    """
    ctypes.CDLL(None).prctl(1, 9)
    os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(PRIORITY))
