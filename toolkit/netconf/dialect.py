"""A platform's configuration as a client of it needs it: canonical form, what is ours, differences.

Where the platform's modules are at hand, libyang makes documents canonical and shows the keys of
lists; where they are not, documents are taken as they are written and keys come from the table of
what we own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from toolkit.errors import Place as Where
from toolkit.errors import Problem, SchemaError, UsageError, WireError
from toolkit.netconf.compare import Change, changes
from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.names import BASE_NS
from toolkit.netconf.ownership import claims
from toolkit.netconf.ownership.tables import TABLES
from toolkit.netconf.tree import Node, parse_siblings, to_xml
from toolkit.yang import xmltext
from toolkit.yang.platforms import Unproven, platform_schema
from toolkit.yang.schema import Schema
from toolkit.yang.shape import Route, Shape


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a datastore."""

    ours: Node
    """What of it is ours, in canonical form where it fits the schema."""
    mixed: frozenset[claims.Trail] = frozenset()
    """Where in it stands what is not ours."""
    named: frozenset[claims.Trail] = frozenset()
    """Entries on the way to what is ours that some claim names."""


NOTHING = Reading(EMPTY)


class Dialect:
    """One platform; may be shared by threads and devices."""

    def __init__(self, platform: str, schema: Schema | None) -> None:
        """Raises UsageError for a platform that has no table of what we own."""
        self.platform, self.schema = platform, schema
        try:
            self._table = TABLES[platform]
        except KeyError:
            raise UsageError(f"nothing is known of what is ours on routers of {platform}") from None
        self._shape = schema.shape if schema is not None else Shape()
        for route, keys in self._table.keys.items():
            self._shape.keys.setdefault(route, keys)
        for namespace, module in self._table.namespaces.items():
            self._shape.modules.setdefault(namespace, module)

    @cached_property
    def filter(self) -> str:
        """The subtree filter of what may be ours."""
        return to_xml(claims.wanted(self._table), inside=BASE_NS)

    def intent(self, xml: str, device: str) -> Node:
        """Return a payload (a <config> element, or what is in one) as a datastore.

        Raises SchemaError with everything that is wrong with it.
        """
        tree = self._parse(xml, device, complete=True)
        problems = [
            Problem(
                Where(device, path=path),
                f"is not in the table of what is ours on routers of {self.platform}",
                "leave it out; what is ours is in toolkit/netconf/ownership",
            )
            for path in claims.strangers(self._table, self._shape, tree)
        ]
        if problems:
            raise SchemaError(problems)
        return tree

    def recorded(self, xml: str, device: str) -> Node:
        """Return a configuration of ours that was recorded; it need not stand alone."""
        try:
            return self._parse(xml, device, complete=False)
        except SchemaError:
            return EMPTY.with_children(parse_siblings(xml))

    def read(self, data: Node, claimed: Sequence[Node], device: str) -> Reading:
        """Return what of a reply's <data> is ours; `claimed` are configurations that name it."""
        mine = claims.ours(self._table, self._shape, data, claimed)
        named = claims.named(self._table, self._shape, claimed)
        if not mine.children:
            return Reading(EMPTY, named=named)
        mixed = claims.mixed(self._table, self._shape, data, mine)
        for known in claimed:  # canonical already: most servers give back what they were given
            if known.children == mine.children:
                return Reading(EMPTY.with_children(known.children), mixed, named)
        try:
            tree = self._parse(to_xml(mine.children), device, complete=False)
        except SchemaError:
            # Something in there that the modules do not know: it shows as a difference.
            tree = EMPTY.with_children(_bare(mine).children)
        return Reading(tree, mixed, named)

    def edit(self, reading: Reading, after: Node) -> str:
        """Return the content of the <config> that makes `after` of what is ours."""
        nodes = claims.edit(
            self._table, self._shape, reading.ours, after, reading.mixed, reading.named
        )
        return to_xml(nodes, inside=BASE_NS)

    def changes(self, before: Node, after: Node) -> tuple[Change, ...]:
        old, new = (claims.without_bare(self._table, tree) for tree in (before, after))
        return changes(self._shape, old, new, self._table.unordered)

    def _parse(self, xml: str, device: str, *, complete: bool) -> Node:
        try:
            if self.schema is not None:
                text = self.schema.canonical(xml, device, complete=complete)
                tree = EMPTY.with_children(parse_siblings(text))
                self._name(tree, ())
            else:
                tree = _bare(EMPTY.with_children(parse_siblings(xmltext.siblings(xml))))
        except (xmltext.NotXmlError, WireError) as error:
            raise SchemaError([Problem(Where(device), str(error))]) from None
        return tree

    def _name(self, node: Node, route: Route) -> None:
        """Learn which modules the namespaces belong to."""
        for child in node.children:
            here = (*route, child.name.local)
            if child.name.namespace not in self._shape.modules:
                self._shape.name(here, child.name.namespace)
            if child.children:
                self._name(child, here)


def _bare(node: Node) -> Node:
    """Return `node` without the attributes that servers put on what they show."""
    children = tuple(_bare(child) for child in node.children)
    return Node(node.name, "" if children else node.value, children, node.prefixes)


_known: dict[tuple[str, int], Dialect] = {}


def dialect(
    platform: str, device: str = "", namespaces: Callable[[], Collection[str]] = frozenset
) -> Dialect:
    """Return how routers of `platform` are configured; loaded once.

    Modules that were fetched from `device` come first, as far as `namespaces` need them.
    """
    found = platform_schema(platform, device, namespaces)
    schema = None if isinstance(found, Unproven) else found
    key = (platform, id(schema))
    if key not in _known:
        _known[key] = Dialect(platform, schema)
    return _known[key]


def namespaces_of(nodes: Iterable[Node]) -> frozenset[str]:
    """Return the namespaces of all nodes."""
    found = set[str]()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        found.add(node.name.namespace)
        waiting += node.children
    return frozenset(found)


def dialect_of_xml(platform: str, device: str, xml: str) -> Dialect:
    """Return the dialect that a configuration of `device` is to be read in.  Raises SchemaError."""
    try:
        return dialect(platform, device, lambda: xmltext.namespaces(xml))
    except (xmltext.NotXmlError, WireError) as error:
        raise SchemaError([Problem(Where(device), str(error))]) from None
