"""IP multicast in a router of a laboratory: the engine's packets as frames.

PIM Join/Prune, Register and Register-Stop messages, IGMP and MLD reports and queries are real
packets on the wires, with the delays and the loss of their links; that a router takes no time over
them is all that is simplified, and that neighbors are known without Hellos.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address

from toolkit.inet import ethernet, ip
from toolkit.inet.ethernet import EtherType
from toolkit.lab.links import mac
from toolkit.lab.wires import Emission
from toolkit.pim.engine import MulticastEngine, Out, Output
from toolkit.pim.surroundings import Surroundings
from toolkit.planes.pim import PMSI


def is_multicast(packet: bytes) -> bool:
    """Say whether an IP packet's destination is a group."""
    if packet[:1] < b"\x50":
        return len(packet) > 16 and packet[16] >> 4 == 0xE
    return len(packet) > 24 and packet[24] == 0xFF


class PimPart:
    """The multicast engine of one router, between its frames."""

    def __init__(
        self,
        around: Surroundings,
        unicast: Callable[[ip.IpAddress, bytes], Iterable[Emission]],
        off_tree: Callable[[bytes], Iterable[Emission]] = lambda _: (),
    ) -> None:
        """`unicast`: sends an IP packet by the router's own table; `off_tree`: takes a packet of a
        VPN that comes off a source tree of the core."""
        self.engine = MulticastEngine(around)
        self._name, self._unicast, self._off_tree = around.router, unicast, off_tree
        self._fronts: dict[tuple[str, bytes], bytes] = {}

    @property
    def deadline(self) -> float | None:
        return self.engine.deadline

    @property
    def counters(self) -> dict[str, int]:
        """Those of the engine, each as `pim-<name>`, drops as `dropped-pim-<reason>`."""
        return {
            f"dropped-pim-{name.removeprefix('dropped-')}"
            if name.startswith("dropped-")
            else f"pim-{name}": count
            for name, count in self.engine.counters.items()
        }

    def join(self, trees: Iterable[tuple[ip.IpAddress, ip.IpAddress]]) -> None:
        """Join (source, group) of the core for a VPN, when time begins."""
        for source, group in trees:
            self.engine.join(PMSI, group, source)

    def expire(self, now: float) -> list[Emission]:
        return self._emit(self.engine.expire(now))

    def receive(self, port: str, packet: bytes, now: float) -> list[Emission]:
        """Take an IP packet to a group."""
        return self._emit(self.engine.receive(port, packet, now))

    def ours(self, outer: ip.Header, payload: bytes, now: float) -> list[Emission]:
        """Take a PIM message that was sent to one of our addresses."""
        return self._emit(self.engine.unicast(outer, payload, now))

    def _emit(self, outputs: Iterable[Output]) -> list[Emission]:
        emissions: list[Emission] = []
        for output in outputs:
            if isinstance(output, Out) and output.port == PMSI:
                emissions += self._off_tree(output.packet)
            elif isinstance(output, Out):
                front = self._front(output.port, output.packet)
                emissions.append((output.port, front + output.packet))
            else:
                emissions += self._unicast(output.destination, output.packet)
        return emissions

    def _front(self, port: str, packet: bytes) -> bytes:
        old = packet[:1] < b"\x50"
        group = packet[16:20] if old else packet[24:40]
        front = self._fronts.get((port, group))
        if front is None:
            kind = EtherType.IPV4 if old else EtherType.IPV6
            to = ip.multicast_mac(IPv4Address(group) if old else IPv6Address(group))
            front = ethernet.Header(to, mac(self._name, port), kind).encode()
            self._fronts[port, group] = front
        return front
