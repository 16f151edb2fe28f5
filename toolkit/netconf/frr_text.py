"""FRRouting's configuration as text: sections, which lines are ours, and ours among others'.

Pure.  Text is what `show running-config` prints: a line in the first column is a command of its own
or opens a section; indented lines are in it.  A comment `! /path` says which data path of the
router's configuration the lines after it come from.

Ours are: `router isis llmsync`; lines that name a prefix list `llmsync-...`; the lines of `OWNED`
on interfaces whose description begins with `llmsync:`; the router-id of OSPF where such an
interface runs it.  Everything else is somebody else's, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

MARK: Final = "llmsync"
"""What our sections, prefix lists and descriptions begin with."""

ISIS: Final = f"router isis {MARK}"
OWNED: Final = re.compile(
    rf"description |shutdown$|ip address |ipv6 address |ip(v6)? router isis {MARK}$"
    r"|isis (metric|passive|network|circuit-type)\b"
    r"|ip ospf (area|cost|passive|network)\b|ipv6 ospf6 (area|cost|passive|network)\b"
    r"|ip(v6)? pim( passive)?$|ip igmp( version .*)?$|ipv6 mld( version .*)?$"
)
"""Lines of interfaces that are ours where the interface is."""
_GLOBAL: Final = re.compile(
    rf"ip(v6)? (prefix-list {MARK}-|pim (rp \S+|ssm|spt-switchover infinity-and-beyond) "
    rf"prefix-list {MARK}-)"
)
_SECTIONS: Final = {
    ISIS: re.compile(r"net |is-type |metric-style "),
    "router ospf": re.compile(r"ospf router-id "),
    "router ospf6": re.compile(r"ospf6 router-id "),
}
_RUNNING_OSPF: Final = {"router ospf": "ip ospf ", "router ospf6": "ipv6 ospf6 "}
_FORWARDING: Final = {"no ip forwarding": "ip address ", "no ipv6 forwarding": "ipv6 address "}
"""A router forwards: the line that forbids it goes where an interface has an address of ours."""
_HEADERS: Final = re.compile(r"frr version |Building configuration|Current configuration|end$")
_ENDS: Final = ("exit", "exit-vrf")
_SINGLE_USE: Final = (
    re.compile(r"(ip(v6)? pim ssm) prefix-list"),
    re.compile(r"(ip(v6)? pim spt-switchover) "),
)
"""Global commands that FRR has room for once."""
_DAEMONS: Final = (
    ("isisd", re.compile(r"router isis |ip(v6)? router isis |isis ")),
    ("ospfd", re.compile(r"router ospf$|ip ospf ")),
    ("ospf6d", re.compile(r"router ospf6$|ipv6 ospf6 ")),
    ("pimd", re.compile(r"ip (pim|igmp)\b")),
    ("pim6d", re.compile(r"ipv6 (pim|mld)\b")),
    ("zebra", re.compile(r"interface ")),
)


@dataclass(frozen=True, slots=True)
class Section:
    """A command in the first column and the lines below it, as they stand."""

    header: str
    body: tuple[str, ...] = ()
    end: str = ""
    """What closes it, `exit` or `exit-vrf`; empty: the next section does."""
    paths: tuple[str, ...] = field(default=(), compare=False)
    """Data path of the header, then of every line of the body; empty where nobody said."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The commands in it, without their indentation."""
        return tuple(line.strip() for line in self.body)


@dataclass(frozen=True, slots=True, order=True)
class Command:
    """One command in its section; `line` is empty for the header itself."""

    header: str
    line: str = ""

    def __str__(self) -> str:
        return f"{self.header}: {self.line}" if self.line else self.header


def parse(text: str) -> tuple[Section, ...]:
    """Return the sections of `text`; sections with one header are one, in the order of the first.

    Comments go, but for the paths that they name.
    """
    found: dict[str, Section] = {}
    path, current = "", ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("!"):
            said = line[1:].strip()
            path = said if said.startswith("/") else "" if not raw.startswith(" ") else path
        elif not line or _HEADERS.match(raw):
            continue
        elif not raw.startswith(" "):
            if line in _ENDS:
                if current:
                    found[current] = replace(found[current], end=line)
                current = ""
                continue
            current = line
            found.setdefault(line, Section(line, paths=(path,)))
        elif current:
            known = found[current]
            found[current] = replace(
                known, body=(*known.body, raw.rstrip()), paths=(*known.paths, path)
            )
    return tuple(found.values())


def to_text(sections: Iterable[Section]) -> str:
    """Return `sections` as text that `parse` and `vtysh` read, with the paths as comments."""
    lines: list[str] = []
    for section in sections:
        lines += _with_paths(section)
    return "".join(f"{line}\n" for line in lines)


def _with_paths(section: Section) -> Iterator[str]:
    paths = section.paths or ("",) * (len(section.body) + 1)
    last = paths[0]
    if last:
        yield f"! {last}"
    yield section.header
    for line, path in zip(section.body, paths[1:], strict=True):
        if path and path != last:
            yield f" ! {path}"
            last = path
        yield line
    if section.body or section.end or section.header.startswith(("interface ", "router ")):
        yield section.end or "exit"
        yield "!"


