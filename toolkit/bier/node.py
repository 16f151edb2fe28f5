"""One BFR at frame level: Ethernet frames in, frames and decapsulated packets out.

RFC 8279 sections 4.3, 6.5, 6.9; RFC 8296 sections 2.1.3, 2.2.3 and 3.  Law: as the engine's, which
it drives: it answers and never does, never raises on what a peer sent, and counts under a reason
what it does not pass on.  IP that BIER has nothing to do with is the host's own and only counted
as seen.  BIER is taken from the core; from a host where it may impose; from a tunnel where a core
interface brought it and a known BFR sent it.  Pure: MAC addresses and MTUs are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from toolkit.bier.bift import BiftKey
from toolkit.bier.engine import Arrived, Deliver, Forward
from toolkit.bier.engine import Output as EngineOutput
from toolkit.bier.frames import Framer, Macs, NodeReason, Port, Resolve, Send
from toolkit.bier.lookup import Bifts
from toolkit.bier.oam_program import responder_of
from toolkit.bier.oam_responder import BierReply, IpReply
from toolkit.bier.oam_responder import Port as OamPort
from toolkit.bier.overlay import Overlay, ToHost
from toolkit.bier.program import Interface, Program
from toolkit.bier.punt import Punt
from toolkit.bier.tunnels import Inner, Tunnels
from toolkit.bier.wire import Encapsulation, Proto

_BIER: Final = {b"\x88\x47": Encapsulation.MPLS, b"\xab\x37": Encapsulation.NON_MPLS}
_IP: Final = {b"\x08\x00": 0x40, b"\x86\xdd": 0x60}
_TAGS: Final = frozenset({b"\x81\x00", b"\x88\xa8"})


class Delivered(NamedTuple):
    """The flow overlay of this BFER got a payload; what became of it here is said beside it."""

    proto: int
    bfir_id: int
    sub_domain: int
    payload: bytes


Output = Send | ToHost | Delivered | Resolve | IpReply


class Node:
    """Feed it frames; do what it returns.

    `ports`, `macs`: what the host knows of its interfaces and of neighbors on them; both may change
    at any time, followed by `refresh`.
    """

    def __init__(
        self,
        program: Program,
        ports: Mapping[str, Port] | None = None,
        macs: Macs | None = None,
    ) -> None:
        self.ports: Mapping[str, Port] = {} if ports is None else ports
        self.macs: Macs = {} if macs is None else macs
        self.drops: Counter[str] = Counter()
        """Frames and copies that the engine did not see or could not know the fate of."""
        self.seen = 0
        """IP packets that are the host's own business."""
        self._oam_counters: Counter[str] = Counter()
        self.oam_ports: dict[str, OamPort] = {}
        """What is told of an interface in replies to OAM; may change at any time."""
        self.epoch = 0.0
        """Seconds since 1970 when `now` is 0: for time stamps in replies to OAM."""
        self.engine = program.engine()
        self._take(program)

    def load(self, program: Program) -> None:
        """Be another BFR from now on, between two frames; counters go on.

        ValueError where its tables do not fit each other; then nothing has changed.
        """
        program.reload(self.engine)
        self._take(program)

    def _take(self, program: Program) -> None:
        self.program = program
        self._interfaces = program.interfaces
        self._framer = Framer(program.interfaces, self.ports, self.macs)
        self._tunnels = Tunnels(program)
        self._overlay = Overlay(program)
        self.oam = responder_of(program, self.oam_ports)
        """None: OAM is a Proto that nobody takes."""
        if self.oam is not None:
            self.oam.counters = self._oam_counters

    def replace(self, key: BiftKey, bifts: Bifts) -> None:
        """Replace the tables of one key; see `Engine.replace`."""
        self.engine.replace(key, bifts)
        self._framer.forget()

    def refresh(self) -> None:
        """Look at `ports` and `macs` again: some of them have changed."""
        self._framer.forget()

    @property
    def counters(self) -> dict[str, int]:
        """Those of the engine, `dropped-<reason>` of the node beside or added to them, and of OAM
        `oam-replies`, `oam-no-reply-<reason>`."""
        counters = self.engine.counters
        for reason in NodeReason:
            name = f"dropped-{reason}"
            counters[name] = counters.get(name, 0) + self.drops[reason]
        return counters | {f"oam-{n}": count for n, count in sorted(self._oam_counters.items())}

    def receive(self, interface: str, frame: bytes, now: float) -> list[Output]:
        """Take one frame, from its destination MAC address, that came in by an interface."""
        known = self._interfaces.get(interface)
        if known is None:
            return self._drop(NodeReason.UNKNOWN_INTERFACE)
        kind, start = frame[12:14], 14
        if kind in _TAGS:  # a tag without VLAN ID carries only a priority (IEEE 802.1Q)
            if frame[14:15] and (frame[14] & 0x0F or frame[15:16] > b"\0"):
                return self._drop(NodeReason.OTHER_VLAN)
            kind, start = frame[16:18], 18
        if len(frame) < start:
            return self._drop(NodeReason.SHORT_FRAME)
        encapsulation = _BIER.get(kind)
        if encapsulation is not None:
            if not frame[0] & 1:
                own = self._framer.own_mac(interface)
                if own is not None and own != frame[:6]:
                    return self._drop(NodeReason.OTHER_DESTINATION)
            packet = frame[start:]
            if self._tunnels.labels and encapsulation is Encapsulation.MPLS:
                popped = self._tunnels.pop(packet)
                if popped is not packet:
                    return self._tunnelled(known, Inner(popped, encapsulation), interface, now)
            return self._emit(
                self.engine.receive(packet, encapsulation, known.arrived, now, known.permitted),
                interface,
                now,
            )
        version = _IP.get(kind)
        if version is None:
            return self._drop(NodeReason.UNKNOWN_ETHERTYPE)
        return self._ip(known, version, frame[start:], interface, now)

    def _ip(
        self, known: Interface, version: int, packet: bytes, interface: str, now: float
    ) -> list[Output]:
        if not packet or packet[0] & 0xF0 != version:
            return self._drop(NodeReason.MALFORMED)
        if self._overlay.imposes(packet):
            if known.arrived is Arrived.CORE:  # a flow enters the domain at its edge
                return self._host_s_own()
            imposed = self._overlay.impose(packet, interface, self.engine)
            if isinstance(imposed, NodeReason):
                return self._drop(imposed)
            return self._emit(imposed, None, now)
        if not self._tunnels.ends_here(packet):
            return self._host_s_own()
        inner = self._tunnels.open(packet)
        if inner is None:
            return self._host_s_own()
        if isinstance(inner, NodeReason):
            return self._drop(inner)
        return self._tunnelled(known, inner, interface, now)

    def _tunnelled(
        self, known: Interface, inner: Inner, interface: str, now: float
    ) -> list[Output]:
        """A host could write any outer header: only the core's tunnels are believed."""
        arrived = Arrived.CORE if known.arrived is Arrived.CORE else Arrived.EDGE
        found = self.engine.receive(inner.packet, inner.encapsulation, arrived, now)
        return self._emit(found, interface, now)

    def _emit(
        self, results: Iterable[EngineOutput], interface: str | None, now: float
    ) -> list[Output]:
        """`interface`: by which the packet came in; None: it was imposed here."""
        outputs: list[Output] = []
        for result in results:
            if isinstance(result, Forward):
                sent = self._framer.send(*result)
                if isinstance(sent, Send):
                    outputs.append(sent)
                    continue
                reason, asked = sent
                self.drops[reason] += 1
                if asked is not None:
                    outputs.append(asked)
            elif isinstance(result, Punt):
                outputs += self._answer(result, interface, now)
            else:
                self._deliver(result, outputs)
        return outputs

    def _answer(self, punt: Punt, interface: str | None, now: float) -> list[Output]:
        """Answer BIER OAM (draft-ietf-bier-ping): by the host's IP stack, or by BIER."""
        answer = None if self.oam is None else self.oam.receive(punt, interface, self.epoch + now)
        if isinstance(answer, IpReply):
            return [answer]
        if isinstance(answer, BierReply):
            imposed = self.engine.impose(
                answer.sub_domain, answer.bsl, answer.sets, Proto.OAM, answer.payload,
                answer.bfir_id, punt.entropy, 255,
            )  # fmt: skip
            return self._emit(imposed, None, now)
        return []

    def _deliver(self, result: Deliver, outputs: list[Output]) -> None:
        outputs.append(Delivered(*result))
        for leg in self._overlay.dispose(result, self._framer):
            if isinstance(leg, NodeReason):
                self.drops[leg] += 1
            else:
                outputs.append(leg)

    def _host_s_own(self) -> list[Output]:
        self.seen += 1
        return []

    def _drop(self, reason: NodeReason) -> list[Output]:
        self.drops[reason] += 1
        return []
