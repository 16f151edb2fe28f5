"""Other tools' YAML as plain values with their lines.

Unlike `toolkit.inventory.document` it takes any root and tags such as Ansible's `!vault`, whose
values stay hidden.  Pure: bytes come in.  InventoryError for what is no YAML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from toolkit.errors import InventoryError, Place, Problem

Route = tuple[str | int, ...]
DEEPEST = 40
MOST_VALUES = 2_000_000


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value behind a tag (`!vault`): it is there, and nobody's business."""

    tag: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file's values: mappings with text keys, lists, str, int, float, bool, None, Hidden."""

    file: str
    value: Any
    lines: Mapping[Route, int]

    def place(self, *route: str | int) -> Place:
        """Return the place of a value, or of the nearest value around it that exists."""
        known = route
        while known and known not in self.lines:
            known = known[:-1]
        path = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in route)
        return Place(self.file, self.lines.get(known, 1), path.removeprefix("."))


def read_yaml(data: bytes, file: str) -> Source:
    """Return what a file says; None for an empty one."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(file, line, f"byte {data[error.start]:#04x} is not UTF-8") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _refused(file, line, "a character that is not allowed in YAML") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found = error.problem or error.context or "the text ends too early"
        if re.search("alias|anchor|tag", found):  # a password may begin with * & or !
            found = "an alias, an anchor or a tag that means nothing here: use quotes"
        what = f"not YAML: {found}"
        raise _refused(file, mark.line + 1 if mark else 0, what) from None
    except (ValueError, OverflowError):
        raise _refused(file, 0, "not YAML: an escape names no character") from None
    except RecursionError:
        raise _refused(file, 0, "nested too deeply") from None
    reader = _Reader(file)
    value = None if root is None else reader.value(root, ())
    if reader.problems:
        raise InventoryError(sorted(set(reader.problems)))
    return Source(file, value, reader.lines)


def _refused(file: str, line: int, what: str) -> InventoryError:
    return InventoryError([Problem(Place(file, line), what)])


class _Reader:
    def __init__(self, file: str) -> None:
        self.lines: dict[Route, int] = {}
        self.problems: list[Problem] = []
        self._file = file
        self._count = 0
        self._constructor = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, route: Route) -> Any:  # noqa: ANN401 - what YAML can say
        line = int(node.start_mark.line) + 1
        self.lines.setdefault(route, line)
        self._count += 1
        if len(route) > DEEPEST:
            raise _refused(self._file, line, "nested too deeply")
        if self._count > MOST_VALUES:
            raise _refused(self._file, line, f"more than {MOST_VALUES} values")
        if not node.tag.startswith("tag:yaml.org,2002:"):
            return Hidden(node.tag)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*route, i)) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, route)
        try:
            value = self._constructor.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError, OverflowError):
            return str(node.value)
        return value if value is None or isinstance(value, bool | int | float) else str(node.value)

    def _mapping(self, node: yaml.MappingNode, route: Route) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, child in node.value:
            line = int(key.start_mark.line) + 1
            if key.tag == "tag:yaml.org,2002:merge":
                sources = child.value if isinstance(child, yaml.SequenceNode) else [child]
                for source in sources:
                    value = self.value(source, route)
                    if isinstance(value, dict):
                        merged = value | merged
                continue
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if name in found:
                what = f"'{name}' stands here twice"
                place = Place(self._file, line)
                self.problems.append(Problem(place, what, "merge the two, or rename one"))
            self.lines[*route, name] = line
            found[name] = self.value(child, (*route, name))
        return merged | found
