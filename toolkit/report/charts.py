"""The timeline of each cloud and the bytes of each link, as pictures.

Pure.  Times are the lab's clock; unicast bytes are computed and look it: pale, behind what was
counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from toolkit.lab.result import CloudResult, DeliveryResult, LinkUse
from toolkit.report.quantity import NONE, duration, factor, size, tick_labels, ticks
from toolkit.report.record import has_it, waited
from toolkit.report.svg import Svg, element, group, number, picture, shortened, text_width

WIDTH = 1120.0
_ROW, _HEAD, _LEGEND = 36.0, 30.0, 34.0
_BAR_ROW = 25.0
MOST_LINKS = 12
"""So many links get a bar; the page's table has them all."""


def timeline(result: DeliveryResult, *, name: str = "timeline") -> Svg:
    """Draw one row per cloud: joined, first byte, last byte, verified, first tensor."""
    regions = list(dict.fromkeys(cloud.region for cloud in result.clouds))
    clouds = sorted(result.clouds, key=lambda c: regions.index(c.region))
    left = 36 + max((text_width(_label(c.cloud), 12.5) for c in clouds), default=80)
    right = 104.0
    latest = max(
        (t for c in clouds for t in (c.verified, c.last_byte, c.first_tensor, c.joined) if t),
        default=0.0,
    )
    values = ticks(latest)
    span = values[-1]
    scale = (WIDTH - left - right) / span
    bottom = _HEAD + _ROW * len(clouds)
    parts: list[Svg] = []
    for value, label in zip(values, tick_labels(values), strict=True):
        x = left + value * scale
        parts.append(
            element("path", class_="grid", d=f"M{number(x)} {number(_HEAD)}V{number(bottom)}")
        )
        parts.append(element("text", x=x, y=18, class_="small muted middle", text=label))
    parts.append(element("text", x=WIDTH, y=18, class_="small muted right", text="waited in all"))
    for row, cloud in enumerate(clouds):
        parts.append(_cloud_row(cloud, _HEAD + _ROW * (row + 0.5), left, scale))
    parts.append(group(_timeline_legend(), transform=f"translate({number(left)} {bottom + 20})"))
    return picture(
        *parts,
        name=name,
        title=f"When each cloud had {result.model}",
        description=" ".join(_cloud_words(cloud) for cloud in clouds) or "No cloud.",
        width=WIDTH,
        height=bottom + _LEGEND,
    )


def _label(cloud: str) -> str:
    return shortened(cloud, 26)


def _cloud_row(cloud: CloudResult, y: float, left: float, scale: float) -> Svg:
    """Draw one cloud's life: waiting (dots), receiving (bar), proving (pale bar), marks."""

    def at(value: float) -> float:
        return left + value * scale

    good = has_it(cloud)
    mark = f"M{number(5)} {number(y)}l3.4 3.6l6-7.2" if good else (
        f"M{number(5)} {number(y - 4)}l8 8m0-8l-8 8"
    )  # fmt: skip
    parts = [
        element("path", class_="row-line", d=f"M0 {number(y + _ROW / 2)}H{number(WIDTH)}"),
        element("path", d=mark, class_=f"sign {'good' if good else 'bad'}"),
        element("text", x=24, y=y + 4, class_="strong", text=_label(cloud.cloud)),
    ]
    first, last, verified = cloud.first_byte, cloud.last_byte, cloud.verified
    if first is None:
        parts.append(
            element(
                "text", x=left + 8, y=y + 4, class_="bad-text small",
                text=shortened(cloud.reason or "nothing arrived", 110),
            )
        )  # fmt: skip
    else:
        end = last if last is not None else first
        parts.append(
            element(
                "path",
                class_="wait",
                d=f"M{number(at(cloud.joined))} {number(y)}H{number(at(first))}",
            )
        )
        lost = "" if good or last is not None else " lost"
        parts.append(_bar(at(first), at(end), y, 12, f"receive{lost}"))
        if verified is not None:
            parts.append(_bar(at(end), at(verified), y, 12, "check-phase"))
            x = at(verified)
            parts.append(
                element(
                    "rect", x=x - 1.5, y=y - 9, width=3, height=18, rx=1.5, class_="mark verified"
                )
            )
        elif cloud.reason:
            parts.append(
                element(
                    "text", x=at(end) + 10, y=y + 4, class_="bad-text small",
                    text=shortened(cloud.reason, 70),
                )
            )  # fmt: skip
        if cloud.first_tensor is not None:
            x = at(cloud.first_tensor)
            parts.append(
                element(
                    "path", class_="mark",
                    d=f"M{number(x)} {number(y - 6)}l6 6l-6 6l-6-6Z",
                )
            )  # fmt: skip
    joined = at(cloud.joined)
    parts.append(element("circle", cx=joined, cy=y, r=3, class_="mark joined"))
    wait = waited(cloud)
    parts.append(
        element(
            "text", x=WIDTH, y=y + 4, class_="right strong" if good else "right strong bad-text",
            text=duration(wait) if wait is not None else "incomplete",
        )
    )  # fmt: skip
    return group(*parts, title=_cloud_words(cloud))


def _bar(x0: float, x1: float, y: float, height: float, class_: str) -> Svg:
    return element(
        "rect", x=x0, y=y - height / 2, width=max(x1 - x0, 1.0), height=height, rx=2, class_=class_
    )


