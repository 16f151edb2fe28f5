"""One entry of a section: what was written, where, and its checked body.

Pure.  An entry whose body is refused keeps what was written, so that its names can still be looked
up and one mistake does not hide the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from toolkit.errors import Place, Problem
from toolkit.inventory.body import Body
from toolkit.inventory.declared import BODIES, ManagementBody
from toolkit.inventory.document import Document, Route
from toolkit.inventory.refusal import Refusal
from toolkit.inventory.settings import TreeBody
from toolkit.inventory.suggestion import closest, suggest

B = TypeVar("B", bound=Body, covariant=True)

_INSIDE: Mapping[str, type[Body]] = {"management": ManagementBody, "tree": TreeBody}
"""Key of an entry -> the mapping that stands under it."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[B]):
    name: str
    """Its key in the section; empty in a list."""
    document: Document
    route: Route
    written: Mapping[str, Any]
    body: B | None
    """None: problems were filed."""

    def place(self, *keys: str) -> Place:
        """Return the place of the entry, or of something in it."""
        return self.document.place((*self.route, *keys))

    def text(self, key: str) -> str | None:
        """Return what was written for `key` if that is text at all."""
        value = self.written.get(key)
        return value if isinstance(value, str) else None

    def problem(self, what: str, remedy: str = "", *, at: str = "") -> Problem:
        """Return a problem with this entry, or with one of its keys."""
        return Problem(self.place(at) if at else self.place(), what, remedy)


def make_entry(
    kind: type[B], name: str, document: Document, route: Route, written: object
) -> tuple[Entry[B], list[Problem]]:
    """Return the entry that stands at `route`, and every problem inside it."""
    if written is None:
        written = {}
    if not isinstance(written, dict):
        what = f"{document.subject(route)} is not a mapping of keys"
        problem = Problem(document.place(route), what, f"the keys are: {', '.join(_keys(kind))}")
        return Entry(name, document, route, {}, None), [problem]
    try:
        return Entry(name, document, route, written, kind.model_validate(written)), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        problems = [_problem(kind, document, route, detail) for detail in details]
        return Entry(name, document, route, written, None), problems


def _keys(kind: type[Body]) -> list[str]:
    return [field.alias or name for name, field in kind.model_fields.items()]


def _problem(kind: type[Body], document: Document, route: Route, error: ErrorDetails) -> Problem:
    location: Route = (*route, *error["loc"])
    place = document.place(location)
    inside = _INSIDE.get(str(error["loc"][0]), kind)
    owner = inside if len(error["loc"]) > 1 else kind
    key = str(error["loc"][-1])
    match error["type"]:
        case "missing":
            place = Place(place.file, place.line, document.place(location[:-1]).path)
            return Problem(place, f"'{key}' is missing", _example(owner, key))
        case "extra_forbidden":
            return Problem(place, "unknown key", _where(owner, key))
        case "value_error" if isinstance(refusal := error["ctx"]["error"], Refusal):
            return _refused(document, (*location, *refusal.at), refusal)
    # What is left is a mapping's own type: one of those inside an entry.
    keys = ", ".join(_keys(inside))
    return Problem(place, "a mapping of keys is expected", f"the keys are: {keys}")


def _refused(document: Document, route: Route, refusal: Refusal) -> Problem:
    place = document.place(route)
    if refusal.whole:
        return Problem(place, refusal.reason, refusal.remedy)
    subject = document.subject(route)
    if subject == "an empty value":
        return Problem(place, "the value is empty", "give it a value, or remove the key")
    return Problem(place, f"{subject} {refusal.reason}", refusal.remedy)


def _example(kind: type[Body], key: str) -> str:
    field = next((f for n, f in kind.model_fields.items() if (f.alias or n) == key), None)
    if field is None or not field.examples:
        return ""
    return f"for example {key}: {field.examples[0]}"


def _where(kind: type[Body], key: str) -> str:
    """Return where an unknown key may have been meant to stand."""
    keys = _keys(kind)
    if near := closest(key, keys):
        return f"did you mean '{near}'?"
    if kind is BODIES["routers"] and key in _keys(ManagementBody):
        return "it belongs under 'management'"
    return suggest(key, keys)
