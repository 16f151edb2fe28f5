"""A Program as a BIFT document: what `toolkit.bier.document.read_program` reads.

The format is described in docs/reference/bift.md.  Law: reading what was written gives the same
tables, flows and interfaces; what is as it is by default is left out.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from toolkit.bier.bift import Bift, BiftKey, Hop
from toolkit.bier.birt import Neighbor, Tunnel, TunnelKind
from toolkit.bier.bitstring import bfr_id_at, positions
from toolkit.bier.engine import IP, Arrived
from toolkit.bier.follow_model import Following, Peer
from toolkit.bier.oam_model import PORT, Addresses
from toolkit.bier.program import (
    Disposition,
    Flow,
    Imposition,
    Interface,
    Program,
    Termination,
)
from toolkit.bier.routes import Routes, Ways
from toolkit.bier.wire import Encapsulation

Object = dict[str, Any]


def document(program: Program) -> Object:
    """Return a JSON-ready object.

    Neighbors that have one router's name get names of their own, `<router> via <interface>`.
    """
    names = _names(program)
    return _given(
        name=program.name,
        bfr_ids={str(number): bfr_id for number, bfr_id in sorted(program.bfr_ids.items())},
        salt=program.salt,
        interfaces={name: _interface(i) for name, i in program.interfaces.items()},
        neighbors={name: _neighbor(neighbor) for neighbor, name in names.items()},
        bifts=[_bift(program, key, names) for key in sorted({*program.routes, *program.rows})],
        follow={} if program.following is None else _following(program.following),
        protos=[] if program.protos == IP else sorted(program.protos),
        ingress=[{**_flow(flow), **_imposition(how)} for flow, how in program.ingress.items()],
        sources=[
            {"prefix": str(prefix), "permitted": _permitted(permitted)}
            for prefix, permitted in program.sources.items()
        ],
        egress=[{**_flow(flow), **_disposition(how)} for flow, how in program.egress.items()],
        oam={} if program.oam is None else _oam(program.oam, program.bfr_ids),
        terminations=[_termination(end) for end in program.terminations],
    ) | ({} if program.bfirs is None else {"bfirs": [
        {"sub_domain": number, "bfr_id": bfr_id} for number, bfr_id in sorted(program.bfirs)
    ]})  # fmt: skip


def _names(program: Program) -> dict[Neighbor, str]:
    names: dict[Neighbor, str] = {}
    taken: set[str] = set()
    for neighbor in dict.fromkeys(_neighbors(program)):
        name = neighbor.router
        if name in taken:
            name = f"{neighbor.router} via {neighbor.interface}"
        number = 2
        while name in taken:
            name, number = f"{neighbor.router} via {neighbor.interface} ({number})", number + 1
        taken.add(name)
        names[neighbor] = name
    return names


def _neighbors(program: Program) -> Iterator[Neighbor]:
    followed = () if program.following is None else program.following.tables
    for key, routes in program.routes.items():
        if key not in followed:
            for ways in routes.ways.values():
                yield from (hop.neighbor for hop in ways.hops + ways.backup)
    for bift in program.rows.values():
        for entry in bift.entries.values():
            if entry.neighbor is not None:
                yield entry.neighbor
            yield from (way.hop.neighbor for way in entry.others)


def _interface(interface: Interface) -> Object:
    found = _given(
        bier="" if interface.arrived is Arrived.EDGE else str(interface.arrived),
        mac=_mac(interface.mac),
    )
    if interface.permitted is not None:
        found["permitted"] = _permitted(interface.permitted)
    return found


def _permitted(permitted: Mapping[BiftKey, int]) -> list[Object]:
    by_table: dict[tuple[int, int], dict[int, int]] = {}
    for key, bits in sorted(permitted.items()):
        by_table.setdefault((key.sub_domain, key.bsl), {})[key.si] = bits
    return [_addressed(*table, sets) for table, sets in by_table.items()]


def _neighbor(neighbor: Neighbor) -> Object:
    return {"interface": neighbor.interface} | _given(
        address="" if neighbor.address is None else str(neighbor.address),
        mac=_mac(neighbor.mac),
        tunnel={} if neighbor.tunnel is None else _tunnel(neighbor.tunnel),
    )


def _tunnel(tunnel: Tunnel) -> Object:
    return {"local": str(tunnel.local), "remote": str(tunnel.remote)} | _given(
        kind="" if tunnel.kind is TunnelKind.GRE else str(tunnel.kind),
        labels=list(tunnel.labels),
        vni=tunnel.vni,
    )


def _termination(end: Termination) -> Object:
    return {"kind": str(end.kind)} | _given(
        addresses=list(map(str, sorted(end.addresses, key=int))),
        sources=list(map(str, sorted(end.sources, key=int))),
        labels=sorted(end.labels),
        vni=end.vni,
    )


def _bift(program: Program, key: BiftKey, names: Mapping[Neighbor, str]) -> Object:
    found: Object = {"sub_domain": key.sub_domain, "bsl": key.bsl, "si": key.si}
    encapsulation = program.encapsulations.get((key.sub_domain, key.bsl), Encapsulation.MPLS)
    if encapsulation is not Encapsulation.MPLS:
        found["encapsulation"] = str(encapsulation)
    numbers = [b.number for b, selected in program.bift_ids.items() if selected == key]
    if numbers:
        found["bift_id"] = numbers[0]
    if program.following is not None and key in program.following.tables:
        return found | {"follow": True}
    if key in program.rows:
        return found | {"rows": list(_explicit_rows(program.rows[key], names))}
    return found | {"rows": list(_rows(program.routes[key], names))}


def _rows(routes: Routes, names: Mapping[Neighbor, str]) -> Iterator[Object]:
    """BFERs that are reached alike stand in one row."""
    alike: dict[Ways, list[int]] = {}
    for position, ways in sorted(routes.ways.items()):
        alike.setdefault(ways, []).append(position)
    for ways, of_ways in alike.items():
        yield {"bits": ranges(of_ways)} | _given(
            local=ways.local,
            via=[_hop(hop, names) for hop in ways.hops],
            backup=[_hop(hop, names) for hop in ways.backup],
        )


def _explicit_rows(bift: Bift, names: Mapping[Neighbor, str]) -> Iterator[Object]:
    for position, entry in sorted(bift.entries.items()):
        row: Object = {"bits": str(position)}
        if entry.local:
            row["local"] = True
        elif entry.neighbor is not None and entry.out_bift_id is not None:
            first = (entry.f_bm, Hop(entry.neighbor, entry.out_bift_id))
            row["via"] = [
                {**_hop(hop, names), "f_bm": ranges(positions(f_bm))}
                for f_bm, hop in (first, *entry.others)
            ]
        yield row


def _hop(hop: Hop, names: Mapping[Neighbor, str]) -> Object:
    return {"neighbor": names[hop.neighbor], "bift_id": hop.bift_id}


def _following(following: Following) -> Object:
    bfers = [
        _given(sub_domain=number) | {"bfr_id": bfr_id, "prefix": str(prefix)}
        for (number, bfr_id), prefix in following.bfers.items()
    ]
    peers: list[tuple[Peer, list[str]]] = []
    for address, peer in following.peers.items():
        known = next((addresses for other, addresses in peers if other == peer), None)
        if known is None:
            peers.append((peer, known := []))
        known.append(str(address))
    return {
        "bfers": bfers,
        "peers": [
            {"router": peer.router, "addresses": addresses} | _given(bift_ids=[
                {"sub_domain": number, "bsl": bsl, "base": base}
                for (number, bsl), base in peer.bases.items()
            ], tunnel={} if peer.tunnel is None else {
                name: value for name, value in _tunnel(peer.tunnel).items() if name != "remote"
            })
            for peer, addresses in peers
        ],
    }  # fmt: skip


def _oam(oam: Addresses, own_ids: Mapping[int, int]) -> Object:
    bfrs = [
        _given(sub_domain=number) | {"bfr_id": bfr_id, "prefix": str(prefix)}
        for (number, bfr_id), prefix in oam.bfers.items()
        if own_ids.get(number) != bfr_id or prefix != oam.own.get(number)
    ] + [
        _given(sub_domain=number) | {"router": router, "prefix": str(prefix)}
        for (number, router), prefix in oam.routers.items()
    ]
    own = [_given(sub_domain=n) | {"prefix": str(prefix)} for n, prefix in oam.own.items()]
    return {"own": own, "bfrs": bfrs} | _given(port=0 if oam.port == PORT else oam.port)


def _flow(flow: Flow) -> Object:
    return {"source": str(flow.source), "group": str(flow.group)}


def _imposition(how: Imposition) -> Object:
    found = _addressed(how.sub_domain, how.bsl, how.sets)
    ports = sorted(how.interfaces) if how.interfaces is not None else []
    return found | _given(
        ttl=0 if how.ttl == 64 else how.ttl, tc=how.tc, dscp=how.dscp, interfaces=ports
    )


def _disposition(how: Disposition) -> Object:
    found = _given(interfaces=list(how.interfaces), host=how.host)
    return found if how.bfirs is None else found | {"bfirs": ranges(sorted(how.bfirs))}


def _addressed(sub_domain: int, bsl: int, sets: Mapping[int, int]) -> Object:
    bfr_ids = [bfr_id_at(si, p, bsl) for si, bits in sorted(sets.items()) for p in positions(bits)]
    return {"sub_domain": sub_domain, "bsl": bsl, "bfr_ids": ranges(bfr_ids)}


def _given(**members: object) -> Object:
    """Leave out what says nothing."""
    return {name: value for name, value in members.items() if value}


def _mac(mac: bytes | None) -> str:
    return "" if mac is None else mac.hex(":")


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers, which rise, as `1-4,7`; nothing where there are none."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)
