"""The schema tree of a set of YANG modules, read by pyang.

libyang's Python binding shows no schema, so the few facts that edits need (kinds, keys, order,
cases, base types) come from pyang; what is valid stays libyang's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from toolkit.errors import EnvironmentProblem
from toolkit.netconf.schema import Kind, SchemaNode, SchemaTree
from toolkit.netconf.tree import QName
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
            roots.update(_children(module, namespaces, ()))
    return SchemaTree(roots, namespaces)


def _errors(pyang: Any) -> str:  # noqa: ANN401 - pyang ships no types
    from pyang import error

    return "; ".join(
        f"line {p.line}: {error.err_to_str(tag, args)}" for p, tag, args in pyang.errors
    )


def _children(
    statement: Any,  # noqa: ANN401 - pyang ships no types
    namespaces: Mapping[str, str],
    cases: tuple[tuple[str, str], ...],
) -> Iterator[tuple[QName, SchemaNode]]:
    for child in getattr(statement, "i_children", ()):
        if child.keyword == "choice":
            name = f"{child.i_module.arg}:{child.arg}"
            for case in child.i_children:
                yield from _children(case, namespaces, (*cases, (name, case.arg)))
        elif child.keyword in _KINDS:
            node = _node(child, namespaces, cases)
            yield node.name, node


def _node(
    statement: Any,  # noqa: ANN401 - pyang ships no types
    namespaces: Mapping[str, str],
    cases: tuple[tuple[str, str], ...],
) -> SchemaNode:
    module = statement.i_module.arg
    ordered = statement.search_one("ordered-by")
    kind = _KINDS[statement.keyword]
    return SchemaNode(
        name=QName(namespaces[module], statement.arg),
        module=module,
        kind=kind,
        config=bool(statement.i_config),
        keys=tuple(key.arg for key in getattr(statement, "i_key", None) or ()),
        user_ordered=ordered is not None and ordered.arg == "user",
        presence=statement.search_one("presence") is not None,
        base_type=_base_type(statement) if kind in (Kind.LEAF, Kind.LEAF_LIST) else "",
        cases=cases,
        children=dict(_children(statement, namespaces, ())),
    )


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
