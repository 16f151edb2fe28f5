"""Which nodes of a router's configuration are ours, and the edit that changes them alone.  Pure.

A *claim* is a configuration that we gave the router or are about to: what it names is ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from toolkit.netconf.datastore import OPERATION
from toolkit.netconf.identity import Identity, entry, identified, step
from toolkit.netconf.ownership.places import DESCRIPTION, PREFIX, Kind, Place, Table
from toolkit.netconf.tree import Node, QName
from toolkit.yang.shape import Route, Shape

_REPLACE: Final = ((OPERATION, "replace"),)
_REMOVE: Final = ((OPERATION, "remove"),)


def ours(table: Table, shape: Shape, found: Node, claims: Sequence[Node]) -> Node:
    """Return what of the configuration `found` is ours, with its ancestors and their keys."""
    named = set[str]()
    for tree in (found, *claims):
        named |= set(_interfaces(table.top, tree, claims, ""))
    return _Picker(shape, frozenset(named)).pick(table.top, found, claims, (), owned=False)


def _interfaces(place: Place, node: Node, claims: Sequence[Node], above: str) -> Iterator[str]:
    """Yield the names of interfaces that are ours."""
    claimed = _Claimed(place, claims)
    for child in node.children:
        inner = place.children.get(child.name)
        if inner is None:
            continue
        matching = claimed.matching(inner, child)
        name = " ".join(entry(child, inner.keys)[2:]) if inner.keys else above
        if inner.interfaces and (matching or _marked(inner, child)):
            yield f"{above}.{name}" if inner.within else name
        yield from _interfaces(inner, child, matching, name)


class _Claimed:
    """The children of claims, to be found by name and keys: lists have thousands of entries."""

    def __init__(self, place: Place, claims: Sequence[Node]) -> None:
        self._found: dict[Identity, list[Node]] = {}
        for claim in claims:
            for child in claim.children:
                inner = place.children.get(child.name)
                if inner is not None:
                    self._found.setdefault(entry(child, inner.keys), []).append(child)

    def matching(self, place: Place, node: Node) -> list[Node]:
        """Return the claims' nodes that are the same as `node`, which stands at `place`."""
        return self._found.get(entry(node, place.keys), [])


def _marked(place: Place, node: Node) -> bool:
    if any(key.startswith(PREFIX) for key in entry(node, place.keys)[2:]):
        return True
    if not (node.children or place.keys) and node.value.startswith(PREFIX):
        return True  # a leaf that names something of ours
    return any(
        (c.name.local == "description" and c.value.startswith(DESCRIPTION))
        or (c.name.local in place.mark.split() and c.value.startswith(PREFIX))
        for c in node.children
    )


class _Picker:
    def __init__(self, shape: Shape, interfaces: Collection[str]) -> None:
        self._shape, self._interfaces = shape, interfaces

    def pick(
        self, place: Place, node: Node, claims: Sequence[Node], route: Route, *, owned: bool
    ) -> Node:
        """Return `node` with what of it is ours; `owned`: but for exceptions all of it is."""
        kept = []
        known = _Claimed(place, claims)
        for child in node.children:
            inner = place.children.get(child.name)
            if inner is None:
                if owned or child.name.local in place.keys:
                    kept.append(child)
                continue
            matching = known.matching(inner, child)
            here = (*route, child.name.local)
            if inner.kind is Kind.SHARED and not inner.children:
                if (part := self._shared(child, matching, here)) is not None:
                    kept.append(part)
            elif inner.ancestor:
                part = self.pick(inner, child, matching, here, owned=False)
                # An entry that a claim names is kept even bare: it tells that we do not create it.
                claimed = bool(matching) and (bool(inner.keys) or inner.kind is Kind.SHARED)
                if claimed or any(c.name.local not in inner.keys for c in part.children):
                    kept.append(part)
            elif inner.kind is Kind.WHOLE or self._mine(inner, child, matching):
                if not inner.children:
                    kept.append(child)
                else:
                    kept.append(self.pick(inner, child, matching, here, owned=True))
        return node.with_children(kept)

    def _mine(self, place: Place, node: Node, matching: Sequence[Node]) -> bool:
        if matching or _marked(place, node):
            return True
        keys = entry(node, place.keys)[2:]
        return place.following and any(key in self._interfaces for key in keys)

    def _shared(self, node: Node, claims: Sequence[Node], route: Route) -> Node | None:
        """Return what of `node` some claim names, too."""
        if not claims:
            return None
        if not node.children:
            return node
        named: dict[Identity, list[Node]] = {}
        for claim in claims:
            for identity, _, child in identified(self._shape, claim, route):
                named.setdefault(identity, []).append(child)
        keys = self._shape.keys.get(route, ())
        kept = []
        for identity, _, child in identified(self._shape, node, route):
            if child.name.local in keys:
                kept.append(child)
            elif identity in named:
                part = self._shared(child, named[identity], (*route, child.name.local))
                kept += [part] if part is not None else []
        return node.with_children(kept)


