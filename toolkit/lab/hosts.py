"""The hosts of a laboratory: a repository that sends, GPU clouds that receive.  Bytes in, frames
out.

A host is a network stack around a delivery engine: it parses Ethernet, IP and UDP, and, on the
sending side with host imposition, writes the BIER header itself (RFC 8296 section 3).  It decides
nothing about the delivery. Pure: time comes from the network's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from toolkit.delivery.events import Failed, Feedback, ReceiverOutput
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sender import Sender
from toolkit.errors import WireError
from toolkit.inet import ethernet, ip, udp
from toolkit.inventory.model import Imposition, Transport
from toolkit.lab.links import header, mac
from toolkit.lab.wires import Emission
from toolkit.pim.igmp import link_local
from toolkit.pim.listener import Listener
from toolkit.plan.imposition import imposed
from toolkit.plan.model import FlowPlan, HostPlan, Plan

BATCH = 16
"""Packets that a sender puts out before it looks at the clock again."""


def datagram_of(frame: bytes) -> tuple[ip.Header, udp.Header, bytes]:
    """Return the UDP datagram in a frame; WireError where there is none."""
    ether, offset = ethernet.parse(frame)
    if ether.ethertype not in (ethernet.EtherType.IPV4, ethernet.EtherType.IPV6):
        raise WireError(f"EtherType {ether.ethertype:#06x} is not IP")
    packet = frame[offset:]
    outer, inner = ip.parse(packet)
    ports, payload = udp.parse(packet, outer, inner)
    return outer, ports, payload


@dataclass(frozen=True, slots=True)
class Uplink:
    """How a host's frames leave it."""

    host: HostPlan
    far: tuple[str, str]

    def header(self, ethertype: int) -> bytes:
        return header(self.host.name, self.host.port, self.far, ethertype)

    def multicast(self, packet: bytes) -> bytes:
        """Return the frame of an IP packet to a group."""
        outer, _ = ip.parse(packet)
        kind = ethernet.EtherType.IPV4 if outer.source.version == 4 else ethernet.EtherType.IPV6
        own = mac(self.host.name, self.host.port)
        return ethernet.Header(ip.multicast_mac(outer.destination), own, kind).encode() + packet

    @property
    def ip_header(self) -> bytes:
        version = self.host.address.version
        return self.header(ethernet.EtherType.IPV4 if version == 4 else ethernet.EtherType.IPV6)


class Repository:
    """The source of one flow: runs a Sender and imposes BIER where the flow asks for it."""

    def __init__(self, plan: Plan, flow: FlowPlan, uplink: Uplink, sender: Sender) -> None:
        self.sender = sender
        self.inner_bytes = 0
        """Bytes of first-time packets as plain Ethernet frames: what one unicast copy would be."""
        self.packets = 0
        self.repairs = 0
        self.repair_bytes = 0
        self.late = 0
        """Packets that went out again for receivers that were not there the first time."""
        self._flow, self._uplink = flow, uplink
        self._cloud_at = {plan.hosts[c].address.ip: c for c in flow.clouds}
        self._template = udp.Template(flow.source_address, flow.port, flow.group, flow.port)
        self._headers: dict[int, tuple[bytes, ...]] = {}
        self._host_imposes = flow.imposition is Imposition.HOST
        self._plan = plan

    @property
    def deadline(self) -> float | None:
        return self.sender.deadline

    def expire(self, now: float) -> Iterable[Emission]:
        """Send what is due."""
        port = self._uplink.host.port
        emissions: list[Emission] = []
        for t in self.sender.poll(now, BATCH):
            packet = self._template.packet(b"".join((t.header, t.payload)))
            if t.repair or t.late:
                self.repairs += t.repair
                self.late += t.late
            else:
                self.packets += 1
                self.inner_bytes += ethernet.HEADER + len(packet)
            frames = [front + packet for front in self._fronts(t.mask)]
            if t.repair:
                self.repair_bytes += sum(map(len, frames))
            emissions += [(port, frame) for frame in frames]
        return emissions

    def receive(self, _port: str, frame: bytes, now: float) -> Iterable[Emission]:
        """Take a report of a cloud; it is told by its address."""
        try:
            outer, ports, payload = datagram_of(frame)
        except WireError:
            return ()
        if outer.destination != self._flow.source_address:
            return ()
        cloud = self._cloud_at.get(outer.source)
        if cloud is None or ports.destination_port != self._flow.control_port:
            return ()
        self.sender.receive(cloud, payload, now)
        return ()  # what is due now is sent when the network wakes us: at our deadline

    def _fronts(self, mask: int) -> tuple[bytes, ...]:
        """Return what goes before the IP packet for these receivers: one front for each set."""
        fronts = self._headers.get(mask)
        if fronts is None:
            fronts = self._headers[mask] = tuple(self._make_fronts(mask))
        return fronts

    def _make_fronts(self, mask: int) -> Iterable[bytes]:
        flow = self._flow
        if not self._host_imposes:
            group = ip.multicast_mac(flow.group)
            kind = ethernet.EtherType.IPV4 if flow.group.version == 4 else ethernet.EtherType.IPV6
            yield ethernet.Header(
                group, mac(self._uplink.host.name, self._uplink.host.port), kind
            ).encode()
            return
        for front in imposed(self._plan, flow, mask):
            yield self._uplink.header(front.ethertype) + front.header


