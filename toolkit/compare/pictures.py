"""Pictures of a comparison: small bars, one panel a question; and when each cloud was done.

Pure.  Computed bars are outlined, measured ones filled: a reader sees the difference in print too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from toolkit.compare.model import Comparison, TrafficFigures, TransportFigures
from toolkit.report.quantity import count, duration, size, tick_labels, ticks
from toolkit.report.svg import Svg, element, group, number, picture, shortened, text_width

WIDTH = 1120.0
_COLUMNS = 4
_PANEL_HEAD, _BAR, _GAP = 40.0, 24.0, 26.0


@dataclass(frozen=True, slots=True)
class Panel:
    """One question and each transport's answer."""

    title: str
    values: tuple[float | None, ...]
    words: tuple[str, ...]
    measured: bool


def panels(comparison: Comparison) -> tuple[Panel, ...]:
    """Return what the picture asks, in the order of the page."""
    figures = comparison.figures

    def computed(title: str, value: Callable[[TransportFigures], float]) -> Panel:
        values = tuple(value(f) for f in figures)
        return Panel(title, values, tuple(_number(v) for v in values), measured=False)

    def measured(
        title: str, value: Callable[[TrafficFigures], float | None], words: Callable[[float], str]
    ) -> Panel:
        values = tuple(None if f.traffic is None else value(f.traffic) for f in figures)
        texts = tuple("–" if v is None else words(v) for v in values)
        return Panel(title, values, texts, measured=True)

    def event(number: int, field: str) -> Callable[[TransportFigures], float]:
        return lambda f: f.events[number].mean[field]

    found = [
        computed("Entries in the network", lambda f: f.state.entries),
        computed("Entries for one more delivery", lambda f: f.state.further),
        computed("Receiver joins: entries touched", event(0, "rows")),
        computed("New cloud: entries touched", event(1, "rows")),
        computed(
            "Receiver joins: messages and edits",
            lambda f: f.events[0].mean["messages"] + f.events[0].mean["configured"],
        ),
        computed(
            "Link fails: messages and edits",
            lambda f: f.events[2].mean["messages"] + f.events[2].mean["configured"],
        ),
    ]
    if any(f.traffic is not None for f in figures):
        found += [
            measured("Bytes between routers", lambda t: t.core, size),
            measured("Late receiver: first byte after", lambda t: t.late_wait, duration),
        ]
    return tuple(found)


def _number(value: float) -> str:
    return count(round(value)) if value == round(value) else f"{value:.1f}"


def bars(comparison: Comparison, *, name: str = "bars") -> Svg:
    """Draw the panels in rows of four."""
    names = [f.transport for f in comparison.figures]
    shown = panels(comparison)
    width = WIDTH / _COLUMNS
    height = _PANEL_HEAD + _BAR * len(names) + _GAP
    parts = [
        group(
            *_panel(panel, names, width - 28),
            transform=f"translate({number(i % _COLUMNS * width)} {number(i // _COLUMNS * height)})",
        )
        for i, panel in enumerate(shown)
    ]
    rows = -(-len(shown) // _COLUMNS)
    return picture(
        *parts,
        name=name,
        title="Transports side by side",
        description=" ".join(
            f"{p.title}: "
            + ", ".join(f"{n} {w}" for n, w in zip(names, p.words, strict=True))
            + "."
            for p in shown
        ),
        width=WIDTH,
        height=height * rows - _GAP + 8,
    )


def _panel(panel: Panel, names: Sequence[str], width: float) -> list[Svg]:
    label = max(text_width(name, 11.5) for name in names) + 10
    room = width - label - max(text_width(w, 11.5) for w in panel.words) - 10
    most = max((v for v in panel.values if v is not None), default=0) or 1.0
    source = "measured" if panel.measured else "computed"
    parts = [
        element("text", x=0, y=12, class_="strong", text=panel.title),
        element("text", x=0, y=27, class_="tiny muted", text=source),
    ]
    for row, (name, value, words) in enumerate(zip(names, panel.values, panel.words, strict=True)):
        y = _PANEL_HEAD + _BAR * row
        length = max(room * (value or 0.0) / most, 1.0)
        kind = "bar" if panel.measured else "bar computed"
        parts += [
            element("text", x=0, y=y + 12, class_="small muted", text=name),
            element("rect", x=label, y=y + 3, width=length, height=11, rx=2, class_=kind),
            element("text", x=label + length + 6, y=y + 12.5, class_="small", text=words),
        ]
    return parts


def completion(comparison: Comparison, *, name: str = "completion") -> Svg | None:
    """Draw when each cloud had the model, a mark for each transport; None: nothing was run."""
    runs = [(f.transport, f.traffic) for f in comparison.figures if f.traffic is not None]
    if not runs:
        return None
    clouds = [cloud.cloud for cloud in runs[0][1].clouds]
    latest = max((c.verified or 0.0 for _, t in runs for c in t.clouds), default=0.0)
    values = ticks(latest)
    left = 24 + max(text_width(shortened(c, 26), 12) for c in clouds)
    scale = (WIDTH - left - 40) / values[-1]
    row = 12.0 * len(runs) + 14
    bottom = 30 + row * len(clouds)
    parts: list[Svg] = []
    for value, text in zip(values, tick_labels(values), strict=True):
        x = left + value * scale
        parts.append(element("path", class_="grid", d=f"M{number(x)} 26V{number(bottom)}"))
        parts.append(element("text", x=x, y=18, class_="small muted middle", text=text))
    for i, cloud in enumerate(clouds):
        y = 30 + row * i
        parts.append(
            element("text", x=0, y=y + row / 2 + 2, class_="strong", text=shortened(cloud, 26))
        )
        for j, (transport, traffic) in enumerate(runs):
            done = traffic.clouds[i].verified
            at = y + 8 + 12.0 * j
            if done is None:
                words = f"{transport}: incomplete"
                parts.append(element("text", x=left, y=at + 8, class_="tiny bad-text", text=words))
                continue
            parts.append(
                group(
                    element("rect", x=left, y=at, width=done * scale, height=8, rx=2, class_="bar"),
                    element(
                        "text", x=left + 4, y=at + 7, class_="tiny bar-name", text=transport
                    ),
                    title=f"{cloud} over {transport}: {duration(done)}",
                )
            )  # fmt: skip
    return picture(
        *parts,
        name=name,
        title="When each cloud had the model",
        description=" ".join(
            f"{transport}: "
            + ", ".join(f"{c.cloud} {duration(c.verified)}" for c in traffic.clouds)
            + "."
            for transport, traffic in runs
        ),
        width=WIDTH,
        height=bottom + 6,
    )
