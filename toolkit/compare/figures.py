"""Figures of a study: its state, and what its events cost.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields

from toolkit.compare.events import Event, Moment, Study, configured
from toolkit.compare.messages import messages
from toolkit.compare.model import Cost, EventFigures, StateFigures
from toolkit.compare.shape import reshaped
from toolkit.compare.tables import Entries, all_entries, difference
from toolkit.inventory.model import Transport

_COSTS = tuple(field.name for field in fields(Cost))


class Ledger:
    """The tables of the networks of one study, each made once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._base = all_entries(study.base, study.transport)

    def of(self, moment: Moment) -> dict[str, Entries]:
        if moment is self._study.base:
            return self._base
        return all_entries(moment, self._study.transport)


def state_figures(study: Study) -> StateFigures:
    """Return how many forwarding entries one delivery, and one more, take."""
    tables = all_entries(study.base, study.transport)
    one, two = (all_entries(moment, study.transport) for moment in study.further())
    sizes = {name: len(rows) for name, rows in tables.items()}
    most_on = min(sizes, key=lambda name: (-sizes[name], name), default="")
    added = {name: len(rows) - len(one[name]) for name, rows in two.items()}
    return StateFigures(
        entries=sum(sizes.values()),
        most=sizes.get(most_on, 0),
        most_on=most_on,
        routers=sum(n > 0 for n in sizes.values()),
        network=len(study.plan.routers),
        further=sum(added.values()),
        further_routers=sum(n > 0 for n in added.values()),
    )


def event_figures(study: Study) -> tuple[EventFigures, ...]:
    """Return what each kind of event costs, over everything that it can happen to."""
    ledger = Ledger(study)
    return (
        _figures("join", study, ledger, study.joins()),
        _figures("new-cloud", study, ledger, study.new_clouds()),
        _figures("link-failure", study, ledger, study.link_failures()),
        _figures("node-failure", study, ledger, study.node_failures()),
    )


def _figures(name: str, study: Study, ledger: Ledger, events: Iterable[Event]) -> EventFigures:
    costs: dict[str, Cost] = {}
    unserved: dict[str, tuple[str, ...]] = {}
    in_place: list[int] = []
    for event in events:
        costs[event.subject] = _cost(study, ledger, event)
        in_place.append(len(reshaped(event.before.state, event.after.state)))
        if name.endswith("failure") and (lost := event.after.unserved(study.delivery)):
            unserved[event.subject] = lost
    return EventFigures(
        name=name,
        subjects=tuple(costs),
        mean={
            field: sum(getattr(cost, field) for cost in costs.values()) / max(1, len(costs))
            for field in _COSTS
        },
        worst=Cost(
            **{
                field: max((getattr(cost, field) for cost in costs.values()), default=0)
                for field in _COSTS
            }
        ),
        unserved=unserved,
        note=_in_place(in_place) if study.transport is Transport.SR_P2MP else "",
    )


def _in_place(routers: Collection[int]) -> str:
    mean = sum(routers) / max(1, len(routers))
    return (
        "every router of the tree gets a new instance (make before break); changed in place, "
        f"{mean:.1f} routers would be configured"
    )


def _cost(study: Study, ledger: Ledger, event: Event) -> Cost:
    before, after = event.before, event.after
    changed = difference(ledger.of(before), ledger.of(after))
    return Cost(
        configured=len(configured(before.state, after.state)),
        messages=messages(study, event),
        rows=changed.rows,
        routers=changed.routers,
    )
