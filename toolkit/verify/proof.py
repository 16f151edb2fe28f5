"""What configurations were proven by, and what of them is the plan's word.

Pure.  A payload that no schema has judged is no proven one, and says so by name; what a platform's
configuration cannot say is taken from the plan, and says so by platform.  What a platform's lints
warn of are findings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from toolkit.errors import Problem
from toolkit.inventory.model import Platform
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.plan.platforms import PLATFORMS
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Check, Report

KINDS = ("config-lint",)
CHECK = "schema-proof"
_NAMED = 8
"""Routers of one reason that are named."""


class Payload(Protocol):
    """A router's configuration; those of `toolkit.render` are."""

    @property
    def device(self) -> str: ...
    @property
    def platform(self) -> Platform: ...
    @property
    def unproven(self) -> str: ...
    @property
    def warnings(self) -> tuple[Problem, ...]: ...


def proof(payloads: Iterable[Payload]) -> Report:
    """Return what platforms' lints warn of, and the check that all are schema-proven."""
    payloads = list(payloads)
    findings = tuple(
        finding("config-lint", problem.place, problem.what, remedy=problem.remedy,
                subjects=[payload.device])
        for payload in payloads
        for problem in payload.warnings
    )  # fmt: skip
    lines = unproven(payloads)
    proven = sum(not payload.unproven for payload in payloads)
    check = Check(
        id=CHECK,
        title="Configurations are valid by the schemas of their platforms",
        status="not run" if lines else "passed",
        reason="; ".join(lines) if lines else f"{proven} configurations",
        kinds=KINDS,
    )
    return Report(findings=findings, checks=(check,))


def unproven(payloads: Iterable[Payload]) -> tuple[str, ...]:
    """Return a line for each reason why configurations have not been judged by a schema."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for payload in payloads:
        if payload.unproven:
            reasons.setdefault((payload.platform.value, payload.unproven), []).append(
                payload.device
            )
    return tuple(
        f"not schema-proven: {_names(devices)} ({platform}): {reason}"
        for (platform, reason), devices in sorted(reasons.items())
    )


def _names(devices: list[str]) -> str:
    more = len(devices) - _NAMED
    return ", ".join(devices[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def planned_parts(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Return (what, why) of all that the network has and that is taken from the plan, since no
    configuration of a platform says it."""
    wanted: dict[Platform, set[str]] = {}
    states = intended_state(plan).routers
    for name, router in plan.routers.items():
        silent = PLATFORMS[router.platform].silent
        if len(found := wanted.setdefault(router.platform, set())) < len(silent):
            found.update(part for part in silent if getattr(states[name], part.partition(".")[0]))
    return tuple(
        (
            f"{part.replace('_', ' ').replace('.', ': ')} of {platform.value} routers",
            f"taken from the plan: {PLATFORMS[platform].silent[part]}",
        )
        for platform, parts in sorted(wanted.items())
        for part in sorted(parts)
    )
