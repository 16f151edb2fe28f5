"""What a platform's schema lets pass and the router does not: lints, one function a platform.

Pure.  Junos' models hold no leafref and no must, vendors' documents set limits that no module
states.  A lint reads the configuration as it is, whether it was rendered or written by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from toolkit.errors import Place, Problem
from toolkit.inventory.model import Platform
from toolkit.render import lint_ietf, lint_iosxr, lint_junos, lint_sros, lint_vrp
from toolkit.render.remark import Lint, Remark
from toolkit.state.branch import Branch
from toolkit.state.readers import READERS, read_router

__all__ = ["LINTS", "Lint", "Remark", "lint"]


LINTS: Final[Mapping[Platform, Lint]] = MappingProxyType(
    {
        Platform.IETF: lint_ietf.lint_ietf,
        Platform.SROS: lint_sros.lint_sros,
        Platform.JUNOS: lint_junos.lint_junos,
        Platform.VRP: lint_vrp.lint_vrp,
        Platform.IOSXR: lint_iosxr.lint_iosxr,
    }
)
"""Platform -> its lint."""


def lint(
    platform: Platform, where: str, tree: Mapping[str, Any]
) -> tuple[list[Problem], tuple[Problem, ...]]:
    """Return the errors and the warnings about the configuration `tree`."""
    judge = LINTS.get(platform)
    try:
        found = list(judge(Branch(tree))) if judge is not None else []
    except ValueError as error:  # a schema would have refused it
        return [_unreadable(where, error)], ()
    errors = [_problem(where, remark) for remark in found if remark.error]
    return errors, tuple(_problem(where, remark) for remark in found if not remark.error)


def _unreadable(where: str, error: ValueError) -> Problem:
    return Problem(Place(where), f"a value cannot be read: {error}", "correct it")


def readable(platform: Platform, where: str, tree: Mapping[str, Any]) -> list[Problem]:
    """Return what stands in the way of reading an unproven `tree`: at most one problem."""
    if platform not in READERS:
        return []
    try:
        read_router(where, tree, platform)
    except ValueError as error:
        return [_unreadable(where, error)]
    return []


def _problem(where: str, remark: Remark) -> Problem:
    return Problem(
        Place(where, path=remark.path), f"{remark.what} ({remark.source})", remark.remedy
    )
