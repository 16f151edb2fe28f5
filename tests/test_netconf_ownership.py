"""What is ours is changed, what is not survives: on every platform, between any two of its plans.

The router is a tree that RFC 6241's edit-config is applied to by the server's own engine, with a
schema made of what the documents show, since pyang cannot read every vendor's modules.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from platform_cases import cases
from yang_sets import needs_modules

from toolkit.errors import SchemaError
from toolkit.inventory.model import Platform
from toolkit.netconf.datastore import EMPTY, edit
from toolkit.netconf.dialect import dialect
from toolkit.netconf.identity import identified
from toolkit.netconf.ownership.places import Kind as What
from toolkit.netconf.ownership.places import table
from toolkit.netconf.ownership.tables import TABLES
from toolkit.netconf.schema import Kind, SchemaNode, SchemaTree
from toolkit.netconf.tree import Node, QName, parse_siblings
from toolkit.plan.expand import make_plan
from toolkit.plan.lock import EMPTY_LOCK
from toolkit.render.payload import render_router

PLATFORMS = [p for p in Platform if p.value in TABLES]


@cache
def payload(platform, case, router):
    plan, _ = make_plan(cases(platform)[case], EMPTY_LOCK)
    if router not in plan.routers:
        return EMPTY
    found = render_router(plan, router)
    return dialect(platform.value).intent(found.xml, router)


def schema_of(shape, *trees):
    """Return a schema that knows all nodes of these documents."""

    def node(name, nodes, route):
        keys = shape.keys.get(route)
        children: dict[QName, list[Node]] = {}
        for each in nodes:
            for child in each.children:
                children.setdefault(child.name, []).append(child)
        inner = {n: node(n, found, (*route, n.local)) for n, found in children.items()}
        kind = Kind.CONTAINER if inner else Kind.LEAF
        if keys is None:  # a list that no schema tells of: its first leaf is its key
            keys = next((k for each in nodes for i, k, c in () if k), None) or _repeated(
                shape, trees, route
            )
        if keys == (".",):
            kind = Kind.LEAF_LIST
        elif keys is not None:
            kind = Kind.LIST
        elif not inner and not any(each.value for each in nodes):
            kind = Kind.ANY  # an empty leaf or a presence container
        return SchemaNode(
            name=name, module=name.namespace, kind=kind, children=inner,
            presence=not all(each.children for each in nodes),
            keys=keys if kind is Kind.LIST else (),
        )  # fmt: skip

    top = node(EMPTY.name, trees, ())
    spaces = {n: n for n in {x for tree in trees for x in _namespaces(tree)}}
    return SchemaTree(top.children, spaces)


def _repeated(shape, trees, route):
    found = set()

    def walk(node, here):
        for _, keys, child in identified(shape, node, here):
            inside = (*here, child.name.local)
            if inside == route and keys is not None:
                found.add(keys)
            if inside == route[: len(inside)]:
                walk(child, inside)

    for tree in trees:
        walk(tree, ())
    return next(iter(found), None)


def _namespaces(node):
    for child in node.children:
        yield child.name.namespace
        yield from _namespaces(child)


def foreign(place, tree, mark):
    """Return clones of the entries in every list of the table, under keys that are others."""
    kept = []
    for child in tree.children:
        inner = place.children.get(child.name)
        if inner is None:
            continue
        if inner.kind is What.ENTRIES:
            if not inner.keys:
                continue  # there is one, ours or another's
            kept.append(_renamed(child, inner.keys, mark))
        elif inner.ancestor:
            part = foreign(inner, child, mark)
            if part.children:
                keys = [c for c in child.children if c.name.local in inner.keys]
                kept.append(part.with_children((*keys, *part.children)))
    return tree.with_children(_unique(kept, place))


def _unique(nodes, place):
    seen, kept = set(), []
    for node in nodes:
        keys = place.children[node.name].keys
        identity = (node.name, *((node.child(k) or node).value for k in keys))
        if identity not in seen:
            seen.add(identity)
            kept.append(node)
    return kept


def _renamed(node, keys, mark):
    children = []
    for child in node.children:
        if child.name.local in keys:
            children.append(replace(child, value=f"{mark}-{child.value}", prefixes=()))
        else:
            children.append(_disowned(child, mark))
    return node.with_children(children)


def _disowned(node, mark):
    """Return `node` without a word of ours in it."""
    value = f"{mark}: {node.value}" if node.value.startswith("llmsync") else node.value
    return replace(node, value=value, children=tuple(_disowned(c, mark) for c in node.children))


def union(schema, first, second):
    merged = edit(schema, first, second)
    assert not merged.errors, merged.errors
    return merged.tree


def canonical(shape, tree, route=()):
    """Return a value that is equal for equal data, whatever the order of entries."""
    return {
        identity: (child.text, canonical(shape, child, (*route, child.name.local)))
        for identity, _, child in identified(shape, tree, route)
    }


def pushed(platform, found, after, claims=()):
    """Return the router after a push of `after`, and what was its before."""
    language = dialect(platform.value)
    reading = language.read(found, (after, *claims), "r")
    text = language.edit(reading, after)
    config = EMPTY.with_children(parse_siblings(text))
    schema = schema_of(language._shape, found, after, *claims, _without_operations(config))
    result = edit(schema, found, config)
    assert not result.errors, result.errors
    return result.tree, reading.ours


def _without_operations(node):
    return Node(
        node.name, node.value, tuple(map(_without_operations, node.children)), node.prefixes
    )


@needs_modules
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_payload_is_in_the_table(platform):
    for number, case in enumerate(cases(platform)):
        assert payload(platform, case, ("r1", "r3", "r4")[number % 3]).children


@needs_modules
@pytest.mark.parametrize("platform", PLATFORMS)
@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_what_is_not_ours_survives_every_change_and_its_undoing(platform, data):
    names = list(cases(platform))
    first, second = (data.draw(st.sampled_from(names)) for _ in range(2))
    router = data.draw(st.sampled_from(["r1", "r3", "r4"]))
    before, after = payload(platform, first, router), payload(platform, second, router)
    language, top = dialect(platform.value), TABLES[platform.value].top
    shape = language._shape
    others = [foreign(top, tree, mark) for tree, mark in ((before, "alien"), (after, "other"))]
    schema = schema_of(shape, before, after, *others)
    theirs = union(schema, *others)
    clean = canonical(shape, theirs)
    found, _ = pushed(platform, theirs, before)
    assert not language.changes(language.read(found, (before,), "r").ours, before)
    assert contains(canonical(shape, found), clean)
    new, old = pushed(platform, found, after)
    assert not language.changes(language.read(new, (after,), "r").ours, after)
    assert contains(canonical(shape, new), clean)
    again, _ = pushed(platform, new, after)
    assert again == new
    undone, _ = pushed(platform, new, old, (after,))
    assert canonical(shape, undone) == canonical(shape, found)


def contains(whole, part):
    """Is all of `part` in `whole`, with the same values?"""
    return all(
        key in whole and whole[key][0] == value and contains(whole[key][1], inner)
        for key, (value, inner) in part.items()
    )


# ----- tables and odd cases, on a table of our own

TOY = table(
    {"toy": "urn:toy"},
    interfaces=("/toy:top/interface[name]",),
    units=("/toy:top/port[name]/unit[name]",),
    entries=("/toy:top/port[name]", "/toy:top/neighbor[address]"),
    following=("/toy:top/isis/interface[name]",),
    shared=("/toy:top/isis/level", "/toy:top/isis/area"),
    marks={"/toy:top/neighbor[address]": "group"},
)


@pytest.fixture
def toy(monkeypatch):
    from toolkit.netconf.dialect import Dialect

    monkeypatch.setattr("toolkit.netconf.dialect.TABLES", {"toy": TOY})
    return Dialect("toy", None)


def tree(text):
    return EMPTY.with_children(parse_siblings(f'<top xmlns="urn:toy">{text}</top>'))


def entry(list_, name, more=""):
    key = "address" if list_ == "neighbor" else "name"
    return f"<{list_}><{key}>{name}</{key}>{more}</{list_}>"


@pytest.mark.parametrize(
    ("found", "wanted", "changed"),
    [
        # an interface of ours goes, and what is named like it; others stay
        (
            entry("interface", "a", "<description>llmsync: x</description>")
            + entry("interface", "b")
            + f"<isis>{entry('interface', 'a')}{entry('interface', 'b')}</isis>",
            entry("interface", "c"),
            ["- interface a", "- isis/interface a", "+ interface c"],
        ),
        # a unit that is not ours keeps its port, which is
        (
            entry("port", "p", "<mtu>9</mtu><description>llmsync: y</description>"
                  + entry("unit", "0", "<description>llmsync: y</description>")
                  + entry("unit", "7")),
            entry("interface", "c"),
            ["- port p mtu", "- port p description", "- port p unit 0", "+ interface c"],
        ),
        # a neighbor is ours by its group
        (
            entry("neighbor", "10.0.0.1", "<group>llmsync-x</group>")
            + entry("neighbor", "10.0.0.2", "<group>theirs</group>"),
            entry("interface", "c"),
            ["- neighbor 10.0.0.1", "+ interface c"],
        ),
        # what is shared is set and never removed
        ("<isis><level>1</level><area>7</area></isis>", "<isis><level>2</level></isis>",
         ["~ isis/level"]),
    ],
)  # fmt: skip
def test_what_is_ours_by_mark_name_and_place(toy, found, wanted, changed):
    after = toy.intent(f'<top xmlns="urn:toy">{wanted}</top>', "r")
    reading = toy.read(tree(found), [after], "r")
    shown = {str(c)[:1] for c in toy.changes(reading.ours, after)}
    assert shown == {line[:1] for line in changed}
    text = toy.edit(reading, after)
    assert text.count('operation="remove"') == sum(line[0] == "-" for line in changed)
    new = edit(schema_of(toy._shape, tree(found), tree(wanted)), tree(found),
               EMPTY.with_children(parse_siblings(text))).tree  # fmt: skip
    assert not toy.changes(toy.read(new, [after], "r").ours, after)
    if "unit" in found:
        (port,) = [c for c in new.children[0].children if c.name.local == "port"]
        assert [c.name.local for c in port.children] == ["name", "unit"]
        assert port.children[1].children[0].value == "7"


def test_what_is_in_no_table_is_refused_with_its_path(toy):
    with pytest.raises(SchemaError) as caught:
        toy.intent('<top xmlns="urn:toy"><isis><level>1</level><hostname>x</hostname></isis></top>',
                   "r1")  # fmt: skip
    assert str(caught.value) == (
        "r1: /toy:top/isis/hostname: is not in the table of what is ours on routers of toy "
        "(leave it out; what is ours is in toolkit/netconf/ownership)"
    )


@pytest.mark.parametrize("path", ["top", "/top", "/toy:top/[x]", "/toy:top//x"])
def test_a_table_with_a_path_that_is_none_is_refused(path):
    with pytest.raises(ValueError, match="is no schema path"):
        table({"toy": "urn:toy"}, whole=(path,))
