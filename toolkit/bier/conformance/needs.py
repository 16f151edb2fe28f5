"""What a vector needs of a plane: read off its programs.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.bier.birt import Neighbor, TunnelKind
from toolkit.bier.conformance.plane import Need
from toolkit.bier.engine import Arrived
from toolkit.bier.program import Program

MANY_COPIES = 64
MANY_NEIGHBORS = 256
TUNNELS = {
    TunnelKind.GRE: Need.TUNNEL_GRE,
    TunnelKind.VXLAN: Need.TUNNEL_VXLAN,
    TunnelKind.SR_MPLS: Need.TUNNEL_SR_MPLS,
}


def needs_of(programs: Iterable[Program], copies: int) -> frozenset[Need]:
    """Return what a plane must do to run these programs; `copies`: the most of one packet."""
    needs: set[Need] = set()
    loads = 0
    for program in programs:
        loads += 1
        needs |= _of_tables(program) | _of_edge(program)
    if loads > 1:
        needs.add(Need.RELOAD)
    if copies > MANY_COPIES:
        needs.add(Need.FANOUT_64)
    return frozenset(needs)


def _of_tables(program: Program) -> set[Need]:
    needs: set[Need] = set()
    neighbors: set[Neighbor] = set()
    for key in program.routes.keys() | program.rows.keys():
        needs.add(Need(f"bsl-{key.bsl}"))
        encapsulation = program.encapsulations.get((key.sub_domain, key.bsl), "mpls")
        needs.add(Need(str(encapsulation)))
    for routes in program.routes.values():
        if len(routes.tables) > 1:
            needs.add(Need.ECMP)
        if len(set().union(*(table.hops for table in routes.tables))) > MANY_NEIGHBORS:
            needs.add(Need.NEIGHBORS_256)
        for ways in routes.ways.values():
            neighbors |= {hop.neighbor for hop in ways.hops + ways.backup}
            if ways.local:
                needs.add(Need.LOCAL)
    for bift in program.rows.values():
        needs.add(Need.ROWS)
        if bift.chooses:
            needs.add(Need.ECMP_ROWS)
        for entry in bift.entries.values():
            neighbors |= {way.hop.neighbor for way in entry.others}
            if entry.neighbor is not None:
                neighbors.add(entry.neighbor)
            if entry.local:
                needs.add(Need.LOCAL)
    needs |= {TUNNELS[n.tunnel.kind] for n in neighbors if n.tunnel is not None}
    return needs


def _of_edge(program: Program) -> set[Need]:
    needs: set[Need] = set()
    for interface in program.interfaces.values():
        if interface.arrived is Arrived.HOST_EDGE:
            needs.add(Need.HOST_EDGE)
        if interface.permitted is not None:
            needs.add(Need.PERMITTED)
    if program.bfirs is not None:
        needs.add(Need.CONTEXT)
    if program.ingress:
        needs.add(Need.IMPOSITION)
    if program.sources:
        needs.add(Need.PERMITTED_SOURCE)
    if program.egress:
        needs.add(Need.DISPOSITION)
    if any(disposition.host for disposition in program.egress.values()):
        needs.add(Need.TO_HOST)
    if program.terminations:
        needs.add(Need.TERMINATION)
    return needs
