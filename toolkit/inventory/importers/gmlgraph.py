"""The graph of a GML file: nodes with different ids, edges between nodes that exist.

Pure.  InventoryError carries every mistake of the whole file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.errors import InventoryError, Place, Problem
from toolkit.inventory.importers.geography import Position
from toolkit.inventory.importers.gml import MOST_PROBLEMS, Block, Value, not_a_number

_SINGLE = frozenset(
    {"id", "label", "source", "target", "Latitude", "Longitude", "Country", "LinkSpeedRaw"}
)
_COORDINATES = {"Latitude": 90.0, "Longitude": 180.0}
"""Key -> largest absolute value in degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GmlNode:
    id: int
    label: str
    """Empty where the file gives none."""
    position: Position | None
    values: Mapping[str, Value]
    line: int

    def text(self, key: str) -> str:
        """Return a value as text, empty where there is none."""
        value = self.values.get(key, "")
        return "" if isinstance(value, Block) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class GmlEdge:
    source: int
    target: int
    values: Mapping[str, Value]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GmlGraph:
    values: Mapping[str, Value]
    directed: bool
    nodes: tuple[GmlNode, ...]
    edges: tuple[GmlEdge, ...]

    def text(self, key: str) -> str:
        """Return a value of the graph itself as text, empty where there is none."""
        value = self.values.get(key, "")
        return "" if isinstance(value, Block) else str(value).strip()


def read_graph(root: Block, file: str) -> GmlGraph:
    """Return the graph in a parsed file."""
    graphs = root.blocks("graph")
    if not graphs:
        what = "there is no 'graph [' in it"
        raise InventoryError([Problem(Place(file, 1), what, "is it a GML file?")])
    if len(graphs) > 1:
        what = f"a second graph; the first is on line {graphs[0].line}"
        raise InventoryError([Problem(Place(file, graphs[1].line), what, "one graph a file")])
    return _Checker(file).graph(graphs[0])


class _Checker:
    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: list[Problem] = []

    def graph(self, block: Block) -> GmlGraph:
        values, _ = self._values(block)
        nodes: dict[int, GmlNode] = {}
        for found in block.blocks("node"):
            node = self._node(found)
            if node is None:
                continue
            if node.id in nodes:
                what = f"id {node.id} is also that of the node on line {nodes[node.id].line}"
                self._refuse(found.line, what, "give each node its own id")
            nodes.setdefault(node.id, node)
        if not block.blocks("node"):
            self._refuse(block.line, "the graph has no nodes", "write node [ id 0 label ... ]")
        complete = not self._problems
        edges = [self._edge(found, nodes, complete) for found in block.blocks("edge")]
        if self._problems:
            found_all = sorted(self._problems)
            if len(found_all) > MOST_PROBLEMS:
                more = f"and {len(found_all) - MOST_PROBLEMS} more problems behind this line"
                last = Problem(found_all[MOST_PROBLEMS].place, more)
                found_all = [*found_all[:MOST_PROBLEMS], last]
            raise InventoryError(found_all)
        return GmlGraph(
            values=values,
            directed=values.get("directed", 0) == 1,
            nodes=tuple(nodes.values()),
            edges=tuple(edge for edge in edges if edge is not None),
        )

    def _values(self, block: Block) -> tuple[dict[str, Value], dict[str, int]]:
        values: dict[str, Value] = {}
        lines: dict[str, int] = {}
        for item in block.items:
            if item.key in values and item.key in _SINGLE:
                what = f"'{item.key}' a second time; the first is on line {lines[item.key]}"
                self._refuse(item.line, what, "once is enough")
            values.setdefault(item.key, item.value)
            lines.setdefault(item.key, item.line)
        return values, lines

    def _node(self, block: Block) -> GmlNode | None:
        values, lines = self._values(block)
        position = self._position(values, lines, block.line)
        label = values.get("label", "")
        if isinstance(label, Block):
            self._refuse(lines["label"], "the label is a list, text is expected")
            label = ""
        number = self._whole("id", "node", values, lines, block.line)
        if number is None:
            return None
        return GmlNode(
            id=number, label=str(label), position=position, values=values, line=block.line
        )

    def _edge(
        self,
        block: Block,
        nodes: Mapping[int, GmlNode],
        complete: bool,  # noqa: FBT001
    ) -> GmlEdge | None:
        values, lines = self._values(block)
        ends = []
        for key in ("source", "target"):
            number = self._whole(key, "edge", values, lines, block.line)
            if number is None:
                continue
            if number in nodes:
                ends.append(number)
            elif complete:  # else the node may be one of those refused
                self._refuse(
                    lines[key], f"the {key} of this edge is node {number}, which does not exist",
                    "add the node, or remove the edge",
                )  # fmt: skip
        if len(ends) != 2:
            return None
        return GmlEdge(source=ends[0], target=ends[1], values=values, line=block.line)

    def _whole(
        self, key: str, kind: str, values: Mapping[str, Value], lines: Mapping[str, int], line: int
    ) -> int | None:
        value = values.get(key)
        if value is None:
            self._refuse(line, f"the {kind} has no {key}", f"give it one: {key} 0")
        elif isinstance(value, int):
            return value
        else:
            shown = "a list" if isinstance(value, Block) else repr(value)
            self._refuse(lines[key], f"the {key} is {shown}, a whole number is expected")
        return None

    def _position(
        self, values: Mapping[str, Value], lines: Mapping[str, int], line: int
    ) -> Position | None:
        found: dict[str, float] = {}
        for key, most in _COORDINATES.items():
            if key not in values:
                continue
            degrees = _degrees(values[key])
            if degrees is None:
                self._refuse(lines[key], f"the {key} is not a number", "give degrees, or leave it")
            elif abs(degrees) > most:
                what = f"a {key} of {degrees:g} degrees is not on this globe"
                self._refuse(lines[key], what, f"{-most:g} to {most:g}")
            else:
                found[key] = degrees
        present = [key for key in _COORDINATES if key in values]
        if len(present) == 1:
            (missing,) = set(_COORDINATES) - set(present)
            what = f"the node has a {present[0]} and no {missing}"
            self._refuse(line, what, "give both or none")
        return Position(found["Latitude"], found["Longitude"]) if len(found) == 2 else None

    def _refuse(self, line: int, what: str, remedy: str = "") -> None:
        self._problems.append(Problem(Place(self._file, line), what, remedy))


def _degrees(value: Value) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return None if isinstance(value, Block) or not_a_number(value) else float(value)
