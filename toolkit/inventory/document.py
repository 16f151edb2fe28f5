"""One YAML file as plain values, each with the line it was written on.

Reads one file.  Stricter than a YAML loader where that hides mistakes: a key twice in one mapping,
a key that YAML reads as a number or a truth value, tags.  Anchors and merge keys (`<<`) work.
Never raises for what a file holds: problems come back as values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from toolkit.errors import Place, Problem

Route = tuple[str | int, ...]
"""Keys and indices from a file's root to a value."""

DEEPEST = 24
"""An inventory is six levels deep; an alias of an alias of ... may not be."""
MOST_BORROWED = 100_000
"""Values that aliases may repeat in one file."""

_CORE = "tag:yaml.org,2002:"
_READ_AS = {"int": "a number", "float": "a number", "bool": "true or false", "timestamp": "a date"}

# What PyYAML says -> what we say and advise.  An alias, an anchor or a tag may be a password that
# begins with * & or !, so their names are not repeated.
_ADVICE: tuple[tuple[str, str, str], ...] = (
    ("undefined alias", "an alias without its anchor", "put text that begins with * in quotes"),
    ("duplicate anchor", "an anchor is defined twice", "put text that begins with & in quotes"),
    ("tag handle", "an unknown tag", "put text that begins with ! in quotes"),
    ("'\\t'", "a tab where YAML takes blanks only", "indent with spaces"),
    ("another document", "a second document begins", "one document per file: remove the '---'"),
    ("mapping values are not allowed", "", "check the indentation, and quote text with ': ' in it"),
    ("could not find expected ':'", "", "write 'key: value', with a blank after the colon"),
    (
        "expected <block end>",
        "this line does not continue what is above it",
        "items of one level start in the same column",
    ),
    ("cannot start any token", "", "put the text in quotes"),
    ("unexpected end of stream", "", "close the quotes"),
    ("expected ',' or '}'", "", "close the bracket, or put a comma between the items"),
    ("expected ',' or ']'", "", "close the bracket, or put a comma between the items"),
)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value stands and what was written there."""

    line: int
    written: str | None = None
    """The text of a scalar as it stands in the file; None for a list or a mapping."""


@dataclass(frozen=True, slots=True)
class Document:
    file: str
    data: Mapping[str, Any]
    """Mappings with text keys, lists, str, int, float, bool, None."""
    spots: Mapping[Route, Spot]

    def place(self, route: Route) -> Place:
        """Return the place of a value, or of the nearest value around it that exists."""
        known = route
        while known and known not in self.spots:
            known = known[:-1]
        return Place(self.file, self.spots[known].line, dotted(route))

    def subject(self, route: Route) -> str:
        """Return a value as a sentence's subject: `'9k'`, `a list`, `an empty value`."""
        spot = self.spots.get(route)
        if spot is not None and spot.written is not None:
            return quoted(spot.written) if spot.written else "an empty value"
        value: Any = self.data
        for key in route:
            value = value[key]
        return "a list" if isinstance(value, list) else "a mapping"


