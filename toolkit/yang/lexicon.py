"""What the modules say about a node, in a person's words: for remedies in error messages.

Validators say that a value is wrong, not which would be right.  pyang reads the same modules in
0.15 s, so it is asked only when something is wrong.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

_PREDICATES = re.compile(r"""\[(?:[^\]'"]|'[^']*'|"[^"]*")*\]""")
_BOUNDS = {
    f"{sign}int{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
_FAMILIAR = {
    "ip-address": "an IPv4 or IPv6 address",
    "ip-address-no-zone": "an IPv4 or IPv6 address without a zone",
    "ipv4-address-no-zone": "an IPv4 address",
    "ipv6-address-no-zone": "an IPv6 address",
    "ip-prefix": "an IP prefix such as 192.0.2.1/32 or 2001:db8::1/128",
}
_MANY = 8
"""More names than these are not listed."""


class Lexicon:
    """Answers about the nodes of some modules; built at the first question."""

    def __init__(self, modules: Sequence[str], search_path: Sequence[Path]) -> None:
        self._modules, self._search_path = modules, search_path
        self._lock = threading.Lock()

    @cached_property
    def _loaded(self) -> tuple[list[Any], list[Any]]:
        """The modules asked for, and these with all that they import."""
        from pyang.context import Context
        from pyang.repository import FileRepository

        folders = ":".join(map(str, self._search_path))
        context = Context(FileRepository(folders, use_env=False))
        parts = [name.partition("@") for name in self._modules]
        found = [context.search_module(None, name, rev or None) for name, _, rev in parts]
        # pyang 2.7 gives up on submodules that include each other (nokia-conf has 154 of them), by
        # an AttributeError late in its checks; what it has read by then answers most questions.
        with suppress(AttributeError):
            context.validate()
        every = [module for module in context.modules.values() if module.keyword == "module"]
        return [module for module in found if module is not None], every

    @property
    def _roots(self) -> list[Any]:
        return self._loaded[0]

    def _node(self, path: str) -> Any | None:  # noqa: ANN401 - a pyang Statement, which has no type
        with self._lock:
            roots = self._roots
        module, node = "", None
        for step in _PREDICATES.sub("", path).strip("/").split("/"):
            prefix, _, name = step.rpartition(":")
            module = prefix or module
            nodes = _data_nodes(node) if node is not None else chain(*map(_data_nodes, roots))
            node = next((n for n in nodes if n.arg == name and _module(n) == module), None)
            if node is None:
                return None
        return node

    @cached_property
    def inner(self) -> Mapping[str, tuple[str, ...]]:
        """Containers and lists by schema path, each step `module:name`; with a list's keys.

        Those of imported modules too: a validator implements what a leafref points into.
        """
        with self._lock:
            return dict(_inner("", self._loaded[1]))

    @cached_property
    def modules(self) -> Mapping[str, str]:
        """Module name by namespace."""
        with self._lock:
            return {m.search_one("namespace").arg: m.i_modulename for m in self._loaded[1]}

    def children(self, path: str) -> tuple[str, ...]:
        """Return the names of the nodes below `path`; of all top-level nodes for an empty path."""
        if not path:
            with self._lock:
                return tuple(n.arg for root in self._roots for n in _data_nodes(root))
        return tuple(node.arg for node in _data_nodes(self._node(path)))

    def keys(self, path: str) -> tuple[str, ...]:
        """Return the keys of the list at `path`."""
        return tuple(self.argument(path, "key").split())

    def argument(self, path: str, keyword: str) -> str:
        """Return what the node at `path` says with statement `keyword`; empty when it does not."""
        found = getattr(self._node(path), "search_one", lambda _: None)(keyword)
        return str(found.arg) if found is not None else ""

    def allowed(self, path: str) -> str:
        """Return what the leaf at `path` may hold, and who says so; empty when unknown."""
        node = self._node(path)
        if node is None:
            return ""
        reference = ""
        for statement in _definitions(node):
            found = statement.search_one("reference")
            reference = reference or (found.arg if found is not None else "")
            kind = statement.search_one("type")
            text = _describe(kind) if kind is not None else ""
            if text:
                # A node's reference explains its numbers and texts, hardly why it is a boolean.
                explained = reference and kind.arg not in ("boolean", "identityref")
                return f"{text}; {' '.join(reference.split())}" if explained else text
        return ""


def _module(node: Any) -> str:  # noqa: ANN401 - a pyang Statement, which has no type
    return str(node.i_module.i_modulename)


def _data_nodes(node: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield what can stand in data below `node`: choices and cases cannot, their nodes can."""
    for child in getattr(node, "i_children", ()):
        if child.keyword in ("choice", "case"):
            yield from _data_nodes(child)
        else:
            yield child


def _inner(path: str, nodes: Iterable[Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in chain.from_iterable(map(_data_nodes, nodes)):
        if node.keyword in ("container", "list"):
            below = f"{path}/{_module(node)}:{node.arg}"
            key = node.search_one("key")
            yield below, tuple(key.arg.split()) if key is not None else ()
            yield from _inner(below, [node])


def _definitions(leaf: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield a leaf and then the typedefs that its type comes from, nearest first."""
    statement = leaf
    while statement is not None:
        yield statement
        kind = statement.search_one("type")
        statement = getattr(kind, "i_typedef", None)


def _describe(kind: Any) -> str:  # noqa: ANN401
    """Return a `type` statement's own restriction in words; empty where it adds none."""
    name = kind.arg.rpartition(":")[2]
    if (bounds := kind.search_one("range")) is not None:
        return " ".join(bounds.arg.split())
    if enums := kind.search("enum"):
        return ", ".join(enum.arg for enum in enums)
    restrictions = [f"a text like {pattern.arg}" for pattern in kind.search("pattern")]
    if (length := kind.search_one("length")) is not None:
        restrictions.append(f"{' '.join(length.arg.split())} characters long")
    if restrictions:
        return ", ".join(restrictions)
    if name in _BOUNDS:
        low, high = _BOUNDS[name]
        return f"{low}..{high}"
    if name == "boolean":
        return "true, false"
    if name == "identityref":
        bases = ", ".join(base.arg for base in kind.search("base"))
        return f"an identity derived from {bases}, its prefix bound to its module's namespace"
    return _FAMILIAR.get(name, "")


def some(names: Sequence[str]) -> str:
    """Return `names` as a list for people, cut where it would grow long."""
    return ", ".join(names[:_MANY]) + (", ..." if len(names) > _MANY else "")
