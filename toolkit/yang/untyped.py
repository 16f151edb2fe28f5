"""XML as a tree without a schema, for configurations whose modules are not at hand.  Pure.

Every value is text; an element that stands once is itself, one that stands more often is a list.
`toolkit.state.branch.Branch` reads this as it reads RFC 7951 trees.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from toolkit.yang import xmltext


def untyped_tree(text: str) -> dict[str, Any]:
    """Return the data elements of `text`, by local name.  Raises NotXmlError."""
    return _members(xmltext.elements(text))


def _members(elements: list[etree._Element]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for element in elements:
        name = etree.QName(element).localname
        children = list(element)
        value = _members(children) if children else (element.text or "").strip() or [None]
        if name not in tree:
            tree[name] = value
        elif isinstance(tree[name], list) and tree[name] != [None]:
            tree[name].append(value)
        else:
            tree[name] = [tree[name], value]
    return tree
