"""The declared network as a picture: routers, hosts, regions, and the bridges among its links.

Pure.  Small networks show every name in a box and every host beside its router; large ones show
dots, hosts as marks on their routers, and names only where there is room for them: the others
appear on hover.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import hypot

from toolkit.inventory.model import Link
from toolkit.inventory.quantity import format_delay, format_rate
from toolkit.report.declared import DeclaredNetwork, telling_regions
from toolkit.report.labels import Label, place_labels
from toolkit.report.layout import Arrangement, Box, Item, arrange
from toolkit.report.network import Node
from toolkit.report.quantity import plural
from toolkit.report.routes import Curve, route
from toolkit.report.style import COLOURS, PICTURES
from toolkit.report.svg import (
    Svg,
    element,
    group,
    number,
    picture,
    shortened,
    standalone,
    text_width,
)
from toolkit.report.symbols import LONGEST_NAME, draw_node, item, second_line

LARGE = 100
"""From this many nodes on, routers are dots."""
_DOT, _MARK = 9.0, 15.0
_MANY_HOSTS = 40
"""Up to this many places with hosts are named even where a name covers something."""
_LEGEND = 34.0
_BOW = 6.0
"""Pixels between the control points of parallel links, halved."""
_STATE = {"repository": "source", "cloud": "served"}

STYLE = """\
.bridge{fill:none;stroke:var(--warn);stroke-width:2.4}
.bridge-bar{fill:none;stroke:var(--warn);stroke-width:2.4;stroke-linecap:round}
.dot{fill:var(--wire);stroke:var(--surface);stroke-width:1}
.dot.plain{fill:var(--surface);stroke:var(--wire);stroke-width:1.5}
.dot.source{fill:var(--tree)}
.dot.served{fill:var(--good)}
.label{paint-order:stroke;stroke:var(--page);stroke-width:2.5px;stroke-linejoin:round}
.background{fill:var(--page)}
"""
"""What pictures of runs have no need for."""


def inventory_svg(network: DeclaredNetwork) -> str:
    """Return the picture as a file of its own."""
    large = len(network.nodes) > LARGE
    if large:
        placed, body = _dots(network)
    else:
        placed, body = _boxes(network)
    legend, legend_width = _legend(network, large=large)
    width, height = max(placed.width, legend_width + 32), placed.height + _LEGEND
    image = picture(
        element("rect", x=0, y=0, width=width, height=height, class_="background"),
        *body,
        group(legend, transform=f"translate(16 {number(placed.height + 10)})"),
        name="inventory",
        title=f"Network of {network.name}",
        description=_description(network),
        width=width,
        height=height,
    )
    return standalone(image, COLOURS + PICTURES + STYLE)


def _boxes(network: DeclaredNetwork) -> tuple[Arrangement, list[Svg]]:
    framed = telling_regions(network)
    items = [_room(node) for node in network.nodes]
    if not framed:
        items = [replace(each, region="") for each in items]
    ends = [(link.a, link.b) for link in network.links]
    placed = arrange(items, [*ends, *network.access], _start(network))
    curves = _curves([*ends, *network.access], placed.boxes)
    body = _frames(placed)
    wires: list[Svg] = []
    bridges: list[Svg] = []
    for link, curve in zip(network.links, curves, strict=False):
        (bridges if link.name in network.bridges else wires).append(_wire(network, link, curve))
    access = [
        group(element("path", d=curve.path, class_="wire"), title=f"{host} at {router}")
        for (host, router), curve in zip(network.access, curves[len(ends) :], strict=True)
    ]
    return placed, [*body, *access, *wires, *bridges, *_drawn(network, placed)]


def _room(node: Node) -> Item:
    if node.kind != "router":
        return item(node, compact=False)
    width = max(34.0, text_width(shortened(node.name, LONGEST_NAME), 12.5) + 16)
    return Item(node.name, width, 24, node.region)


def _drawn(network: DeclaredNetwork, placed: Arrangement) -> list[Svg]:
    drawn = []
    for node in network.nodes:
        box, title = placed.boxes[node.name], _title(node)
        if node.kind != "router":
            state = "source" if node.kind == "repository" else "idle"
            drawn.append(draw_node(node, box, state, title, compact=False))
            continue
        plain = "" if node.bfr else " plain"
        frame = element(
            "rect", x=box.x - box.width / 2, y=box.y - 12, width=box.width, height=24, rx=8,
            class_=f"box off{plain}",
        )  # fmt: skip
        name = shortened(node.name, LONGEST_NAME)
        text = element("text", x=box.x, y=box.y + 4.2, class_="middle strong", text=name)
        drawn.append(group(frame, text, title=title, class_="node"))
    return drawn


def _dots(network: DeclaredNetwork) -> tuple[Arrangement, list[Svg]]:
    hosts: dict[str, list[Node]] = {}
    for host in network.hosts:
        hosts.setdefault(host.router, []).append(host)
    items = []
    for node in network.routers:
        side = _MARK if node.name in hosts else _DOT
        items.append(Item(node.name, side, side))
    ends = [(link.a, link.b) for link in network.links]
    source = next((host.router for host in network.hosts if host.kind == "repository"), "")
    placed = arrange(items, ends, source)
    curves = _bows(ends, placed.boxes)
    wires: list[Svg] = []
    bridges: list[Svg] = []
    for link, curve in zip(network.links, curves, strict=True):
        (bridges if link.name in network.bridges else wires).append(_wire(network, link, curve))
    dots = [
        _dot(node, placed.boxes[node.name], hosts.get(node.name, ())) for node in network.routers
    ]
    labels = place_labels(
        _wanted(network, placed.boxes, hosts), list(placed.boxes.values()), placed
    )
    return placed, [*wires, *bridges, *dots, *labels]


def _dot(node: Node, box: Box, hosts: Sequence[Node]) -> Svg:
    kinds = {host.kind for host in hosts}
    state = _STATE["repository" if "repository" in kinds else "cloud"] if kinds else ""
    class_ = f"dot {state or ('' if node.bfr else 'plain')}".rstrip()
    half = box.width / 2
    if hosts:  # a square: a shape says it as well as the colour
        shape = element(
            "rect", x=box.x - half, y=box.y - half, width=box.width, height=box.height, rx=3,
            class_=class_,
        )  # fmt: skip
    else:
        shape = element("circle", cx=box.x, cy=box.y, r=half, class_=class_)
    title = "\n".join([_title(node), *(_title(host) for host in hosts)])
    return group(shape, title=title, class_="node")


def _wanted(
    network: DeclaredNetwork, boxes: Mapping[str, Box], hosts: Mapping[str, Sequence[Node]]
) -> list[Label]:
    """Return the labels, those first that matter most: hosts, then routers with many links."""
    degree = Counter(end for link in network.links for end in (link.a, link.b))
    order = sorted(boxes, key=lambda name: (name not in hosts, -degree[name], name))
    return [
        Label(
            text=shortened(name, LONGEST_NAME),
            box=boxes[name],
            size=11.5 if name in hosts else 9.5,
            class_="strong label" if name in hosts else "tiny muted label",
            always=name in hosts and len(hosts) <= _MANY_HOSTS,
        )
        for name in order
    ]


def _curves(ends: Sequence[tuple[str, str]], boxes: Mapping[str, Box]) -> list[Curve]:
    """Return a curve for each link that goes around boxes where it can."""
    lanes: Counter[frozenset[str]] = Counter()
    curves = []
    for a, b in ends:
        pair = frozenset((a, b))
        first, second = sorted(pair)
        others = [box for name, box in boxes.items() if name not in pair]
        curves.append(route(boxes[first], boxes[second], others, lanes[pair]))
        lanes[pair] += 1
    return curves


def _bows(ends: Sequence[tuple[str, str]], boxes: Mapping[str, Box]) -> list[Curve]:
    """Return straight lines between dots, slightly bowed where links are parallel."""
    several = Counter(frozenset(pair) for pair in ends)
    lanes: Counter[frozenset[str]] = Counter()
    curves = []
    for pair in map(frozenset, ends):
        a, b = (boxes[name] for name in sorted(pair))
        aside = _BOW * (2 * lanes[pair] - several[pair] + 1)
        lanes[pair] += 1
        length = hypot(b.x - a.x, b.y - a.y) or 1.0
        middle = (
            (a.x + b.x) / 2 - aside * (b.y - a.y) / length,
            (a.y + b.y) / 2 + aside * (b.x - a.x) / length,
        )
        curves.append(Curve((a.x, a.y), middle, (b.x, b.y)))
    return curves


def _wire(network: DeclaredNetwork, link: Link, curve: Curve) -> Svg:
    bridge = link.name in network.bridges
    title = (
        f"{link.name}\nmetric {link.metric} · {format_rate(link.capacity)} · "
        f"{format_delay(link.delay)}" + ("\na bridge: there is no way around it" if bridge else "")
    )
    target = element("path", d=curve.path, class_="target")
    if not bridge:
        return group(element("path", d=curve.path, class_="wire"), target, title=title)
    return group(element("path", d=curve.path, class_="bridge"), _bar(curve), target, title=title)


def _bar(curve: Curve) -> Svg:
    """Two strokes across the middle of a bridge: its sign where colours cannot be told apart."""
    (x, y), (dx, dy) = curve.at(0.5), curve.direction(0.5)
    path = ""
    for along in (-2.0, 2.0):
        cx, cy = x + dx * along, y + dy * along
        path += (
            f"M{number(cx - dy * 4.5)} {number(cy + dx * 4.5)}"
            f"L{number(cx + dy * 4.5)} {number(cy - dx * 4.5)}"
        )
    return element("path", d=path, class_="bridge-bar")


def _frames(placed: Arrangement) -> list[Svg]:
    drawn = []
    for name, box in placed.regions.items():
        left, top = box.x - box.width / 2, box.y - box.height / 2
        frame = element(
            "rect", x=left, y=top, width=box.width, height=box.height, rx=14, class_="region"
        )
        text = element("text", x=left + 16, y=top + 21, class_="tiny muted region-name", text=name)
        drawn.append(group(frame, text))
    return drawn


def _start(network: DeclaredNetwork) -> str:
    return next((host.name for host in network.hosts if host.kind == "repository"), "")


def _title(node: Node) -> str:
    if node.kind != "router":
        return f"{node.name} · {second_line(node)} · at {node.router}"
    words = [node.name, "router" if node.bfr else "router without BIER", node.region]
    return " · ".join(word for word in words if word)


def _description(network: DeclaredNetwork) -> str:
    clouds = sum(node.kind == "cloud" for node in network.nodes)
    text = (
        f"{plural(len(network.routers), 'router')}, {plural(len(network.links), 'link')} and "
        f"{plural(clouds, 'GPU cloud')}."
    )
    if network.bridges:
        text += " Bridges: " + ", ".join(sorted(network.bridges)) + "."
    return text


def _legend(network: DeclaredNetwork, *, large: bool) -> tuple[Svg, float]:
    """Explain the signs that this picture uses, and no others; return it with its width."""
    kinds = {node.kind for node in network.hosts}
    line = Curve((0, 0), (13, 0), (26, 0))
    entries = [("link", element("path", d=line.path, class_="wire"))]
    if network.bridges:
        sign = group(element("path", d=line.path, class_="bridge"), _bar(line))
        entries.append((f"bridge, no way around it ({len(network.bridges)})", sign))
    if any(not node.bfr for node in network.routers):
        shape = (
            element("circle", cx=13, cy=0, r=5, class_="dot plain")
            if large
            else element("rect", x=2, y=-6, width=22, height=12, rx=4, class_="box plain")
        )
        entries.append(("router that cannot do BIER", shape))
    for kind, label in (("repository", "repository"), ("cloud", "GPU cloud")):
        if large and kind in kinds:
            mark = element(
                "rect", x=6, y=-7, width=14, height=14, rx=3, class_=f"dot {_STATE[kind]}"
            )
            entries.append((label, mark))
    x, drawn = 0.0, []
    for label, sign in entries:
        text = element("text", x=33, y=4, class_="small muted", text=label)
        drawn.append(group(sign, text, transform=f"translate({number(x)} 0)"))
        x += 33 + text_width(label, 10.5) + 18
    return group(*drawn), x
