"""Configurations made wrong: every key of every list entry taken away, and chance's own ideas.

Also a program, since what it looks for is the death of its process: see test_yang_entries.
It says which mutation is next on standard output, and what was not refused as it must be.
"""

from __future__ import annotations

import copy
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from toolkit.cli.loading import load_plan
from toolkit.errors import SchemaError
from toolkit.render.payload import render_plan
from toolkit.yang import xmltext
from toolkit.yang.lexicon import Lexicon
from toolkit.yang.reference import REFERENCE_MODULES, reference_search_path
from toolkit.yang.schema import Schema, reference_schema

DEMO = Path(__file__).parent.parent / "inventories" / "demo"
NAMESPACES = (
    "urn:llmsync:bier", "urn:llmsync:overlay", "urn:llmsync:isis", "urn:nowhere",
    "urn:ietf:params:xml:ns:yang:ietf-interfaces", "urn:ietf:params:xml:ns:yang:ietf-ip",
    xmltext.NETCONF_BASE,
)  # fmt: skip
TEXTS = (
    "", " ", "0", "-1", "9" * 400, "1e9", "0x10", "x" * 9000, "é😀", "]]", "' or \"1\"='1", "true",
    "192.0.2.1", "::1", "2001:db8::/32", "iana-if-type:l2vlan", "nowhere:x", "lo0", "\t7\n",
)  # fmt: skip
ATTRIBUTES = (
    "a", "{urn:nowhere}a", "{urn:llmsync:bier}a", f"{{{xmltext.NETCONF_BASE}}}operation",
    "{urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults}default", "{urn:a}key",
)  # fmt: skip
SNIPPETS = (
    "&lt;",
    "&x;",
    "&#0;",
    "&#55296;",
    "<![CDATA[<x/>]]>",
    "<!DOCTYPE x>",
    "<",
    "<!-- x",
    "<x/>",
)
VALUES: tuple[Any, ...] = (
    None, [None], [], {}, [{}], [[]], [[{}]], {"x": {}}, True, -1, 10**40, 1.5, "", "9" * 400,
    "lo0", "192.0.2.1", "x" * 9000, "é😀", [1, "a", {}, None], {"@": {"a:b": 1}},
)  # fmt: skip


