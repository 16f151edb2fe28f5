"""<hello>, <rpc> and <rpc-reply>: elements to values and back.  RFC 6241 section 4.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from toolkit.errors import WireError
from toolkit.netconf.names import BASE_NS
from toolkit.netconf.rpcerror import RpcError, from_node, refused, to_node
from toolkit.netconf.tree import Node, QName, parse_xml, to_xml

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
OK: Final = Node(QName(BASE_NS, "ok"))

Attributes = tuple[tuple[QName, str], ...]


@dataclass(frozen=True, slots=True)
class Hello:
    """Capabilities, and from a server the session-id."""

    capabilities: frozenset[str]
    session_id: int | None = None


@dataclass(frozen=True, slots=True)
class Rpc:
    """A request: its operation and the attributes that its reply must repeat."""

    operation: Node
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Reply:
    """What an <rpc-reply> holds."""

    content: tuple[Node, ...]
    """<data> or whatever the operation returns; empty after <ok/> or errors."""
    errors: tuple[RpcError, ...]
    """Of severity `error`."""
    warnings: tuple[RpcError, ...]


def hello(capabilities: Iterable[str], session_id: int | None = None) -> bytes:
    uris = tuple(Node(QName(BASE_NS, "capability"), uri) for uri in capabilities)
    children = [Node(QName(BASE_NS, "capabilities"), children=uris)]
    if session_id is not None:
        children.append(Node(QName(BASE_NS, "session-id"), str(session_id)))
    return document(Node(QName(BASE_NS, "hello"), children=tuple(children)))


def parse_hello(root: Node) -> Hello:
    """Raises WireError for what is no <hello>."""
    if root.name != QName(BASE_NS, "hello"):
        raise WireError(f"<{root.name.local}> where <hello> is expected")
    listed = root.child("capabilities")
    if listed is None:
        raise WireError("<hello> without <capabilities>")
    number = root.child("session-id")
    if number is not None and not number.text.isdecimal():
        raise WireError(f"session-id {number.text!r} is no number")
    return Hello(
        frozenset(c.text for c in listed.children if c.name.local == "capability"),
        int(number.text) if number is not None else None,
    )


def parse_rpc(root: Node) -> Rpc:
    """Raises RefusedError for an <rpc> that is not complete, WireError for anything else."""
    if root.name != QName(BASE_NS, "rpc"):
        raise WireError(f"<{root.name.local}> where <rpc> is expected")
    if root.attribute(QName("", "message-id")) is None:
        raise refused(
            "missing-attribute", "rpc has no message-id", layer="rpc",
            bad_attribute="message-id", bad_element="rpc",
        )  # fmt: skip
    if len(root.children) != 1:
        raise refused(
            "missing-element" if not root.children else "bad-element",
            f"rpc holds one operation, not {len(root.children)}",
            layer="rpc", bad_element="rpc",
        )  # fmt: skip
    return Rpc(root.children[0], root.attributes)


def rpc(operation: str, message_id: str) -> str:
    """Return a request around the XML of its operation."""
    return f'{_DECLARATION}<rpc xmlns="{BASE_NS}" message-id="{message_id}">{operation}</rpc>'


def reply(content: Iterable[Node], attributes: Attributes = ()) -> bytes:
    """Return an <rpc-reply> with `content`, <ok/> when there is none."""
    children = tuple(content) or (OK,)
    return document(Node(QName(BASE_NS, "rpc-reply"), children=children, attributes=attributes))


def refusal(
    errors: Iterable[RpcError], namespaces: Mapping[str, str], attributes: Attributes = ()
) -> bytes:
    """Return an <rpc-reply> with `errors`; `namespaces` are those of the modules by name."""
    return reply((to_node(error, namespaces) for error in errors), attributes)


def parse_reply(text: str | bytes) -> Reply:
    """Raises WireError for what is no <rpc-reply>."""
    root = parse_xml(text)
    if root.name != QName(BASE_NS, "rpc-reply"):
        raise WireError(f"<{root.name.local}> where <rpc-reply> is expected")
    error = QName(BASE_NS, "rpc-error")
    found = [from_node(child) for child in root.children if child.name == error]
    return Reply(
        tuple(c for c in root.children if c.name not in (error, OK.name)),
        tuple(e for e in found if e.severity != "warning"),
        tuple(e for e in found if e.severity == "warning"),
    )


def document(node: Node) -> bytes:
    """Return `node` as a message of its own (a <notification>)."""
    return (_DECLARATION + to_xml([node])).encode()
