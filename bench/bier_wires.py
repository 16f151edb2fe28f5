"""Two routers between the same wires, the same source and the same sinks: what `bier_forwarding`
measures in the kernel.

One network namespace: veth pairs `in` and `out0`, `out1`, ...  Frames are made by the kernel itself
(an XDP program run on live frames, BPF_F_TEST_XDP_LIVE_FRAMES) and received by `in` as if the wire
had brought them; a tc program at every peer counts and drops what arrives.  The routers: the BIER
plane of this project, and Linux IP multicast routing with one static (S,G) entry.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import pack
from time import sleep

from toolkit.bier.bift import BiftId, BiftKey, Hop
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.engine import Arrived
from toolkit.bier.kernel.compiler import compiled
from toolkit.bier.kernel.libbpf import Libbpf, Link, Object, live_frames
from toolkit.bier.kernel.namespace import Wired
from toolkit.bier.program import Interface, Program
from toolkit.bier.routes import Routes, Ways
from toolkit.bier.runtime_ebpf import KernelPlane
from toolkit.bier.wire import Encapsulation, Header, Proto

SOURCE = Path(__file__).parent / "bier_traffic.bpf.c"
MAC = bytes.fromhex("020000000001")
BATCH = 16
"""Frames that the kernel makes before it lets what they caused be received: 16 x 16 copies fit the
queue of 1,000 packets that Linux has for each CPU."""
LABEL = 1000
_KEY = bytes(4)
_MRT_INIT, _ADD_VIF, _ADD_MFC = 200, 202, 204
_BY_INDEX = 8


class Wires:
    """`in` and `ports` ways out, source and sinks."""

    def __init__(self, ports: int) -> None:
        self.ports = ports
        self.space = Wired()
        self.library = Libbpf()
        self._object = Object(self.library, compiled(SOURCE))
        self._object.load()
        self._source, self._sink = self._object.program("source"), self._object.program("sink")
        self._heads, self._counted = self._object.map("heads"), self._object.map("counted")
        self.space.wire("in", "from", mac=MAC, mtu=1500)
        for port in range(ports):
            self.space.wire(f"out{port}", f"to{port}", mtu=1500)
        with self.space.entered():
            self.index = {n: i for i, n in socket.if_nameindex()}
            self._sinks = [
                Link(self.library, self._sink, self.index[f"to{port}"]) for port in range(ports)
            ]

    @contextmanager
    def dropping(self) -> Iterator[None]:
        """Drop everything that comes in: the source's own costs, and those of receiving."""
        with self.space.entered():
            link = Link(self.library, self._sink, self.index["in"])
        try:
            yield
        finally:
            link.close()

    @contextmanager
    def bier(self, copies: int) -> Iterator[None]:
        """Forward BIER by our kernel plane."""
        with self.space.entered():
            plane = KernelPlane()
            plane.load(program(copies))
        try:
            yield
        finally:
            plane.close()

    @contextmanager
    def multicast(self, copies: int) -> Iterator[None]:
        """Forward IP multicast by Linux: one (S,G) that goes out of `copies` interfaces."""
        with self.space.entered():
            for name, value in (("all/rp_filter", 0), ("in/rp_filter", 0), ("all/forwarding", 1)):
                Path(f"/proc/sys/net/ipv4/conf/{name}").write_text(str(value))
            router = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
        names = ["in", *(f"out{port}" for port in range(copies))]
        for number, name in enumerate(names):
            self.space.ip("address", "replace", f"10.0.{number}.1/24", "dev", name)
        try:
            router.setsockopt(socket.IPPROTO_IP, _MRT_INIT, 1)
            for number, name in enumerate(names):
                vif = pack("=HBBIi4s", number, _BY_INDEX, 1, 0, self.index[name], bytes(4))
                router.setsockopt(socket.IPPROTO_IP, _ADD_VIF, vif)
            limits = bytes(1 if 1 <= number <= copies else 0 for number in range(32))
            entry = pack(
                "=4s4sH32s2xIIIi", socket.inet_aton("10.0.0.2"), socket.inet_aton("232.1.1.1"),
                0, limits, 0, 0, 0, 0,
            )  # fmt: skip
            router.setsockopt(socket.IPPROTO_IP, _ADD_MFC, entry)
            yield
        finally:
            router.close()

    def send(self, frame: bytes, count: int) -> float:
        """Have `count` frames received by `in`; return nanoseconds a frame."""
        self._heads.put(_KEY, frame[:128])
        with self.space.entered():
            return live_frames(self.library, self._source, frame, self.index["in"], count, BATCH)

    def settled(self, wanted: int = 0) -> int:
        """Return how many frames have reached sinks, once `wanted` have or no more come."""
        before, now = -1, self._count()
        while now < wanted and now != before:
            sleep(0.01)  # the softirq thread of this CPU has some left
            before, now = now, self._count()
        return now

    def _count(self) -> int:
        data = self._counted.get(_KEY, 8 * self.library.cpus)
        return sum(int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8))

    def close(self) -> None:
        for link in self._sinks:
            link.close()
        self._object.close()
        self.space.close()


def program(copies: int, bsl: Bsl = Bsl.B256) -> Program:
    """Return a transit BFR whose `copies` neighbors own equal shares of all bits."""
    ports = {f"out{port}": Interface(Arrived.CORE) for port in range(copies)}
    hops = [
        Hop(Neighbor(f"n{port}", f"out{port}", mac=bytes((2, 0, 0, 0, 1, port))), 2000 + port)
        for port in range(copies)
    ]
    key = BiftKey(0, bsl.bits, 0)
    ways = {p: Ways((hops[(p - 1) * copies // bsl.bits],)) for p in range(1, bsl.bits + 1)}
    return Program(
        interfaces={"in": Interface(Arrived.CORE), **ports},
        routes={key: Routes(bsl, ways)},
        bift_ids={BiftId(Encapsulation.MPLS, LABEL): key},
    )


def bier_frame(size: int, bsl: Bsl = Bsl.B256) -> bytes:
    """Return a frame of `size` octets to every BFER."""
    header = Header(
        encapsulation=Encapsulation.MPLS, bift_id=LABEL, ttl=64, proto=Proto.IPV4, bfir_id=1,
        bits=BitString(bsl, (1 << bsl.bits) - 1),
    ).encode()  # fmt: skip
    front = MAC + bytes.fromhex("020000000002 8847") + header
    return front + bytes(size - len(front))


def multicast_frame(size: int) -> bytes:
    """Return a frame of `size` octets with UDP from 10.0.0.2 to 232.1.1.1."""
    source, group = socket.inet_aton("10.0.0.2"), socket.inet_aton("232.1.1.1")
    length = size - 14
    fields = pack("!BBHHHBBH", 0x45, 0, length, 0, 0x4000, 64, 17, 0) + source + group
    total = sum(int.from_bytes(fields[at : at + 2], "big") for at in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
    head = fields[:10] + checksum.to_bytes(2, "big") + fields[12:]
    front = bytes.fromhex("01005e010101 020000000002 0800") + head
    front += pack("!HHHH", 5000, 5000, length - 20, 0)
    return front + bytes(size - len(front))


def softirq_ns(cpu: int) -> int:
    """Return how long the thread that does a CPU's leftover softirqs has run; 0 where it is not
    shown."""
    for name in Path("/proc").glob("[0-9]*/comm"):
        try:
            if name.read_text().strip() == f"ksoftirqd/{cpu}":
                return int((name.parent / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return 0
