"""PIM-SM in one router: joins and prunes in, data packets seen, joins and prunes out.

RFC 7761 sections 4.2 (data), 4.4 (Register), 4.5 (Join/Prune), 4.8 (source-specific groups); static
RPs.  Law: every entry point returns the messages that follow from it, whole states for the
neighbors concerned; with nothing changed there are none.  A last-hop router leaves the shared tree
by its `spt_switchover`; an RP joins every source that is registered with it.  Pure: no bytes, no
clock; `toolkit.pim.engine` has the packets, `toolkit.pim.domain` joins routers without packets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.pim.mfib import Entry, Key, Mfib
from toolkit.pim.state import GroupState, SourceState
from toolkit.pim.surroundings import Rpf, Surroundings
from toolkit.pim.wire import GroupSet, JoinPrune, Selection
from toolkit.state.model import IpAddress

HOLD: float = 3.5
"""A neighbor's state lives for 3.5 periods (RFC 7761 section 4.11)."""
PERIOD: float = 5.0
"""Seconds between Join/Prune messages; RFC 7761 section 4.11 says 60, for networks that live longer
than a delivery."""
SUPPRESSION: float = 60.0
"""Seconds without Registers after a Register-Stop (Register_Suppression_Time)."""
NOTHING = Rpf()


@dataclass(frozen=True, slots=True)
class Send:
    """A Join/Prune for the PIM neighbor on this interface."""

    port: str
    message: JoinPrune


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a data packet."""

    oifs: tuple[str, ...] = ()
    register: IpAddress | None = None
    """The RP that gets it in a Register message."""
    drop: str = ""
    stop: bool = False
    """Of a Register: its sender is told to stop."""
    sends: tuple[Send, ...] = ()
    final: bool = True
    """The next packet alike is treated alike, until state changes."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What the upstream neighbor on an interface was last told of a group."""

    joins: frozenset[Selection] = frozenset()
    prunes: frozenset[Selection] = frozenset()


_SILENT = _Sent()


