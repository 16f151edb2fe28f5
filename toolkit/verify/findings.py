"""A finding: one thing that is wrong, where, how we know, and what to do about it.

Pure.  Identifiers are stable: pipelines filter on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from toolkit.errors import Place


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    id: str
    """Stable, e.g. `bfr-id-collision`; documented in docs/reference/findings.md."""
    severity: Severity
    place: Place
    """File and line of the inventory, or device (`file`) and YANG path (`path`)."""
    message: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    subjects: tuple[str, ...] = field(default=())
    """Names of the clouds, routers or links it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at: a check that did not run is never a passed one."""

    id: str
    title: str
    status: str
    """`passed`, `failed` or `not run`."""
    reason: str = ""
    """Why it was not run, or a one-line summary of what it covered."""
    kinds: tuple[str, ...] = ()
    """Ids of the findings that it can make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, and what was looked at."""

    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that a pipeline must stop at."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    def __add__(self, other: Report) -> Report:
        return Report(findings=self.findings + other.findings, checks=self.checks + other.checks)
