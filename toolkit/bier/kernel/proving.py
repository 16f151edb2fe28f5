"""The kernel plane as the conformance suite asks it: veth pairs in a namespace of its own.

Frames go in at a peer and copies are captured at peers, so what is judged is what the wire would
see.  Nothing waits by the clock: the kernel's counters say how many frames there are to be read.
X.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from typing import Final

from toolkit.bier.conformance.plane import Delivered, Need, Outcome
from toolkit.bier.frames import Send
from toolkit.bier.kernel import applicable
from toolkit.bier.kernel.namespace import Wired
from toolkit.bier.node import Delivered as Handed
from toolkit.bier.overlay import ToHost
from toolkit.bier.program import Program
from toolkit.bier.runtime_ebpf import KernelPlane
from toolkit.errors import EnvironmentProblem

PATIENCE: Final = 5.0
"""Seconds after which a frame that was counted is called lost."""
MTU: Final = 65535
QUEUE: Final = (
    "veth hands frames over by a queue of 1,000 for each CPU (net.core.netdev_max_backlog), which "
    "copies of one packet overflow"
)
_EVERYTHING: Final = 0x0003
_PACKET, _IGNORE_OUTGOING, _RECEIVE_BUFFER = 263, 23, 33
_LARGEST: Final = 1 << 17
_OURS: Final = (b"\x88\x47", b"\xab\x37", b"\x81\x00", b"\x88\xa8")
_NOT_FORWARDED: Final = ("dropped-no-mac-address", "dropped-mtu-exceeded", "not-sent")
_ONE_OF: Final = ("received", "dropped-other-vlan", "dropped-other-destination")
"""Every frame of ours makes one of these rise."""


class EbpfPlane:
    """One BFR in the kernel whose interfaces are ends of wires that we hold the other ends of."""

    name = "ebpf"
    lacks: Mapping[Need, str] = {
        Need.TUNNEL_GRE: applicable.TUNNELS,
        Need.TUNNEL_VXLAN: applicable.TUNNELS,
        Need.TUNNEL_SR_MPLS: applicable.TUNNELS,
        Need.TERMINATION: applicable.TUNNELS,
        Need.ECMP_ROWS: applicable.ROWS,
        Need.ROWS: applicable.ROWS,
        Need.IMPOSITION: applicable.IMPOSITION,
        Need.FANOUT_64: QUEUE,
    }

    def __init__(self) -> None:
        self.namespace = Wired()
        try:
            with self.namespace.entered():
                self.plane = KernelPlane()
        except BaseException:
            self.namespace.close()
            raise
        self._ends: dict[str, socket.socket] = {}
        """Interface -> what is at its peer."""
        self._own: dict[str, socket.socket] = {}
        self._macs: dict[str, bytes | None] = {}

    def load(self, program: Program) -> None:
        for name, interface in program.interfaces.items():
            if name not in self._ends:
                self._wire(name, interface.mac)
            elif interface.mac is not None and interface.mac != self._macs[name]:
                self.namespace.ip("link", "set", name, "address", interface.mac.hex(":"))
                self._macs[name] = interface.mac
        self.plane.load(program)

    def fail(self, interface: str | None) -> bool:
        return self.plane.switch_over(interface)

    def receive(self, interface: str, frame: bytes) -> Outcome:
        """Send a frame to an interface from outside; return all that it caused."""
        if frame[12:14] not in _OURS:
            return self._foreign(interface, frame)
        before = self.plane.counters
        self._ends[interface].send(frame)
        return self._caused(before)

    def _foreign(self, interface: str, frame: bytes) -> Outcome:
        """What is not BIER has to reach the host untouched; who knows no such EtherType there
        drops it."""
        with self.namespace.entered():
            host = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with host:
            host.bind((interface, int.from_bytes(frame[12:14], "big")))
            host.settimeout(PATIENCE)
            self._ends[interface].send(frame)
            reached = host.recv(_LARGEST) == frame
        return Outcome([], [], {"unknown-ethertype": 1} if reached else {})

    def _caused(self, before: Mapping[str, int]) -> Outcome:
        """Read what the counters say there is; the sender's softirq has done the work as a rule."""
        outcome = Outcome([], [], {}, host := [])
        names = {end.fileno(): name for name, end in self._ends.items()}
        waiting = select.poll()
        for fd in (*names, self.plane.fileno()):
            waiting.register(fd, select.POLLIN)
        sent = 0
        while True:
            rose = {name: count - before[name] for name, count in self.plane.counters.items()}
            copies = sent + rose["forwarded"] - sum(rose[name] for name in _NOT_FORWARDED)
            enough = len(outcome.out) >= copies and len(outcome.delivered) >= rose["delivered"]
            if enough and any(rose[name] for name in _ONE_OF):
                break
            ready = waiting.poll(PATIENCE * 1000)
            if not ready:
                break  # something is lost: the judge says what
            for fd, _what in ready:
                if fd in names:
                    outcome.out.append((names[fd], self._ends[names[fd]].recv(_LARGEST)))
                    continue
                for output in self.plane.outputs():
                    if isinstance(output, Handed):
                        outcome.delivered.append(Delivered(*output))
                    elif isinstance(output, ToHost):
                        host.append(output.packet)
                    elif isinstance(output, Send):
                        self._own[output.interface].send(output.frame)
                        sent += 1
        for name, count in rose.items():
            if count and name.startswith("dropped-"):
                outcome.dropped[name.removeprefix("dropped-")] = count
        return outcome

    def send(self, interface: str, frame: bytes) -> None:
        """Have a frame come in by an interface, and look at nothing."""
        self._ends[interface].send(frame)

    def waiting(self, interface: str) -> list[bytes]:
        """Return the frames that have left by an interface and were not looked at."""
        frames = []
        while True:
            try:
                frames.append(self._ends[interface].recv(_LARGEST, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return frames

    def _wire(self, name: str, mac: bytes | None) -> None:
        peer = f"peer{len(self._ends)}"
        self.namespace.wire(name, peer, mac=mac)
        self._macs[name] = mac
        self._ends[name] = self._bound(peer, _EVERYTHING)
        self._own[name] = self._bound(name, 0)

    def _bound(self, name: str, protocol: int) -> socket.socket:
        with self.namespace.entered():
            end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            end.setsockopt(_PACKET, _IGNORE_OUTGOING, 1)
            end.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER, 1 << 25)
            end.bind((name, protocol))
        except OSError as error:
            end.close()
            raise EnvironmentProblem(f"{name}: {error.strerror}") from error
        return end

    def close(self) -> None:
        self.plane.close()
        for end in (*self._ends.values(), *self._own.values()):
            end.close()
        self.namespace.close()
