"""XPath filtering.  RFC 6241 section 8.9, XPath 1.0.  Pure.

The expression is evaluated over the XML form of the datastore.  What it selects is kept whole, with
its ancestors and their keys.  The root node is the parent of all top-level nodes, which an XML
document has no room for, so an absolute path is written to begin below an element that holds them.

Against expressions that would keep a server busy: they are short, and before anything is evaluated
it is reckoned how many steps they may take.  Steps down from a node see its own subtree alone; what
multiplies is a predicate that looks at the whole document, or up or aside, for every node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from toolkit.netconf.mask import Mask, cut
from toolkit.netconf.rpcerror import RefusedError, refused
from toolkit.netconf.schema import SchemaTree
from toolkit.netconf.tree import Node, QName

MAX_LENGTH: Final = 4096
"""Characters of an expression."""
MAX_NESTING: Final = 8
"""Predicates and parentheses inside each other."""
MAX_STEPS: Final = 4_000_000

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<literal>"[^"]*"|'[^']*')|(?P<number>\d+(?:\.\d*)?|\.\d+)
    |(?P<name>[A-Za-z_][\w.-]*(?::(?:[A-Za-z_][\w.-]*|\*))?)
    |(?P<symbol>//|::|\.\.|!=|<=|>=|[][()@,/|+\-=<>*.$]))""",
    re.VERBOSE,
)
_OPENING: Final = frozenset(
    ["", "(", "[", ",", "@", "::", "and", "or", "mod", "div", "*", "/", "//", "|", "+", "-", "=",
     "!=", "<", "<=", ">", ">="]
)  # fmt: skip
"""After these, `*` is a wildcard, `and` a name, and `/` the root (XPath 1.0 section 3.7)."""
_CLOSING: Final = frozenset([")", "]", ".", ".."])
_STEP: Final = re.compile(r"[A-Za-z_*.@]")
_BESIDE: Final = frozenset(
    ["following", "following-sibling", "preceding", "preceding-sibling"]
)  # fmt: skip
_ABOUT: Final = _BESIDE | {"parent", "ancestor", "ancestor-or-self"}
"""Axes that lead out of a node's own subtree."""


@dataclass(frozen=True, slots=True)
class _Expression:
    """An expression with its absolute paths rewritten, and how its work grows."""

    text: str
    sweeps: int
    """How often it goes through a subtree."""
    powers: tuple[int, ...]
    """Over N nodes it takes about N to each of these powers steps beside the sweeps."""

    def steps(self, nodes: int) -> int:
        return nodes * self.sweeps + sum(int(nodes**power) for power in self.powers)


def select_xpath(
    data: Node,
    expression: str,
    prefixes: Mapping[str, str],
    schema: SchemaTree | None = None,
    *,
    depth: int = 0,
) -> Node:
    """Return the part of the datastore `data` that `expression` selects.

    `prefixes` are those in scope; a name without a prefix is in no namespace.  `depth` is that of
    `mask.cut`.  Raises RefusedError:
    `invalid-value` for what is no expression for a node-set (section 8.9.1), `resource-denied` for
    what takes too long.
    """
    parsed = _parsed(expression)
    paths: dict[etree._Element, tuple[int, ...]] = {}
    root = etree.Element("{urn:llmsync:xpath}data")
    _grow(root, data, (), paths)
    if parsed.steps(len(paths)) > MAX_STEPS:
        raise refused(
            "resource-denied",
            f"the expression looks at all of {len(paths)} nodes again and again",
        )
    try:
        compiled = etree.XPath(
            parsed.text, namespaces=dict(prefixes), regexp=False, smart_strings=True
        )
        found = compiled(root)
    except (etree.XPathError, ValueError) as error:
        raise _invalid(f"{error}") from None
    if not isinstance(found, list):
        raise _invalid("it gives a value, not a node-set")
    mask = Mask()
    for item in found:
        element = item if isinstance(item, etree._Element) else _owner(item)
        if element is not None:
            mask.add_path(paths.get(element, ()))  # the root node: everything
    return cut(data, mask, schema.top if schema is not None else None, depth=depth)


def matches_xpath(content: Node, expression: str, prefixes: Mapping[str, str]) -> bool:
    """Return whether `expression` selects anything of `content`, a top-level element."""
    holder = content.with_children((content,))
    return bool(select_xpath(holder, expression, prefixes).children)


def check_xpath(expression: str, prefixes: Mapping[str, str]) -> None:
    """Raise RefusedError for what `select_xpath` would refuse whatever the data are."""
    select_xpath(Node(QName("", "nothing")), expression, prefixes)


def _grow(
    element: etree._Element,
    node: Node,
    path: tuple[int, ...],
    paths: dict[etree._Element, tuple[int, ...]],
) -> None:
    for position, child in enumerate(node.children):
        grown = etree.SubElement(element, str(child.name))
        here = (*path, position)
        paths[grown] = here
        if child.children:
            _grow(grown, child, here, paths)
        elif child.value:
            grown.text = child.value


def _owner(item: object) -> etree._Element | None:
    """Return the element of an attribute or text; none of a namespace node."""
    find = getattr(item, "getparent", None)
    return find() if find is not None else None


def _invalid(reason: str) -> RefusedError:
    return refused("invalid-value", f"the XPath expression cannot be used: {reason}")


def _parsed(expression: str) -> _Expression:
    """Return `expression` rewritten and measured."""
    if not expression.strip():
        raise _invalid("it is empty")
    if len(expression) > MAX_LENGTH:
        raise _invalid(f"it is longer than {MAX_LENGTH} characters")
    text: list[str] = []
    wide, sweeps, powers = [0], 1, list[int]()
    # `wide`: for each open bracket, how often what stands in it looks beyond a node's own subtree.
    depth, before, position = 0, "", 0
    end = len(expression.rstrip())
    while position < end:
        match = _TOKEN.match(expression, position)
        if match is None:
            raise _invalid(f"{expression[position : position + 10].strip()!r} makes no sense")
        token, written = match[match.lastgroup or 0], match[0]
        position = match.end()
        rest = expression[position:].lstrip()
        operand = before in _OPENING  # something that is no operator must follow
        absolute = token in ("/", "//") and operand and before not in ("/", "//", "@", "::")
        depth += (token in "([") - (token in ")]")
        if depth > MAX_NESTING:
            raise _invalid(f"it nests deeper than {MAX_NESTING}")
        if token == "[":
            wide.append(0)
        elif token == "]" and len(wide) > 1:
            wide.pop()
        outwards = token == ".." or (token in _ABOUT and rest.startswith("::"))
        if outwards or (absolute and len(wide) > 1):
            # What is before or after may be nearly everything, and is merged node by node.
            wide[-1] = min(2, wide[-1] + (2 if token in _BESIDE else 1))
            powers.append(1 + sum(wide))
        sweeps += token in ("//", "*") or token.startswith("descendant")
        if absolute:
            written = "/*//" if token == "//" else "/*/" if _STEP.match(rest) else "/*"
        text.append(written)
        is_operator = match["symbol"] or (not operand and token in ("and", "or", "mod", "div"))
        wildcard = token == "*" and operand
        before = "name" if not is_operator or wildcard or token in _CLOSING else token
    return _Expression("".join(text), sweeps, tuple(powers))
