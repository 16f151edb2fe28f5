"""The kernel plane as the conformance suite asks it: veth pairs in a namespace of its own.

Frames go in at a peer and copies are captured at peers, so what is judged is what the wire would
see.  Nothing waits by the clock: the kernel's counters say how many frames there are to be read.
X.
"""

from __future__ import annotations

import select
import socket
from typing import Final, NamedTuple

from toolkit.bier.engine import Deliver
from toolkit.bier.kernel.namespace import Namespace
from toolkit.bier.program import Program
from toolkit.bier.runtime_ebpf import KernelPlane
from toolkit.errors import EnvironmentProblem

PATIENCE: Final = 5.0
"""Seconds after which a frame that was counted is called lost."""
_EVERYTHING: Final = 0x0003
_PACKET, _IGNORE_OUTGOING, _AUXDATA = 263, 23, 8
_NOT_FORWARDED: Final = ("dropped-no-mac-address", "dropped-mtu-exceeded", "not-sent")


class Seen(NamedTuple):
    """All that a frame caused."""

    out: list[tuple[str, bytes]]
    delivered: list[Deliver]
    dropped: dict[str, int]


class ProvingGround:
    """One BFR in the kernel whose interfaces are ends of wires that we hold the other ends of."""

    def __init__(self) -> None:
        self.namespace = Namespace()
        with self.namespace.entered():
            self.plane = KernelPlane()
        self._peers: dict[str, socket.socket] = {}
        self._macs: dict[str, bytes | None] = {}

    def load(self, program: Program) -> None:
        for name, interface in program.interfaces.items():
            if name not in self._peers:
                self._wire(name, interface.mac)
            elif interface.mac is not None and interface.mac != self._macs[name]:
                self.namespace.ip("link", "set", name, "address", interface.mac.hex(":"))
                self._macs[name] = interface.mac
        with self.namespace.entered():
            self.plane.load(program)

    def fail(self, interface: str | None) -> bool:
        return self.plane.switch_over(interface)

    def receive(self, interface: str, frame: bytes) -> Seen:
        """Send a frame to an interface; return all that it caused."""
        before = self.plane.counters
        self._peers[interface].send(frame)
        return self._caused(before)

    def _caused(self, before: dict[str, int]) -> Seen:
        """Read what the counters say there is; the sender's softirq has done the work as a rule."""
        out: list[tuple[str, bytes]] = []
        delivered: list[Deliver] = []
        waiting = select.poll()
        names = {}
        for name, peer in self._peers.items():
            names[peer.fileno()] = name
            waiting.register(peer, select.POLLIN)
        waiting.register(self.plane.fileno(), select.POLLIN)
        for _turn in range(10_000):
            rose = {name: count - before[name] for name, count in self.plane.counters.items()}
            copies = rose["forwarded"] - sum(rose[name] for name in _NOT_FORWARDED)
            handled = rose["received"] or rose["dropped-other-vlan"]
            if (handled or rose["dropped-other-destination"]) and (
                len(out) >= copies and len(delivered) >= rose["delivered"]
            ):
                break
            ready = waiting.poll(PATIENCE * 1000)
            if not ready:
                break
            for fd, _what in ready:
                if fd == self.plane.fileno():
                    while (packet := self.plane.delivered()) is not None:
                        delivered.append(packet)
                else:
                    out.append((names[fd], self._peers[names[fd]].recv(1 << 17)))
        dropped = {
            name.removeprefix("dropped-"): count
            for name, count in rose.items()
            if count and name.startswith("dropped-")
        }
        return Seen(out, delivered, dropped)

    def _wire(self, name: str, mac: bytes | None) -> None:
        peer = f"peer{len(self._peers)}"
        self.namespace.wire(name, peer, mac=mac)
        self._macs[name] = mac
        with self.namespace.entered():
            end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            end.setsockopt(_PACKET, _IGNORE_OUTGOING, 1)
            end.bind((peer, _EVERYTHING))
        except OSError as error:
            end.close()
            raise EnvironmentProblem(f"{peer}: {error.strerror}") from error
        self._peers[name] = end

    def close(self) -> None:
        self.plane.close()
        for peer in self._peers.values():
            peer.close()
        self.namespace.close()