class SilentHost:
    """A host that no running process listens on; it counts what it was sent for nothing."""

    deadline: float | None = None

    def __init__(self) -> None:
        self.frames = 0

    def receive(self, _port: str, _frame: bytes, _now: float) -> Iterable[Emission]:
        self.frames += 1
        return ()

    def expire(self, _now: float) -> Iterable[Emission]:
        return ()


Observer = Callable[[str, ReceiverOutput, float], None]
"""(cloud, what its receiver said, now)."""


class CloudHost:
    """A GPU cloud: a Receiver that may start late, be killed, and come back."""

    def __init__(
        self, flow: FlowPlan, uplink: Uplink, observe: Observer, *, gateway: bool = True
    ) -> None:
        """`gateway`: the router answers for the address that our reports are handed to."""
        self.receiver: Receiver | None = None
        self._gateway = gateway
        self._listener: Listener | None = None
        self._flow, self._uplink, self._observe = flow, uplink, observe
        self._name = uplink.host.name
        self._reports = udp.Template(
            uplink.host.address.ip, flow.control_port, flow.source_address, flow.control_port
        )

    @property
    def deadline(self) -> float | None:
        if self.receiver is None:
            return None
        asked = None if self._listener is None else self._listener.deadline
        due = self.receiver.deadline
        return asked if due is None else due if asked is None else min(due, asked)

    def start(self, receiver: Receiver | None, now: float) -> Iterable[Emission]:
        """Take this receiver from now on; None: the process is gone."""
        self.receiver = receiver
        if receiver is None:
            return ()
        return [*self._join(now), *self._out(receiver.expire(now), now)]

    def _join(self, now: float) -> list[Emission]:
        """Over PIM, ask the router for the group by IGMP or MLD; nobody else knows of us."""
        flow = self._flow
        if not flow.transport.pim:
            return []
        source = None if flow.transport is Transport.PIM_SM else flow.source_address
        own = link_local(self._uplink.host.address.ip)
        self._listener = Listener(own, flow.group, source)
        return self._reports_of(self._listener.join(now))

    def _reports_of(self, packets: Iterable[bytes]) -> list[Emission]:
        return [(self._uplink.host.port, self._uplink.multicast(packet)) for packet in packets]

    def receive(self, _port: str, frame: bytes, now: float) -> Iterable[Emission]:
        if self.receiver is None:
            return ()
        try:
            outer, ports, payload = datagram_of(frame)
        except WireError:
            if self._listener is None:
                return ()
            return self._reports_of(self._listener.receive(frame[ethernet.HEADER :]))
        if outer.destination != self._flow.group or ports.destination_port != self._flow.port:
            return ()
        return self._out(self.receiver.receive(payload, now), now)

    def expire(self, now: float) -> Iterable[Emission]:
        if self.receiver is None:
            return ()
        joins = [] if self._listener is None else self._reports_of(self._listener.expire(now))
        return [*joins, *self._out(self.receiver.expire(now), now)]

    def _out(self, outputs: Sequence[ReceiverOutput], now: float) -> list[Emission]:
        emissions: list[Emission] = []
        for output in outputs:
            if isinstance(output, Feedback):
                if not self._gateway:
                    continue
                packet = self._reports.packet(output.message)
                emissions.append((self._uplink.host.port, self._uplink.ip_header + packet))
            else:
                self._observe(self._name, output, now)
            if isinstance(output, Failed):
                self.receiver = None
        return emissions
