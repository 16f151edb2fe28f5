"""An Ansible inventory as groups, hosts and their variables, YAML or INI.

Reads what Ansible's own `yaml` and `ini` plugins read, but for Jinja expressions (kept as text) and
other plugins (dynamic inventories: run `ansible-inventory --list --yaml` and import what it says).
Pure.  Variables: group before host, the deeper group before the shallower, as Ansible merges them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from toolkit.errors import InventoryError, Place, Problem
from toolkit.inventory.importers.yamlsource import Route, Source, read_yaml

_SECTION = re.compile(r"\[([^\]:]+)(?::(children|vars|hosts))?\]\s*(?:[#;].*)?")
_RANGE = re.compile(r"\[([0-9]+|[a-z]|[A-Z]):([0-9]+|[a-z]|[A-Z])(?::([0-9]+))?\]")
MOST_HOSTS = 100_000


@dataclass(slots=True)
class Group:
    name: str
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """Groups by name, host -> its own variables, host -> where it stands first."""

    file: str
    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def group(self, name: str) -> Group:
        """Return the group of this name, new where there was none."""
        return self.groups.setdefault(name, Group(name))

    def host(self, name: str, group: str, values: Mapping[str, Any], place: Place) -> None:
        """Add a host to a group."""
        self.hosts.setdefault(name, {}).update(values)
        self.places.setdefault(name, place)
        if group:
            self.group(group).hosts[name] = None

    def members(self, name: str) -> dict[str, None]:
        """Return the hosts of a group and of all groups below it, in declared order."""
        found: dict[str, None] = {}
        seen, stack = set[str](), [name]
        while stack:
            group = self.groups.get(stack.pop())
            if group is None or group.name in seen:
                continue
            seen.add(group.name)
            found |= group.hosts
            stack += reversed(group.children)
        return {host: None for host in self.hosts if host in found}

    def variables(self) -> dict[str, dict[str, Any]]:
        """Return host -> all its variables, merged."""
        depth = self._depths()
        merged: dict[str, dict[str, Any]] = {host: {} for host in self.hosts}
        for host in merged:
            merged[host] |= self.groups["all"].vars if "all" in self.groups else {}
        order = sorted(self.groups.values(), key=lambda group: (depth[group.name], group.name))
        for group in order:
            for host in self.members(group.name) if group.name != "all" else ():
                merged[host] |= group.vars
        for host, own in self.hosts.items():
            merged[host] |= own
        return merged

    def _depths(self) -> dict[str, int]:
        """Return group -> length of the longest way down to it; groups in a circle are told."""
        depth = dict.fromkeys(self.groups, 0)
        for _ in range(len(self.groups) + 1):
            changed = False
            for group in self.groups.values():
                for child in group.children:
                    if child in depth and depth[child] <= depth[group.name]:
                        depth[child] = depth[group.name] + 1
                        changed = True
            if not changed:
                return depth
        what = "groups are children of each other in a circle"
        raise InventoryError([Problem(Place(self.file), what, "take one out of 'children'")])


def read_tree(data: bytes, file: str) -> Tree:
    """Return the inventory in a file; InventoryError with all that is wrong with it."""
    head = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    is_yaml = file.casefold().endswith((".yml", ".yaml", ".json")) or head[:3] == b"---"
    tree = Tree(file)
    if is_yaml or head[:1] == b"{":
        _from_yaml(read_yaml(data, file), tree)
    else:
        _from_ini(data, file, tree)
    for group in list(tree.groups.values()):
        for child in group.children:
            tree.group(child)
    if tree.problems:
        raise InventoryError(sorted(set(tree.problems)))
    return tree


def expand_range(pattern: str) -> Iterator[str]:
    """Yield the hosts of a pattern: `r[01:03]`, `r[a:c]`; ValueError where it makes no sense."""
    match = _RANGE.search(pattern)
    if match is None:
        yield pattern
        return
    first, last, step = match[1], match[2], int(match[3] or 1)
    if first.isdecimal() != last.isdecimal() or step < 1:
        raise ValueError(pattern)
    if first.isdecimal():
        if int(last) - int(first) > MOST_HOSTS:
            raise ValueError(pattern)
        width = len(first) if first[0] == "0" else 0
        words = [str(n).zfill(width) for n in range(int(first), int(last) + 1, step)]
    else:
        words = [chr(n) for n in range(ord(first), ord(last) + 1, step)]
    if not words:
        raise ValueError(pattern)
    for word in words:
        yield from expand_range(pattern[: match.start()] + word + pattern[match.end() :])


def _from_yaml(source: Source, tree: Tree) -> None:
    if not isinstance(source.value, dict):
        what = "groups are expected: a mapping that begins with 'all:' or a group's name"
        tree.problems.append(Problem(source.place(), what))
        return
    stack: list[tuple[str, Any, Route]] = [
        (name, body, (name,)) for name, body in reversed(source.value.items())
    ]
    while stack:
        name, body, route = stack.pop()
        group = tree.group(name)
        if body is None:
            continue
        if not isinstance(body, dict):
            what = f"group '{name}' is no mapping"
            tree.problems.append(Problem(source.place(*route), what, "write hosts:, children:"))
            continue
        for key in ("hosts", "children", "vars"):
            if not isinstance(body.get(key) or {}, dict):
                what = f"'{key}' of group '{name}' is no mapping"
                remedy = "each name is a key of its own: r1: {}"
                tree.problems.append(Problem(source.place(*route, key), what, remedy))
                return
        group.vars |= body.get("vars") or {}
        for pattern, values in (body.get("hosts") or {}).items():
            place = source.place(*route, "hosts", pattern)
            if not isinstance(values or {}, dict):
                tree.problems.append(Problem(place, f"host '{pattern}' is no mapping"))
                continue
            for host in _expanded(tree, pattern, place):
                tree.host(host, name, values or {}, place)
        for child, below in reversed((body.get("children") or {}).items()):
            group.children = {child: None} | group.children
            stack.append((child, below, (*route, "children", child)))


def _expanded(tree: Tree, pattern: str, place: Place) -> list[str]:
    try:
        return list(expand_range(pattern))
    except ValueError:
        what = f"the range in '{pattern}' names nothing"
        tree.problems.append(Problem(place, what, "write it like r[1:4] or r[a:c]"))
        return []


def _from_ini(data: bytes, file: str, tree: Tree) -> None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        tree.problems.append(
            Problem(Place(file, at), f"byte {data[error.start]:#04x} is not UTF-8")
        )
        return
    group, kind = "ungrouped", "hosts"
    for number, line in enumerate(text.splitlines(), 1):
        place = Place(file, number)
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped[0] == "[" and (match := _SECTION.fullmatch(stripped)):
            group, kind = match[1].strip(), match[2] or "hosts"
            tree.group(group)
        elif stripped[0] == "[":
            what = f"'{stripped[:40]}' is no section"
            remedy = "write [group], [group:children] or [group:vars]"
            tree.problems.append(Problem(place, what, remedy))
        elif kind == "children":
            tree.group(group).children[stripped.split("#")[0].split()[0]] = None
        elif kind == "vars":
            key, equals, value = stripped.partition("=")
            if not equals:
                tree.problems.append(Problem(place, "a variable has no value", "write NAME=VALUE"))
            else:
                tree.group(group).vars[key.strip()] = literal(value.strip())
        else:
            _ini_host(tree, stripped, group, place)


def _ini_host(tree: Tree, line: str, group: str, place: Place) -> None:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        tree.problems.append(Problem(place, "quotes are not closed", "close them on this line"))
        return
    values: dict[str, Any] = {}
    for position, word in enumerate(words[1:], 2):
        key, equals, value = word.partition("=")
        if not equals:  # it may be part of a password: not to be repeated
            what = f"word {position} of the line is no variable"
            tree.problems.append(Problem(place, what, "write NAME=VALUE, without blanks"))
            continue
        values[key] = literal(value)
    pattern, colon, port = words[0].rpartition(":")
    if colon and port.isdecimal() and "]" not in port:
        values.setdefault("ansible_port", int(port))
    else:
        pattern = words[0]
    for host in _expanded(tree, pattern, place):
        tree.host(host, group, values, place)


def literal(text: str) -> Any:  # noqa: ANN401 - what a literal can be
    """Return a list, mapping, number or truth value that a text writes, else the text."""
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float | list | dict) else text