def note(text: str) -> None:
    """Say `text` so that it is out when the next step kills the process."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def without_each_key(text: str, lexicon: Lexicon) -> Iterator[tuple[str, str, str]]:
    """Yield schema path, key and document for every key of every list entry of `text`."""
    row = xmltext.row(text)
    for element in row.iter(etree.Element):
        path = _path(element, lexicon)
        for key in lexicon.inner.get(path, ()):
            child = element.find(f"{{{etree.QName(element).namespace}}}{key}")
            assert child is not None, (path, key)
            at = element.index(child)
            element.remove(child)
            yield path, key, _text(row)
            element.insert(at, child)


def _path(element: etree._Element, lexicon: Lexicon) -> str:
    parent = element.getparent()
    if parent is None:
        return ""
    name = etree.QName(element)
    return f"{_path(parent, lexicon)}/{lexicon.modules[name.namespace or '']}:{name.localname}"


def _text(row: etree._Element) -> str:
    return "".join(etree.tostring(e, encoding="unicode", with_tail=False) for e in row)


def mutated_xml(chance: random.Random, text: str) -> str:
    row = etree.fromstring(f"<row>{text}</row>")
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        elements = list(row.iterdescendants(etree.Element))
        if elements:
            chance.choice(XML_MUTATIONS)(chance, chance.choice(elements), chance.choice(elements))
    text = _text(row)
    if chance.random() < 0.1:
        at, end = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        end = min(end, at + chance.choice((0, 1, 20)))
        text = text[:at] + chance.choice(SNIPPETS) + text[end:]
    return text


def _remove(chance: random.Random, element: etree._Element, _: etree._Element) -> None:
    element.getparent().remove(element)


def _remove_first(chance: random.Random, element: etree._Element, _: etree._Element) -> None:
    for child in list(element)[: chance.choice((1, 2))]:
        element.remove(child)


def _remove_alike(chance: random.Random, element: etree._Element, _: etree._Element) -> None:
    parent = element.getparent()
    for sibling in list(parent):
        if sibling.tag == element.tag and chance.random() < 0.7:
            parent.remove(sibling)


def _repeat(chance: random.Random, element: etree._Element, _: etree._Element) -> None:
    parent = element.getparent()
    for _times in range(chance.choice((1, 1, 6))):
        parent.insert(chance.randrange(len(parent) + 1), copy.deepcopy(element))


def _rename(_: random.Random, element: etree._Element, other: etree._Element) -> None:
    element.tag = other.tag


def _rehome(chance: random.Random, element: etree._Element, _: etree._Element) -> None:
    element.tag = f"{{{chance.choice(NAMESPACES)}}}{etree.QName(element).localname}"


def _copy_into(chance: random.Random, element: etree._Element, other: etree._Element) -> None:
    element.insert(chance.randrange(len(element) + 1), copy.deepcopy(other))


def _move_into(chance: random.Random, element: etree._Element, other: etree._Element) -> None:
    if other is not element and other not in element.iterancestors():
        element.insert(chance.randrange(len(element) + 1), other)


def _say(chance: random.Random, element: etree._Element, _: etree._Element) -> None:
    element.text = chance.choice(TEXTS)


def _say_only(chance: random.Random, element: etree._Element, _: etree._Element) -> None:
    del element[:]
    element.text = chance.choice(TEXTS)


def _say_after(chance: random.Random, element: etree._Element, _: etree._Element) -> None:
    element.tail = chance.choice(TEXTS)


def _deepen(chance: random.Random, element: etree._Element, other: etree._Element) -> None:
    for _ in range(chance.choice((1, 10, 100, 240, 400))):
        element = etree.SubElement(element, chance.choice((element.tag, other.tag)))


def _annotate(chance: random.Random, element: etree._Element, _: etree._Element) -> None:
    element.set(chance.choice(ATTRIBUTES), chance.choice(TEXTS))


def _entity(_: random.Random, element: etree._Element, __: etree._Element) -> None:
    element.append(etree.Entity("x"))


XML_MUTATIONS: tuple[
    Callable[[random.Random, etree._Element, etree._Element], None], ...
] = (
    _remove, _remove, _remove_first, _remove_alike, _repeat, _rename, _rehome, _copy_into,
    _move_into, _say, _say_only, _say_after, _deepen, _annotate, _entity,
)  # fmt: skip


def mutated_tree(chance: random.Random, tree: dict[str, Any]) -> dict[str, Any]:
    tree = copy.deepcopy(tree)
    names = sorted({name for _, name in _slots(tree) if isinstance(name, str)})
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        slots = list(_slots(tree))
        if slots:
            _mutate(chance, *chance.choice(slots), names, slots)
    return tree


def _slots(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place below `node`: what holds it and its name or number there."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for name, value in items:
        yield node, name
        if isinstance(value, dict | list):
            yield from _slots(value)


def _mutate(
    chance: random.Random, holder: Any, name: Any, names: list[str], slots: list[tuple[Any, Any]]
) -> None:
    value, other = holder[name], chance.choice(slots)
    kind = chance.randrange(8)
    if kind <= 1:
        del holder[name]
    elif kind == 2:
        holder[name] = copy.deepcopy(chance.choice(VALUES))
    elif kind == 3 and isinstance(holder, list):
        holder.insert(chance.randrange(len(holder) + 1), copy.deepcopy(value))
    elif kind == 3:
        module = chance.choice(("llmsync-isis", "llmsync-bier", "llmsync-overlay", "x", ""))
        holder[chance.choice((*names, "@", f"@{name}", f"{module}:{name}"))] = value
        if chance.random() < 0.7:
            del holder[name]
    elif kind == 4:
        holder[name] = copy.deepcopy(other[0][other[1]])
    elif kind == 5 and isinstance(holder, dict):
        note: tuple[Any, ...] = ({"x:y": 1}, {}, None, [None, {"ietf-netconf:operation": "merge"}])
        holder[f"@{name}"] = chance.choice(note)
    elif kind == 6 and isinstance(value, dict):
        for member in list(value)[: chance.choice((1, 2))]:
            del value[member]
    else:
        for _ in range(chance.choice((1, 20, 60))):
            value = {str(name): value} if chance.random() < 0.7 else [value]
        holder[name] = value


def with_state(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with state beside it, as a get-data reply has it."""
    tree = copy.deepcopy(tree)
    hop = {"f-bm": "0" * 63 + "1", "neighbor": "r1", "out-interface": "to-r1", "out-bift-id": 16}
    bier = tree.setdefault("llmsync-bier:bier", {})
    bier["bift"] = [
        {"sub-domain": 0, "bsl": 256, "si": si, "bift-id": 100 + si,
         "entry": [{"bfr-id": n, **hop} for n in range(1, 6)]}
        for si in range(3)
    ]  # fmt: skip
    bier["counters"] = {"received": "7", "dropped": [{"reason": "no-route"}, {"reason": "ttl"}]}
    isis = tree.setdefault("llmsync-isis:isis", {})
    isis["adjacency"] = [{"interface": f"to-r{n}", "neighbor-hostname": f"r{n}"} for n in range(5)]
    isis["route"] = [{"prefix": f"192.0.2.{n}/32", "next-hop": ["a", "b"]} for n in range(5)]
    for interface in tree["ietf-interfaces:interfaces"]["interface"]:
        interface["oper-status"] = "up"
    return tree


