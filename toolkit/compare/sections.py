"""A comparison as sections of rows, one column for each transport: what table, Markdown and page
show, so that they cannot disagree.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from toolkit.compare.model import (
    Comparison,
    Source,
    TrafficFigures,
    TransportFigures,
)
from toolkit.report.quantity import NONE, count, duration, factor, plural, size

EVENTS = {
    "join": "A provisioned receiver joins",
    "new-cloud": "A new GPU cloud is added",
    "link-failure": "A link of the tree fails",
    "node-failure": "A router of the tree fails",
}
_NOTES = {
    "join": "its port and its router's part are configured; mean over {all}",
    "new-cloud": "before, nothing of it was configured; mean over {all}",
    "link-failure": "mean (worst) over {all} between routers",
    "node-failure": "mean (worst) over {all} without a host",
}
_KINDS = {
    "join": "cloud",
    "new-cloud": "cloud",
    "link-failure": "link",
    "node-failure": "router",
}


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    cells: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    note: str
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()
    """What the rows do not say by themselves."""


def sections(comparison: Comparison) -> tuple[Section, ...]:
    """Return all sections in the order in which they are read."""
    figures = comparison.figures
    return tuple(
        section
        for section in (_state(figures), *_events(figures), *_traffic(comparison))
        if section.rows
    )


def _row(
    label: str,
    figures: Sequence[TransportFigures],
    cell: Callable[[TransportFigures], str],
    source: Source = Source.COMPUTED,
) -> Row:
    return Row(label, tuple(cell(f) for f in figures), source)


def _state(figures: Sequence[TransportFigures]) -> Section:
    return Section(
        "state",
        "Forwarding state",
        "entries that a packet of the delivery is looked up in",
        (
            _row("entries in the network", figures, lambda f: count(f.state.entries)),
            _row(
                "on the router with most",
                figures,
                lambda f: f"{count(f.state.most)} ({f.state.most_on})",
            ),
            _row(
                "routers that hold any",
                figures,
                lambda f: f"{f.state.routers} of {f.state.network}",
            ),
            _row("one more delivery adds", figures, lambda f: count(f.state.further)),
            _row(".. on so many routers", figures, lambda f: count(f.state.further_routers)),
        ),
    )


def _events(figures: Sequence[TransportFigures]) -> Iterator[Section]:
    for number, name in enumerate(EVENTS):
        all_ = [f.events[number] for f in figures if len(f.events) > number]
        if not all_ or not any(e.subjects for e in all_):
            continue
        several = sorted({len(e.subjects) for e in all_})
        kind = _KINDS[name]
        many = (
            plural(several[0], kind)
            if len(several) == 1
            else (f"{several[0]} to {several[-1]} {kind}s")
        )
        failure = name.endswith("failure")
        rows = [
            _row(label, figures, _cost(number, field, worst=failure))
            for label, field in (
                ("routers configured by the controller", "configured"),
                ("control messages between routers", "messages"),
                ("entries touched", "rows"),
                (".. on so many routers", "routers"),
            )
        ]
        if failure:
            rows.append(_row("cases that cut a cloud off", figures, _cut(number)))
        remarks = [(f.transport, f.events[number].note) for f in figures]
        yield Section(
            name,
            EVENTS[name],
            _NOTES[name].format(all=many),
            tuple(rows),
            tuple(f"{transport}: {said}" for transport, said in remarks if said),
        )


def _cost(number: int, field: str, *, worst: bool) -> Callable[[TransportFigures], str]:
    def cell(figures: TransportFigures) -> str:
        event = figures.events[number]
        if not event.subjects:
            return NONE
        mean = event.mean[field]
        text = f"{mean:.1f}".removesuffix(".0")
        return f"{text} ({getattr(event.worst, field)})" if worst else text

    return cell


def _cut(number: int) -> Callable[[TransportFigures], str]:
    def cell(figures: TransportFigures) -> str:
        event = figures.events[number]
        return f"{len(event.unserved)} of {len(event.subjects)}"

    return cell


def _traffic(comparison: Comparison) -> Iterator[Section]:
    figures = [f for f in comparison.figures if f.traffic is not None]
    if not figures:
        return

    def row(
        label: str, cell: Callable[[TrafficFigures], str], source: Source = Source.MEASURED
    ) -> Row:
        return _row(
            label,
            comparison.figures,
            lambda f: NONE if f.traffic is None else cell(f.traffic),
            source,
        )

    first = figures[0].traffic
    assert first is not None
    what = f"{size(first.size)}, {first.loss * 100:.3g} % loss on every cloud's access link"
    exact = "" if first.optimal_exact else " or better"
    yield Section(
        "traffic",
        "Traffic",
        what,
        (
            row("bytes that left the repository", lambda t: size(t.egress)),
            row("bytes over links between routers", lambda t: size(t.core)),
            row(
                f".. to one copy on each link of the smallest tree{exact}",
                lambda t: factor(t.core, t.optimal or 0),
                Source.COMPUTED,
            ),
            row(
                "unicast would take from the repository",
                lambda t: size(t.unicast_egress),
                Source.COMPUTED,
            ),
            row(".. and between routers", lambda t: size(t.unicast_core), Source.COMPUTED),
            row("repairs that the source sent", lambda t: f"{count(t.repairs)} packets"),
            row(".. in bytes", lambda t: size(t.repair_bytes)),
            row("packets that clouds got for nothing", lambda t: count(t.needless)),
        ),
    )
    clouds = first.clouds
    yield Section(
        "completion",
        "Time until the model is there",
        "on the lab's clock, with joining, manifest and losses, which the computed line has not",
        (
            *(row(cloud.cloud, _time(number)) for number, cloud in enumerate(clouds)),
            row("the last cloud", lambda t: duration(t.duration)),
            row(
                "N unicast copies, bytes alone",
                lambda t: duration(t.unicast_duration),
                Source.COMPUTED,
            ),
            row(
                f"{first.late} joins half way: to its first byte",
                lambda t: duration(t.late_wait),
            ),
        ),
    )


def _time(number: int) -> Callable[[TrafficFigures], str]:
    def cell(traffic: TrafficFigures) -> str:
        cloud = traffic.clouds[number]
        return duration(cloud.verified) if cloud.complete else "incomplete"

    return cell
