"""The sections of all files as one: what is declared, and where.

Pure.  Merges file by file; a name that two files declare is a problem at the second that names the
first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from toolkit.errors import Place, Problem
from toolkit.inventory.body import Body
from toolkit.inventory.declared import (
    BODIES,
    CloudBody,
    DeliveryBody,
    DomainBody,
    LinkBody,
    PolicyBody,
    RepositoryBody,
    RouterBody,
)
from toolkit.inventory.document import Document, Route, quoted
from toolkit.inventory.entry import Entry, make_entry
from toolkit.inventory.identifier import parse_name
from toolkit.inventory.refusal import Refusal
from toolkit.inventory.settings import (
    BierBody,
    OverlayBody,
    PimBody,
    PoolsBody,
    QosBody,
    SrBody,
    UnderlayBody,
)
from toolkit.inventory.suggestion import closest, suggest

SINGULAR = {
    "domains": "domain",
    "routers": "router",
    "repositories": "repository",
    "clouds": "cloud",
    "deliveries": "delivery",
    "policies": "policy",
}
"""Section of named entries -> what one of them is called."""

_SECTIONS = ("name", *BODIES)
B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Everything that the files declare, in the order they do."""

    place: Place
    """Of the inventory as a whole."""
    name: str
    domains: Mapping[str, Entry[DomainBody]]
    routers: Mapping[str, Entry[RouterBody]]
    links: Sequence[Entry[LinkBody]]
    repositories: Mapping[str, Entry[RepositoryBody]]
    clouds: Mapping[str, Entry[CloudBody]]
    deliveries: Mapping[str, Entry[DeliveryBody]]
    policies: Mapping[str, Entry[PolicyBody]]
    pools: Entry[PoolsBody] | None
    bier: Entry[BierBody] | None
    pim: Entry[PimBody] | None
    sr: Entry[SrBody] | None
    underlay: Entry[UnderlayBody] | None
    overlay: Entry[OverlayBody] | None
    qos: Entry[QosBody] | None
    uncertain: frozenset[str]
    """Sections that could not be read whole: nobody knows which names they lack."""

    def certain(self, *sections: str) -> bool:
        """Tell whether all of these sections were read whole."""
        return self.uncertain.isdisjoint(sections)


def declare(
    documents: Sequence[Document], place: Place, *, complete: bool
) -> tuple[Declared, list[Problem]]:
    """Return what the documents declare together, and what is wrong within single entries.

    `complete` is false where a file of the inventory could not be read at all.
    """
    collector = _Collector(documents)
    collector.check_sections()
    declared = Declared(
        place=place,
        name=collector.inventory_name(place, complete=complete),
        domains=collector.named("domains", DomainBody),
        routers=collector.named("routers", RouterBody),
        links=collector.links(),
        repositories=collector.named("repositories", RepositoryBody),
        clouds=collector.named("clouds", CloudBody),
        deliveries=collector.named("deliveries", DeliveryBody),
        policies=collector.named("policies", PolicyBody),
        pools=collector.settings("pools", PoolsBody),
        bier=collector.settings("bier", BierBody),
        pim=collector.settings("pim", PimBody),
        sr=collector.settings("sr", SrBody),
        underlay=collector.settings("underlay", UnderlayBody),
        overlay=collector.settings("overlay", OverlayBody),
        qos=collector.settings("qos", QosBody),
        uncertain=frozenset(collector.uncertain if complete else _SECTIONS),
    )
    return declared, collector.problems


class _Collector:
    def __init__(self, documents: Sequence[Document]) -> None:
        self.problems: list[Problem] = []
        self.uncertain: set[str] = set()
        self._documents = documents

    def check_sections(self) -> None:
        for document in self._documents:
            for key in document.data:
                if key not in _SECTIONS:
                    self._file(document, (key,), "unknown section", suggest(key, _SECTIONS))
                    self.uncertain.add(closest(key, _SECTIONS))

    def inventory_name(self, place: Place, *, complete: bool) -> str:
        found: list[tuple[Document, Any]] = [
            (document, document.data["name"])
            for document in self._documents
            if "name" in document.data
        ]
        if not found:
            if complete and "name" not in self.uncertain:
                remedy = "for example name: backbone"
                self.problems.append(Problem(place, "'name' is missing", remedy))
            return ""
        first, value = found[0]
        for document, _ in found[1:]:
            what = f"the inventory already has a name, at {first.place(('name',))}"
            self._file(document, ("name",), what, "remove one of the two")
        try:
            return parse_name(value)
        except Refusal as refusal:
            subject = first.subject(("name",))
            self._file(first, ("name",), f"{subject} {refusal.reason}", refusal.remedy)
            return ""

    def named(self, section: str, kind: type[B]) -> dict[str, Entry[B]]:
        """Return the entries of a section that is a mapping of names."""
        entries: dict[str, Entry[B]] = {}
        for document, body in self._parts(section):
            if not isinstance(body, dict):
                what = f"a mapping of names is expected, not {_kind(document, section)}"
                remedy = f"write 'NAME: {{...}}' for each {SINGULAR[section]}"
                self._uncertain(document, section, what, remedy)
                continue
            for name, written in body.items():
                route = (section, name)
                if name in entries:
                    what = f"{SINGULAR[section]} '{name}' is already declared"
                    what += f" at {entries[name].place()}"
                    self._file(document, route, what, "remove or rename one of the two")
                    continue
                self._check_name(document, route, name)
                entries[name], problems = make_entry(kind, name, document, route, written)
                self.problems += problems
        return entries

    def links(self) -> list[Entry[LinkBody]]:
        entries: list[Entry[LinkBody]] = []
        for document, body in self._parts("links"):
            if not isinstance(body, list):
                what = f"a list of links is expected, not {_kind(document, 'links')}"
                self._uncertain(document, "links", what, "begin each with '- ': - {a: X, b: Y}")
                continue
            for index, written in enumerate(body):
                entry, problems = make_entry(LinkBody, "", document, ("links", index), written)
                entries.append(entry)
                self.problems += problems
        return entries

    def settings(self, section: str, kind: type[B]) -> Entry[B] | None:
        """Return the one entry that is a whole section."""
        first: Entry[B] | None = None
        for document, body in self._parts(section):
            if first is not None:
                what = f"section '{section}' already stands at {first.place()}"
                self._file(document, (section,), what, "keep it in one file")
                continue
            first, problems = make_entry(kind, section, document, (section,), body)
            self.problems += problems
        return first

    def _parts(self, section: str) -> Iterator[tuple[Document, Any]]:
        for document in self._documents:
            if (body := document.data.get(section)) is not None:
                yield document, body

    def _check_name(self, document: Document, route: Route, name: str) -> None:
        try:
            parse_name(name)
        except Refusal as refusal:
            self._file(document, route, f"{quoted(name)} {refusal.reason}", refusal.remedy)

    def _uncertain(self, document: Document, section: str, what: str, remedy: str) -> None:
        self.uncertain.add(section)
        self._file(document, (section,), what, remedy)

    def _file(self, document: Document, route: Route, what: str, remedy: str) -> None:
        self.problems.append(Problem(document.place(route), what, remedy))


def _kind(document: Document, section: str) -> str:
    subject = document.subject((section,))
    return "a single value" if subject.startswith(("'", '"')) else subject
