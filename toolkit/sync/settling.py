"""When a version is taken: whole, and left alone for a while.

Pure: it is told what was seen and when.  A version that was taken before a restart and has not
changed since is taken again at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.sync.layout import Mark, Scan, natural
from toolkit.sync.model import LATEST

Key = tuple[str, str]
"""Model and version."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A version that clouds can be sent."""

    content: str
    """Hexadecimal."""
    size: int
    marks: tuple[Mark, ...]


class Settling:
    """`settle`: seconds for which a version must stay as it is."""

    def __init__(self, settle: float, taken: Mapping[Key, Taken]) -> None:
        self.settle = settle
        self.taken = dict(taken)
        self.resolved: dict[str, str] = {}
        """Model -> what `latest` meant at last."""
        self.why: dict[Key, str] = {}
        """Why a version that is there is not taken."""
        self._since: dict[Key, tuple[tuple[Mark, ...], float]] = {}
        self._refused: dict[Key, tuple[Mark, ...]] = {}
        self._refusals: dict[Key, str] = {}

    def seen(self, now: float, scan: Scan) -> list[Key]:
        """Take a look; return what is quiet and whole by its names, for somebody to read it and
        say `take` or `refuse`."""
        self.why.clear()
        for gone in (self.taken.keys() | self._since.keys()) - scan.versions.keys():
            self.taken.pop(gone, None)
            self._since.pop(gone, None)
        ready = []
        for key, found in scan.versions.items():
            if key in self.taken and self.taken[key].marks == found.marks:
                continue
            self.taken.pop(key, None)
            marks, since = self._since.get(key, ((), now))
            if marks != found.marks:
                since = now
                self._since[key] = found.marks, now
            if found.hindrance:
                self.why[key] = found.hindrance
            elif self._refused.get(key) == found.marks:
                self.why[key] = self._refusals[key]
            elif now - since < self.settle:
                self.why[key] = f"it changed less than {self.settle:g} s ago"
            else:
                ready.append(key)
        return ready

    def take(self, key: Key, taken: Taken) -> None:
        """A version was read and is in order."""
        self.taken[key] = taken
        self.why.pop(key, None)

    def refuse(self, key: Key, marks: tuple[Mark, ...], why: str) -> None:
        """A version was read and is not in order; it is not read again before it changes."""
        self._refused[key], self._refusals[key] = marks, why
        self.why[key] = why

    def resolve(self, scan: Scan, model: str, wanted: str) -> tuple[str | None, str]:
        """Return the version that `wanted` means now, and why there is none.

        `latest` never falls back to an older version while the one that it meant is there.
        """
        version = scan.aliases.get((model, wanted), wanted)
        if wanted == LATEST and (model, LATEST) not in scan.aliases:
            return self._greatest(scan, model)
        if (model, version) in self.taken:
            if wanted == LATEST:
                self.resolved[model] = version
            return version, ""
        why = self.why.get((model, version)) or scan.problems.get(model)
        why = why or f"the repository has no version {version}"
        before = self.resolved.get(model)
        if wanted == LATEST and before is not None and (model, before) in self.taken:
            return before, f"{version}: {why}"
        return None, why

    def _greatest(self, scan: Scan, model: str) -> tuple[str | None, str]:
        there = sorted((v for m, v in scan.versions if m == model), key=natural, reverse=True)
        before = self.resolved.get(model)
        why = scan.problems.get(model, "") or ("" if there else "the repository has no version")
        for version in there:
            if (model, version) in self.taken:
                self.resolved[model] = version
                return version, why
            why = why or f"{version}: {self.why.get((model, version), 'it is being read')}"
            if version == before:
                break
        return None, why
