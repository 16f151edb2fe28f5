"""Which nodes of two documents are the same, without a schema.  Pure.

Keys come from what the schema's validator has shown (`toolkit.yang.shape`) or from the table of
what we own; where neither knows a list, RFC 7950 section 7.8.5 helps: keys come first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from toolkit.netconf.tree import Node
from toolkit.yang.shape import VALUE, Route, Shape

Identity = tuple[str, ...]
"""Namespace, local name, then key values or the value of a leaf-list."""

_NAMESPACE: Final = re.compile(r"\{[^}]*\}")


def key_text(leaf: Node) -> str:
    """Return a key's value; an identity without its prefix, which servers choose as they like."""
    return _NAMESPACE.sub("", leaf.meaning()) if leaf.prefixes else leaf.text


def entry(node: Node, keys: tuple[str, ...]) -> Identity:
    """Return which entry of a list `node` is."""
    found = ((node.child(key) or Node(node.name)) for key in keys)
    return (*node.name, *(key_text(leaf) for leaf in found))


def identified(
    shape: Shape, parent: Node, route: Route
) -> Iterator[tuple[Identity, tuple[str, ...] | None, Node]]:
    """Yield each child of `parent`, which stands at `route`, with its identity and its keys.

    The keys are None for what is no list, as far as is known.
    """
    many = Counter(child.name for child in parent.children)
    met: Counter[Identity] = Counter()
    for child in parent.children:
        keys = shape.keys.get((*route, child.name.local))
        if keys is None and many[child.name] > 1:
            keys = (child.children[0].name.local,) if child.children else (VALUE,)
        if keys is None:
            yield (*child.name,), None, child
            continue
        identity = (*child.name, key_text(child)) if keys == (VALUE,) else entry(child, keys)
        met[identity] += 1
        if met[identity] > 1 or not keys:  # no keys, or not these
            identity = (*identity, f"#{met[identity]}")
        yield identity, keys, child


def step(shape: Shape, node: Node, keys: tuple[str, ...] | None, inside: str) -> str:
    """Return the last step of a data path, as in `/m:list[key='1']`; `inside` is a namespace."""
    prefix = "" if node.name.namespace == inside else f"{module(shape, node.name.namespace)}:"
    text = f"/{prefix}{node.name.local}"
    for key in keys or ():
        leaf = node if key == VALUE else node.child(key)
        if leaf is not None:
            text += f"[{key}={_quoted(leaf.text)}]"
    return text


def module(shape: Shape, namespace: str) -> str:
    """Return the module of `namespace`; where it is unknown, the last part of the namespace."""
    known = shape.modules.get(namespace)
    return known if known is not None else re.split(r"[:/]", namespace)[-1]


def _quoted(value: str) -> str:
    return f"'{value}'" if "'" not in value else f'"{value}"'
