"""The socket plane: `toolkit.bier.runtime_socket` between the ends of veth pairs.

Every interface of a program is one end of a pair, in a network namespace of its own; frames are
sent into the other end, copies are captured there.  Law: no step waits for time to pass: it is over
when the runtime has counted the frame and every copy that it counted has been captured.  X.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from toolkit.bier.conformance.plane import Delivered, Need, Outcome
from toolkit.bier.node import Delivered as Handed
from toolkit.bier.packet_filter import EVERYTHING
from toolkit.bier.program import Program
from toolkit.bier.runtime_namespace import Namespace
from toolkit.bier.runtime_netlink import Netlink
from toolkit.bier.runtime_packet import PacketSocket
from toolkit.bier.runtime_socket import SocketRuntime

MTU: Final = 65535
"""Of every interface: no vector is about what does not fit."""
HOST: Final = "bier0"
PATIENCE: Final = 10.0
"""Seconds after which a frame that should be there is lost."""


class SocketPlane:
    """`close` it in the end.  EnvironmentProblem without the privileges that it takes."""

    name = "socket"
    lacks: Mapping[Need, str] = {}

    def __init__(self) -> None:
        self._runtime: SocketRuntime | None = None
        self._far: dict[str, PacketSocket] = {}
        """Interface -> the socket at the other end of its pair."""
        self._indices: dict[str, int] = {}
        """Interface -> index of the device at the other end."""
        self._host: PacketSocket | None = None
        self._handed: list[Handed] = []
        self._drops: Mapping[str, int] = {}
        self._down: str | None = None
        self._namespace = Namespace()
        with self._namespace.entered():
            for which in ("default", "all"):  # nobody speaks but the vectors
                switch = Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6")
                if switch.exists():
                    switch.write_text("1", encoding="ascii")
            self._netlink = Netlink()

    def close(self) -> None:
        """Give everything back to the kernel."""
        if self._runtime is not None:
            self._runtime.close()
        for opened in (*self._far.values(), *([self._host] if self._host is not None else [])):
            opened.close()
        self._netlink.close()
        self._namespace.close()

    def load(self, program: Program) -> None:
        with self._namespace.entered():
            self._wire(program)
            if self._runtime is None:
                self._runtime = self._make(program)
                self._runtime.delivered = self._handed
            else:
                self.fail(None)
                runtime = self._runtime
                self._until(lambda: all(runtime.is_up(name) for name in program.interfaces))
                runtime.load(program)
            self._drops = self._runtime.drops()
            host = any(flow.host for flow in program.egress.values())
            if host and self._host is None:
                self._host = PacketSocket(HOST, EVERYTHING)

    def _make(self, program: Program) -> SocketRuntime:
        return SocketRuntime(program, host_interface=HOST, filtered=False)

    def _wire(self, program: Program) -> None:
        for name in program.interfaces:
            if name in self._far:
                continue
            far = f"far{len(self._far)}"
            self._netlink.add_pair(name, far, MTU)
            links = self._netlink.links()
            self._netlink.set_up(links[name].ifindex, up=True)
            self._netlink.set_up(links[far].ifindex, up=True)
            self._indices[name] = links[far].ifindex
            self._far[name] = PacketSocket(far, EVERYTHING)

    def fail(self, interface: str | None) -> bool:
        """Take the link down at its other end, and wait until the runtime has noticed."""
        runtime = self._loaded()
        if self._down is not None:
            self._netlink.set_up(self._indices[self._down], up=True)
            self._down = None
            self._until(lambda: not runtime.live.down)
        if interface is None:
            return True
        if interface not in self._indices:
            return False
        self._netlink.set_up(self._indices[interface], up=False)
        self._down = interface
        self._until(lambda: interface in runtime.live.down)
        return runtime.node.engine.failed == interface

    def receive(self, interface: str, frame: bytes) -> Outcome:
        runtime = self._loaded()
        drops, sent, to_host = self._drops, dict(runtime.sent), runtime.to_host
        expected = runtime.received[interface] + 1
        self._handed.clear()
        if not self._far[interface].send(frame, b""):
            raise RuntimeError(f"the kernel does not send {len(frame)} octets into {interface}")
        self._until(lambda: runtime.received[interface] >= expected)
        out = [
            (name, captured)
            for name, count in runtime.sent.items()
            if count != sent.get(name)
            for captured in _taken(self._far[name], count - sent.get(name, 0))
        ]
        host = [] if self._host is None else list(_taken(self._host, runtime.to_host - to_host))
        self._drops = runtime.drops()
        dropped = {
            reason: count - drops.get(reason, 0)
            for reason, count in self._drops.items()
            if count != drops.get(reason, 0)
        }
        return Outcome(out, [Delivered(*handed) for handed in self._handed], dropped, host)

    def _until(self, done: Callable[[], bool]) -> None:
        """Let the runtime work until something is so."""
        runtime = self._loaded()
        while not done():
            if not runtime.poll(PATIENCE) and not done() and not runtime.heard:
                raise RuntimeError("the kernel has not said or brought what it should")

    def _loaded(self) -> SocketRuntime:
        if self._runtime is None:
            raise ValueError("no program was loaded")
        return self._runtime


@contextmanager
def socket_plane() -> Iterator[SocketPlane]:
    plane = SocketPlane()
    try:
        yield plane
    finally:
        plane.close()


def _taken(opened: PacketSocket, count: int) -> Iterator[bytes]:
    """Yield the next `count` frames, and whatever is there beyond them."""
    taken = 0
    while True:
        frame = opened.receive()
        if frame is not None:
            taken += 1
            yield frame
        elif taken >= count:
            return
        elif not select.select([opened], [], [], PATIENCE)[0]:
            raise RuntimeError(f"{opened.interface}: a frame that was sent did not arrive")
