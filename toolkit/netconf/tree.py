"""XML data as immutable values, and the way from text to them and back.

Pure.  A `Node` shares its children with every other value that holds them, so a datastore is
copied, compared and rolled back by keeping a reference.

Values may hold prefixes (identities). libyang and yangson declare such a prefix on the leaf itself,
and XML libraries drop that declaration when a subtree moves below an element that binds the same
namespace otherwise; the value then means nothing.  So a Node keeps what its prefixes mean, and
`to_xml` declares them on the top-level element, where they survive being moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from toolkit.errors import WireError
from toolkit.netconf.names import BASE_NS, YANG_NS

MAX_DEPTH: Final = 256
"""Deeper documents are refused: no schema of ours nests a tenth of it."""

_PREFIX: Final = re.compile(r"(?<![\w.:-])([A-Za-z_][\w.-]*):(?!:)")
_XML_NS: Final = "http://www.w3.org/XML/1998/namespace"
_USUAL_PREFIXES: Final = {BASE_NS: "nc", YANG_NS: "yang", _XML_NS: "xml"}
_ESCAPES: Final = {"\r": "&#13;"}


class QName(NamedTuple):
    """An element or attribute name; `namespace` is empty where it has none."""

    namespace: str
    local: str

    def __str__(self) -> str:
        return f"{{{self.namespace}}}{self.local}" if self.namespace else self.local


@dataclass(frozen=True, slots=True)
class Node:
    """One element: a value or children, never both (RFC 7950 knows no mixed content)."""

    name: QName
    value: str = ""
    children: tuple[Node, ...] = ()
    prefixes: tuple[tuple[str, str], ...] = ()
    """Prefix and namespace of each declared prefix that `value` uses."""
    attributes: tuple[tuple[QName, str], ...] = ()

    def child(self, local: str) -> Node | None:
        """Return the first child of that local name, in this element's namespace."""
        name = QName(self.name.namespace, local)
        return next((c for c in self.children if c.name == name), None)

    def attribute(self, name: QName) -> str | None:
        return next((value for key, value in self.attributes if key == name), None)

    def with_children(self, children: Iterable[Node]) -> Node:
        return replace(self, children=tuple(children))

    @property
    def text(self) -> str:
        """The value without the white space around it."""
        return self.value.strip()

    def meaning(self) -> str:
        """The value with namespaces for prefixes: equal exactly where it means the same."""
        if not self.prefixes:
            return self.text
        bound = dict(self.prefixes)
        return _PREFIX.sub(lambda m: f"{{{bound[m[1]]}}}" if m[1] in bound else m[0], self.text)


def parse_xml(text: str | bytes) -> Node:
    """Return the document's root.

    Raises WireError for what is no well-formed XML, and for a document type declaration, which RFC
    6241 section 3.2 forbids.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True,
        remove_pis=True, huge_tree=True,
    )  # fmt: skip
    data = text.encode() if isinstance(text, str) else text
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise WireError(f"not well-formed XML: {error}") from None
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]
        raise WireError("a document type declaration must not appear in NETCONF content")
    return _node(root, 0)


def parse_siblings(text: str) -> tuple[Node, ...]:
    """Return the top-level elements of `text`, which has no single root."""
    return parse_xml(f"<siblings>{text}</siblings>").children


def _node(element: etree._Element, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise WireError(f"XML nests deeper than {MAX_DEPTH} elements")
    children = []
    for child in element:
        if not isinstance(child.tag, str):
            raise WireError("entity references must not appear in NETCONF content")
        children.append(_node(child, depth + 1))
    value = element.text or ""
    if children:
        stray = value + "".join(child.tail or "" for child in element)
        if stray.strip():
            raise WireError(f"mixed content in <{etree.QName(element).localname}>")
        value = ""
    attributes = tuple((_qname(str(key)), str(text)) for key, text in element.attrib.items())
    values = " ".join([value, *(text for _, text in attributes)]) if attributes else value
    return Node(
        _qname(str(element.tag)), value, tuple(children), _bound(values, element), attributes
    )


def _bound(value: str, element: etree._Element) -> tuple[tuple[str, str], ...]:
    if ":" not in value:
        return ()
    nsmap = element.nsmap
    if not any(prefix and f"{prefix}:" in value for prefix in nsmap):
        return ()  # a text with a colon in it, as most are
    used = dict.fromkeys(match[1] for match in _PREFIX.finditer(value))
    return tuple((prefix, nsmap[prefix]) for prefix in used if prefix in nsmap)


def _qname(tag: str) -> QName:
    if tag.startswith("{"):
        namespace, _, local = tag[1:].partition("}")
        return QName(namespace, local)
    return QName("", tag)


def to_xml(nodes: Iterable[Node], *, inside: str = "") -> str:
    """Return the elements in a row, to stand where the default namespace is `inside`."""
    parts: list[str] = []
    for node in nodes:
        # Of two namespaces with one prefix the second stays declared at its leaf.
        hoisted: dict[str, str] = {}
        for prefix, namespace in _all_prefixes(node):
            hoisted.setdefault(prefix, namespace)
        _write(node, inside, {}, parts, hoisted)
    return "".join(parts)


def _all_prefixes(node: Node) -> Iterator[tuple[str, str]]:
    yield from node.prefixes
    for child in node.children:
        yield from _all_prefixes(child)


def _write(
    node: Node, default: str, bound: Mapping[str, str], parts: list[str], declare: Mapping[str, str]
) -> None:
    name = node.name
    parts.append(f"<{name.local}")
    if name.namespace != default:
        parts.append(f" xmlns={quoteattr(name.namespace)}")
    wanted = {**declare, **dict(node.prefixes)}
    scope = {**bound, **wanted}
    for key, _ in node.attributes:
        if key.namespace and key.namespace not in scope.values():
            prefix = _free_prefix(key.namespace, scope)
            wanted[prefix] = scope[prefix] = key.namespace
    for prefix, namespace in wanted.items():
        if bound.get(prefix) != namespace and namespace != _XML_NS:
            parts.append(f" xmlns:{prefix}={quoteattr(namespace)}")
    for key, value in node.attributes:
        prefix = next((p for p, ns in scope.items() if ns == key.namespace), "")
        parts.append(f" {prefix}{':' if prefix else ''}{key.local}={quoteattr(value)}")
    if node.children:
        parts.append(">")
        for child in node.children:
            _write(child, name.namespace, scope, parts, {})
        parts.append(f"</{name.local}>")
    elif node.value:
        parts.append(f">{escape(node.value, _ESCAPES)}</{name.local}>")
    else:
        parts.append("/>")


def _free_prefix(namespace: str, scope: Mapping[str, str]) -> str:
    usual = _USUAL_PREFIXES.get(namespace, "a")
    return next(
        p for p in (usual, *(f"{usual}{n}" for n in range(len(scope) + 1))) if p not in scope
    )
