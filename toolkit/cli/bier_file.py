"""From the path of a BIFT document to a Program; problems get the lines that they stand on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.bier.document import BiftFileError, read_program
from toolkit.errors import EnvironmentProblem, InventoryError, Place, Problem

if TYPE_CHECKING:
    from toolkit.bier.program import Program
    from toolkit.inventory.importers.yamlsource import Source


def load_program(path: Path) -> Program:
    """Return the BFR that a JSON or YAML file describes.

    BiftFileError with all problems, EnvironmentProblem where the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror or error}") from error
    name = str(path)
    if path.suffix == ".json":
        return read_program(_json(data, name), name)
    from toolkit.inventory.importers.yamlsource import read_yaml

    try:
        source = read_yaml(data, name)
    except InventoryError as error:
        raise BiftFileError(error.problems) from None
    try:
        return read_program(source.value, name)
    except BiftFileError as error:
        raise BiftFileError([_placed(problem, source) for problem in error.problems]) from None


def _json(data: bytes, file: str) -> object:
    problems: list[Problem] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _value in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            problems.append(Problem(Place(file), f"'{twice}' stands twice in one object"))
        return found

    try:
        value: object = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        what = f"byte {data[error.start]:#04x} is not UTF-8"
        problems.append(Problem(Place(file, data.count(b"\n", 0, error.start) + 1), what))
    except json.JSONDecodeError as error:
        problems.append(Problem(Place(file, error.lineno), f"not JSON: {error.msg}"))
    except RecursionError:
        problems.append(Problem(Place(file), "nested too deeply"))
    if problems:
        raise BiftFileError(problems)
    return value


def _placed(problem: Problem, source: Source) -> Problem:
    """Add the line of a problem's path, or of what is around it."""
    line = source.place(*_route(problem.place.path, source.value)).line
    return replace(problem, place=replace(problem.place, line=line))


def _route(path: str, value: object) -> tuple[str | int, ...]:
    """Find a path such as `bifts[0].rows[1].bits` in a value; names may hold dots themselves."""
    found: list[str | int] = []
    left = path
    while left:
        if isinstance(value, dict):
            names = [n for n in value if left == n or left.startswith((f"{n}.", f"{n}["))]
            if not names:
                break
            name = max(names, key=len)
            found.append(name)
            value, left = value[name], left[len(name) :]
        elif isinstance(value, list) and (number := re.match(r"\[(\d+)\]", left)):
            index = int(number[1])
            if index >= len(value):
                break
            found.append(index)
            value, left = value[index], left[number.end() :]
        else:
            break
        left = left.removeprefix(".")
    return tuple(found)
