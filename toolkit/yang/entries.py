"""List entries that cannot be named, taken out of a document before libyang counts its faults.

Told to go on after a fault, libyang keeps an entry whose key is missing, wrong or given twice, and
then dies of it (a null pointer) where it looks entries up by their keys.  So each entry's keys are
judged first, in a document of their own: the entry's ancestors with their keys and nothing else.
What remains is safe to be read to its end.  Pure, but for the lexicon's reading of modules.
RFC 7950 section 7.8.2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from toolkit.yang import xmltext
from toolkit.yang.engine import Fault, Form
from toolkit.yang.lexicon import Lexicon

Judge = Callable[[str], Sequence[Fault]]
"""Returns what stops the reading of a document."""


def without_unnamed(
    text: str, form: Form, lexicon: Lexicon, judge: Judge
) -> tuple[str, list[Fault]]:
    """Return `text` without the entries that have no proper keys, and what is wrong with these.

    Raises ValueError for a text that is no document of its `form`.
    """
    if form is Form.JSON:
        return _Json(lexicon, judge).sift(text)
    return _Xml(lexicon, judge).sift(text)


class _Json:
    """RFC 7951: an entry is an object in an array, a key is a member with or without its module."""

    def __init__(self, lexicon: Lexicon, judge: Judge) -> None:
        self._inner, self._judge = lexicon.inner, judge
        self._faults: list[Fault] = []

    def sift(self, text: str) -> tuple[str, list[Fault]]:
        tree = json.loads(text)
        if not isinstance(tree, dict):
            raise ValueError("no JSON object")
        self._below(tree, "", lambda inner: inner)
        return json.dumps(tree, ensure_ascii=False), self._faults

    def _below(self, node: dict[str, Any], path: str, around: Callable[[Any], Any]) -> None:
        """Sift what is below `node`; `around` puts its ancestors and itself around a member."""
        for member, value in node.items():
            step = _qualified(member, path)
            keys = self._inner.get(f"{path}/{step}")
            if keys is None:
                continue
            if isinstance(value, list):
                value[:] = [
                    entry
                    for entry in value
                    if not isinstance(entry, dict)
                    or self._entry(entry, f"{path}/{step}", keys, around)
                ]
            elif isinstance(value, dict):
                self._below(value, f"{path}/{step}", _nest(around, step))

    def _entry(
        self,
        entry: dict[str, Any],
        path: str,
        keys: Sequence[str],
        around: Callable[[Any], Any],
    ) -> bool:
        """Say whether `entry` has its keys; if so, its own entries are sifted too."""
        step = path.rpartition("/")[2]
        names = {_qualified(key, path) for key in keys}
        # Annotations (`@key`) belong to their key.
        own = {m: v for m, v in entry.items() if _qualified(m.removeprefix("@"), path) in names}
        alone = json.dumps(around({step: [own]}), ensure_ascii=False)
        faults = self._judge(alone) if keys else ()
        self._faults += faults
        if not faults:
            self._below(entry, path, _nest(around, step, own))
        return not faults


def _nest(
    around: Callable[[Any], Any], step: str, keys: Mapping[str, Any] | None = None
) -> Callable[[Any], Any]:
    """Return `around` one step deeper: below a container, or below an entry with its `keys`."""
    if keys is None:
        return lambda inner: around({step: inner})
    return lambda inner: around({step: [{**keys, **inner}]})


def _qualified(member: str, path: str) -> str:
    """Return a member's name with its module: its own, or that of the node at `path`."""
    if ":" in member:
        return member
    return f"{path.rpartition('/')[2].partition(':')[0]}:{member}"


class _Xml:
    """RFC 7950: an entry is an element, a key is an element in it, of the same namespace."""

    def __init__(self, lexicon: Lexicon, judge: Judge) -> None:
        self._inner, self._modules, self._judge = lexicon.inner, lexicon.modules, judge
        self._faults: list[Fault] = []

    def sift(self, text: str) -> tuple[str, list[Fault]]:
        try:
            row = xmltext.row(text)
        except xmltext.NotXmlError as error:
            raise ValueError(str(error)) from None
        self._below(row, "", "", "")
        sifted = "".join(etree.tostring(e, encoding="unicode", with_tail=False) for e in row)
        return sifted if self._faults else text, self._faults

    def _below(self, node: etree._Element, path: str, before: str, after: str) -> None:
        """Sift what is below `node`; `before` and `after` are its tags, keys and ancestors."""
        for element in list(node):
            if not isinstance(element.tag, str):
                continue  # an entity: no module knows it
            name = etree.QName(element)
            below = f"{path}/{self._modules.get(name.namespace or '', '')}:{name.localname}"
            keys = self._inner.get(below)
            if keys is None:
                continue
            own = [key for k in keys for key in element.findall(f"{{{name.namespace}}}{k}")]
            opened = before + f"<{name.localname} xmlns={quoteattr(name.namespace or '')}>"
            opened += "".join(map(_alone, own))
            closed = f"</{name.localname}>{after}"
            faults = self._judge(opened + closed) if keys else ()
            self._faults += faults
            if faults:
                node.remove(element)
            else:
                self._below(element, below, opened, closed)


def _alone(element: etree._Element) -> str:
    """Return an element with all namespaces in its scope: a key's value may need their prefixes."""
    return etree.tostring(element, encoding="unicode", with_tail=False)


def twice(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield path and cause of each member that stands beside itself under its other name.

    `x` and `module:x` are two names of one node below a node of that module.  Reading alone does
    not notice, and libyang dies of a key that is there twice.  RFC 7951 section 4.
    """
    rest: list[tuple[Any, str, str]] = [(tree, "", "")]
    while rest:
        node, module, path = rest.pop()
        if isinstance(node, list):
            rest += [(entry, module, path) for entry in node]
        elif isinstance(node, Mapping):
            for name, value in ((str(member), value) for member, value in node.items()):
                own = name.partition(":")[0] if ":" in name else module
                if module and f"{module}:{name}" in node:
                    yield f"{path}/{name}", f'"{name}" is given twice, also as "{module}:{name}"'
                rest.append((value, own, f"{path}/{name}"))
