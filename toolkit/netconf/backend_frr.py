"""FRRouting as the data plane of our NETCONF server: checked, applied, read back, restored.

Pure: `Frr` is what touches the daemons (`runtime_frr`), `text` turns a configuration into FRR's
words.  Laws: what FRR's parser refuses is refused before anything changes; after an apply FRR runs
exactly our lines, and everybody else's are as they were, or it is put back and the apply refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from toolkit.errors import Place, Problem, SchemaError
from toolkit.netconf.applier import Document
from toolkit.netconf.frr_text import (
    Command,
    Section,
    conflicts,
    daemons,
    forbids_forwarding,
    foreign,
    merged,
    owned,
    parse,
    path_at,
    paths_of,
    to_text,
    wanted,
)

_RESTORES: Final = 3
"""Attempts to put the old configuration back."""
_SHOWN: Final = 8
"""Commands that a message names."""


class Frr(Protocol):
    """A running FRRouting.  Every method raises EnvironmentProblem when it cannot do its work."""

    def check(self, text: str) -> tuple[tuple[int, str], ...]:
        """Return what FRR's parser refuses: line number from 1, and why."""

    def running(self) -> str:
        """Return `show running-config`."""

    def daemons(self) -> frozenset[str]:
        """Return the daemons that answer."""

    def reload(self, text: str) -> str:
        """Make the whole configuration `text`; return what went wrong, empty when nothing did."""


class FrrBackend:
    """The FRRouting behind one router."""

    def __init__(self, name: str, frr: Frr, text: Callable[[Document], str]) -> None:
        """`text` gives our part of FRR's configuration, with data paths as comments.

        It raises SchemaError for what FRR cannot be told.
        """
        self.name, self._frr, self._text = name, frr, text

    def check(self, document: Document) -> None:
        """Let FRR's own parser read the configuration (`vtysh -C`)."""
        text = self._text(document)
        problems = []
        for number, why in self._frr.check(text):
            line, path = path_at(text, number)
            what = f"FRR refuses line {number} of its configuration, {line!r}: {why}"
            problems.append(Problem(Place(self.name, path=path), what))
        if problems:
            raise SchemaError(problems)

    def apply(self, document: Document) -> None:
        """Make it run beside what others have configured.  Raises SchemaError."""
        ours = parse(self._text(document))
        before = parse(self._frr.running())
        if owned(before, ours) == wanted(ours) and not forbids_forwarding(before, ours):
            return
        self._must_have_daemons(ours)
        if there := list(conflicts(before, ours)):
            paths = paths_of(ours)
            raise SchemaError([self._conflict(command, other, paths) for command, other in there])
        said = self._frr.reload(to_text(merged(before, ours)))
        after = parse(self._frr.running())
        problems = self._differences(before, after, ours)
        if not problems:
            return
        if said:
            problems.append(Problem(Place(self.name), f"frr-reload says: {said}"))
        problems += self._restore(before)
        raise SchemaError(problems)

    def _must_have_daemons(self, ours: tuple[Section, ...]) -> None:
        missing = sorted(daemons(ours) - self._frr.daemons())
        if missing:
            raise SchemaError(
                [
                    Problem(
                        Place(self.name),
                        f"FRR's {name} does not run, and the configuration needs it",
                        f"set {name}=yes in /etc/frr/daemons and restart FRR",
                    )
                    for name in missing
                ]
            )  # fmt: skip

    def _conflict(self, command: Command, other: str, paths: dict[Command, str]) -> Problem:
        return Problem(
            Place(self.name, path=paths.get(command, "")),
            f"FRR has {other!r} from somebody else, where {str(command)!r} would stand",
            "remove it in vtysh",
        )

    def _differences(
        self, before: tuple[Section, ...], after: tuple[Section, ...], ours: tuple[Section, ...]
    ) -> list[Problem]:
        paths = paths_of(ours)
        has, wants = owned(after, ours), wanted(ours)
        was, is_now = foreign(before, ours), foreign(after, ours)
        return [
            *self._say(wants - has, "FRR has not taken", paths),
            *self._say(has - wants, "FRR has kept", paths),
            *self._say(was - is_now, "it would have cost somebody else's", paths),
            *self._say(is_now - was, "FRR has added by itself", paths),
            *(
                [Problem(Place(self.name), "FRR has kept the host from forwarding")]
                if forbids_forwarding(after, ours)
                else ()
            ),
        ]

    def _say(
        self, commands: Iterable[Command], what: str, paths: dict[Command, str]
    ) -> list[Problem]:
        return [
            Problem(Place(self.name, path=paths.get(command, "")), f"{what} {str(command)!r}")
            for command in sorted(commands)[:_SHOWN]
        ]

    def _restore(self, before: tuple[Section, ...]) -> list[Problem]:
        """Put everything back as it was; return what is to be said when that fails."""
        old = foreign(before) | owned(before)
        for _ in range(_RESTORES):
            self._frr.reload(to_text(before))
            now = parse(self._frr.running())
            if foreign(now) | owned(now) == old:
                return []
        what = "FRR could not be put back to what it ran before: it is between the two"
        return [Problem(Place(self.name), what, "look at `vtysh -c 'show running-config'`")]
