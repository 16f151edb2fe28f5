"""The topology as a picture: regions, routers, hosts, links, and the delivery's tree upon them.

Pure.  It shows what the record says: tree links are the record's, widths are counted bytes, crosses
are the failures that were asked for or found.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from toolkit.lab.result import DeliveryResult, LinkUse
from toolkit.report.layout import Arrangement, arrange
from toolkit.report.network import Line, Node, carried, lines, nodes, tree_directions, use_of
from toolkit.report.quantity import duration, plural, rate, size
from toolkit.report.record import RunRecord, has_it
from toolkit.report.routes import Curve, route
from toolkit.report.svg import Svg, element, group, number, picture, text_width
from toolkit.report.symbols import COMPACT, arrows, cross, draw_node, item, second_line

_TREE_WIDTH = 4.0
_LEGEND = 34.0


def topology(record: RunRecord, delivery: str = "", *, name: str = "topology") -> Svg:
    """Draw the network of `record` with the tree of `delivery` (its first by default).

    `name` makes the picture's ids unique on a page.
    """
    result = _result(record, delivery)
    delivery = delivery or _first_delivery(record)
    every_node, every_line = nodes(record.plan), lines(record.plan)
    compact = len(every_node) > COMPACT
    uses = use_of(result.links, every_line) if result else {}
    tree = record.trees.get(delivery) or (carried(result) if result else ())
    # Access links are counted under either name: the host's, or both ends.
    names = {line.name for line in every_line if line.name in tree}
    names |= {line for line, use in uses.items() if use.link in tree}
    directions = tree_directions(record.plan, delivery, names, uses)
    source = next((f.source for f in record.plan.flows if f.delivery == delivery), "")
    placed = arrange(
        [item(node, compact=compact) for node in every_node],
        [(line.a, line.b) for line in every_line],
        source,
    )
    failed = {
        line.name
        for line in every_line
        if line.name in record.broken_links
        or {line.a, line.b} & set(record.broken_nodes)
        or (line.name in uses and not uses[line.name].up)
    }
    states = _states(record, result, every_node, directions, source)
    drawn = tuple(zip(every_line, _curves(every_line, placed, directions), strict=True))
    body = [
        *_regions(placed),
        *_wires(drawn, uses, directions, failed, record),
        *(
            draw_node(
                node, placed.boxes[node.name], states[node.name],
                _node_title(node, result), compact=compact,
            )
            for node in every_node
        ),
    ]  # fmt: skip
    legend, legend_width = _legend(
        record, tree=bool(directions), failed=bool(failed), states=states
    )
    body.append(group(legend, transform=f"translate(16 {number(placed.height + 12)})"))
    return picture(
        *body,
        name=name,
        title=f"Topology of {record.plan.name}",
        description=_description(record, result, every_node, directions, failed),
        width=max(placed.width, legend_width + 32),
        height=placed.height + _LEGEND,
    )


def _result(record: RunRecord, delivery: str) -> DeliveryResult | None:
    return next((r for r in record.results if not delivery or r.delivery == delivery), None)


def _first_delivery(record: RunRecord) -> str:
    named = [r.delivery for r in record.results] + [f.delivery for f in record.plan.flows]
    return named[0] if named else ""


def _states(
    record: RunRecord,
    result: DeliveryResult | None,
    every_node: tuple[Node, ...],
    directions: Mapping[str, tuple[str, str]],
    source: str,
) -> dict[str, str]:
    touched = {end for ends in directions.values() for end in ends}
    served = {c.cloud: has_it(c) for c in result.clouds} if result else {}
    states = {}
    for node in every_node:
        if node.name in record.broken_nodes:
            states[node.name] = "failed"
        elif node.kind == "router":
            states[node.name] = "on" if node.name in touched else "off"
        elif node.name in served:
            states[node.name] = "served" if served[node.name] else "unserved"
        else:
            states[node.name] = "source" if node.name == source else "idle"
    return states


def _curves(
    every_line: tuple[Line, ...],
    placed: Arrangement,
    directions: Mapping[str, tuple[str, str]],
) -> list[Curve]:
    """Return a curve per line, in the direction of its flow; parallel links side by side."""
    lanes: dict[frozenset[str], int] = {}
    curves = []
    for line in every_line:
        ends = frozenset((line.a, line.b))
        lane = lanes[ends] = lanes.get(ends, -1) + 1
        others = [box for name, box in placed.boxes.items() if name not in ends]
        a, b = sorted(ends) if len(ends) == 2 else (line.a, line.b)
        curve = route(placed.boxes[a], placed.boxes[b], others, lane)
        if directions.get(line.name, (a, b))[0] == b:
            curve = Curve(curve.end, curve.control, curve.start)
        curves.append(curve)
    return curves


def _regions(placed: Arrangement) -> list[Svg]:
    drawn = []
    for name, box in placed.regions.items():
        left, top = box.x - box.width / 2, box.y - box.height / 2
        drawn.append(
            group(
                element(
                    "rect", x=left, y=top, width=box.width, height=box.height, rx=14,
                    class_="region",
                ),
                element(
                    "text", x=left + 16, y=top + 21, class_="tiny muted region-name", text=name
                ),
            )
        )  # fmt: skip
    return drawn


def _wires(
    drawn: tuple[tuple[Line, Curve], ...],
    uses: Mapping[str, LinkUse],
    directions: Mapping[str, tuple[str, str]],
    failed: set[str],
    record: RunRecord,
) -> list[Svg]:
    """Draw quiet links first, then the tree, then failures, so that what matters lies on top."""
    most = max((max(u.a_to_b, u.b_to_a) for u in uses.values()), default=0)
    quiet, tree, broken = [], [], []
    for line, curve in drawn:
        use = uses.get(line.name)
        title = _line_title(line, use, directions.get(line.name), failed=line.name in failed)
        target = element("path", d=curve.path, class_="target")
        if line.name in failed:
            parts = [element("path", d=curve.path, class_="broken"), target]
            if line.name in record.broken_links or not record.broken_nodes:
                parts.append(cross(*curve.at(0.5), 8))
            broken.append(group(*parts, title=title))
        elif line.name in directions:
            busy = max(use.a_to_b, use.b_to_a) if use else 0
            others = [c for other, c in drawn if other.name in directions and c is not curve]
            width = _TREE_WIDTH * (0.6 + 0.4 * sqrt(busy / most)) if most else _TREE_WIDTH
            tree.append(
                group(
                    element("path", d=curve.path, class_="halo", stroke_width=width + 4),
                    element("path", d=curve.path, class_="tree", stroke_width=width),
                    arrows(curve, width, others),
                    target,
                    title=title,
                )
            )
        else:
            quiet.append(group(element("path", d=curve.path, class_="wire"), target, title=title))
    return [*quiet, *tree, *broken]


def _line_title(
    line: Line, use: LinkUse | None, forward: tuple[str, str] | None, *, failed: bool
) -> str:
    kind = "access link" if line.edge else f"metric {line.metric}"
    text = [f"{line.a} – {line.b}" + (" (failed)" if failed else "")]
    text.append(f"{kind} · {rate(line.capacity)} · {duration(line.delay)}")
    if forward:
        text.append(f"in the tree: {forward[0]} → {forward[1]}")
    if use is not None:
        text.append(f"{use.a} → {use.b}: {size(use.a_to_b)}, back: {size(use.b_to_a)}")
        text.append(f"unicast copies would take {size(use.unicast)} (computed)")
    return "\n".join(text)


def _node_title(node: Node, result: DeliveryResult | None) -> str:
    text = [f"{node.name} · {second_line(node)}" + (f" · {node.region}" if node.region else "")]
    if result is not None:
        text += [
            "has the model" if has_it(cloud) else f"does not have it: {cloud.reason}"
            for cloud in result.clouds
            if cloud.cloud == node.name
        ]
        text += [
            plural(router.bift_rows, "BIFT row")
            if router.bfr
            else plural(router.state_rows, "row of tree state", "rows of tree state")
            for router in result.routers
            if router.router == node.name
        ]
    return "\n".join(text)


def _description(
    record: RunRecord,
    result: DeliveryResult | None,
    every_node: tuple[Node, ...],
    directions: Mapping[str, tuple[str, str]],
    failed: set[str],
) -> str:
    """Say in words what the picture shows."""
    routers = sum(node.kind == "router" for node in every_node)
    clouds = sum(node.kind == "cloud" for node in every_node)
    text = [f"{plural(routers, 'router')} and {plural(clouds, 'GPU cloud')}."]
    if directions:
        hops = ", ".join(f"{a} to {b}" for a, b in directions.values())
        text.append(f"The tree runs {hops}.")
    if failed or record.broken_nodes:
        text.append("Failed: " + ", ".join([*sorted(failed), *record.broken_nodes]) + ".")
    if result:
        lost = [c.cloud for c in result.clouds if not has_it(c)]
        text.append(
            "Without the model: " + ", ".join(lost) + "." if lost else "Every cloud has it."
        )
    return " ".join(text)


def _legend(
    record: RunRecord, *, tree: bool, failed: bool, states: Mapping[str, str]
) -> tuple[Svg, float]:
    """Explain the signs that this picture uses, and no others; return it with its width."""
    pim = record.plan.pim is not None
    plain = any(
        n.kind == "router" and not n.bfr and (pim or not n.label) for n in nodes(record.plan)
    )
    lacks = "runs no PIM" if pim else "cannot do BIER"
    entries: list[tuple[str, Svg]] = []
    if tree:
        curve = Curve((0, 0), (13, 0), (26, 0))
        entries.append(
            (
                "tree of the delivery",
                group(
                    element("path", d=curve.path, class_="tree", stroke_width=_TREE_WIDTH),
                    arrows(curve, _TREE_WIDTH),
                ),
            )
        )
    entries.append(("link beside the tree", element("path", d="M0 0H26", class_="wire")))
    if failed:
        entries.append(
            ("failed", group(element("path", d="M0 0H26", class_="broken"), cross(13, 0, 6)))
        )
    boxes = {
        "plain": f"router that {lacks}" if plain else "",
        "served": "has the model, byte for byte" if "served" in states.values() else "",
        "unserved": "does not have it" if "unserved" in states.values() else "",
    }
    for state, label in boxes.items():
        if label:
            entries.append(
                (
                    label,
                    element("rect", x=2, y=-6, width=22, height=12, rx=4, class_=f"box {state}"),
                )
            )
    x, drawn = 0.0, []
    for label, sign in entries:
        drawn.append(
            group(
                sign,
                element("text", x=33, y=4, class_="small muted", text=label),
                transform=f"translate({number(x)} 0)",
            )
        )
        x += 33 + text_width(label, 10.5) + 18
    return group(*drawn), x
