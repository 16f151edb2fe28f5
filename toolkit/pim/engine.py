"""The multicast engine of a router: packets in, packets out.  RFC 7761, RFC 3376, RFC 3810.

Data is forwarded by the tree state (`toolkit.pim.router`): RPF check, SPT bit, TTL and thresholds,
never back where it came from; as designated router it goes to the RP in Register messages, as RP it
is taken out of them.  Join/Prune, IGMP and MLD messages change the state.  PIM neighbors are those
of the configuration, so no Hello is sent.  Law: the engine never raises on what a peer sent; each
packet that goes no further is counted with its reason.  Pure: the caller has the clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.errors import WireError
from toolkit.inet import ip
from toolkit.pim import igmp, wire
from toolkit.pim.mfib import Key, Mfib
from toolkit.pim.querier import Change, Querier
from toolkit.pim.router import PERIOD, Decision, PimRouter, Send
from toolkit.pim.surroundings import Surroundings
from toolkit.state.model import IpAddress


@dataclass(frozen=True, slots=True)
class Out:
    """An IP multicast packet that leaves by an interface."""

    port: str
    packet: bytes


@dataclass(frozen=True, slots=True)
class Unicast:
    """An IP packet that leaves by the unicast table."""

    destination: IpAddress
    packet: bytes


Output = Out | Unicast


@dataclass(slots=True)
class Use:
    """What an entry has seen."""

    packets: int = 0
    octets: int = 0
    rpf_failures: int = 0


@dataclass(frozen=True, slots=True)
class MulticastUse:
    """What an engine has come to."""

    mfib: Mfib
    uses: Mapping[Key, Use]
    members: Mapping[str, tuple[Key, ...]]
    """Interface -> (source or None, group) that its hosts have joined."""
    counters: Mapping[str, int]


class MulticastEngine:
    """One router's."""

    def __init__(self, around: Surroundings) -> None:
        self.counts: Counter[str] = Counter()
        """`received`, `forwarded`, `registered`, `decapsulated`, `joins-sent`,
        `register-stops-sent`."""
        self.drops: Counter[str] = Counter()
        self.uses: dict[Key, Use] = {}
        self._load(around)

    def _load(self, around: Surroundings) -> None:
        self._around = around
        self.router = PimRouter(around)
        self._queriers = {
            port.name: Querier(port.address, port.membership)
            for port in around.ports.values()
            if port.membership is not None and port.address is not None
        }
        self._started = False
        self._asked: list[tuple[str, IpAddress, IpAddress]] = []
        """What the router joins by itself, and has not yet."""
        self._refresh: float | None = None
        self._decided: dict[tuple[str, IpAddress, IpAddress], tuple[int, Decision]] = {}
        self._templates: dict[tuple[IpAddress, IpAddress], ip.Template] = {}

    @property
    def counters(self) -> dict[str, int]:
        """Those of packets, and `dropped-<reason>`."""
        dropped = self.drops + Counter(self.router.refused)
        return {**self.counts, **{f"dropped-{r}": n for r, n in sorted(dropped.items())}}

    @property
    def members(self) -> Mapping[str, tuple[Key, ...]]:
        """Interface -> (source or None, group) that its hosts have joined."""
        return {
            port: tuple((source, group) for group, source in querier.members)
            for port, querier in self._queriers.items()
        }

    @property
    def deadline(self) -> float | None:
        """When `expire` wants to be called."""
        if self._asked or (self._queriers and not self._started):
            return 0.0
        times = [q.deadline for q in self._queriers.values()]
        return min((t for t in (*times, self._refresh) if t is not None), default=None)

    def join(self, port: str, group: IpAddress, source: IpAddress) -> None:
        """Join (S,G) for the router itself, at the first `expire`."""
        self._asked.append((port, group, source))

    def mfib(self) -> Mfib:
        return self.router.mfib()

    def use(self) -> MulticastUse:
        return MulticastUse(self.mfib(), self.uses, self.members, self.counters)

    def expire(self, now: float) -> list[Output]:
        """Query, repeat joins, and forget who has not repeated his."""
        outputs: list[Output] = []
        for port, querier in self._queriers.items():
            if not self._started:
                outputs.append(Out(port, querier.start(now)))
            packets, changes = querier.expire(now)
            outputs += (Out(port, packet) for packet in packets)
            outputs += self._changed(port, changes, now)
        self._started = True
        asked, self._asked = self._asked, []
        for port, group, source in asked:
            outputs += self._sends(self.router.membership(port, group, source, joined=True), now)
        if self._refresh is not None and self._refresh <= now:
            outputs += self._sends(self.router.expire(now), now)
            repeated = self.router.refresh()
            self._refresh = None
            outputs += self._sends(repeated, now)
            if self._refresh is None and self.router.waits:
                self._refresh = now + PERIOD
        return outputs

    def receive(self, port: str, packet: bytes, now: float) -> list[Output]:
        """Take a multicast IP packet that came in by `port`."""
        try:
            outer, offset = ip.parse(packet)
        except WireError:
            return self._drop("malformed")
        group = outer.destination
        if outer.protocol == wire.PROTOCOL:
            return self._control(port, outer, packet[offset : outer.end], now)
        if _is_link_local(group) or outer.protocol in (igmp.IGMP, igmp.HOP_BY_HOP):
            return self._report(port, packet, now)
        self.counts["received"] += 1
        found = self._decided.get((port, outer.source, group))
        if found is not None and found[0] == self.router.version:
            decision = found[1]
        else:
            decision = self.router.packet(port, outer.source, group, now)
            if decision.final:
                self._decided[port, outer.source, group] = self.router.version, decision
        return self._forward(decision, outer.source, group, packet[: outer.end], now)

    def _forward(
        self, decision: Decision, source: IpAddress, group: IpAddress, packet: bytes, now: float
    ) -> list[Output]:
        outputs = self._sends(decision.sends, now)
        use = self._use(source, group)
        if decision.drop:
            use.rpf_failures += decision.drop == "rpf"
            return [*outputs, *self._drop(decision.drop)]
        forwarded = ip.forwarded(packet)
        if forwarded is None:
            return [*outputs, *self._drop("ttl")]
        use.packets += 1
        use.octets += len(packet)
        ttl = forwarded[8] if source.version == 4 else forwarded[7]
        for oif in decision.oifs:
            if ttl < self._around.ports[oif].ttl_threshold:
                self.drops["ttl-threshold"] += 1
                continue
            self.counts["forwarded"] += 1
            outputs.append(Out(oif, forwarded))
        if decision.register is not None:
            self.counts["registered"] += 1
            outputs += self._unicast(decision.register, wire.Register(False, forwarded), source)
        return outputs

    def _use(self, source: IpAddress, group: IpAddress) -> Use:
        key: Key = (source, group)
        state = self.router.groups.get(group)
        if state is None or source not in state.sources:
            key = None, group
        if key not in self.uses:
            self.uses[key] = Use()
        return self.uses[key]

    # ----- control

    def _control(self, port: str, outer: ip.Header, payload: bytes, now: float) -> list[Output]:
        try:
            message = wire.parse(payload, outer.source, outer.destination)
        except WireError:
            return self._drop("pim-malformed")
        own = self._around.ports.get(port)
        if not isinstance(message, wire.JoinPrune) or own is None or not own.pim:
            return self._drop("pim-unexpected")
        if message.upstream != own.address:
            return []  # for another router of the link
        self._wait(now)
        return self._sends(self.router.receive(port, message, now), now)

    def unicast(self, outer: ip.Header, payload: bytes, now: float) -> list[Output]:
        """Take a PIM message that was sent to one of our own addresses."""
        try:
            message = wire.parse(payload, outer.source, outer.destination)
        except WireError:
            return self._drop("pim-malformed")
        if isinstance(message, wire.RegisterStop):
            self.router.register_stop(message.source, message.group, now)
            return []
        if not isinstance(message, wire.Register) or message.null:
            return self._drop("pim-unexpected")
        try:
            inner, _ = ip.parse(message.packet)
        except WireError:
            return self._drop("register-malformed")
        source, group = inner.source, inner.destination
        if not group.is_multicast:
            return self._drop("register-malformed")
        decision = self.router.register(source, group, outer.destination)
        outputs: list[Output] = []
        if decision.stop:
            self.counts["register-stops-sent"] += 1
            stop = wire.RegisterStop(group, source)
            outputs += self._unicast(outer.source, stop, outer.destination)
        self.counts["decapsulated"] += not decision.drop
        return outputs + self._forward(decision, source, group, message.packet, now)

    def _report(self, port: str, packet: bytes, now: float) -> list[Output]:
        querier = self._queriers.get(port)
        if querier is None:
            return self._drop("no-membership")
        try:
            message = igmp.parse(packet)
        except WireError:
            return self._drop("membership-malformed")
        changes = querier.receive(message, now)
        if changes is None:
            return self._drop("membership-version")
        return self._changed(port, changes, now)

    def _changed(self, port: str, changes: Iterable[Change], now: float) -> list[Output]:
        outputs: list[Output] = []
        for change in changes:
            sends = self.router.membership(port, change.group, change.source, joined=change.joined)
            outputs += self._sends(sends, now)
        return outputs

    def _sends(self, sends: Iterable[Send], now: float) -> list[Output]:
        outputs: list[Output] = []
        for send in sends:
            own = self._around.ports[send.port].address
            if own is None:
                continue
            self._wait(now)
            self.counts["joins-sent"] += 1
            to = wire.ROUTERS[own.version]
            outputs.append(Out(send.port, self._packet(own, to, send.message, ttl=1)))
        return outputs

    def _wait(self, now: float) -> None:
        if self._refresh is None:
            self._refresh = now + PERIOD

    def _unicast(
        self, to: IpAddress, message: wire.Register | wire.RegisterStop, source: IpAddress
    ) -> list[Output]:
        """A Register comes from our loopback; a Register-Stop from the address that it went to."""
        own = self._around.own if isinstance(message, wire.Register) else source
        if own is None:
            return self._drop("no-address")
        return [Unicast(to, self._packet(own, to, message, ttl=ip.DEFAULT_TTL))]

    def _packet(self, source: IpAddress, to: IpAddress, message: wire.Message, ttl: int) -> bytes:
        template = self._templates.get((source, to))
        if template is None:
            template = ip.Template(source, to, wire.PROTOCOL, ttl=ttl)
            self._templates[source, to] = template
        return template.packet(wire.encode(message, source, to))

    def _drop(self, reason: str) -> list[Output]:
        self.drops[reason] += 1
        return []


def _is_link_local(group: IpAddress) -> bool:
    """Never forwarded (RFC 5771 section 4, RFC 4291 section 2.7)."""
    return group.packed[:3] == b"\xe0\0\0" if group.version == 4 else group.packed[1] & 0xF == 2