def _cloud_words(cloud: CloudResult) -> str:
    if not has_it(cloud):
        return f"{cloud.cloud} does not have the model: {cloud.reason or 'no reason is known'}."
    return (
        f"{cloud.cloud}: joined {duration(cloud.joined)}, first byte {duration(cloud.first_byte)}, "
        f"first tensor {duration(cloud.first_tensor)}, last byte {duration(cloud.last_byte)}, "
        f"verified {duration(cloud.verified)}."
    )


def _timeline_legend() -> Svg:
    signs = (
        ("joined", 14, element("circle", cx=7, cy=0, r=3, class_="mark joined")),
        ("waiting for the first byte", 26, element("path", d="M0 0H26", class_="wait")),
        ("receiving", 26, _bar(0, 26, 0, 10, "receive")),
        ("first tensor usable", 14, element("path", d="M7 -6l6 6l-6 6l-6-6Z", class_="mark")),
        ("proving the last digests", 26, _bar(0, 26, 0, 10, "check-phase")),
        (
            "verified", 8,
            element("rect", x=2, y=-7, width=3, height=14, rx=1.5, class_="mark verified"),
        ),
    )  # fmt: skip
    return legend(signs)


def legend(signs: Sequence[tuple[str, float, Svg]]) -> Svg:
    """Lay out (label, width of the sign, sign) in a row; each sign is drawn around y = 0."""
    x, parts = 0.0, []
    for label, wide, sign in signs:
        text = element("text", x=wide + 7, y=4, class_="small muted", text=label)
        parts.append(group(sign, text, transform=f"translate({number(x)} 0)"))
        x += wide + 7 + text_width(label, 10.5) + 16
    return group(*parts)


def link_bytes(result: DeliveryResult, *, name: str = "links") -> Svg:
    """Draw each link's bytes (both ways) before those of unicast copies, largest first."""
    shown = busiest(result.links)[:MOST_LINKS]
    left = 24 + max((text_width(_link_label(u), 12) for u in shown), default=80)
    right = 206.0
    highest = max((max(_bytes(u), u.unicast) for u in shown), default=1)
    highest = highest if highest > 0 and isfinite(highest) else 1
    scale = (WIDTH - left - right) / highest
    parts: list[Svg] = [
        element("text", x=WIDTH - 132, y=12, class_="small muted right", text="counted"),
        element("text", x=WIDTH - 52, y=12, class_="small muted right", text="unicast"),
        element("text", x=WIDTH, y=12, class_="small muted right", text="factor"),
    ]
    for row, use in enumerate(shown):
        parts.append(_link_row(use, 22 + _BAR_ROW * (row + 0.5), left, scale))
    bottom = 22 + _BAR_ROW * len(shown)
    signs = (
        ("counted on this link, both ways", 26.0, _bar(0, 26, 0, 9, "bar")),
        (
            "computed: one unicast copy per cloud on the shortest paths",
            26.0,
            _bar(0, 26, 0, 15, "ghost"),
        ),
    )
    parts.append(group(legend(signs), transform=f"translate({number(left)} {number(bottom + 18)})"))
    words = (f"{_link_label(u)} {size(_bytes(u))} against {size(u.unicast)}." for u in shown)
    return picture(
        *parts,
        name=name,
        title="Bytes of each link against unicast",
        description=" ".join(words) or "No link carried anything.",
        width=WIDTH,
        height=bottom + 34,
    )


def busiest(uses: Sequence[LinkUse]) -> list[LinkUse]:
    """Return the links that carry something in either way of sending, by their unicast load."""
    used = [u for u in uses if _bytes(u) or u.unicast]
    return sorted(used, key=lambda u: (-u.unicast, -_bytes(u), u.link))


def _bytes(use: LinkUse) -> int:
    return use.a_to_b + use.b_to_a


def _link_label(use: LinkUse) -> str:
    return f"{shortened(use.a, 20)} – {shortened(use.b, 20)}"


def _link_row(use: LinkUse, y: float, left: float, scale: float) -> Svg:
    counted = _bytes(use)
    parts = [
        element("text", x=0, y=y + 4, class_="" if use.up else "bad-text", text=_link_label(use))
    ]
    if use.unicast:
        parts.append(_bar(left, left + use.unicast * scale, y, 16, "ghost"))
    if counted:
        parts.append(_bar(left, left + counted * scale, y, 9, "bar"))
    # What is far below what unicast would be is no main flow, but reports.
    saved = factor(use.unicast, counted) if use.unicast < 100 * counted else NONE
    parts += [
        element("text", x=WIDTH - 132, y=y + 4, class_="right", text=size(counted)),
        element("text", x=WIDTH - 52, y=y + 4, class_="right muted", text=size(use.unicast)),
        element(
            "text", x=WIDTH, y=y + 4, text=saved,
            class_="right strong" if use.unicast > 1.5 * counted else "right muted",
        ),
    ]  # fmt: skip
    title = (
        f"{use.a} → {use.b}: {size(use.a_to_b)}\n{use.b} → {use.a}: {size(use.b_to_a)}\n"
        f"unicast copies: {size(use.unicast)} (computed)" + ("" if use.up else "\nfailed")
    )
    return group(*parts, title=title)
