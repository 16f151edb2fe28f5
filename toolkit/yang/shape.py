"""What documents have shown of a schema: keys of lists, and modules of namespaces.  Pure.

libyang's Python binding shows no schema, but it names each node of a document by a path with key
predicates.  That is all that it takes to tell which entries of two documents are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

Route = tuple[str, ...]
"""Local names from the top of the data tree down to a node."""

_STEP: Final = re.compile(
    r"/(?:(?P<module>[\w.-]+):)?(?P<name>[\w.-]+)"
    r"(?P<predicates>(?:\[(?:[^'\"\]]|'[^']*'|\"[^\"]*\")*\])*)"
)
_KEY: Final = re.compile(r"\[(?:[\w.-]+:)?([\w.-]+)=(?:'[^']*'|\"[^\"]*\")\]")
VALUE: Final = "."
"""The one key of a leaf-list: its value."""


class Shape:
    """Grows with each document; may be shared by threads."""

    def __init__(self) -> None:
        self.keys: dict[Route, tuple[str, ...]] = {}
        """List -> its keys, none for a list that has none; leaf-list -> VALUE."""
        self.modules: dict[str, str] = {}
        """Namespace -> module."""
        self.module_of: dict[Route, str] = {}
        """Node -> module, for those at which the module changes."""
        self.sorted = False
        """Lists that the system orders are sorted: an order that differs means something."""

    def learn(self, paths: Iterable[str]) -> None:
        """Take in data paths as libyang prints them: `/m:top/list[name='x']/leaf`."""
        for path in paths:
            self.sorted = True
            names: list[str] = []
            predicates = module = ""
            for step in _STEP.finditer(path):
                names.append(step["name"])
                predicates, module = step["predicates"], step["module"] or ""
            route = tuple(names)
            if module:
                self.module_of[route] = module
            if predicates:
                self.keys[route] = tuple(_KEY.findall(predicates))

    def name(self, route: Route, namespace: str) -> None:
        """Note that the node at `route` is in `namespace`."""
        module = self.module_of.get(route)
        if module is not None:
            self.modules.setdefault(namespace, module)
