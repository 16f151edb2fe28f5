"""The tree state of one router for one group, and what follows from it.

RFC 7761 sections 4.1 (state), 4.1.6 (olist macros), 4.5.4 to 4.5.6 (JoinDesired, PruneDesired).
Links are point-to-point, so there is one downstream neighbor an interface, nobody to override a
prune, and no Assert.  Law: macros read, they never change anything.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.pim.surroundings import Rpf
from toolkit.state.model import IpAddress

Expiry = dict[str, float]
"""Interface -> when the state of the neighbor there runs out."""


@dataclass(slots=True)
class SourceState:
    """(S,G), with (S,G,rpt)."""

    source: IpAddress
    rpf: Rpf
    joins: Expiry = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    """Interfaces with hosts that asked for this source: pim_include(S,G)."""
    pruned: Expiry = field(default_factory=dict)
    """prunes(S,G,rpt)."""
    spt: bool = False
    alive: bool = False
    """KeepaliveTimer(S,G) runs.  A delivery's source speaks throughout, so it never runs out."""
    registers: bool = False
    """We are its designated router and the group has an RP that is somebody else."""
    stopped_until: float = -1.0
    """After a Register-Stop: no Register before then."""

    @property
    def immediate(self) -> set[str]:
        """immediate_olist(S,G)."""
        return self.joins.keys() | self.members


@dataclass(slots=True)
class GroupState:
    """(*,G) and its sources."""

    group: IpAddress
    ssm: bool
    rp: IpAddress | None
    root: Rpf
    """The way to the RP."""
    joins: Expiry = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    """pim_include(*,G)."""
    sources: dict[IpAddress, SourceState] = field(default_factory=dict)

    @property
    def shared(self) -> set[str]:
        """immediate_olist(*,G)."""
        return self.joins.keys() | self.members

    def inherited_rpt(self, state: SourceState | None) -> set[str]:
        """inherited_olist(S,G,rpt)."""
        if state is None or not state.pruned:
            return self.shared
        return (self.joins.keys() - state.pruned.keys()) | self.members

    def inherited(self, state: SourceState) -> set[str]:
        """inherited_olist(S,G)."""
        return self.inherited_rpt(state) | state.immediate

    def join_desired(self, state: SourceState) -> bool:
        """JoinDesired(S,G)."""
        return bool(state.immediate) or (state.alive and bool(self.inherited(state)))

    def prune_desired(self, state: SourceState) -> bool:
        """PruneDesired(S,G,rpt)."""
        if not self.shared:
            return False
        apart = state.rpf.interface != self.root.interface
        return not self.inherited_rpt(state) or (state.spt and apart)