def without_bare(table: Table, tree: Node) -> Node:
    """Return `tree` without entries on the way to what is ours that hold nothing but their keys.

    Such an entry is nobody's change: what was ours in it has gone, and others may be in it.
    """
    return _without_bare(table.top, tree)


def _without_bare(place: Place, node: Node) -> Node:
    kept = []
    for child in node.children:
        inner = place.children.get(child.name)
        if inner is None or not inner.ancestor:
            kept.append(child)
            continue
        part = _without_bare(inner, child)
        if inner.kind is not None or any(c.name.local not in inner.keys for c in part.children):
            kept.append(part)
    return node.with_children(kept)


def strangers(table: Table, shape: Shape, payload: Node) -> list[str]:
    """Return the paths of a payload's nodes that the table says nothing of."""
    return list(_strangers(table.top, shape, payload, (), ""))


def _strangers(place: Place, shape: Shape, node: Node, route: Route, path: str) -> Iterator[str]:
    inside = node.name.namespace if route else ""
    for _, keys, child in identified(shape, node, route):
        inner = place.children.get(child.name)
        here = path + step(shape, child, keys, inside)
        if inner is None:
            if child.name.local not in place.keys:
                yield here
        elif inner.ancestor:
            rest = [c for c in child.children if c.name.local not in inner.keys]
            if rest or inner.kind is Kind.SHARED:
                yield from _strangers(inner, shape, child, (*route, child.name.local), here)
            else:
                yield here


def wanted(table: Table) -> tuple[Node, ...]:
    """Return a subtree filter that selects the table's places, with the keys on the way."""
    return _filter(table.top)


def _filter(place: Place) -> tuple[Node, ...]:
    return tuple(
        Node(
            name,
            children=(
                (*(Node(QName(name.namespace, key)) for key in inner.keys), *_filter(inner))
                if inner.ancestor
                else ()
            ),
        )
        for name, inner in place.children.items()
    )


Trail = tuple[Identity, ...]


def mixed(table: Table, shape: Shape, found: Node, mine: Node) -> frozenset[Trail]:
    """Return where, in places of ours, something stands in `found` that is not in `mine`."""
    return frozenset(_mixed(table.top, shape, found, mine, (), ()))


def _mixed(
    place: Place, shape: Shape, found: Node, mine: Node, route: Route, trail: Trail
) -> Iterator[Trail]:
    everything = {i: child for i, _, child in identified(shape, found, route)}
    for identity, _, child in identified(shape, mine, route):
        inner = place.children.get(child.name)
        if inner is None or not inner.children or identity not in everything:
            continue
        here = (*trail, identity)
        if everything[identity] != child:
            yield here
            whole = everything[identity]
            yield from _mixed(inner, shape, whole, child, (*route, child.name.local), here)


def named(table: Table, shape: Shape, claims: Sequence[Node]) -> frozenset[Trail]:
    """Return the entries on the way to places that claims name."""
    return frozenset(trail for claim in claims for trail in _named(table.top, shape, claim, (), ()))


def _named(place: Place, shape: Shape, node: Node, route: Route, trail: Trail) -> Iterator[Trail]:
    for identity, _, child in identified(shape, node, route):
        inner = place.children.get(child.name)
        if inner is not None and inner.ancestor:
            here = (*trail, identity)
            if inner.keys or inner.kind is Kind.SHARED:
                yield here
            yield from _named(inner, shape, child, (*route, child.name.local), here)


