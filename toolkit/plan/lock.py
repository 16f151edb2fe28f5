"""The lock: every identifier ever given, as a small JSON file that lives beside the inventory.

Pure.  The text is sorted and has one name a line, so that a change shows as the lines it is.
Reading is strict: a lock edited by hand into something ambiguous must not renumber a network.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

from toolkit.errors import Place, PlanError, Problem
from toolkit.plan.ids import name_order
from toolkit.plan.model import Lock
from toolkit.plan.places import lock_place
from toolkit.plan.platforms.facts import MAX_BFR_ID

VERSION = 1
_REMEDY = "restore the file from version control, or remove the entry"
_SECTIONS = tuple(field.name for field in fields(Lock))
_OPTIONAL = frozenset({"trees", "instances", "digests", "rps"})
"""Sections that a lock without SR-P2MP and PIM-SM does not have."""
_SHARED = frozenset({"instances", "digests", "rps"})
"""Sections whose numbers need not differ from each other."""

EMPTY_LOCK = Lock(bfr_ids={}, routers={}, links={}, hosts={}, deliveries={})


def format_lock(lock: Lock) -> str:
    """Return the text of a lock file."""
    document: dict[str, object] = {"version": VERSION}
    for section in _SECTIONS:
        numbers: Mapping[str, int] = getattr(lock, section)
        if numbers or section not in _OPTIONAL:
            document[section] = {name: numbers[name] for name in sorted(numbers, key=name_order)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def parse_lock(text: str, file: str = "") -> Lock:
    """Return the lock in `text`; raise PlanError with everything that is wrong with it.

    `file` is the name that problems carry.
    """
    try:
        document = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        place = Place(file=file, line=error.lineno)
        raise PlanError([Problem(place, f"not JSON: {error.msg}", _REMEDY)]) from error
    except (RecursionError, ValueError) as error:
        # Nesting or digits without end: JSON, but no lock of ours.
        raise PlanError([Problem(Place(file=file), "not a lock", _REMEDY)]) from error
    problems: list[Problem] = []
    lock = _read(document, problems)
    problems += check_lock(lock)
    if problems:
        raise PlanError(in_file(problems, file, text))
    return lock


def check_lock(lock: Lock) -> Iterator[Problem]:
    """Name numbers that are impossible or were given to two names."""
    for section in _SECTIONS:
        numbers: Mapping[str, int] = getattr(lock, section)
        last = MAX_BFR_ID if section == "bfr_ids" else (1 << 32) - 1
        owners: defaultdict[int, list[str]] = defaultdict(list)
        for name, number in numbers.items():
            owners[number].append(name)
            if not 1 <= number <= last:
                yield Problem(lock_place(section, name), f"{number} is not 1 to {last}", _REMEDY)
        for number, names in owners.items():
            if len(names) > 1 and section not in _SHARED:
                first, *others = sorted(names, key=name_order)
                for name in others:
                    what = f"{name} has {number}, which is also that of {first}"
                    yield Problem(lock_place(section, name), what, _REMEDY)


def in_file(problems: Iterable[Problem], file: str, text: str) -> list[Problem]:
    """Return `problems` in order, those about the lock with its file name and their lines."""
    lines = _lines(text)
    placed = set()
    for problem in problems:
        place = problem.place
        if not place.file and (place.path + ".").startswith("lock."):
            path = place.path.removeprefix("lock").removeprefix(".")
            place = Place(file=file or "lock", line=lines.get(path, 0), path=path)
        placed.add(Problem(place, problem.what, problem.remedy))
    return sorted(placed)


_KEY = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*:\s*(\{?)')


def _lines(text: str) -> dict[str, int]:
    """Return dotted path -> line of every entry, as far as they stand one a line."""
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        key = _KEY.match(line)
        if key:
            lines[f"{section}.{key[1]}" if section else key[1]] = number
            if key[2] and "}" not in line:
                section = key[1]
        elif line.strip().startswith("}"):
            section = ""
    return lines


class _Pairs(list[tuple[str, object]]):
    """A JSON object before anybody decides what a repeated name means."""


def _read(document: object, problems: list[Problem]) -> Lock:
    sections: dict[str, dict[str, int]] = {section: {} for section in _SECTIONS}

    def refuse(what: str, *path: str, remedy: str = _REMEDY) -> None:
        problems.append(Problem(Place(path=".".join(("lock", *path))), what, remedy))

    if not isinstance(document, _Pairs):
        refuse("is not a JSON object")
        return EMPTY_LOCK
    found = dict(document)
    version = found.get("version")
    if version != VERSION or isinstance(version, bool):
        what = f"version {json.dumps(version)} is not known; this is version {VERSION}"
        refuse(what, "version", remedy="use the llmsync that wrote it, or a newer one")
        return EMPTY_LOCK
    if len(found) < len(document):
        refuse("has a section twice")
    for section in sorted(found.keys() - {"version", *_SECTIONS}):
        refuse("unknown section", section)
    for section in _SECTIONS:
        entries = found.get(section, _Pairs() if section in _OPTIONAL else None)
        if not isinstance(entries, _Pairs):
            refuse("is not an object" if section in found else "is missing", section)
            continue
        for name, number in entries:
            if not name.isprintable():
                refuse("has a name that cannot be printed", section)
            elif not isinstance(number, int) or isinstance(number, bool):
                refuse("is not a whole number", section, name)
            elif name in sections[section]:
                refuse("stands there twice", section, name)
            else:
                sections[section][name] = number
    return Lock(**sections)
