"""A GML graph as a network: the Internet Topology Zoo's words for nodes and edges.

Knight et al., "The Internet Topology Zoo" (2011).  `Latitude`, `Longitude` and `Country` of
nodes; `LinkSpeedRaw`, `LinkSpeed`, `LinkLabel` of edges; `Internal 0` is a neighbor's network,
`hyperedge 1` a place where more than two lines meet.  Files of other programs have fewer of these
and work too.

Pure.  Law: nothing is dropped, renamed or guessed without a note that names it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from toolkit.inventory.importers.draft import CAPACITY, DELAY, Draft, DraftLink, DraftRouter, Note
from toolkit.inventory.importers.geography import (
    DETOUR,
    Position,
    delay_of,
    distance,
    metric_of,
    middle,
    stepped,
)
from toolkit.inventory.importers.gml import decode_gml, parse_gml
from toolkit.inventory.importers.gmlgraph import GmlEdge, GmlGraph, GmlNode, read_graph
from toolkit.inventory.importers.linkspeed import capacity_of
from toolkit.inventory.importers.names import fold, printable, unique_names

_NO_LABEL = frozenset({"", "none", "null", "?"})
"""What the Zoo's tools write where a node has no name."""


def read_zoo(data: bytes, file: str, *, capacity: int = CAPACITY, detour: float = DETOUR) -> Draft:
    """Return the network of a GML file; InventoryError with all that is wrong with it.

    `capacity` is that of links whose file says nothing of it, in bit/s; `detour` the length of a
    cable by the length of the great circle.
    """
    graph = read_graph(parse_gml(decode_gml(data, file), file), file)
    routers, notes = _routers(graph)
    places = _places(graph, routers)
    edges, left_out = _edges(graph, routers)
    links, about_links = _links(edges, routers, places, capacity, detour)
    notes += _about_places(graph, routers, places)
    stem = file.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]
    name = fold(stem, 32) or fold(graph.text("label"), 32) or "network"
    return Draft(
        name="network" if name == "all" else name,
        file=file,
        about=_about(graph, detour),
        routers=tuple(routers.values()),
        links=links,
        notes=tuple(notes + left_out + about_links),
    )


def _about(graph: GmlGraph, detour: float) -> tuple[str, ...]:
    words = [graph.text(key) for key in ("Network", "GeoLocation", "NetworkDate", "Layer")]
    known = printable(", ".join(word for word in words if word), 120)
    return (
        *((f"The network: {known}.",) if known else ()),
        f"Delays: great-circle distance x {detour:g} at 200,000 km/s, at least 0.1 ms; "
        "a link's metric is its delay in steps of 10 us.",
    )


def _routers(graph: GmlGraph) -> tuple[dict[int, DraftRouter], list[Note]]:
    """Return node id -> router."""
    junctions = {node.id for node in graph.nodes if node.text("hyperedge") == "1"}
    labels = [_label(node) for node in graph.nodes]
    spares = [f"{'junction' if n.id in junctions else 'node'}-{abs(n.id)}" for n in graph.nodes]
    names = unique_names(labels, spares)
    regions: dict[str, str] = {}
    routers: dict[int, DraftRouter] = {}
    for node, label, name in zip(graph.nodes, labels, names, strict=True):
        region = printable(node.text("Country") or node.text("GeoLocation"))
        outside = node.text("Internal") == "0"
        remarks = [
            *((label,) if fold(label) != label.casefold() or name != fold(label) else ()),
            *(("another network",) if outside else ()),
            *(("lines meet here",) if node.id in junctions else ()),
        ]
        routers[node.id] = DraftRouter(
            name=name,
            label=label or name,
            region=regions.setdefault(region.casefold(), region),
            site=node.id not in junctions,
            remark=", ".join(remark for remark in remarks if remark),
        )
    bearers = Counter(label.casefold() for label in labels if label)
    doubles = [r for r in routers.values() if bearers[r.label.casefold()] > 1]
    unnamed = [
        routers[node.id].name
        for node, label in zip(graph.nodes, labels, strict=True)
        if not label and node.id not in junctions
    ]
    outside_names = [routers[n.id].name for n in graph.nodes if n.text("Internal") == "0"]
    found = (
        ("duplicate", "labels that several nodes share were numbered", [r.name for r in doubles]),
        ("unnamed", "nodes without a label were named by their id", unnamed),
        ("junction", "places where lines meet (hyperedge) were kept as routers without hosts",
         [routers[n.id].name for n in graph.nodes if n.id in junctions]),
        ("external", "nodes of other networks (Internal 0) were kept as routers", outside_names),
    )  # fmt: skip
    return routers, [
        Note(kind=kind, text=text, names=tuple(who)) for kind, text, who in found if who
    ]


