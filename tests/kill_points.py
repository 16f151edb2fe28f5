"""Where a controller can die during a push, out of the table of transitions.

Nothing here is a list by hand: a transition that is added to the table adds its points, or makes
`points` fail because it cannot be reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.netconf.transaction import LASTING, TRANSITIONS, Event, Request, State

Table = Mapping[State, Mapping[Event, tuple[State, Request | None]]]
Path = tuple[tuple[State, Event], ...]
"""What happens to one device: in which state which event."""
NAMES = ("r1", "r2", "r3")
"""Routers in the order in which they are asked."""


@dataclass(frozen=True, slots=True)
class Point:
    """The controller dies when `device`, after all of `path`, enters `state`."""

    device: str
    path: Path
    state: State
    recorded: bool
    """It dies after the line of the journal, or else before: the answer was there already."""
    effective: bool = False
    """Requests whose session broke had their effect."""

    @property
    def step(self) -> str:
        before, event = self.path[-1]
        return f"{before.value}, {event.name}: {self.state.value}"

    def __str__(self) -> str:
        when = "after" if self.recorded else "before"
        lost = any(event is Event.LOST for _, event in self.path)
        effect = f", {'with' if self.effective else 'no'} effect" if lost else ""
        return f"{self.device} {self.step}, {when} its line{effect}"


def table_of(*, reverts: bool) -> Table:
    return TRANSITIONS if reverts else LASTING


def good_path(table: Table) -> Path:
    """Return what happens to a device when nothing goes wrong."""
    state, path = State.IDLE, []
    while table[state]:
        event = Event.OK if Event.OK in table[state] else Event.PROCEED
        path.append((state, event))
        state = table[state][event][0]
    assert state is State.COMMITTED
    return tuple(path)


def paths(table: Table) -> dict[State, Path]:
    """Return the shortest path to each state."""
    found: dict[State, Path] = {State.IDLE: ()}
    queue = deque([State.IDLE])
    while queue:
        state = queue.popleft()
        for event, (target, _) in table[state].items():
            if target not in found:
                found[target] = (*found[state], (state, event))
                queue.append(target)
    assert set(found) == set(State) - _unused(table), "a state that no path leads to"
    return found


def _unused(table: Table) -> set[State]:
    """Return the states that this table never enters (a change that lasts does not expire)."""
    entered = {target for row in table.values() for target, _ in row.values()}
    return set(State) - entered - {State.IDLE}


def points(*, reverts: bool) -> Iterator[Point]:
    """Yield every point: any router in a push that goes well, one at all other transitions."""
    table = table_of(reverts=reverts)
    good = good_path(table)
    for device in NAMES:
        for length in range(1, len(good) + 1):
            yield from _both(device, good[:length], table)
    shortest = paths(table)
    for state, row in table.items():
        for event in row:
            if state in shortest and (state, event) not in good:
                yield from _both(NAMES[1], (*shortest[state], (state, event)), table)


def _both(device: str, path: Path, table: Table) -> Iterator[Point]:
    state, event = path[-1]
    target = table[state][event][0]
    lost = any(e is Event.LOST for _, e in path)
    for effective in (False, True) if lost else (False,):
        for recorded in (False, True):
            yield Point(device, path, target, recorded, effective)
