"""Every error by who must act, with its place, and the exit code it ends a command with.

Pure.  An error never logs itself and never exits; `toolkit.cli.main` is the one boundary that
prints it and returns its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means; the same for every command."""

    OK = 0
    """Done, or nothing to do."""
    FINDINGS = 1
    """A check found something, or a delivery ended incomplete."""
    INVALID = 2
    """Usage or input is wrong; nothing was touched."""
    CHANGES_PENDING = 3
    """`--check`: a push would change something."""
    UNREACHABLE = 4
    """A device or peer could not be reached; nothing was changed."""
    ROLLED_BACK = 5
    """The operation failed and everything is as it was before."""
    IN_DOUBT = 6
    """At least one device may or may not have changed: an operator must look."""
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands: a file and line of the user's, or a device and a path on it."""

    file: str = ""
    line: int = 0
    path: str = ""
    """Dotted path in an inventory (`routers.fra1.loopback`), or a YANG data path on a device."""

    def __str__(self) -> str:
        position = f"{self.file}:{self.line}" if self.file and self.line else self.file
        return ": ".join(part for part in (position, self.path) if part)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with one place in somebody's input."""

    place: Place
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f" ({self.remedy})" if self.remedy else "")


class ToolkitError(Exception):
    """Base of all errors; never raised itself."""

    exit_code: ExitCode = ExitCode.FINDINGS


class UsageError(ToolkitError):
    """The person at the command line must act: a flag, a file name, a value."""

    exit_code = ExitCode.INVALID


class ProblemsError(ToolkitError):
    """An author must act.  Carries every problem found, not the first."""

    exit_code = ExitCode.INVALID

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class InventoryError(ProblemsError):
    """The inventory's author must act."""


class PlanError(ProblemsError):
    """The inventory is well formed, but no network can be planned from it."""


class SchemaError(ProblemsError):
    """A payload does not fit its device's YANG schema.

    Each problem's place is the device (`file`) and the YANG data path (`path`).
    """


class TemplateError(ProblemsError):
    """A template's author must act.  Each problem's place is the template and its line."""


class WireError(ToolkitError):
    """A peer sent bytes the protocol forbids.  Never caused by our own caller."""


class DeviceError(ToolkitError):
    """A device refused a request (an rpc-error, RFC 6241 section 4.3)."""

    exit_code = ExitCode.ROLLED_BACK

    def __init__(self, device: str, tag: str, message: str, path: str = "") -> None:
        self.device, self.tag, self.message, self.path = device, tag, message, path
        super().__init__(f"{device}: {tag}: {message}" + (f" at {path}" if path else ""))


class UnreachableError(ToolkitError):
    """A device or peer cannot be reached or does not prove who it is."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, device: str, reason: str, remedy: str = "") -> None:
        self.device, self.reason, self.remedy = device, reason, remedy
        super().__init__(f"{device}: {reason}" + (f" ({remedy})" if remedy else ""))


class DeliveryError(ToolkitError):
    """A delivery cannot go on (full disk, changed source, bad signature); nothing was placed."""

    exit_code = ExitCode.ROLLED_BACK


class IncompleteError(ToolkitError):
    """A delivery ended before everything was there; what was received is kept for the next try."""


class EnvironmentProblem(ToolkitError):  # noqa: N818 - EnvironmentError is Python's own
    """The machine lacks something: an extra, a file, a permission.  Says what to install or do."""

    exit_code = ExitCode.INVALID
