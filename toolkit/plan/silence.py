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
    "p2mp_policies": lambda entry: (entry.root, entry.tree_id),
    "mvpns": lambda entry: entry.name,
}
"""Field of RouterState that holds entries -> which of the plan's an entry is."""


def filled(read: RouterState, intended: RouterState, silent: Iterable[str]) -> RouterState:
    """Return `read` with the `silent` parts of `intended`.

    A part is a field (`sessions`) or a field of entries (`interfaces.mtu`) or of a value
    (`sr.srlb`); what the plan does not have stays as it is.
    """
    whole: dict[str, Any] = {}
    parts: defaultdict[str, list[str]] = defaultdict(list)
    for name in silent:
        field, _, part = name.partition(".")
        if part:
            parts[field].append(part)
        else:
            whole[field] = getattr(intended, field)
    for field, names in parts.items():
        whole[field] = _entries(getattr(read, field), getattr(intended, field), field, names)
    return replace(read, **whole)


def _entries(own: Any, plan: Any, field: str, names: Iterable[str]) -> Any:  # noqa: ANN401
    def of(entry: Any, model: Any) -> Any:  # noqa: ANN401
        return replace(entry, **{name: getattr(model, name) for name in names})

    if own is None or plan is None:
        return own
    if isinstance(own, Mapping):
        return {name: of(e, plan[name]) if name in plan else e for name, e in own.items()}
    if not isinstance(own, tuple):
        return of(own, plan)
    key = _KEYS[field]
    known = {key(entry): entry for entry in plan}
    return tuple(of(entry, known[key(entry)]) if key(entry) in known else entry for entry in own)