def quoted(text: str) -> str:
    """Return the text in quotes, on one line and not too long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def dotted(route: Route) -> str:
    """Return `routers.fra1.loopback`, `links[3].a`."""
    parts = [f"[{key}]" if isinstance(key, int) else f".{_plain(key)}" for key in route]
    return "".join(parts).removeprefix(".")


def _plain(key: str) -> str:
    return quoted(key)[1:-1] if key else "''"


def read_document(path: Path) -> tuple[Document | None, list[Problem]]:
    """Return the file's document and what is wrong with it; no document if it cannot be read."""
    file = path.as_posix()
    if path.exists() and not path.is_file():  # a pipe, which would never end
        return None, [Problem(Place(file), "is not a file")]
    try:
        data = path.read_bytes()
    except OSError as error:
        return None, [Problem(Place(file), f"cannot be read: {error.strerror}")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte {data[error.start]:#04x} is not UTF-8"
        return None, [Problem(Place(file, line), what, "save the file as UTF-8")]
    return parse_document(text, file)


def parse_document(text: str, file: str) -> tuple[Document | None, list[Problem]]:
    """Like `read_document`, for text that is already here."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        return None, [Problem(Place(file, line), what, "remove it")]
    except yaml.MarkedYAMLError as error:
        return None, [_syntax_problem(error, file)]
    except (ValueError, OverflowError):
        # PyYAML passes any number of an escape like "\\U00110000" on to chr().
        return None, [Problem(Place(file), "not YAML: an escape names no character")]
    except RecursionError:
        return None, [Problem(Place(file), "nested too deeply to be an inventory")]
    if root is None or _is_null(root):
        remedy = "write at least 'name:' and 'routers:', or remove the file"
        return None, [Problem(Place(file, 1), "the file is empty", remedy)]
    if not isinstance(root, yaml.MappingNode):
        remedy = "begin with a section, such as 'routers:'"
        return None, [
            Problem(Place(file, _line(root)), "a mapping of sections is expected", remedy)
        ]
    reader = _Reader(file)
    try:
        value = reader.value(root, (), _line(root))
    except _TooMuchError as error:
        return None, [Problem(Place(file, error.line), str(error))]
    return Document(file, value, reader.spots), reader.problems


def _syntax_problem(error: yaml.MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    found = error.problem or error.context or "the text ends too early"
    opened = error.context_mark
    what, remedy = next(
        ((instead or found, advice) for words, instead, advice in _ADVICE if words in found),
        (found, ""),
    )
    if remedy.startswith("close") and opened is not None:
        remedy += f"; opened on line {opened.line + 1}"
    return Problem(Place(file, mark.line + 1 if mark else 0), f"not YAML: {what}", remedy)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _CORE + "null"


class _TooMuchError(Exception):
    def __init__(self, line: int, what: str) -> None:
        self.line = line
        super().__init__(what)


class _Reader:
    """Turns nodes into values and remembers where each came from."""

    def __init__(self, file: str) -> None:
        self.spots: dict[Route, Spot] = {}
        self.problems: list[Problem] = []
        self._file = file
        self._seen: set[int] = set()
        self._borrowed = 0
        self._constructor = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, route: Route, line: int) -> Any:  # noqa: ANN401 - what YAML can say
        """Return the node's value; `line` is its key's, or its own in a list."""
        if len(route) > DEEPEST:
            raise _TooMuchError(line, "nested too deeply to be an inventory")
        if id(node) in self._seen:
            self._borrowed += 1
            if self._borrowed > MOST_BORROWED:
                raise _TooMuchError(line, f"aliases repeat more than {MOST_BORROWED} values")
        self._seen.add(id(node))
        if isinstance(node, yaml.CollectionNode):
            self.spots[route] = Spot(line)
            if node.tag not in (_CORE + "map", _CORE + "seq"):
                self._refuse_tag(route, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, route)
        if not isinstance(node, yaml.ScalarNode):
            return [self.value(n, (*route, i), _line(n)) for i, n in enumerate(node.value)]
        written = "" if _is_null(node) else str(node.value)
        self.spots[route] = Spot(line, written)
        return self._scalar(node, route, line)

    def _mapping(self, node: yaml.MappingNode, route: Route) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = _line(key_node)
            if key_node.tag == _CORE + "merge":
                merged.append(value_node)
                continue
            key = self._key(key_node, route)
            if key is None:
                continue
            if key in values:
                what = f"duplicate key, first on line {lines[key]}"
                self._file_problem((*route, key), line, what, "remove one of the two")
                continue
            lines[key] = line
            values[key] = self.value(value_node, (*route, key), line)
        for source in merged:
            self._merge(source, route, values, depth=0)
        return values

    def _merge(
        self, source: yaml.Node, route: Route, values: dict[str, Any], *, depth: int
    ) -> None:
        """Add what `<<` brings in; keys that are already there win (YAML merge key, 2005)."""
        if depth > DEEPEST:
            raise _TooMuchError(_line(source), "nested too deeply to be an inventory")
        self._borrowed += 1
        if self._borrowed > MOST_BORROWED:
            raise _TooMuchError(_line(source), f"aliases repeat more than {MOST_BORROWED} values")
        if isinstance(source, yaml.SequenceNode):
            for item in source.value:
                self._merge(item, route, values, depth=depth + 1)
            return
        if not isinstance(source, yaml.MappingNode):
            what = "'<<' takes a mapping or a list of mappings"
            self._file_problem(route, _line(source), what, "write <<: *ANCHOR")
            return
        later: list[yaml.Node] = []
        for key_node, value_node in source.value:
            if key_node.tag == _CORE + "merge":
                later.append(value_node)
            elif isinstance(key_node, yaml.ScalarNode) and key_node.value not in values:
                line = _line(key_node)
                values[key_node.value] = self.value(value_node, (*route, key_node.value), line)
        for item in later:
            self._merge(item, route, values, depth=depth + 1)

    def _key(self, node: yaml.Node, route: Route) -> str | None:
        line = _line(node)
        if not isinstance(node, yaml.ScalarNode):
            self._file_problem(route, line, "a key must be text, not a list or a mapping", "")
            return None
        kind = node.tag.removeprefix(_CORE)
        if kind == "null":
            self._file_problem(route, line, "a key is empty", "")
            return None
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            self._file_problem(route, line, "a key holds half a character", "remove the escape")
            return None
        if kind in _READ_AS:
            what = f"the key is read as {_READ_AS[kind]}"
            self._file_problem((*route, node.value), line, what, "put it in quotes")
        elif kind not in ("str", "value"):
            self._file_problem(route, line, "a key with a tag", "remove the tag")
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, route: Route, line: int) -> Any:  # noqa: ANN401 - see value
        kind = node.tag.removeprefix(_CORE)
        text = str(node.value)
        try:
            match kind:
                case "null":
                    return None
                case "bool":
                    return self._constructor.construct_yaml_bool(node)
                case "int" if len(text) <= 40:
                    return self._constructor.construct_yaml_int(node)
                case "float" if len(text) <= 40:
                    return self._constructor.construct_yaml_float(node)
        except (ValueError, KeyError, IndexError):
            return text  # a tag that does not fit its text, such as !!int x
        if kind not in ("str", "value", "int", "float", "timestamp", "merge"):
            self._refuse_tag(route, line)
        return text

    def _refuse_tag(self, route: Route, line: int) -> None:
        # The tag is not repeated: an unquoted password may begin with an exclamation mark.
        self._file_problem(route, line, "tags are not used in an inventory", "remove the tag")

    def _file_problem(self, route: Route, line: int, what: str, remedy: str) -> None:
        # A key below one of these may be the secret itself, written in the wrong place.
        for depth, key in enumerate(route):
            if key in ("password", "key"):
                route = route[: depth + 1]
                break
        self.problems.append(Problem(Place(self._file, line, dotted(route)), what, remedy))