def take_keys(payloads: list[tuple[str, dict[str, Any]]], schema: Schema) -> None:
    """Take each key of each list entry away: it must be refused with device, path and cause."""
    lexicon = Lexicon(REFERENCE_MODULES, reference_search_path())
    for device, tree in payloads:
        for path, key, wrong in without_each_key(schema.to_xml(tree, device), lexicon):
            note(f"{device}: {path} without {key}")
            try:
                schema.parse_xml(wrong, device)
            except SchemaError as error:
                said = {
                    p.place.path for p in error.problems if p.what == f"the key {key} is missing"
                }
                if len(said) != 1 or not _names(said.pop(), path):
                    note(f"WRONG: {error}")
                if any(p.place.file != device or not p.place.path for p in error.problems):
                    note(f"WRONG: {error}")
            else:
                note("WRONG: not refused")


def _names(data_path: str, schema_path: str) -> bool:
    """Say whether a data path is one of the list at `schema_path`."""
    steps = re.sub(r"\[[^\]]*\]", "", data_path).split("/")
    return [s.rpartition(":")[2] for s in steps] == [
        s.rpartition(":")[2] for s in schema_path.split("/")
    ]


def throw(
    payloads: list[tuple[str, dict[str, Any]]], schema: Schema, seed: int, count: int
) -> None:
    """Put `count` mutations through the door: refused in proper form, or valid."""
    documents = [(name, tree, schema.to_xml(tree, name)) for name, tree in payloads]
    for number in range(count):
        note(f"{seed} {number}")
        chance = random.Random(f"{seed} {number}")
        device, tree, text = chance.choice(documents)
        state = chance.random() < 0.3
        if state:
            tree = with_state(tree)
            text = schema.to_xml(tree, device)
        try:
            if chance.random() < 0.6:
                schema.parse_xml(mutated_xml(chance, text), device, state=state)
            else:
                tree = mutated_tree(chance, tree)
                schema.to_xml(tree, device)
                schema.parse_json(tree, device, state=state)
        except SchemaError as error:
            if not all(p.what and p.place.file == device for p in error.problems):
                note(f"WRONG: {error.problems}")


def main(what: str, seed: int = 0, count: int = 0) -> None:
    payloads = [(name, payload.tree) for name, payload in render_plan(load_plan(DEMO)[1]).items()]
    if what == "keys":
        take_keys(payloads, reference_schema())
    else:
        throw(payloads, reference_schema(), seed, count)
    note("END")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