def edit(
    table: Table,
    shape: Shape,
    before: Node,
    after: Node,
    shared: frozenset[Trail],
    created: frozenset[Trail],
) -> tuple[Node, ...]:
    """Return the <config> that turns what is ours from `before` into `after`.

    Ancestors are merged; places that differ are replaced or removed, node by node where something
    stands in them that is not ours (`shared`, out of `mixed`).  An ancestor that is in `created`
    (out of `named`) and not in `after` goes with all that is in it: a claim had made it.
    """
    return tuple(_Editor(shape, shared, created).edit(table.top, before, after, (), ()))


class _Editor:
    def __init__(self, shape: Shape, shared: frozenset[Trail], created: frozenset[Trail]) -> None:
        self._shape, self._mixed, self._created = shape, shared, created

    def edit(
        self, place: Place, before: Node, after: Node, route: Route, trail: Trail
    ) -> Iterator[Node]:
        """Yield the edits of the children of a node that is there before or after."""
        if before == after:
            return
        keys = self._shape.keys.get(route, ())
        old = {i: child for i, _, child in identified(self._shape, before, route)}
        new = {i: child for i, _, child in identified(self._shape, after, route)}
        for identity, child in new.items():
            there = old.get(identity)
            if there != child and child.name.local not in keys:
                inner = place.children.get(child.name)
                yield self._change(inner, there, child, route, (*trail, identity))
        for identity, child in old.items():
            if identity not in new and child.name.local not in keys:
                inner = place.children.get(child.name)
                yield self._removal(inner, child, route, (*trail, identity))

    def _whole(self, place: Place | None, trail: Trail) -> bool:
        """May the node be replaced or removed as a whole?"""
        return place is None or (
            place.kind in (Kind.WHOLE, Kind.ENTRIES) and trail not in self._mixed
        )

    def _change(
        self, place: Place | None, before: Node | None, after: Node, route: Route, trail: Trail
    ) -> Node:
        here = (*route, after.name.local)
        bare = before if before is not None else after.with_children(())
        if place is None or self._whole(place, trail):
            return replace(after, attributes=_REPLACE)
        if place.kind is Kind.SHARED and not place.children:
            return self._shared(bare, after, here)
        return self._around(after, here, self.edit(place, bare, after, here, trail))

    def _removal(self, place: Place | None, before: Node, route: Route, trail: Trail) -> Node:
        here = (*route, before.name.local)
        bare = before.with_children(())
        gone = place is not None and place.ancestor and trail in self._created
        if place is None or gone or self._whole(place, trail):
            return self._around(before, here, (), _REMOVE)
        if place.kind is Kind.SHARED and not place.children:
            return self._shared(before, None, here)
        return self._around(before, here, self.edit(place, before, bare, here, trail))

    def _shared(self, before: Node, after: Node | None, route: Route) -> Node:
        """Return a merge of what is set, and the removal of what another claim had set."""
        node = after if after is not None else before
        keys = self._shape.keys.get(route, ())
        if after is None and (keys or not node.children):
            return self._around(before, route, (), _REMOVE)  # an entry that a claim had made
        if not node.children:
            return node
        old = {i: c for i, _, c in identified(self._shape, before, route)}
        new = {i: c for i, _, c in identified(self._shape, node, route)} if after else {}
        inner = [
            self._shared(
                old.get(identity, child.with_children(())), child, (*route, child.name.local)
            )
            for identity, child in new.items()
            if old.get(identity) != child and child.name.local not in keys
        ]
        inner += [
            self._shared(child, None, (*route, child.name.local))
            for identity, child in old.items()
            if identity not in new and child.name.local not in keys
        ]
        return self._around(node, route, inner)

    def _around(
        self,
        node: Node,
        route: Route,
        inner: Iterable[Node],
        operation: tuple[tuple[QName, str], ...] = (),
    ) -> Node:
        """Return `node` with its keys and the edits inside it, or with an operation of its own."""
        keys = self._shape.keys.get(route, ())
        kept = tuple(c for c in node.children if c.name.local in keys)
        return Node(node.name, node.value, (*kept, *inner), node.prefixes, operation)
