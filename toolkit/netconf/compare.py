"""What differs between two configurations, leaf by leaf.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.netconf.names import Operation
from toolkit.netconf.schema import Identity, Kind, SchemaNode, SchemaTree
from toolkit.netconf.tree import Node


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


def changes(schema: SchemaTree, before: Node, after: Node) -> tuple[Change, ...]:
    """Return every change from datastore `before` to `after`, in the order of the data.

    The order of entries counts only where the schema says that the user gives it.
    """
    return tuple(_below(schema.top, before, after, ""))


def _below(schema: SchemaNode, before: Node, after: Node, path: str) -> Iterator[Change]:
    old, new = _entries(schema, before), _entries(schema, after)
    for identity, (known, node) in old.items():
        here = path + known.step(node, schema)
        if identity not in new:
            yield from _all(known, node, here, added=False)
        elif known.kind in (Kind.CONTAINER, Kind.LIST):
            yield from _below(known, node, new[identity][1], here)
        elif not _same_value(node, new[identity][1]):
            yield Change(here, node.value, new[identity][1].value)
    for identity, (known, node) in new.items():
        if identity not in old:
            yield from _all(known, node, path + known.step(node, schema), added=True)
    for name in {known.name: known for known, _ in old.values() if known.user_ordered}:
        first = [i for i, (known, _) in old.items() if known.name == name and i in new]
        second = [i for i, (known, _) in new.items() if known.name == name and i in old]
        if first != second:
            order = [" ".join(i[2:]) for i in first], [" ".join(i[2:]) for i in second]
            yield Change(f"{path}/{name.local}", ", ".join(order[0]), ", ".join(order[1]))


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


def _all(schema: SchemaNode, node: Node, path: str, *, added: bool) -> Iterator[Change]:
    """Yield each leaf of a subtree that only one side has."""
    rest = [c for c in node.children if c.name.local not in schema.keys]
    if schema.kind is Kind.CONTAINER and not rest and not schema.presence:
        return  # says nothing by being there (RFC 7950 section 7.5.1)
    if not rest:
        value = "" if schema.kind in (Kind.CONTAINER, Kind.LIST) else node.value
        yield Change(path, None, value) if added else Change(path, value, None)
    for child in rest:
        known = schema.children.get(child.name) or _stranger(child)
        yield from _all(known, child, path + known.step(child, schema), added=added)
