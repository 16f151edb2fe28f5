"""The schema tree of a set of YANG modules, read by pyang.

libyang's Python binding shows no schema, so the few facts that edits need (kinds, keys, order,
cases, base types) come from pyang; what is valid stays libyang's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from toolkit.errors import EnvironmentProblem
from toolkit.netconf.names import ACM
from toolkit.netconf.schema import Kind, SchemaNode, SchemaTree
from toolkit.netconf.tree import Node, QName
from toolkit.yang.schema import Schema

_KINDS = {
    "container": Kind.CONTAINER,
    "list": Kind.LIST,
    "leaf": Kind.LEAF,
    "leaf-list": Kind.LEAF_LIST,
    "anydata": Kind.ANY,
    "anyxml": Kind.ANY,
}
_INET_TYPES = frozenset(
    f"{family}-{what}"
    for family in ("ip", "ipv4", "ipv6")
    for what in ("address", "address-no-zone", "prefix")
)


def schema_tree(schema: Schema) -> SchemaTree:
    """Return the data nodes of `schema`'s implemented modules, every feature on."""
    modules = schema.modules()
    return read_tree(
        tuple((m.name, m.text) for m in modules),
        frozenset(m.name for m in modules if m.implemented),
    )


@lru_cache(maxsize=8)
def read_tree(texts: tuple[tuple[str, str], ...], implemented: frozenset[str]) -> SchemaTree:
    """Return the data nodes of the modules `implemented`; `texts` are all modules, by name."""
    from pyang import context, repository

    class NoFiles(repository.Repository):  # type: ignore[misc]  # pyang ships no types
        """Every module is given; none is looked for."""

        def get_modules_and_revisions(self, ctx: object) -> list[Any]:  # noqa: ARG002
            return []

    pyang = context.Context(NoFiles())
    for name, text in texts:
        if pyang.add_module(name, text) is None:
            raise EnvironmentProblem(f"pyang cannot read the YANG module {name}: {_errors(pyang)}")
    pyang.validate()
    statements = [pyang.get_module(name) for name, _ in texts]
    namespaces = {m.arg: m.search_one("namespace").arg for m in statements}
    roots: dict[QName, SchemaNode] = {}
    for module in statements:
        if module.arg in implemented:
            roots.update(_children(module, namespaces, _Place()))
    return SchemaTree(roots, namespaces)


def _errors(pyang: Any) -> str:  # noqa: ANN401 - pyang ships no types
    from pyang import error

    return "; ".join(
        f"line {p.line}: {error.err_to_str(tag, args)}" for p, tag, args in pyang.errors
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """The cases that a statement stands in."""

    cases: tuple[tuple[str, str], ...] = ()
    default_choices: tuple[str, ...] = ()
    conditional: bool = False
    secret: bool = False

    def inside(self, choice: Any, case: Any) -> _Place:  # noqa: ANN401 - pyang ships no types
        name = f"{choice.i_module.arg}:{choice.arg}"
        default = choice.search_one("default")
        usual = default is not None and default.arg.rpartition(":")[2] == case.arg
        return _Place(
            (*self.cases, (name, case.arg)),
            (*self.default_choices, *((name,) if usual else ())),
            self.conditional or _conditional(choice) or _conditional(case),
            self.secret or _secret(choice),
        )


def _children(
    statement: Any,  # noqa: ANN401 - pyang ships no types
    namespaces: Mapping[str, str],
    place: _Place,
) -> Iterator[tuple[QName, SchemaNode]]:
    for child in getattr(statement, "i_children", ()):
        if child.keyword == "choice":
            for case in child.i_children:
                yield from _children(case, namespaces, place.inside(child, case))
        elif child.keyword in _KINDS:
            node = _node(child, namespaces, place)
            yield node.name, node


def _node(
    statement: Any,  # noqa: ANN401 - pyang ships no types
    namespaces: Mapping[str, str],
    place: _Place,
) -> SchemaNode:
    module = statement.i_module.arg
    ordered = statement.search_one("ordered-by")
    kind = _KINDS[statement.keyword]
    name = QName(namespaces[module], statement.arg)
    leaf = kind in (Kind.LEAF, Kind.LEAF_LIST)
    return SchemaNode(
        name=name,
        module=module,
        kind=kind,
        config=bool(statement.i_config),
        keys=tuple(key.arg for key in getattr(statement, "i_key", None) or ()),
        user_ordered=ordered is not None and ordered.arg == "user",
        presence=statement.search_one("presence") is not None,
        base_type=_base_type(statement) if leaf else "",
        cases=place.cases,
        default_choices=place.default_choices,
        defaults=tuple(_defaults(statement, name, namespaces)) if leaf else (),
        conditional=place.conditional or _conditional(statement),
        secret=place.secret or _secret(statement),
        children=dict(_children(statement, namespaces, _Place())),
    )


def _secret(statement: Any) -> bool:  # noqa: ANN401 - pyang ships no types
    return statement.search_one((ACM, "default-deny-all")) is not None


def _conditional(statement: Any) -> bool:  # noqa: ANN401 - pyang ships no types
    """Return whether a `when`, or a feature, decides about the node; features are all on here."""
    sources = [statement, *getattr(statement, "i_uses", ())]
    augment = getattr(statement, "i_augment", None)
    if augment is not None:
        sources.append(augment)
    return any(
        source.search_one(keyword) is not None
        for source in sources
        for keyword in ("when", "if-feature")
    )


def _defaults(
    statement: Any,  # noqa: ANN401 - pyang ships no types
    name: QName,
    namespaces: Mapping[str, str],
) -> Iterator[Node]:
    """Yield the default values: the leaf's own, else its type's (RFC 7950 section 7.3.4)."""
    mandatory = statement.search_one("mandatory")
    fewest = statement.search_one("min-elements")
    if (mandatory is not None and mandatory.arg == "true") or (
        fewest is not None and fewest.arg != "0"
    ):
        return
    holder = statement
    found = holder.search("default")
    while not found:
        kind = holder.search_one("type")
        holder = getattr(kind, "i_typedef", None)
        if holder is None:
            return
        found = holder.search("default")
    modules = {prefix: module for prefix, (module, _) in holder.i_module.i_prefixes.items()}
    for default in found:
        prefix, colon, _ = default.arg.partition(":")
        bound = ((prefix, namespaces[modules[prefix]]),) if colon and prefix in modules else ()
        yield Node(name, default.arg, prefixes=bound)


def _base_type(leaf: Any, seen: Collection[int] = ()) -> str:  # noqa: ANN401 - pyang ships no types
    target = getattr(leaf, "i_leafref_ptr", None)
    if target is not None and id(leaf) not in seen:
        return _base_type(target[0], (*seen, id(leaf)))
    kind = leaf.search_one("type")
    while True:
        name = str(kind.arg).rpartition(":")[2]
        typedef = getattr(kind, "i_typedef", None)
        if typedef is None:
            return name
        if name in _INET_TYPES and typedef.i_module.arg == "ietf-inet-types":
            return name
        kind = typedef.search_one("type")
