"""GML text as nested lists of key and value, each with its line.

Himsolt, "GML: A portable graph file format" (1997).  A reader of our own: networkx' refuses a label
that two nodes share, which the Internet Topology Zoo has plenty of, stops at the first mistake and
gives no line for what is wrong behind the syntax; and a graph library for 120 lines of grammar is
more to carry than they are.

Pure.  Law: no input raises anything but InventoryError, with every mistake up to MOST_PROBLEMS; no
recursion, so depth costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from math import isinf, isnan

from toolkit.errors import InventoryError, Place, Problem

MOST_PROBLEMS = 40
LONGEST_NUMBER = 18
"""Digits of a whole number: what 64 bits hold.  GML itself stops at 32 bits."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\f\v\ufeff]+|\#[^\n]*)
      | (?P<line>\n)
      | (?P<text>"[^"]*")
      | (?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])
                  |[+-]?(?i:inf(?:inity)?|nan)(?![\w.]))
      | (?P<key>[A-Za-z_][\w.-]*)
      | (?P<open>\[)
      | (?P<close>\])""",
    re.VERBOSE,
)
_BLOCKS = frozenset({"node", "edge"})
"""Lists that never stand in one another, which tells where a bracket is missing."""


@dataclass(frozen=True, slots=True)
class Block:
    """A list in brackets, or the whole file."""

    key: str
    line: int
    items: list[Item]

    def blocks(self, key: str) -> list[Block]:
        """Return the lists called `key` in it."""
        found = [item.value for item in self.items if item.key == key]
        return [value for value in found if isinstance(value, Block)]


Value = int | float | str | Block


@dataclass(frozen=True, slots=True)
class Item:
    """A key, its value, and the line of the key."""

    key: str
    value: Value
    line: int


def decode_gml(data: bytes, file: str) -> str:
    """Return the text of a file; InventoryError where it is none.

    UTF-8, which takes in the ASCII that the format asks for.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte {data[error.start]:#04x} is not UTF-8, so this is no GML text"
        remedy = "is it the right file? An old one in Latin-1: iconv -f latin1 -t utf-8"
        raise InventoryError([Problem(Place(file, line), what, remedy)]) from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise InventoryError([Problem(Place(file, line), "a zero byte: this is no GML text")])
    return text


def parse_gml(text: str, file: str) -> Block:
    """Return the whole file as one block; InventoryError with all mistakes."""
    reader = _Reader(file)
    for kind, written, line in _tokens(text):
        reader.take(kind, written, line)
        if len(reader.problems) >= MOST_PROBLEMS:
            break
    else:
        reader.end()
    if reader.problems:
        raise InventoryError(sorted(reader.problems))
    return reader.root


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield kind, text and line of each token; `bad` for a character that begins none."""
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            yield ("unclosed" if text[at] == '"' else "bad"), text[at : at + 40], line
            end = text.find("\n", at)  # what follows on this line would only be an echo
            at = len(text) if end < 0 else end
            continue
        kind, written = str(match.lastgroup), match[0]
        if kind == "line":
            line += 1
        elif kind != "blank":
            yield kind, written, line
            line += written.count("\n")
        at = match.end()


class _Reader:
    def __init__(self, file: str) -> None:
        self.root = Block("", 0, [])
        self.problems: list[Problem] = []
        self._file = file
        self._open = [self.root]
        self._key: tuple[str, int] | None = None

    def take(self, kind: str, written: str, line: int) -> None:
        match kind:
            case "key":
                self._without_value()
                self._key = (written, line)
            case "open":
                self._begin(line)
            case "close":
                self._without_value()
                if len(self._open) == 1:
                    self._refuse(line, "']' closes nothing", "remove it")
                else:
                    self._open.pop()
            case "text":
                self._value(unescape(written[1:-1]), written, line)
            case "number":
                self._value(self._number(written, line), written, line)
            case "unclosed":
                self._key = None
                self._refuse(line, "a text is never closed", 'close it with "')
            case _:
                self._key = None
                what = f"{written[0]!r} begins neither a key nor a value"
                self._refuse(line, what, 'text stands in "quotes"')

    def end(self) -> None:
        self._without_value()
        for block in self._open[1:]:
            self._unclosed(block, "the end of the file")

    def _begin(self, line: int) -> None:
        if self._key is None:
            self._refuse(line, "'[' without a key in front of it", "write it like node [")
            key = ""
        else:
            key, line = self._key
            self._key = None
        if key in _BLOCKS and self._open[-1].key in _BLOCKS:
            self._unclosed(self._open.pop(), f"the '{key}' of line {line}")
        block = Block(key, line, [])
        self._open[-1].items.append(Item(key, block, line))
        self._open.append(block)

    def _value(self, value: int | float | str, written: str, line: int) -> None:
        if self._key is None:
            short = written if len(written) <= 40 else written[:37] + "..."
            self._refuse(line, f"the value {short} has no key", "write: KEY VALUE")
            return
        key, line = self._key
        self._key = None
        self._open[-1].items.append(Item(key, value, line))

    def _number(self, written: str, line: int) -> int | float:
        if re.fullmatch(r"[+-]?[0-9]+", written):
            if len(written.lstrip("+-")) > LONGEST_NUMBER:
                digits = len(written.lstrip("+-"))
                self._refuse(line, f"a number of {digits} digits", f"at most {LONGEST_NUMBER}")
                return 0
            return int(written)
        value = float(written)
        if isinf(value) and "inf" not in written.casefold():
            self._refuse(line, f"{written} is too large", "numbers end at 1.8e308")
        return value

    def _without_value(self) -> None:
        if self._key is not None:
            key, line = self._key
            self._key = None
            self._refuse(line, f"'{key}' has no value", "write: KEY VALUE, or KEY [ ... ]")

    def _unclosed(self, block: Block, before: str) -> None:
        what = f"'{block.key} [' is not closed before {before}"
        self._refuse(block.line, what, "close it with ]")

    def _refuse(self, line: int, what: str, remedy: str = "") -> None:
        self.problems.append(Problem(Place(self._file, line), what, remedy))


def not_a_number(value: Value) -> bool:
    """Tell whether a value is a number that is none (NaN) or has no end."""
    return isinstance(value, float) and (isnan(value) or isinf(value))