def _label(node: GmlNode) -> str:
    label = printable(node.label)
    return "" if label.casefold() in _NO_LABEL else label


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands; `anchor`: a single neighbor that its place was taken from."""

    position: Position
    estimated: bool = False
    anchor: int | None = None


def _places(graph: GmlGraph, routers: Mapping[int, DraftRouter]) -> dict[int, _Place]:
    known = {node.id: node.position for node in graph.nodes if node.position is not None}
    near: defaultdict[int, set[int]] = defaultdict(set)
    for edge in graph.edges:
        near[edge.source].add(edge.target)
        near[edge.target].add(edge.source)
    places = {number: _Place(position) for number, position in known.items()}
    for number in routers:
        if number in known:
            continue
        located = sorted(near[number] & known.keys())
        mean = middle(known[other] for other in located)
        if mean is not None:
            anchor = located[0] if len(located) == 1 else None
            places[number] = _Place(mean, estimated=True, anchor=anchor)
    return places


def _about_places(
    graph: GmlGraph, routers: Mapping[int, DraftRouter], places: Mapping[int, _Place]
) -> list[Note]:
    estimated = [n.id for n in graph.nodes if n.id in places and places[n.id].estimated]
    mean = tuple(routers[n].name for n in estimated if places[n].anchor is None)
    lone = tuple(routers[n].name for n in estimated if places[n].anchor is not None)
    lost = tuple(routers[n.id].name for n in graph.nodes if n.id not in places)
    usual = "the median delay" if places else f"the default of {DELAY * 1000:g} ms"
    notes = []
    if mean:
        text = "without coordinates, put in the middle of their located neighbors"
        notes.append(Note(kind="position", text=text, names=mean))
    if lone:
        text = (
            "without coordinates and with one located neighbor, so put beside it;"
            " the link to it has the median delay"
        )
        notes.append(Note(kind="position", text=text, names=lone))
    if lost:
        text = f"without coordinates, as all their neighbors; their links have {usual}"
        notes.append(Note(kind="position", text=text, names=lost))
    return notes


def _edges(graph: GmlGraph, routers: Mapping[int, DraftRouter]) -> tuple[list[GmlEdge], list[Note]]:
    """Return the edges that become links."""
    loops = tuple(routers[e.source].name for e in graph.edges if e.source == e.target)
    edges = [e for e in graph.edges if e.source != e.target]
    notes = []
    if loops:
        text = "lines from a node to itself were left out"
        notes.append(Note(kind="loop", text=text, names=loops))
    if graph.directed:
        both, edges = len(edges), _there_and_back(edges)
        text = f"the graph is directed: an edge and one back are one link, {both - len(edges)} of"
        notes.append(Note(kind="directed", text=f"{text} {both} edges were such ways back"))
    ends = Counter(frozenset((e.source, e.target)) for e in edges)
    several = [sorted(routers[n].name for n in pair) for pair, count in ends.items() if count > 1]
    if several:
        text = "parallel lines were kept as links of their own"
        names = tuple("-".join(pair) for pair in sorted(several))
        notes.append(Note(kind="parallel", text=text, names=names))
    return edges, notes


def _there_and_back(edges: list[GmlEdge]) -> list[GmlEdge]:
    """Return one edge for each pair of opposite ones, and those that have none."""
    waiting: Counter[tuple[int, int]] = Counter()
    kept = []
    for edge in edges:
        if waiting[edge.target, edge.source]:
            waiting[edge.target, edge.source] -= 1
        else:
            waiting[edge.source, edge.target] += 1
            kept.append(edge)
    return kept


def _links(
    edges: list[GmlEdge],
    routers: Mapping[int, DraftRouter],
    places: Mapping[int, _Place],
    capacity: int,
    detour: float,
) -> tuple[tuple[DraftLink, ...], list[Note]]:
    measured = [_delay(edge, places, detour) for edge in edges]
    usual = stepped(median([d for d in measured if d is not None] or [DELAY]))
    links, unsaid = [], 0
    for edge, delay in zip(edges, measured, strict=True):
        rate = capacity_of(edge.values)
        unsaid += rate is None
        delay = usual if delay is None else delay
        links.append(
            DraftLink(
                a=routers[edge.source].name,
                b=routers[edge.target].name,
                metric=metric_of(delay),
                capacity=capacity if rate is None else rate,
                delay=delay,
            )
        )
    if not unsaid:
        return tuple(links), []
    text = f"the file gives no usable capacity for {unsaid} of {len(links)} links: the default"
    return tuple(links), [Note(kind="capacity", text=text)]


def _delay(edge: GmlEdge, places: Mapping[int, _Place], detour: float) -> float | None:
    """Return seconds, None where the places of its ends say nothing."""
    a, b = places.get(edge.source), places.get(edge.target)
    if a is None or b is None or a.anchor == edge.target or b.anchor == edge.source:
        return None
    return delay_of(distance(a.position, b.position), detour)
