"""Read an inventory from its files, or say everything that is wrong with it.

Reads files.  `load_inventory` is the one way in: what it returns is whole and consistent, and what
it raises is `InventoryError` with every problem of every file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from toolkit.errors import InventoryError, Place, Problem
from toolkit.inventory.addressing import check_addresses
from toolkit.inventory.build import build_inventory
from toolkit.inventory.declared import file_schema
from toolkit.inventory.document import Document, read_document
from toolkit.inventory.fit import check_fit
from toolkit.inventory.model import Inventory
from toolkit.inventory.naming import check_names
from toolkit.inventory.reach import check_reach
from toolkit.inventory.references import check_references
from toolkit.inventory.section import declare
from toolkit.inventory.suggestion import closest

SUFFIXES = (".yaml", ".yml")

_LONGEST = 500
"""Characters of a problem's text; more would be somebody's file, not our words."""

CHECKS = (check_references, check_names, check_addresses, check_reach, check_fit)
"""What the inventory must hold as a whole."""


def load_inventory(path: Path) -> Inventory:
    """Return the inventory in a YAML file, or in the *.yaml and *.yml files of a folder.

    Raises InventoryError with all problems, ordered by file and line.  Files are named as `path`
    names them.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    files = _files(path)
    for file in files:
        document, found = read_document(file)
        problems += found
        if document is not None:
            documents.append(document)
    if not documents:
        raise InventoryError(_in_order(problems))
    place = Place(files[0].as_posix(), 1) if len(files) == 1 else Place(path.as_posix())
    declared, found = declare(documents, place, complete=len(documents) == len(files))
    problems += found
    for check in CHECKS:
        problems += check(declared)
    if problems:
        raise InventoryError(_in_order(problems))
    return build_inventory(declared)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one inventory file, for editors."""
    return file_schema()


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Return the problems by file and line, each on one printable line whatever was written."""
    return sorted(
        {
            Problem(
                Place(_printable(problem.place.file), problem.place.line, problem.place.path),
                _printable(problem.what),
                _printable(problem.remedy),
            )
            for problem in problems
        }
    )


def _printable(text: str) -> str:
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:_LONGEST])
    return shown if len(text) <= _LONGEST else shown + "..."


def _files(path: Path) -> list[Path]:
    """Return the files to read: the one that `path` names, or those in its folder by name."""
    shown = _printable(path.as_posix())
    try:
        if not path.is_dir():
            return [path] if path.exists() else _missing(path)
        files = sorted(
            file
            for file in path.iterdir()
            if file.suffix in SUFFIXES and not file.name.startswith(".") and not file.is_dir()
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InventoryError([Problem(Place(shown), f"cannot be read: {reason}")]) from None
    if not files:
        raise InventoryError([Problem(Place(shown), "the folder holds no *.yaml or *.yml file")])
    return files


def _missing(path: Path) -> NoReturn:
    near = closest(path.name, [p.name for p in path.parent.iterdir()])
    remedy = f"did you mean '{(path.parent / near).as_posix()}'?" if near else ""
    place = Place(_printable(path.as_posix()))
    raise InventoryError([Problem(place, "no such file or folder", _printable(remedy))])
