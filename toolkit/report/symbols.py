"""Boxes and symbols of a topology: routers, repositories, GPU clouds, crosses, ticks, arrows.

Pure.  Every state has a shape: a tick, a cross, a dashed border; colour only repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.report.layout import Box, Item
from toolkit.report.network import Node
from toolkit.report.quantity import count
from toolkit.report.routes import Curve
from toolkit.report.svg import Svg, element, group, number, shortened, text_width

LONGEST_NAME = 22
COMPACT = 70
"""Above this many nodes, routers are dots whose names show on hover."""


def item(node: Node, *, compact: bool) -> Item:
    """Return the room that `node` takes in the picture."""
    name = shortened(node.name, LONGEST_NAME)
    if node.kind == "router":
        if compact:
            return Item(node.name, 12, 12, node.region)
        width = max(56.0, text_width(name, 12.5) + 20, text_width(second_line(node), 9.5) + 18)
        return Item(node.name, width, 36, node.region)
    if compact:
        return Item(node.name, text_width(name, 10.5) + 26, 20, node.region, leaf=True)
    width = max(text_width(name, 12.5), text_width(second_line(node), 10.5)) + 52
    return Item(node.name, width, 42, node.region, leaf=True)


def second_line(node: Node) -> str:
    """Return what stands under a node's name."""
    if node.kind == "cloud":
        return f"{count(node.gpus)} GPUs" if node.gpus != 1 else "1 GPU"
    if node.kind == "repository":
        return "repository"
    if node.label:
        return node.label
    if not node.bfr:
        return "non-BFR"
    return "transit" if node.bfr_id is None else f"BFR-id {node.bfr_id}"


def draw_node(node: Node, box: Box, state: str, title: str, *, compact: bool) -> Svg:
    """Draw one node.

    `state` is `on` or `off` (a router in or beside the tree), `source`, `served`, `unserved`,
    `idle` (a cloud that nothing was sent to) or `failed`.
    """
    left, top = box.x - box.width / 2, box.y - box.height / 2
    dashed = " plain" if node.kind == "router" and not (node.bfr or node.label) else ""
    radius = min(box.height / 2, 9 if node.kind == "router" else 8)
    frame = element(
        "rect", x=left, y=top, width=box.width, height=box.height, rx=radius,
        class_=f"box {state}{dashed}",
    )  # fmt: skip
    name = shortened(node.name, LONGEST_NAME)
    parts = [frame]
    if node.kind == "router":
        if not compact:
            parts += [
                _text(name, box.x, box.y - 1.5, "middle strong"),
                _text(second_line(node), box.x, box.y + 11, "middle tiny muted"),
            ]
    elif compact:
        parts += [_text(name, left + 20, box.y + 3.5, "small"), _dot(left + 10, box.y, state)]
    else:
        icon = _disks if node.kind == "repository" else _chip
        parts += [
            icon(left + 20, box.y, state),
            _text(name, left + 38, box.y - 3, "strong"),
            _text(second_line(node), left + 38, box.y + 11.5, "small muted"),
        ]
    if node.kind == "cloud" and not compact and state in ("served", "unserved"):
        parts.append(_badge(left + box.width - 2, top + 2, state))
    if state == "failed":
        parts.append(cross(left + box.width - 2, top + 2, 7))
    return group(*parts, title=title, class_="node")


def cross(x: float, y: float, radius: float) -> Svg:
    """Draw the mark of something that failed."""
    arm = radius * 0.45
    return group(
        element("circle", cx=x, cy=y, r=radius, class_="cross-back"),
        element(
            "path", class_="cross",
            d=f"M{number(x - arm)} {number(y - arm)}L{number(x + arm)} {number(y + arm)}"
            f"M{number(x + arm)} {number(y - arm)}L{number(x - arm)} {number(y + arm)}",
        ),
    )  # fmt: skip


def arrows(curve: Curve, width: float, others: Sequence[Curve] = ()) -> Svg:
    """Draw arrow heads on a thick line, towards its end; clear of `others` where that can be."""
    if curve.length < 12:
        return Svg("")
    wanted = (0.56,) if curve.length < 170 else (0.3, 0.72)
    near = [other.at(t / 24) for other in others for t in range(25)]
    long, half = min(5.5 + width, 0.45 * curve.length), 2.8 + 0.9 * width
    path = ""
    for place in (_clear(curve, place, near) for place in wanted):
        (x, y), (dx, dy) = curve.at(place), curve.direction(place)
        tip, tail = (x + dx * long / 2, y + dy * long / 2), (x - dx * long / 2, y - dy * long / 2)
        path += (
            f"M{number(tip[0])} {number(tip[1])}"
            f"L{number(tail[0] - dy * half)} {number(tail[1] + dx * half)}"
            f"L{number(tail[0] + dy * half)} {number(tail[1] - dx * half)}Z"
        )
    return element("path", d=path, class_="arrow")


def _clear(curve: Curve, wanted: float, near: Sequence[tuple[float, float]]) -> float:
    """Return the place nearest to `wanted` that is 18 pixels from every point of `near`."""
    for shift in (0.0, 0.07, -0.07, 0.14, -0.14, 0.2, -0.2):
        x, y = curve.at(wanted + shift)
        if all(abs(x - px) + abs(y - py) > 18 for px, py in near):
            return wanted + shift
    return wanted


def _text(text: str, x: float, y: float, class_: str) -> Svg:
    return element("text", x=x, y=y, class_=class_, text=text)


def _dot(x: float, y: float, state: str) -> Svg:
    return element("circle", cx=x, cy=y, r=4.5, class_=f"badge {state}")


def _badge(x: float, y: float, state: str) -> Svg:
    if state == "served":
        mark = f"M{number(x - 3.2)} {number(y + 0.2)}l2.3 2.4l4.2-4.8"
    else:
        mark = f"M{number(x - 2.6)} {number(y - 2.6)}l5.2 5.2m0-5.2l-5.2 5.2"
    return group(
        element("circle", cx=x, cy=y, r=7.5, class_=f"badge {state}"),
        element("path", d=mark, class_="tick"),
    )


def _chip(x: float, y: float, state: str) -> Svg:
    """A GPU: a package with pins."""
    pins = "".join(
        f"M{number(x + o)} {number(y - 10)}v3M{number(x + o)} {number(y + 7)}v3"
        f"M{number(x - 10)} {number(y + o)}h3M{number(x + 7)} {number(y + o)}h3"
        for o in (-3.5, 0, 3.5)
    )
    return group(
        element("rect", x=x - 7, y=y - 7, width=14, height=14, rx=2.5, class_=f"icon {state}"),
        element("rect", x=x - 3, y=y - 3, width=6, height=6, rx=1, class_=f"icon {state}"),
        element("path", d=pins, class_=f"icon {state}"),
    )


def _disks(x: float, y: float, state: str) -> Svg:
    """A repository: a stack of disks."""
    sides = f"M{number(x - 9)} {number(y - 7)}v14a9 3.4 0 0 0 18 0v-14"
    middle = f"M{number(x - 9)} {number(y)}a9 3.4 0 0 0 18 0"
    return group(
        element("ellipse", cx=x, cy=y - 7, rx=9, ry=3.4, class_=f"icon {state}"),
        element("path", d=sides + middle, class_=f"icon {state}"),
    )
