"""What a platform's configuration cannot say, filled in from the plan.

Pure.  SR OS takes BIER's labels itself, no vendor knows our delivery sessions: a state that is read
from such a configuration has gaps, and what fills them is the device's own doing or the plan's word
for it.  Which gaps there are, and why, is in the platform's facts (`Facts.silent`), and coverage
reports say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from toolkit.state.model import RouterState

_KEYS: Final[Mapping[str, Callable[[Any], object]]] = {
    "sub_domains": lambda entry: entry.sub_domain_id,
    "replication_segments": lambda entry: (entry.root, entry.tree_id, entry.instance_id),
    "replication_segments.downstream": lambda entry: (entry.interface or entry.node, entry.sid),
    "p2mp_policies": lambda entry: (entry.root, entry.tree_id),
    "mvpns": lambda entry: entry.name,
}
"""Field of RouterState that holds entries -> which of the plan's an entry is."""


def filled(read: RouterState, intended: RouterState, silent: Iterable[str]) -> RouterState:
    """Return `read` with the `silent` parts of `intended`.

    A part is a field (`sessions`), a field of a field (`bier.tunnel`) or of entries
    (`interfaces.mtu`, `replication_segments.downstream.node`).  Entries that the plan does not have
    stay as they are, behind those that it has; these are in its order.
    """
    whole: RouterState = _of(read, intended, "", silent)
    return whole


def _of(own: Any, plan: Any, path: str, silent: Iterable[str]) -> Any:  # noqa: ANN401
    """Return the dataclass `own`, found at `path`, with the silent parts of `plan`."""
    deeper: defaultdict[str, list[str]] = defaultdict(list)
    whole: dict[str, Any] = {}
    for name in silent:
        field, _, part = name.partition(".")
        if part:
            deeper[field].append(part)
        else:
            whole[field] = getattr(plan, field)
    for field, parts in deeper.items():
        way = f"{path}.{field}" if path else field
        whole[field] = _entries(getattr(own, field), getattr(plan, field), way, parts)
    return replace(own, **whole)


def _entries(own: Any, plan: Any, path: str, silent: Iterable[str]) -> Any:  # noqa: ANN401
    if isinstance(own, Mapping):
        return {n: _of(e, plan[n], path, silent) if n in plan else e for n, e in own.items()}
    if not isinstance(own, tuple):
        return own if own is None or plan is None else _of(own, plan, path, silent)
    key = _KEYS[path]
    known = {key(entry): (place, entry) for place, entry in enumerate(plan)}
    placed = [
        (known[key(e)][0], _of(e, known[key(e)][1], path, silent))
        if key(e) in known
        else (len(known), e)
        for e in own
    ]
    return tuple(entry for _, entry in sorted(placed, key=lambda pair: pair[0]))
