"""XML around instance data: the NETCONF wrapper comes off, namespaces stay with their data.

Pure.  Documents come from people and peers, so entities, DTDs and the network are off.

libyang prints an identity of a module with a prefix declared on the very leaf that holds it.  lxml
drops such a declaration when the tree moves below an element that binds the same namespace to
another prefix (ncclient does that with every <config>), and the value points nowhere.  A prefix
that is declared on the top-level element, beside its default namespace, survives; so that is where
`hoist` puts all of them.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

NETCONF_BASE: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
"""RFC 6241 section 3.1."""

_WRAPPERS: Final = frozenset(
    name for local in ("config", "data") for name in (local, f"{{{NETCONF_BASE}}}{local}")
)
_DECLARATION: Final = re.compile(r"\A\s*<\?xml[^>]*\?>")
_OPEN: Final = "<top-level>"
_CLOSE: Final = "</top-level>"


class NotXmlError(Exception):
    """The text is no XML that could hold instance data; the message says why."""


def row(text: str) -> etree._Element:
    """Return an element of ours around the elements of `text`.  Raises NotXmlError."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True,
        remove_pis=True,
    )  # fmt: skip
    # A wrapper of ours makes siblings one document, and a DOCTYPE, which only stands at the very
    # top, a syntax error.
    body = _DECLARATION.sub(lambda found: "\n" * found[0].count("\n"), text)
    try:
        return etree.fromstring(f"{_OPEN}{body}{_CLOSE}".encode(), parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        cause = error.msg.partition(", line ")[0].strip()
        column -= len(_OPEN) if line == 1 else 0
        raise NotXmlError(f"not well-formed XML: {cause}, line {line}, column {column}") from None
    except UnicodeEncodeError:
        raise NotXmlError("not well-formed XML: a lone surrogate is no character") from None


def elements(text: str) -> list[etree._Element]:
    """Return the top-level data elements of `text`, out of a <config> or <data> if they are in one.

    Raises NotXmlError.
    """
    root = row(text)
    _refuse_text(root)
    children = list(root)
    if len(children) == 1 and children[0].tag in _WRAPPERS:
        _refuse_text(children[0])
        children = list(children[0])
    if any(not isinstance(child.tag, str) for child in children):
        raise NotXmlError("entity references are not allowed")
    return children


def _refuse_text(parent: etree._Element) -> None:
    for text in (parent.text, *(child.tail for child in parent)):
        if text and text.strip():
            raise NotXmlError(f"text {text.strip()[:40]!r} between the top-level elements")


def namespaces(text: str) -> frozenset[str]:
    """Return the namespaces of all elements and of the prefixes that values may use.

    Raises NotXmlError.
    """
    found = {
        str(uri) for top in elements(text) for node in top.iter() for uri in node.nsmap.values()
    }
    return frozenset(found - {NETCONF_BASE})


def siblings(text: str) -> str:
    """Return `text` without its wrapper: data elements in a row, each with its own namespaces."""
    return "".join(
        etree.tostring(child, encoding="unicode", with_tail=False) for child in elements(text)
    )


def hoist(text: str) -> str:
    """Return sibling elements with every prefix declared on its top-level element."""
    return "".join(etree.tostring(_hoisted(e), encoding="unicode") for e in elements(text))


def _hoisted(element: etree._Element) -> etree._Element:
    bound: dict[str, str] = {}
    for node in element.iter():
        for prefix, uri in node.nsmap.items():
            if prefix is not None:
                # Of two modules with one prefix the second keeps its declaration where it stands.
                bound.setdefault(prefix, uri)
    if bound:
        etree.cleanup_namespaces(element, top_nsmap=bound, keep_ns_prefixes=list(bound))
    return element


def wrap(text: str) -> str:
    """Return sibling elements as one indented NETCONF <config> document, ready for edit-config."""
    config = etree.fromstring(f'<config xmlns="{NETCONF_BASE}"/>')
    config.extend(elements(text))
    etree.indent(config, "  ")
    return etree.tostring(config, encoding="unicode") + "\n"
