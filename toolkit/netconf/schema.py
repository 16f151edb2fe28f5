"""What the NETCONF layer must know of a schema: kinds, keys, cases; and JSON into nodes.

Pure values.  Validation is libyang's (`toolkit.yang`); this is only what it takes to find the node
that an edit means and to write RFC 7951 trees as XML.  `toolkit.netconf.index` makes it from YANG
text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Any

from toolkit.netconf.names import BASE_NS
from toolkit.netconf.tree import Node, QName


class Kind(Enum):
    CONTAINER = "container"
    LIST = "list"
    LEAF = "leaf"
    LEAF_LIST = "leaf-list"
    ANY = "anydata"
    """anydata and anyxml: content that no schema describes."""


Identity = tuple[str, ...]
"""Which sibling a node is: namespace, local name, then key values or the leaf-list's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaNode:
    """One data node of the schema."""

    name: QName
    module: str
    kind: Kind
    config: bool = True
    keys: tuple[str, ...] = ()
    user_ordered: bool = False
    presence: bool = False
    base_type: str = ""
    """Built-in type of a leaf after typedefs and leafrefs (`union` for a union), or the name of the
    ietf-inet-types typedef on the way, whose canonical form is not its text."""
    cases: tuple[tuple[str, str], ...] = ()
    """Choice and case that the node stands in, outermost first (choices named by their path)."""
    default_choices: tuple[str, ...] = ()
    """Those choices of `cases` whose default case the node stands in."""
    defaults: tuple[Node, ...] = ()
    """The default of a leaf, the defaults of a leaf-list."""
    conditional: bool = False
    """It has a `when` or an if-feature, its own or that of an augment or uses."""
    secret: bool = False
    """nacm:default-deny-all (RFC 8341)."""
    children: Mapping[QName, SchemaNode] = field(default_factory=dict, repr=False, compare=False)

    def canonical(self, node: Node) -> str:
        """Return the value of leaf `node` in a form that is equal where the values are."""
        text = node.text
        if self.base_type.startswith(("int", "uint")):
            return _integer(text)
        if self.base_type == "identityref":
            # No prefix: an identity of the leaf's own namespace (RFC 7950 section 9.10.3).
            return node.meaning() if ":" in text else f"{{{self.name.namespace}}}{text}"
        if self.base_type.startswith("ip"):
            try:
                return str(ip_network(text) if "prefix" in self.base_type else ip_address(text))
            except ValueError:
                return text
        return node.value if self.base_type == "string" else text

    def identity(self, node: Node) -> Identity | None:
        """Return which sibling `node` is; None for a list entry without all its keys."""
        name = (self.name.namespace, self.name.local)
        if self.kind is Kind.LEAF_LIST:
            return (*name, self.canonical(node))
        if self.kind is Kind.LIST:
            values = []
            for key in self.keys:
                leaf = node.child(key)
                if leaf is None:
                    return None
                values.append(self.key(key).canonical(leaf))
            return (*name, *values)
        return name

    def key(self, local: str) -> SchemaNode:
        return self.children[QName(self.name.namespace, local)]

    def step(self, node: Node, parent: SchemaNode | None) -> str:
        """Return the last step of `node`'s data path, as in `/m:top/list[key='1']`."""
        prefix = "" if parent is not None and parent.module == self.module else f"{self.module}:"
        step = f"/{prefix}{self.name.local}"
        if self.kind is Kind.LEAF_LIST:
            return step + f"[.={_quoted(node.text)}]"
        for key in self.keys:
            leaf = node.child(key)
            if leaf is not None:
                step += f"[{key}={_quoted(leaf.text)}]"
        return step


def _integer(text: str) -> str:
    """RFC 7950 section 9.2.1: decimal, or hexadecimal after 0x, or octal after 0."""
    digits = text.lstrip("+-")
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[:1] == "0" and digits != "0" else 10
    try:
        return str(int(text, base))
    except ValueError:
        return text


def _quoted(value: str) -> str:
    return f"'{value}'" if "'" not in value else f'"{value}"'