def ordered(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Return `sections` so that what is named stands before what names it."""
    return tuple(sorted(sections, key=lambda section: _rank(section.header)))


def _rank(header: str) -> int:
    if " prefix-list " in header and " pim " not in header:
        return 0
    return 1 if " pim " in header else 2 if header.startswith("router ") else 3


def path_at(text: str, number: int) -> tuple[str, str]:
    """Return line `number` (from 1) of `text` and the data path that it comes from."""
    lines = text.splitlines()
    if not 0 < number <= len(lines):
        return "", ""
    line = lines[number - 1].strip()
    for above in reversed(lines[: number - 1]):
        if above.strip().startswith("! /"):
            return line, above.strip()[1:].strip()
    return line, ""


def paths_of(ours: Iterable[Section]) -> dict[Command, str]:
    """Return the data path of every command that has one."""
    return {
        command: path
        for section in ours
        for command, path in zip(_commands(section), section.paths, strict=False)
        if path
    }


def daemons(ours: Iterable[Section]) -> frozenset[str]:
    """Return the daemons that have to run for these sections."""
    lines = [line for section in ours for line in (section.header, *section.lines)]
    return frozenset(
        name for name, pattern in _DAEMONS if any(pattern.match(line) for line in lines)
    )


def wanted(ours: Iterable[Section]) -> frozenset[Command]:
    """Return the commands of our own text."""
    return frozenset(
        command
        for section in ours
        for command in _commands(section)
        if command.line or not command.header.startswith("interface ")
    )


def owned(running: Iterable[Section], ours: Iterable[Section] = ()) -> frozenset[Command]:
    """Return the commands in `running` that are ours, or would be by `ours`."""
    running, ours = tuple(running), tuple(ours)
    return frozenset(
        command
        for section in running
        for command in _commands(section)
        if _is_owned(command, running, ours)
    )


def foreign(running: Iterable[Section], ours: Iterable[Section] = ()) -> frozenset[Command]:
    """Return the commands in `running` that are somebody else's."""
    running = tuple(running)
    return frozenset(
        command
        for section in running
        for command in _commands(section)
        if command.header not in _FORWARDING
        and (command.line or not command.header.startswith(("interface ", "router ospf")))
        and command.line != "!"
    ) - owned(running, ours)


def merged(running: Iterable[Section], ours: Iterable[Section]) -> tuple[Section, ...]:
    """Return `running` with `ours` in place of what in it is ours."""
    running, ours = tuple(running), tuple(ours)
    mine = {section.header: section for section in ours}
    result: list[Section] = []
    for section in running:
        if _forbids_forwarding(section.header, ours):
            continue
        kept = tuple(
            line
            for line in section.body
            if not _is_owned(Command(section.header, line.strip()), running, ours)
        )
        if section.header in mine:
            known = mine[section.header]
            mine[section.header] = Section(known.header, (*known.body, *kept), known.end)
        elif kept or not _is_ours(section, running):
            result.append(Section(section.header, kept, section.end))
    return (*result, *(mine[section.header] for section in ours))


def forbids_forwarding(running: Iterable[Section], ours: Iterable[Section]) -> bool:
    """Return whether FRR keeps the host from forwarding what it is to forward by `ours`."""
    ours = tuple(ours)
    return any(_forbids_forwarding(section.header, ours) for section in running)


def conflicts(running: Iterable[Section], ours: Iterable[Section]) -> Iterator[tuple[Command, str]]:
    """Yield each command of ours that FRR has no room for, and what is there instead."""
    running, ours = tuple(running), tuple(ours)
    others = foreign(running, ours)
    for command in sorted(wanted(ours)):
        for pattern in _SINGLE_USE:
            same = pattern.match(command.header)
            if same is None:
                continue
            for other in sorted(others):
                if not other.line and other.header.startswith(same[1] + " "):
                    yield command, other.header
        if re.match(r"ip(v6)? router isis ", command.line):
            for other in sorted(others):
                if other.header == command.header and " router isis " in other.line:
                    yield command, other.line
    for section in running:
        pattern_id = _SECTIONS.get(section.header)
        if section.header not in _RUNNING_OSPF or pattern_id is None or _marked(section, running):
            continue
        for line in filter(pattern_id.match, section.lines):
            for command in sorted(wanted(ours)):
                if command.header == section.header and command.line not in ("", line):
                    yield command, line


def _commands(section: Section) -> Iterator[Command]:
    yield Command(section.header)
    for line in section.lines:
        yield Command(section.header, line)


def _is_owned(command: Command, running: tuple[Section, ...], ours: tuple[Section, ...]) -> bool:
    header = command.header
    if _GLOBAL.match(header):
        return True
    if header.startswith("interface "):
        mine = any(section.header == header for section in ours)
        return bool(OWNED.match(command.line)) and (mine or _marked_interface(header, running))
    pattern = _SECTIONS.get(header)
    if pattern is None:
        return False
    if header != ISIS:
        section = next((s for s in ours if s.header == header), None)
        if section is None and not _marked(Section(header), running):
            return False
    return not command.line or bool(pattern.match(command.line))


def _is_ours(section: Section, running: tuple[Section, ...]) -> bool:
    """Return whether the section as such goes when nothing is left in it."""
    if _GLOBAL.match(section.header) or section.header == ISIS:
        return True
    if section.header.startswith("interface "):
        return _marked_interface(section.header, running)
    return section.header in _RUNNING_OSPF and _marked(section, running)


def _marked_interface(header: str, running: tuple[Section, ...]) -> bool:
    return any(
        section.header == header
        and any(line.startswith(f"description {MARK}:") for line in section.lines)
        for section in running
    )


def _marked(section: Section, running: tuple[Section, ...]) -> bool:
    """Return whether an interface of ours runs the OSPF of `section`."""
    start = _RUNNING_OSPF[section.header]
    return any(
        any(line.startswith(start) for line in other.lines)
        and _marked_interface(other.header, running)
        for other in running
        if other.header.startswith("interface ")
    )


def _forbids_forwarding(header: str, ours: tuple[Section, ...]) -> bool:
    start = _FORWARDING.get(header)
    return start is not None and any(
        line.startswith(start) for section in ours for line in section.lines
    )
