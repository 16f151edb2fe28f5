"""What pyang says about modules: trees (RFC 8340) and lint (RFC 8407).

pyang runs as a process of its own, with the search path of the reference platform and the folders
of LLMSYNC_YANG_PATH: its options and plugins are process-wide, and what it prints is its interface.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import EnvironmentProblem, Place, UsageError
from toolkit.yang.modulefile import find_module
from toolkit.yang.platforms import search_path
from toolkit.yang.reference import OWN_MODULES, REFERENCE_MODULES, reference_search_path

_FINDING = re.compile(
    r"(?P<file>[^\n]*?):(?P<line>\d+):(?: \(at [^)]*\):)? (?P<severity>error|warning): (?P<what>.*)"
)


@dataclass(frozen=True, slots=True, order=True)
class LintFinding:
    """One line of pyang's."""

    place: Place
    severity: str
    """`error` or `warning`; both have to go."""
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {self.what}"


def _pyang(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = ":".join(map(str, (*reference_search_path(), *search_path())))
    run = subprocess.run(
        [sys.executable, "-m", "pyang", "--path", path, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "Traceback (most recent call last)" in run.stderr or "No module named" in run.stderr:
        last = (run.stderr.strip().splitlines() or [""])[-1]
        raise EnvironmentProblem(f"pyang cannot be used: {last} (pip install --upgrade pyang)")
    return run


def tree_modules(modules: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the modules to draw: `modules`, or all of our own that have data nodes.

    Raises UsageError for a module that the reference platform does not have.
    """
    if unknown := [name for name in modules if name not in REFERENCE_MODULES]:
        there = ", ".join(REFERENCE_MODULES)
        raise UsageError(f"no module {', '.join(unknown)} on platform reference; there are {there}")
    return tuple(modules) or tuple(name for name in OWN_MODULES if name != "llmsync-types")


def trees(modules: Sequence[str] = ()) -> str:
    """Return the tree diagrams of `tree_modules(modules)`."""
    chosen = tree_modules(modules)
    files = (str(find_module(name, reference_search_path())) for name in chosen)
    run = _pyang("--format", "tree", *files)
    if run.returncode:
        raise EnvironmentProblem(f"pyang cannot read the modules: {run.stderr.strip()}")
    return run.stdout or f"module: {', '.join(chosen)} (types only, no data nodes)\n"


def lint(files: Sequence[Path] = ()) -> tuple[LintFinding, ...]:
    """Return everything that `pyang --lint` finds in `files`, in all our own modules without one.

    Raises UsageError for a file that is not there.
    """
    chosen = list(files) or [find_module(n, reference_search_path()) for n in OWN_MODULES]
    for file in chosen:
        if not file.is_file():
            raise UsageError(f"{file}: there is no such file")
    run = _pyang("--lint", *map(str, chosen))
    found = []
    for line in (run.stderr + run.stdout).splitlines():
        if parts := _FINDING.fullmatch(line.strip()):
            place = Place(parts["file"], int(parts["line"]))
            found.append(LintFinding(place, parts["severity"], parts["what"]))
        elif line.strip():
            found.append(LintFinding(Place("pyang"), "error", line.strip()))
    if run.returncode and not found:
        raise EnvironmentProblem(f"pyang ended with status {run.returncode} and said nothing")
    return tuple(sorted(set(found)))
