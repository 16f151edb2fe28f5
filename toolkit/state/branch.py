"""Reading a configuration by local names, typed or not.

Pure.  Trees are RFC 7951 documents, as `toolkit.yang.schema` returns them, or what
`toolkit.yang.untyped` makes of XML when no schema is at hand: there every value is text and a list
with one entry is that entry.  A `Branch` reads both alike.  Names of modules are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_ON: Final = frozenset({"true", "enable", "enabled", "on", "up", ""})


class Branch:
    """A container, list entry or leaf of a configuration, or the absence of one."""

    __slots__ = ("_value",)

    def __init__(self, value: Any = None) -> None:  # noqa: ANN401 - RFC 7951
        """`value` is what stands in the tree; None: it is not there."""
        self._value = value

    def __bool__(self) -> bool:
        """Return whether it is there, even if it is empty."""
        return self._value is not None

    def one(self, *path: str) -> Branch:
        """Return what `path` leads to; the first entry of a list."""
        branch = self
        for name in path:
            branch = next(branch.all(name), Branch())
        return branch

    def all(self, name: str) -> Iterator[Branch]:
        """Yield the entries of a list or leaf-list; a container or leaf is its only one."""
        if isinstance(self._value, list):  # an untyped list entry, or a leaf of type empty
            return
        if not isinstance(self._value, Mapping):
            return
        for member, value in self._value.items():
            if member.rpartition(":")[2] == name:
                many = isinstance(value, list) and value != [None]
                yield from (Branch(item) for item in (value if many else (value,)))

    def has(self, *path: str) -> bool:
        """Return whether `path` leads to anything."""
        return bool(self.one(*path))

    def members(self) -> Iterator[tuple[str, Branch]]:
        """Yield everything in it by local name: the entries of a list one by one."""
        if isinstance(self._value, Mapping):
            for name in dict.fromkeys(member.rpartition(":")[2] for member in self._value):
                yield from ((name, branch) for branch in self.all(name))

    @property
    def value(self) -> str:
        """The leaf's value as text, an identity without its module; empty where there is none."""
        value = self._value
        if value is None or value == [None] or isinstance(value, Mapping | list):
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    def text(self, *path: str, default: str = "") -> str:
        """Return the text of the leaf at `path`."""
        leaf = self.one(*path)
        return leaf.value if leaf else default

    def number(self, *path: str, default: int = 0) -> int:
        """Return the number of the leaf at `path`."""
        text = self.text(*path)
        return int(text) if text else default

    def span(self, first: str, last: str, most: int) -> range:
        """Return the numbers from the leaf `first` to the leaf `last`.

        Raises ValueError beyond `most`: without a schema anything may stand there.
        """
        start, end = self.number(first), self.number(last)
        if start < 0 or end > most:
            raise ValueError(f"{first} {start} to {last} {end} are not in 0..{most}")
        return range(start, end + 1)

    def flag(self, *path: str, default: bool = False) -> bool:
        """Return whether the leaf at `path` says yes: true, enable, or a leaf of type empty."""
        leaf = self.one(*path)
        return leaf.value in _ON if leaf else default

    def texts(self, *path: str) -> tuple[str, ...]:
        """Return the values of the leaf-list at `path`."""
        *way, name = path
        return tuple(leaf.value for leaf in self.one(*way).all(name))


def identity(value: str) -> str:
    """Return the name of an identity without its module or prefix."""
    return value.rpartition(":")[2]
