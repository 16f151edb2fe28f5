"""What differs between two configurations, leaf by leaf.  Pure.

A client compares by what documents show of the schema (`changes`), a server by the schema itself
(`edits`).
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from toolkit.netconf.identity import identified, step
from toolkit.netconf.names import Operation
from toolkit.netconf.schema import Identity, Kind, SchemaNode, SchemaTree
from toolkit.netconf.tree import Node
from toolkit.yang.shape import Route, Shape


@dataclass(frozen=True, slots=True)
class Change:
    """One leaf, leaf-list entry or empty container that changes."""

    path: str
    """Data path, as in `/llmsync-isis:isis/interface[name='e0']/metric`."""
    before: str | None
    """None: it is added.  A node without a value has the value ''."""
    after: str | None
    """None: it is removed."""

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.path}" + (f": {self.after}" if self.after else "")
        if self.after is None:
            return f"- {self.path}" + (f": {self.before}" if self.before else "")
        return f"~ {self.path}: {self.before} -> {self.after}"


def changes(
    shape: Shape, before: Node, after: Node, unordered: Container[Route] = ()
) -> tuple[Change, ...]:
    """Return every change from configuration `before` to `after`, in the order of the data.

    Both are in canonical form, so that an order which differs is one that the user gives; in the
    lists of `unordered` it means nothing all the same.
    """
    return tuple(_below(shape, before, after, (), "", unordered))


def _below(
    shape: Shape,
    before: Node,
    after: Node,
    route: Route,
    path: str,
    unordered: Container[Route],
) -> Iterator[Change]:
    if before == after:
        return
    inside = before.name.namespace if route else ""
    old = {i: (keys, node) for i, keys, node in identified(shape, before, route)}
    new = {i: (keys, node) for i, keys, node in identified(shape, after, route)}
    for identity, (keys, node) in old.items():
        here = path + step(shape, node, keys, inside)
        if identity not in new:
            yield from _all(shape, node, (*route, node.name.local), here, keys, added=False)
            continue
        other = new[identity][1]
        if node.children or other.children:
            yield from _below(shape, node, other, (*route, node.name.local), here, unordered)
        elif not _same_value(node, other):
            yield Change(here, node.value, other.value)
    for identity, (keys, node) in new.items():
        if identity not in old:
            here = path + step(shape, node, keys, inside)
            yield from _all(shape, node, (*route, node.name.local), here, keys, added=True)
    for name in dict.fromkeys(n.name for k, n in old.values() if k is not None):
        first = [i for i, (_, node) in old.items() if node.name == name and i in new]
        second = [i for i, (_, node) in new.items() if node.name == name and i in old]
        if shape.sorted and first != second and (*route, name.local) not in unordered:
            order = [" ".join(i[2:]) for i in first], [" ".join(i[2:]) for i in second]
            yield Change(f"{path}/{name.local}", ", ".join(order[0]), ", ".join(order[1]))


def _all(
    shape: Shape, node: Node, route: Route, path: str, keys: tuple[str, ...] | None, *, added: bool
) -> Iterator[Change]:
    """Yield each leaf of a subtree that only one side has."""
    whole = node.with_children(c for c in node.children if c.name.local not in (keys or ()))
    if not whole.children:
        value = "" if node.children else node.value
        yield Change(path, None, value) if added else Change(path, value, None)
    for _, inner, child in identified(shape, whole, route):
        here = path + step(shape, child, inner, node.name.namespace)
        yield from _all(shape, child, (*route, child.name.local), here, inner, added=added)


def edits(schema: SchemaTree, before: Node, after: Node) -> Iterator[tuple[str, Operation]]:
    """Yield what an edit from `before` to `after` does: paths of the highest nodes it touches."""
    return _edits_below(schema.top, before, after, "")


def _edits_below(
    schema: SchemaNode, before: Node, after: Node, path: str
) -> Iterator[tuple[str, Operation]]:
    if before == after:
        return
    old, new = _entries(schema, before), _entries(schema, after)
    for identity, (known, node) in old.items():
        here = path + known.step(node, schema)
        if identity not in new:
            yield here, Operation.DELETE
        elif known.kind in (Kind.CONTAINER, Kind.LIST):
            yield from _edits_below(known, node, new[identity][1], here)
        elif not _same_value(node, new[identity][1]):
            yield here, Operation.REPLACE
    for identity, (known, node) in new.items():
        if identity not in old:
            yield path + known.step(node, schema), Operation.CREATE
    for name in {known.name: known for known, _ in old.values() if known.user_ordered}:
        first = [i for i, (known, _) in old.items() if known.name == name and i in new]
        second = [i for i, (known, _) in new.items() if known.name == name and i in old]
        if first != second:
            known, node = new[next(a for a, b in zip(second, first, strict=True) if a != b)]
            yield path + known.step(node, schema), Operation.MERGE


def _entries(schema: SchemaNode, parent: Node) -> dict[Identity, tuple[SchemaNode, Node]]:
    found: dict[Identity, tuple[SchemaNode, Node]] = {}
    for number, child in enumerate(parent.children):
        known = schema.children.get(child.name) or _stranger(child)
        identity = known.identity(child) or (*child.name, f"#{number}")
        found[identity] = (known, child)
    return found


def _same_value(before: Node, after: Node) -> bool:
    """White space counts, since it does in strings; the choice of a prefix does not."""
    return before.value == after.value or (
        bool(before.prefixes) and before.meaning() == after.meaning()
    )


def _stranger(node: Node) -> SchemaNode:
    """Return a schema node for data that no module of ours describes: it differs from anything."""
    return SchemaNode(name=node.name, module=node.name.namespace, kind=Kind.ANY)