class PimRouter:
    """The tree state of one router."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.groups: dict[IpAddress, GroupState] = {}
        self.refused: dict[str, int] = {}
        """Joins that were not taken, by reason."""
        self.version = 0
        """Changes whenever state does."""
        self._sent: dict[tuple[IpAddress, str], _Sent] = {}

    # ----- what is asked for

    def membership(
        self, port: str, group: IpAddress, source: IpAddress | None, *, joined: bool
    ) -> list[Send]:
        """Take what the hosts on an interface have joined or left (RFC 7761 section 4.1.6)."""
        found = self.around.ports.get(port)
        if found is None or not found.pim:
            return self._refuse("no-pim")
        state = self._group(group)
        if source is None and state.ssm:
            return self._refuse("ssm-membership")  # RFC 4604 section 2.2.1
        members = state.members if source is None else self._source(state, source).members
        if joined == (port in members):
            return []
        (members.add if joined else members.discard)(port)
        self.version += 1
        return self._settle(state)

    def receive(self, port: str, message: JoinPrune, now: float = 0.0) -> list[Send]:
        """Take a Join/Prune that is meant for us, from the neighbor on `port`."""
        found = self.around.ports.get(port)
        if found is None or not found.neighbor:
            return self._refuse("no-neighbor")
        sends: list[Send] = []
        until = now + message.holdtime
        for entry in message.groups:
            state = self._group(entry.group)
            self._take(state, port, entry, until)
            sends += self._settle(state)
        return sends

    def _take(self, state: GroupState, port: str, entry: GroupSet, until: float) -> None:
        before = _shape(state)
        for selection in entry.joins:
            if selection.wildcard:
                if state.ssm:
                    self._refuse("ssm-join")  # RFC 7761 section 4.8.1
                elif selection.address != state.rp:
                    self._refuse("wrong-rp")  # RFC 7761 section 4.5.1
                else:
                    state.joins[port] = until
                    for source in state.sources.values():
                        source.pruned.pop(port, None)
            elif not selection.rpt:
                self._source(state, selection.address).joins[port] = until
            elif selection.address in state.sources:
                state.sources[selection.address].pruned.pop(port, None)
        for selection in entry.prunes:
            if selection.wildcard:
                state.joins.pop(port, None)
            elif selection.rpt:
                if state.ssm:
                    self._refuse("ssm-join")
                elif port in state.joins:
                    self._source(state, selection.address).pruned[port] = until
            elif selection.address in state.sources:
                state.sources[selection.address].joins.pop(port, None)
        if _shape(state) != before:
            self.version += 1

    # ----- data

    def packet(self, iif: str, source: IpAddress, group: IpAddress, now: float = 0.0) -> Decision:
        """Say where a data packet goes that came in by `iif` (RFC 7761 section 4.2)."""
        port = self.around.ports.get(iif)
        if port is None or not port.pim:
            return Decision(drop="no-pim")
        rpf = self.around.rpf(source)
        first = rpf.connected and rpf.interface == iif
        state = self.groups.get(group)
        before = self.version
        if first and not self.around.is_ssm(group):  # we are its designated router
            state = self._group(group)
            known = self._source(state, source)
            known.registers = state.rp is not None and state.rp not in self.around.addresses
            self._set(known, alive=True)
        if state is None:
            return Decision(drop="no-entry" if iif == rpf.interface else "rpf")
        oifs, drop = self._oifs(state, source, iif, rpf)
        sends = self._settle(state) if self.version != before else []
        oifs = oifs - {iif}
        register = None
        known_now = state.sources.get(source)
        if first and known_now is not None and known_now.registers:
            register = state.rp if now >= known_now.stopped_until else None
        if not oifs and not drop:
            drop = "no-oif"
        return Decision(
            oifs=tuple(sorted(oifs)),
            register=register,
            drop="" if oifs or register is not None else drop,
            sends=tuple(sends),
            final=self.version == before and (known_now is None or not known_now.registers),
        )

    def _oifs(
        self, state: GroupState, source: IpAddress, iif: str, rpf: Rpf
    ) -> tuple[set[str], str]:
        known = state.sources.get(source)
        if known is not None and iif == rpf.interface and state.join_desired(known):
            # Update_SPTbit: on point-to-point links its other conditions hold by themselves.
            self._set(known, spt=True, alive=not state.ssm and bool(state.inherited(known)))
        spt = known is not None and known.spt
        if known is not None and spt and iif == rpf.interface:
            return state.inherited(known), ""
        if not spt and state.shared and iif == state.root.interface:
            oifs = state.inherited_rpt(known)
            asked = state.members or (known is not None and known.members)
            if asked and self.around.routing.spt_switchover:  # CheckSwitchToSpt
                self._set(self._source(state, source), alive=True)
            return oifs, ""
        if iif == rpf.interface:
            return set(), "no-entry" if known is None else "no-oif"
        return set(), "rpf"

    def register(self, source: IpAddress, group: IpAddress, outer: IpAddress) -> Decision:
        """Take a Register whose outer destination is `outer` (RFC 7761 section 4.4.2)."""
        rp = self.around.rp(group)
        if rp is None or rp != outer or rp not in self.around.addresses:
            drop = "ssm-register" if self.around.is_ssm(group) else "not-rp"
            return Decision(drop=drop, stop=True)
        before = self.version
        state = self._group(group)
        known = self._source(state, source)
        stop = known.spt or not state.inherited(known)
        self._set(known, alive=True)
        oifs = () if known.spt else tuple(sorted(state.inherited_rpt(known)))
        sends = self._settle(state) if self.version != before else []
        drop = "" if oifs else "register-on-spt" if known.spt else "no-oif"
        return Decision(oifs=oifs, drop=drop, stop=stop, sends=tuple(sends), final=False)

    def register_stop(self, source: IpAddress, group: IpAddress, now: float = 0.0) -> None:
        """Stop sending Registers for a while (RFC 7761 section 4.4.1)."""
        known = self.groups[group].sources.get(source) if group in self.groups else None
        if known is not None and known.registers:
            known.stopped_until = now + SUPPRESSION
            self.version += 1

    # ----- time

    def refresh(self) -> list[Send]:
        """Return all joins and prunes again, one message for each upstream neighbor and group."""
        return [self._message(group, port, told) for (group, port), told in self._sent.items()]

    def expire(self, now: float) -> list[Send]:
        """Forget neighbors that have not repeated what they asked for."""
        sends: list[Send] = []
        for state in self.groups.values():
            kept = [state.joins, *(d for s in state.sources.values() for d in (s.joins, s.pruned))]
            late = [(table, port) for table in kept for port, end in table.items() if end <= now]
            for table, port in late:
                del table[port]
            if late:
                self.version += 1
                sends += self._settle(state)
        return sends

    @property
    def waits(self) -> bool:
        """Say whether there is anything to repeat, or to run out."""
        return bool(self._sent) or any(
            state.joins or any(s.joins or s.pruned for s in state.sources.values())
            for state in self.groups.values()
        )

    def move(self, around: Surroundings) -> list[Send]:
        """Take new interfaces, neighbors and routes; what a lost neighbor had joined is gone."""
        self.around = around
        self.version += 1
        sends: list[Send] = []
        heard = {port.name for port in around.ports.values() if port.neighbor}
        asked = {port.name for port in around.ports.values() if port.pim}
        self._sent = {key: told for key, told in self._sent.items() if key[1] in heard}
        for state in self.groups.values():
            state.ssm, state.rp = around.is_ssm(state.group), around.rp(state.group)
            state.root = NOTHING if state.rp is None else around.rpf(state.rp)
            state.joins = {p: end for p, end in state.joins.items() if p in heard}
            state.members &= asked
            for known in state.sources.values():
                rpf = around.rpf(known.source)
                known.spt = known.spt and rpf == known.rpf
                known.rpf = rpf
                known.joins = {p: end for p, end in known.joins.items() if p in heard}
                known.pruned = {p: end for p, end in known.pruned.items() if p in heard}
                known.members &= asked
            sends += self._settle(state)
        return sends

    # ----- state

    def _group(self, group: IpAddress) -> GroupState:
        if group not in self.groups:
            rp = self.around.rp(group)
            root = NOTHING if rp is None else self.around.rpf(rp)
            self.groups[group] = GroupState(group, self.around.is_ssm(group), rp, root)
        return self.groups[group]

    def _source(self, state: GroupState, source: IpAddress) -> SourceState:
        if source not in state.sources:
            state.sources[source] = SourceState(source, self.around.rpf(source))
        return state.sources[source]

    def _set(self, known: SourceState, *, spt: bool = False, alive: bool = False) -> None:
        if (spt and not known.spt) or (alive and not known.alive):
            known.spt, known.alive = known.spt or spt, known.alive or alive
            self.version += 1

    def _refuse(self, reason: str) -> list[Send]:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        return []

    def _settle(self, state: GroupState) -> list[Send]:
        """Return what the upstream neighbors have to hear now (RFC 7761 section 4.5)."""
        for known in state.sources.values():
            if known.spt and not state.join_desired(known):
                known.spt = False  # the upstream state leaves Joined (section 4.5.5)
                self.version += 1
        wanted = self._wanted(state)
        sends: list[Send] = []
        for port in sorted(wanted.keys() | {p for g, p in self._sent if g == state.group}):
            told, now = self._sent.get((state.group, port), _SILENT), wanted.get(port, _SILENT)
            if now == told:
                continue
            gone = told.joins - now.joins
            sends.append(self._message(state.group, port, _Sent(now.joins, now.prunes | gone)))
            if now == _SILENT:
                del self._sent[state.group, port]
            else:
                self._sent[state.group, port] = now
        return sends

    def _wanted(self, state: GroupState) -> dict[str, _Sent]:
        joins: dict[str, set[Selection]] = {}
        prunes: dict[str, set[Selection]] = {}
        shared = self.around.upstream(state.root)
        if state.shared and shared is not None and state.rp is not None and not state.root.ours:
            joins.setdefault(shared.name, set()).add(Selection(state.rp, wildcard=True, rpt=True))
            prunes[shared.name] = {
                Selection(known.source, rpt=True)
                for known in state.sources.values()
                if state.prune_desired(known)
            }
        for known in state.sources.values():
            port = self.around.upstream(known.rpf)
            if port is not None and state.join_desired(known):
                joins.setdefault(port.name, set()).add(Selection(known.source))
        return {
            port: _Sent(frozenset(found), frozenset(prunes.get(port, ())))
            for port, found in joins.items()
        }

    def _message(self, group: IpAddress, port: str, told: _Sent) -> Send:
        upstream = self.around.ports[port].neighbor_address
        if upstream is None:
            raise ValueError(f"the neighbor on {port} has no address")
        entry = GroupSet(group, _sorted(told.joins), _sorted(told.prunes))
        return Send(port, JoinPrune(upstream, int(HOLD * PERIOD), (entry,)))

    def mfib(self) -> Mfib:
        """Return the table as it is now."""
        entries: dict[Key, Entry] = {}
        for state in self.groups.values():
            if state.shared:
                entries[None, state.group] = Entry(
                    source=None, group=state.group, rp=state.rp, iif=state.root.interface,
                    rpf_neighbor=state.root.router,
                    oifs=tuple(sorted(state.shared - {state.root.interface})),
                )  # fmt: skip
            for known in state.sources.values():
                if not (known.immediate or known.pruned or known.alive):
                    continue
                oifs = state.inherited(known) if known.spt else state.inherited_rpt(known)
                if state.ssm or not state.shared:
                    oifs = state.inherited(known)
                entries[known.source, state.group] = Entry(
                    source=known.source, group=state.group, rp=state.rp, iif=known.rpf.interface,
                    rpf_neighbor=known.rpf.router, spt=known.spt,
                    oifs=tuple(sorted(oifs - {known.rpf.interface})),
                    rpt_pruned=state.prune_desired(known),
                    register=known.registers and known.stopped_until < 0,
                )  # fmt: skip
        return Mfib(entries)


def _sorted(selections: Iterable[Selection]) -> tuple[Selection, ...]:
    return tuple(sorted(selections, key=lambda s: (not s.wildcard, s.rpt, int(s.address))))


def _shape(state: GroupState) -> object:
    """Who has joined and pruned what, without the times."""
    return (
        frozenset(state.joins),
        frozenset((s, *map(frozenset, (k.joins, k.pruned))) for s, k in state.sources.items()),
    )
