"""Places of a platform's configuration that we write, and of what kind each is.  Pure values.

A place is a schema path, as in `/m:top/list[key]/leaf`; the keys of each list stand in brackets,
a module's name stands where it changes.  Kinds:

- whole: the node is ours, with all that is in it; it is removed where a payload lacks it.
- entries: a list of which some entries are ours: those in the payload, those whose key begins with
  `llmsync`, those whose description begins with `llmsync: `.
- interfaces: entries, whose keys are names of interfaces.
- following: entries; also those that are named like an interface of ours.
- shared: set as the payload says, and never removed where it says nothing; also an ancestor of
  other places that the payload may create.

A place inside another is an exception from it: of an interface that is ours, a list of units may
hold entries that are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from toolkit.netconf.tree import QName
from toolkit.yang.shape import Route

PREFIX: Final = "llmsync"
"""How names begin that we give to entries of lists."""
DESCRIPTION: Final = "llmsync: "
"""How descriptions begin of entries whose names we do not give."""

_STEP: Final = re.compile(r"/(?:([\w.-]+):)?([\w.-]+)(?:\[([\w. -]+)\])?")


class Kind(Enum):
    """What of a place is ours."""

    WHOLE = "whole"
    ENTRIES = "entries"
    SHARED = "shared"


@dataclass(slots=True)
class Place:
    """A node that is ours, or an ancestor of one (`kind` None)."""

    kind: Kind | None = None
    keys: tuple[str, ...] = ()
    interfaces: bool = False
    """The entries are interfaces."""
    within: bool = False
    """The interface is named after its parent's entry, too: `et-0/0/1.0`."""
    following: bool = False
    mark: str = ""
    """Leaves of the entries; one of them begins with our prefix where the entry is ours."""
    children: dict[QName, Place] = field(default_factory=dict)

    @property
    def ancestor(self) -> bool:
        """Only the places inside it are ours."""
        return self.kind is None or (self.kind is Kind.SHARED and bool(self.children))


@dataclass(frozen=True, slots=True)
class Table:
    """What is ours on the routers of one platform."""

    top: Place
    modules: Mapping[str, str]
    """Module -> namespace, of what the places name."""
    keys: Mapping[Route, tuple[str, ...]]
    """Lists on the way to the places, and more where a platform has no schema that would tell."""

    unordered: frozenset[Route]
    """Lists whose entries are not all ours: the order among them is nobody's."""

    @property
    def namespaces(self) -> dict[str, str]:
        return {namespace: module for module, namespace in self.modules.items()}


def table(
    modules: Mapping[str, str],
    *,
    whole: Iterable[str] = (),
    entries: Iterable[str] = (),
    interfaces: Iterable[str] = (),
    units: Iterable[str] = (),
    following: Iterable[str] = (),
    shared: Iterable[str] = (),
    lists: Iterable[str] = (),
    marks: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """Return the table of some places.

    `units` are interfaces named after their parent as well; `lists` are lists inside of places
    whose keys no schema tells; `marks` are leaves by which entries are known to be ours.  Raises
    ValueError for a path that is none.
    """
    top, keys = Place(), dict[Route, tuple[str, ...]]()

    def put(paths: Iterable[str], kind: Kind | None, **more: bool | str) -> None:
        for path in paths:
            place, route = top, Route()
            for name, found in _steps(path, modules):
                route = (*route, name.local)
                place = place.children.setdefault(name, Place(keys=found))
                if found:
                    keys[route] = place.keys = found
            if kind is not None:
                place.kind = kind
            for attribute, value in more.items():
                setattr(place, attribute, value)

    put(whole, Kind.WHOLE)
    put(shared, Kind.SHARED)
    put(entries, Kind.ENTRIES)
    put(following, Kind.ENTRIES, following=True)
    put(interfaces, Kind.ENTRIES, interfaces=True)
    put(units, Kind.ENTRIES, interfaces=True, within=True)
    for path, leaf in marks.items():
        put((path,), None, mark=leaf)
    unordered = frozenset(keys)
    for path in lists:
        steps = list(_steps(path, modules))
        keys[tuple(name.local for name, _ in steps)] = steps[-1][1]
    return Table(top, modules, keys, unordered)


def _steps(path: str, modules: Mapping[str, str]) -> Iterator[tuple[QName, tuple[str, ...]]]:
    end, namespace = 0, ""
    for match in _STEP.finditer(path):
        if match.start() != end:
            break
        end = match.end()
        if match[1]:
            namespace = modules[match[1]]
        yield QName(namespace, match[2]), tuple((match[3] or "").split())
    if end != len(path) or not namespace:
        raise ValueError(f"{path} is no schema path")
