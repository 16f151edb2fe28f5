"""A router's plane as a Program: what runs it on real interfaces (`llmsync bier forward`).

RFC 8279 section 4.  Law: the program forwards, imposes and disposes as the plane does, with the
names of interfaces that its host has.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from toolkit.bier.bift import Bift, Hop
from toolkit.bier.birt import TunnelKind
from toolkit.bier.engine import Arrived
from toolkit.bier.program import (
    Disposition,
    Flow,
    Imposition,
    Interface,
    Program,
    Termination,
)
from toolkit.bier.routes import Routes, Ways
from toolkit.planes.plane import Plane


def program_of(plane: Plane, devices: Mapping[str, str] | None = None) -> Program:
    """Return the program of a BFR.  `devices`: interface of the plan -> name on its host."""
    names = devices or {}

    def named(port: str) -> str:
        return names.get(port, port)

    flows = plane.egress_flows.values()
    ports = {port: Interface() for port in plane.edge_interfaces}
    ports |= {port: Interface() for flow in flows for port in flow.interfaces}
    ports |= {
        port: Interface(Arrived.HOST_EDGE, permitted=plane.permitted(port))
        for port in plane.accept_host_bier
    }
    ports |= {port: Interface(Arrived.CORE) for port in plane.core_bier}
    return Program(
        name=plane.router,
        bfr_ids=plane.bfr_ids,
        interfaces={named(port): interface for port, interface in sorted(ports.items())},
        routes={key: _routes(bift, names) for key, bift in plane.bifts.items()},
        bift_ids=plane.bift_ids,
        encapsulations=plane.encapsulations,
        ingress={
            Flow(*flow): Imposition(sub_domain=f.sub_domain_id, bsl=f.bsl, sets=f.sets)
            for flow, f in plane.ingress_flows.items()
        },
        egress={
            Flow(*flow): Disposition(interfaces=tuple(map(named, f.interfaces)))
            for flow, f in plane.egress_flows.items()
        },
        terminations=_terminations(plane),
    )


def _routes(bift: Bift, names: Mapping[str, str]) -> Routes:
    ways: dict[int, Ways] = {}
    for position, entry in bift.entries.items():
        hops: tuple[Hop, ...] = ()
        if entry.neighbor is not None and entry.out_bift_id is not None:
            port = entry.neighbor.interface
            neighbor = replace(entry.neighbor, interface=names.get(port, port))
            hops = (Hop(neighbor, entry.out_bift_id),)
        ways[position] = Ways(hops, local=entry.local)
    return Routes(bift.bsl, ways)


def _terminations(plane: Plane) -> tuple[Termination, ...]:
    """Every other BFR of the domain may send us BIER in GRE (RFC 8279 section 6.9)."""
    ours = plane.addresses & plane.tunnel_sources
    theirs = plane.tunnel_sources - plane.addresses
    if not ours or not theirs:
        return ()
    return tuple(
        Termination(kind=TunnelKind.GRE, addresses=mine, sources=others)
        for version in (4, 6)
        if (mine := frozenset(a for a in ours if a.version == version))
        and (others := frozenset(a for a in theirs if a.version == version))
    )
