"""The network of an inventory's plan in namespaces: a host or router in each, real processes.

Routers forward unicast by static routes of the kernel and BIER by `llmsync bier forward`, each by
the document that `llmsync bier program` wrote for it.  Cables are veth pairs of the MTU of the
plan.  What comes in by a cable is seen by packet sockets, which take copies before anything else
does.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import Any, NamedTuple, Self

from netns import Namespaces, namespaces

from toolkit.bier.kernel.compiler import compiled
from toolkit.bier.kernel.libbpf import Libbpf, Link, Object
from toolkit.cli.loading import load_plan
from toolkit.delivery import wire
from toolkit.inet import ethernet
from toolkit.plan.model import FlowPlan, HostPlan, Plan

ROOT = Path(__file__).parent.parent
LOSS = Path(__file__).parent / "loss.bpf.c"
COUNTS = Struct("=QQQ")
OUTGOING = 4
PATIENCE = 60.0


class Datum(NamedTuple):
    """A data packet of the delivery, as a cable carried it."""

    bits: int | None
    """Its BitString; None: it was plain IP."""
    toi: int
    sbn: int
    k: int
    esi: int
    marks: tuple[int, ...]
    """Traffic class or DSCP of BIER, if any, and DSCP of IP."""
    checked: bool
    """Its UDP datagram has a checksum."""

    @property
    def symbol(self) -> tuple[int, int, int]:
        return self.toi, self.sbn, self.esi


class Site:
    """A plan that is there."""

    def __init__(self, plan: Plan, made: Namespaces, file: Path, folder: Path) -> None:
        self.plan, self.file, self.folder = plan, file, folder
        self._made = made
        (self.flow,) = plan.flows

    def start(self, name: str, label: str, *words: str) -> Process:
        """Start `llmsync` at a router or host."""
        command = ["ip", "netns", "exec", self._made[name], sys.executable, "-m", "toolkit.cli"]
        return Process(
            [*command, *words], self.folder / f"{label}.out", self.folder / f"{label}.err"
        )

    def forward(self, name: str, plane: str, *, host: bool) -> Process:
        """Start the BFR of a router; `host`: what it takes out of BIER goes to itself as well."""
        document = self.folder / f"{name}.json"
        done = subprocess.run(
            [sys.executable, "-m", "toolkit.cli", "bier", "program", str(self.file), name,
             "-o", "json"],
            check=True, capture_output=True, text=True, timeout=PATIENCE, env=environment(),
        )  # fmt: skip
        told = json.loads(done.stdout)
        for flow in told.get("egress", ()) if host else ():
            flow["host"] = True
        document.write_text(json.dumps(told), encoding="utf-8")
        stats = str(self.folder / f"{name}.stats")
        return self.start(
            name, name, "bier", "forward", str(document), "--plane", plane, "--stats", stats
        )

    @contextmanager
    def entered(self, name: str) -> Iterator[None]:
        with self._made.entered(name):
            yield


class Process:
    """A process of the test; its two outputs are files."""

    def __init__(self, command: Sequence[str], out: Path, err: Path) -> None:
        self._out, self._err = out, err
        with out.open("wb") as one, err.open("wb") as two:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=one, stderr=two, cwd=ROOT,
                env=environment(),
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self._err.read_text(encoding="utf-8")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def until(self, text: str) -> None:
        """Wait until it has said something."""
        wait_for(lambda: text in self.said or not self.running, f"{text!r}")
        assert text in self.said, self.said

    def result(self, *codes: int) -> dict[str, Any]:
        """Wait until it ends, well or by one of `codes`; return the JSON that it printed."""
        assert self._process.wait(PATIENCE) in (codes or (0,)), self.said
        found: dict[str, Any] = json.loads(self._out.read_text(encoding="utf-8"))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def wait_for(happened: object, what: str) -> None:
    """Wait until `happened()`; what never happens is an error, not a matter of speed."""
    assert callable(happened)
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"waited for {what} in vain"
        time.sleep(0.02)


@contextmanager
def site(file: Path, folder: Path) -> Iterator[Site]:
    """Make the network of an inventory."""
    _, plan, _ = load_plan(file)
    with namespaces(*plan.routers, *plan.hosts) as made:
        for name in (*plan.routers, *plan.hosts):
            _let_forward(made, name)
        _lay_cables(plan, made)
        for name in plan.routers:
            _route(plan, made, name)
        for host in plan.hosts.values():
            made.ip(host.name, *_family(host), "route", "add", "default", "via", str(host.gateway))
        yield Site(plan, made, file, folder)


def _family(host: HostPlan) -> tuple[str, ...]:
    return ("-6",) if host.address.version == 6 else ()


def _let_forward(made: Namespaces, name: str) -> None:
    with made.entered(name):
        for key, value in (
            ("ipv6/conf/all/disable_ipv6", "0"), ("ipv6/conf/default/disable_ipv6", "0"),
            ("ipv6/conf/default/accept_dad", "0"), ("ipv6/conf/all/forwarding", "1"),
            ("ipv4/ip_forward", "1"), ("ipv4/conf/all/rp_filter", "0"),
        ):  # fmt: skip
            (Path("/proc/sys/net") / key).write_text(value, encoding="ascii")


def _lay_cables(plan: Plan, made: Namespaces) -> None:
    macs = iter(range(1, 1000))
    for router in plan.routers.values():
        for port in router.ports:
            if not port.edge and (router.name, port.name) > (port.peer, port.peer_port):
                continue  # its other end lays it
            near, far = (
                f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}" for n in (next(macs), next(macs))
            )
            made.link((router.name, port.name, near), (port.peer, port.peer_port, far))
            for where, device, address in (
                (router.name, port.name, port.address),
                (port.peer, port.peer_port, port.peer_address),
            ):
                made.ip(where, "link", "set", device, "mtu", str(port.mtu))
                nodad = ("nodad",) if address.version == 6 else ()
                made.ip(where, "addr", "add", str(address), "dev", device, *nodad)


def _route(plan: Plan, made: Namespaces, name: str) -> None:
    """Static routes of a router to the networks of all hosts, by the fewest hops."""
    first: dict[str, str] = {}
    queue: deque[tuple[str, str]] = deque([(name, "")])
    while queue:
        router, via = queue.popleft()
        if router in first:
            continue
        first[router] = via
        for port in plan.routers[router].ports:
            if not port.edge:
                queue.append((port.peer, via or str(port.peer_address.ip)))
    for host in plan.hosts.values():
        if host.router != name:
            made.ip(name, *_family(host), "route", "add", str(host.address.network), "via",
                    first[host.router])  # fmt: skip


class Loss:
    """Loses every `every`-th long packet that comes to a host."""

    def __init__(self, where: Site, host: str, every: int) -> None:
        self.lost = 0
        """Once it is over."""
        self._library = Libbpf()
        self._object = Object(self._library, compiled(LOSS))
        self._object.load()
        self._object.map("counts").put(bytes(4), COUNTS.pack(every, 0, 0))
        with where.entered(host):
            index = socket.if_nametoindex(where.plan.hosts[host].port)
            self._link = Link(self._library, self._object.program("lose"), index)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _, _, self.lost = COUNTS.unpack(self._object.map("counts").get(bytes(4), COUNTS.size))
        self._link.close()
        self._object.close()


class Taps:
    """Packet sockets at the ends of cables: what comes in there, until this is left."""

    def __init__(self, where: Site) -> None:
        self._where = where
        self._stack = ExitStack()
        self._selector = selectors.DefaultSelector()
        self._seen: dict[str, list[bytes]] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run)

    def add(self, label: str, node: str, device: str) -> None:
        sock = self._open(node, device)
        self._seen[label] = []
        self._selector.register(sock, selectors.EVENT_READ, self._seen[label])

    def _open(self, node: str, device: str) -> socket.socket:
        with self._where.entered(node):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._stack.enter_context(sock)
            sock.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
            sock.bind((device, 0x0003))  # ETH_P_ALL
        sock.setblocking(False)
        return sock

    def count(self, label: str) -> int:
        return len(self._seen[label])

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select(0.1):
                self._drain(key)

    def _drain(self, key: selectors.SelectorKey) -> None:
        sock = key.fileobj
        assert isinstance(sock, socket.socket)
        while True:
            try:
                frame, place = sock.recvfrom(256)
            except BlockingIOError:
                return
            if place[2] != OUTGOING:
                key.data.append(frame)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()
        for key in self._selector.get_map().values():
            self._drain(key)
            assert isinstance(key.fileobj, socket.socket)
            kept = key.fileobj.getsockopt(263, 6, 8)  # SOL_PACKET, PACKET_STATISTICS
            assert int.from_bytes(kept[4:], sys.byteorder) == 0, "the tap lost packets"
        self._selector.close()
        self._stack.close()

    def data(self, label: str) -> list[Datum]:
        """The data packets that came in there, in their order."""
        flow = self._where.flow
        found = (datum(frame, flow) for frame in self._seen[label])
        return [one for one in found if one is not None and one.toi]


def datum(frame: bytes, flow: FlowPlan) -> Datum | None:
    """What a frame carries of the delivery; None: nothing, or no data (a poll)."""
    kind, at = int.from_bytes(frame[12:14]), 14
    bits, marks = None, []
    if kind in (ethernet.EtherType.MPLS, ethernet.EtherType.BIER):
        first, _, third = (int.from_bytes(frame[at + i : at + i + 4]) for i in (0, 4, 8))
        marks.append(first >> 9 & 7 if kind == ethernet.EtherType.MPLS else third >> 22 & 63)
        bits = int.from_bytes(frame[at + 12 : at + 12 + flow.bsl // 8])
        at += 12 + flow.bsl // 8
    elif kind not in (ethernet.EtherType.IPV4, ethernet.EtherType.IPV6):
        return None
    if flow.group.version == 4:
        marks.append(frame[at + 1] >> 2)
        to, protocol, at = frame[at + 16 : at + 20], frame[at + 9], at + 20
    else:
        marks.append((int.from_bytes(frame[at : at + 2]) >> 4 & 0xFF) >> 2)
        to, protocol, at = frame[at + 24 : at + 40], frame[at + 6], at + 40
    if to != flow.group.packed or protocol != socket.IPPROTO_UDP:
        return None
    checked = frame[at + 6 : at + 8] != b"\0\0"
    header, end = wire.parse(frame[at + 8 :])
    if header.poll() is not None or header.close_session:
        return None
    payload_id, _ = wire.parse_payload_id(header.codepoint, frame[at + 8 :], end)
    return Datum(
        bits, header.toi, payload_id.sbn, payload_id.sbl or 0, payload_id.esi, tuple(marks), checked
    )


def copies(data: Sequence[Datum]) -> Counter[tuple[int, int, int]]:
    """How often each symbol came."""
    return Counter(one.symbol for one in data)
