"""BIER OAM in a router of a laboratory: it answers requests, and may be the one who asks.

draft-ietf-bier-ping-23.  Requests are BIER packets, replies IP packets on the wires, with the
delays and the loss of their links.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from toolkit.bier.oam_initiator import Probe
from toolkit.bier.oam_model import PORT
from toolkit.bier.oam_responder import BierReply, Identity, IpReply, Received, Responder
from toolkit.bier.oam_tlv import IpAddress
from toolkit.bier.punt import Punt
from toolkit.bier.wire import Proto
from toolkit.lab.wires import Emission

Impose = Callable[[int, int, dict[int, int], int, bytes, int, int, int, float], Iterable[Emission]]
"""(sub-domain, BSL, sets, Proto, payload, BFIR-id, entropy, TTL, now) -> frames."""


class OamPart:
    """Responder and probes of one router, between its frames."""

    def __init__(
        self,
        identity: Identity,
        impose: Impose,
        unicast: Callable[[IpAddress, bytes], Iterable[Emission]],
        addresses: Callable[[], Collection[IpAddress]],
    ) -> None:
        """`unicast`: sends an IP packet by the router's table; `addresses`: the router's own."""
        self.responder = Responder(identity)
        self.probes: tuple[Probe, ...] = ()
        self._impose, self._unicast, self._addresses = impose, unicast, addresses

    @property
    def deadline(self) -> float | None:
        due = [d for probe in self.probes if (d := probe.deadline) is not None]
        return min(due, default=None)

    @property
    def counters(self) -> dict[str, int]:
        return {f"oam-{name}": count for name, count in sorted(self.responder.counters.items())}

    def expire(self, now: float) -> list[Emission]:
        """Send the requests that are due."""
        emissions: list[Emission] = []
        for probe in self.probes:
            for request in probe.poll(now):
                scope = probe.scope
                emissions += self._impose(
                    scope.sub_domain, scope.bsl, {request.si: request.bits}, Proto.OAM,
                    request.payload, scope.bfir_id, scope.entropy, request.ttl, now,
                )  # fmt: skip
        return emissions

    def punted(self, punt: Punt, port: str | None, now: float) -> Iterable[Emission]:
        """Take what the engine handed over."""
        answer = self.responder.receive(punt, port, now)
        if isinstance(answer, Received):
            self.replied(answer.payload, None, now)
        elif isinstance(answer, BierReply):
            return self._impose(
                answer.sub_domain, answer.bsl, dict(answer.sets), Proto.OAM, answer.payload,
                answer.bfir_id, punt.entropy, 255, now,
            )  # fmt: skip
        elif isinstance(answer, IpReply):
            if answer.destination in self._addresses():
                self.replied(answer.packet[_UDP_PAYLOAD[answer.destination.version] :],
                             answer.destination, now)  # fmt: skip
            else:
                return self._unicast(answer.destination, answer.packet)
        return ()

    def wants(self, port: int) -> bool:
        """Say whether a UDP datagram to this port is for us."""
        return port == PORT and bool(self.probes)

    def replied(self, payload: bytes, source: IpAddress | None, now: float) -> None:
        """Give an echo reply to the probe whose handle it has."""
        handle = int.from_bytes(payload[12:16], "big")
        for probe in self.probes:
            if probe.scope.handle == handle:
                probe.receive(payload, source, now)


_UDP_PAYLOAD = {4: 28, 6: 48}
"""IP version -> offset of what a datagram carries."""
