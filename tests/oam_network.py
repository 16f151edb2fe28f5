"""Engines and responders of a network, joined by the neighbors in their tables: no wires, no delay.

A probe asks from one router; every copy of a request is followed to its end, every reply comes back
`RTT` later.  Time jumps to what the probe waits for.
"""

from __future__ import annotations

from toolkit.bier.engine import IP, Arrived, Deliver, Engine, Forward
from toolkit.bier.oam_initiator import Request, Scope
from toolkit.bier.oam_model import PORT
from toolkit.bier.oam_ping import Ping
from toolkit.bier.oam_responder import IpReply, Responder
from toolkit.bier.oam_trace import Trace
from toolkit.bier.punt import Punt
from toolkit.bier.wire import Proto
from toolkit.inet import ip, udp
from toolkit.planes.derive import Network
from toolkit.planes.oam import identity_of

RTT = 0.125


class OamNetwork:
    """`answers`: whether a router's replies come back."""

    def __init__(self, planes: Network) -> None:
        self.planes = planes
        self.engines: dict[str, Engine] = {}
        self.responders: dict[str, Responder] = {}
        self.silent: set[str] = set()
        for name, plane in planes.planes().items():
            if plane.bfr:
                self.engines[name] = plane.engine(IP | {Proto.OAM})
                self.responders[name] = Responder(identity_of(planes, name))

    def ask(self, start: str, probe: Ping | Trace) -> None:
        """Let `start` ask until the probe is finished."""
        for _ in range(10_000):
            if probe.deadline is None:
                return
            now = probe.deadline
            for request in probe.poll(now):
                for packet in self._follow(start, probe.scope, request, now):
                    outer, offset = ip.parse(packet)
                    ports, payload = udp.parse(packet, outer, offset)
                    assert ports.destination_port == PORT
                    probe.receive(payload, outer.source, now + RTT)
        raise AssertionError("the probe does not come to an end")

    def _follow(self, start: str, scope: Scope, request: Request, now: float) -> list[bytes]:
        replies: list[bytes] = []
        outputs = self.engines[start].impose(
            scope.sub_domain, scope.bsl, {request.si: request.bits}, Proto.OAM, request.payload,
            scope.bfir_id, scope.entropy, request.ttl,
        )  # fmt: skip
        waiting = [(start, output) for output in outputs]
        while waiting:
            at, output = waiting.pop(0)
            if isinstance(output, Forward):
                to = output.neighbor.router
                found = self.engines[to].receive(
                    output.packet, output.encapsulation, Arrived.CORE, now
                )
                waiting += [(to, more) for more in found]
            elif isinstance(output, Punt):
                answer = self.responders[at].receive(output, None, now)
                if isinstance(answer, IpReply) and at not in self.silent:
                    replies.append(answer.packet)
            else:
                assert not isinstance(output, Deliver)
        return replies
