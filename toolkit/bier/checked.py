"""Reads a JSON-ready object and notes everything that is wrong with it, with the path to it.

Law: nothing is believed before it is checked, and one mistake hides no other.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import TypeVar

from toolkit.bier.program import IpAddress
from toolkit.errors import Place, Problem

Choice = TypeVar("Choice", bound=StrEnum)
Read = TypeVar("Read")


class Checked:
    """One object of a document, at `path`; `problems` is shared by all objects of a document."""

    def __init__(self, value: object, path: str, file: str, problems: list[Problem]) -> None:
        self.path, self._file, self.problems = path, file, problems
        self._left: dict[str, object] = {}
        if isinstance(value, Mapping):
            self._left = {str(key): below for key, below in value.items()}
        else:
            self.wrong("", f"is {_kind(value)}, not an object")

    def wrong(self, member: str, what: str, remedy: str = "") -> None:
        """Note a problem with a member, or with the object itself (`""`)."""
        path = ".".join(part for part in (self.path, member) if part)
        self.problems.append(Problem(Place(file=self._file, path=path or "document"), what, remedy))

    def __contains__(self, member: str) -> bool:
        return member in self._left

    def take(self, member: str) -> object | None:
        return self._left.pop(member, None)

    def close(self) -> None:
        """Note every member that nobody asked for."""
        for member in self._left:
            self.wrong(member, "is not known here", "remove it, or look at its spelling")

    def integer(self, member: str, low: int, high: int, default: int | None = None) -> int:
        """Return a number of that range; `default` None: it has to be there."""
        value = self.take(member)
        if value is None and default is not None:
            return default
        if value is None:
            self.wrong(member, "is missing", f"a number from {low} to {high}")
        elif isinstance(value, bool) or not isinstance(value, int):
            self.wrong(member, f"is {_kind(value)}, not a number from {low} to {high}")
        elif not low <= value <= high:
            self.wrong(member, f"{value} is not {low} to {high}")
        else:
            return value
        return low

    def text(self, member: str, default: str | None = None) -> str:
        value = self.take(member)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value:
            return value
        self.wrong(member, "is missing" if value is None else f"is {_kind(value)}, not a text")
        return ""

    def choice(self, member: str, kind: type[Choice], default: Choice | None = None) -> Choice:
        """Return a member of an enumeration by its value."""
        value = self.take(member)
        if value is None and default is not None:
            return default
        for known in kind:
            if value == known.value:
                return known
        words = ", ".join(k.value for k in kind)
        shown = "is missing" if value is None else f"{value!r} is not known"
        self.wrong(member, shown, f"one of {words}")
        return next(iter(kind)) if default is None else default

    def flag(self, member: str) -> bool:
        value = self.take(member)
        if value is not None and not isinstance(value, bool):
            self.wrong(member, f"is {_kind(value)}, not true or false")
        return value is True

    def parsed(self, member: str, parse: Callable[[str], Read], what: str) -> Read | None:
        """Return what `parse` makes of a text, None without it; ValueError becomes a problem."""
        value = self.take(member)
        if value is None:
            return None
        try:
            if isinstance(value, str):
                return parse(value)
        except ValueError:
            pass
        self.wrong(member, f"{value!r} is no {what}")
        return None

    def address(self, member: str) -> IpAddress | None:
        return self.parsed(member, ip_address, "IP address")

    def addresses(self, member: str) -> tuple[IpAddress, ...]:
        """Return a list of IP addresses, empty without it."""
        value = self.take(member)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.wrong(member, f"is {_kind(value)}, not a list of IP addresses")
            return ()
        found: list[IpAddress] = []
        for text in value:
            try:
                found.append(ip_address(text if isinstance(text, str) else ""))
            except ValueError:
                self.wrong(member, f"{text!r} is no IP address")
        return tuple(found)

    def mac(self, member: str) -> bytes | None:
        mac = self.parsed(member, read_mac, "MAC address (02:00:00:00:00:01)")
        if mac is not None and mac[0] & 1:
            self.wrong(member, f"{mac.hex(':')} is the address of a group", "BIER goes hop by hop")
        return mac

    def objects(self, member: str) -> Iterator[Checked]:
        """Yield the objects of a list; nothing where it is absent."""
        value = self.take(member)
        if value is None:
            return
        if not isinstance(value, list):
            self.wrong(member, f"is {_kind(value)}, not a list")
            return
        for number, below in enumerate(value):
            yield self.below(f"{member}[{number}]", below)

    def named(self, member: str) -> Iterator[tuple[str, Checked]]:
        """Yield (name, object) of a mapping; nothing where it is absent."""
        value = self.take(member)
        if value is None:
            return
        if not isinstance(value, Mapping):
            self.wrong(member, f"is {_kind(value)}, not an object of named objects")
            return
        for name, below in value.items():
            yield str(name), self.below(f"{member}.{name}", below)

    def below(self, path: str, value: object) -> Checked:
        whole = ".".join(part for part in (self.path, path) if part)
        return Checked(value, whole, self._file, self.problems)

    def numbers(self, member: str, low: int, high: int) -> tuple[int, ...] | None:
        """Return a list of numbers and ranges (`[1, 2]`, `"1-64"`, `"1,3,7-9"`), None without."""
        value = self.take(member)
        if value is None:
            return None
        found = list(_spread(value))
        if not found or None in found:
            self.wrong(
                member, f"{value!r} is no list of numbers", 'for example [1, 2] or "1,3,7-9"'
            )
            return ()
        numbers = [n for n in found if n is not None]
        outside = [n for n in numbers if not low <= n <= high]
        if outside:
            self.wrong(member, f"{outside[0]} is not {low} to {high}")
        return tuple(dict.fromkeys(n for n in numbers if low <= n <= high))


def read_mac(text: str) -> bytes:
    """Return the 6 octets of `02:00:00:00:00:01`; ValueError for anything else."""
    mac = bytes.fromhex(text.replace(":", ""))
    if len(mac) != 6 or text.count(":") not in (0, 5):
        raise ValueError(text)
    return mac


def _spread(value: object) -> Iterator[int | None]:
    """Yield the numbers of a list or of a text with ranges; None for what is no number."""
    parts = value if isinstance(value, list) else [value]
    for part in parts:
        if isinstance(part, int) and not isinstance(part, bool):
            yield part
        elif isinstance(part, str):
            for piece in part.split(","):
                low, dash, high = piece.strip().partition("-")
                ends = (low, high if dash else low)
                numbers = all(end.isdecimal() and len(end) <= 6 for end in ends)
                if numbers and int(ends[0]) <= int(ends[1]):
                    yield from range(int(ends[0]), int(ends[1]) + 1)
                else:
                    yield None
        else:
            yield None


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        float: "a fraction",
    }
    return "nothing" if value is None else names.get(type(value), "a number")
