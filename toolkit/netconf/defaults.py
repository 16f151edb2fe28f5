"""Default values in replies.  RFC 6243, RFC 7950 sections 7.6.1 and 7.7.2.  Pure.

The basic mode is `explicit`: what a client has set is there, a value equal to the default too;
what it has not set is not.  A node that is absent and has a `when` or an if-feature is not filled
in, since whether it exists takes more than its own place to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from toolkit.netconf.names import DEFAULT_NS
from toolkit.netconf.schema import Kind, SchemaNode
from toolkit.netconf.tree import Node, QName

DEFAULT: Final = QName(DEFAULT_NS, "default")
"""The attribute that marks a default in report-all-tagged (section 6)."""


class Mode(StrEnum):
    """Retrieval modes (section 3)."""

    EXPLICIT = "explicit"
    REPORT_ALL = "report-all"
    REPORT_ALL_TAGGED = "report-all-tagged"
    TRIM = "trim"

    @property
    def untagged(self) -> Mode:
        """The mode for copies into a datastore, which holds no tags."""
        return Mode.REPORT_ALL if self is Mode.REPORT_ALL_TAGGED else self


def shown(schema: SchemaNode, data: Node, mode: Mode) -> Node:
    """Return `data`, a node of `schema`, as `mode` shows it."""
    match mode:
        case Mode.EXPLICIT:
            return data
        case Mode.TRIM:
            return _trimmed(schema, data)
        case _:
            return _filled(schema, data, tagged=mode is Mode.REPORT_ALL_TAGGED)


def is_default(schema: SchemaNode, node: Node) -> bool:
    """The leaf `node` has the value that it would have if it were not there."""
    return schema.kind is Kind.LEAF and any(
        schema.canonical(node) == schema.canonical(default) for default in schema.defaults
    )


def _trimmed(schema: SchemaNode, data: Node) -> Node:
    kept = []
    for child in data.children:
        known = schema.children.get(child.name)
        if known is None or not known.config or child.name.local in schema.keys:
            kept.append(child)
        elif known.kind is Kind.LEAF_LIST and known.defaults:
            if not _same_values(known, data):
                kept.append(child)
        elif not is_default(known, child):
            rest = _trimmed(known, child) if child.children else child
            if rest.children or not child.children or known.presence or known.keys:
                kept.append(rest)
    return data.with_children(kept)


def _same_values(schema: SchemaNode, data: Node) -> bool:
    given = [schema.canonical(c) for c in data.children if c.name == schema.name]
    usual = [schema.canonical(default) for default in schema.defaults]
    return given == usual if schema.user_ordered else sorted(given) == sorted(usual)


def _filled(schema: SchemaNode, data: Node, *, tagged: bool) -> Node:
    children = []
    for child in data.children:
        known = schema.children.get(child.name)
        inner = known is not None and known.kind in (Kind.CONTAINER, Kind.LIST) and known.config
        children.append(_filled(known, child, tagged=tagged) if known and inner else child)
    children += _absent(schema, data, tagged=tagged)
    return data.with_children(children)


def _absent(schema: SchemaNode, data: Node, *, tagged: bool) -> Iterator[Node]:
    """Yield the defaults that are in use below `data` though nobody has set them."""
    present = {child.name for child in data.children}
    chosen = {
        choice: case
        for name in present
        for choice, case in (schema.children[name].cases if name in schema.children else ())
    }
    for name, known in schema.children.items():
        if name in present or not known.config or known.conditional:
            continue
        if not all(
            chosen[choice] == case if choice in chosen else choice in known.default_choices
            for choice, case in known.cases
        ):
            continue
        if known.kind is Kind.CONTAINER and not known.presence:
            inner = _filled(known, Node(name), tagged=tagged)
            if inner.children:
                yield inner
        for default in known.defaults:
            attributes = ((DEFAULT, "true"),) if tagged else ()
            yield Node(name, default.value, prefixes=default.prefixes, attributes=attributes)