@dataclass(frozen=True)
class SchemaTree:
    """The data nodes of a set of modules."""

    roots: Mapping[QName, SchemaNode]
    namespaces: Mapping[str, str]
    """Module name -> namespace, of every module whether it has data or not."""

    @cached_property
    def top(self) -> SchemaNode:
        """The datastore itself: a container of all top-level nodes."""
        return SchemaNode(
            name=QName(BASE_NS, "data"), module="", kind=Kind.CONTAINER, children=self.roots
        )

    def from_json(self, tree: Mapping[str, Any]) -> tuple[Node, ...]:
        """Return an RFC 7951 document as nodes.

        Raises ValueError for a member that the schema does not know.
        """
        return tuple(self._members(self.top, tree))

    def _members(self, parent: SchemaNode, body: Mapping[str, Any]) -> Iterator[Node]:
        for member, value in body.items():
            if member.startswith("@"):  # metadata (RFC 7952)
                continue
            module, _, local = member.rpartition(":")
            namespace = self.namespaces.get(module, "") if module else parent.name.namespace
            schema = parent.children.get(QName(namespace, local))
            if schema is None:
                raise ValueError(f"{member} is not known below {parent.name.local}")
            many = schema.kind in (Kind.LIST, Kind.LEAF_LIST)
            for item in value if many else (value,):
                yield self._node(schema, item)

    def _node(self, schema: SchemaNode, value: Any) -> Node:  # noqa: ANN401 - RFC 7951
        if schema.kind in (Kind.CONTAINER, Kind.LIST):
            return Node(schema.name, children=self._keys_first(schema, value))
        text = _text(value)
        module, colon, _ = text.partition(":")
        if schema.base_type in ("identityref", "union", "instance-identifier") and colon:
            namespace = self.namespaces.get(module)
            if namespace is not None:
                return Node(schema.name, text, prefixes=((module, namespace),))
        return Node(schema.name, text)

    def _keys_first(self, schema: SchemaNode, value: Mapping[str, Any]) -> tuple[Node, ...]:
        """RFC 7950 section 7.8.5: an entry's keys come first, in the order of the key statement."""
        children = tuple(self._members(schema, value))
        rank = {QName(schema.name.namespace, key): n for n, key in enumerate(schema.keys)}
        return (
            tuple(sorted(children, key=lambda c: rank.get(c.name, len(rank)))) if rank else children
        )


def _text(value: Any) -> str:  # noqa: ANN401 - RFC 7951
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):  # [null]: a leaf of type empty
        return ""
    return str(value)


def xpath(path: str, namespaces: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return a data path as an absolute XPath and the prefixes it uses.

    `/m:top/list[key='1']` becomes `/m:top/m:list[m:key='1']`: XPath knows no default namespace, so
    every step carries its module's name as the prefix (RFC 6241 section 4.3, error-path).
    """
    module, parts = "", []
    for step in steps(path):
        name, bracket, predicates = step.partition("[")
        own, _, local = name.rpartition(":")
        module = own or module
        prefix = f"{module}:" if module in namespaces else ""
        parts.append(f"/{prefix}{local}" + _prefixed(bracket + predicates, prefix))
    used = {m: ns for m, ns in namespaces.items() if any(f"{m}:" in part for part in parts)}
    return "".join(parts), used


def steps(path: str) -> list[str]:
    """Cut `path` at the slashes that are not inside quotes."""
    found, quote = [""], ""
    for character in path:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "/":
            found.append("")
            continue
        found[-1] += character
    return [step for step in found if step]


def _prefixed(predicates: str, prefix: str) -> str:
    text, quote, fresh = "", "", False
    for character in predicates:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        if fresh and not quote and (character.isalpha() or character == "_"):
            text += prefix
        fresh = character == "[" and not quote
        text += character
    return text


def compact(path: str) -> str:
    """Return an error-path as people write data paths: a prefix only where it changes."""
    previous, parts = "", []
    for step in steps(path.strip()):
        name, bracket, predicates = step.partition("[")
        prefix, _, local = name.rpartition(":")
        shown = local if prefix == previous else name
        if prefix:
            predicates = predicates.replace(f"[{prefix}:", "[").removeprefix(f"{prefix}:")
        parts.append(f"/{shown}{bracket}{predicates}")
        previous = prefix
    return "".join(parts)
