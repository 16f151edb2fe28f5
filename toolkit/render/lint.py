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
from toolkit.render import lint_ietf, lint_junos, lint_sros
from toolkit.render.remark import Lint, Remark
from toolkit.state.branch import Branch

__all__ = ["LINTS", "Lint", "Remark", "lint"]


LINTS: Final[Mapping[Platform, Lint]] = MappingProxyType(
    {
        Platform.IETF: lint_ietf.lint_ietf,
        Platform.SROS: lint_sros.lint_sros,
        Platform.JUNOS: lint_junos.lint_junos,
    }
)
"""Platform -> its lint."""


def lint(
    platform: Platform, where: str, tree: Mapping[str, Any]
) -> tuple[list[Problem], tuple[Problem, ...]]:
    """Return the errors and the warnings about the configuration `tree`."""
    judge = LINTS.get(platform)
    found = list(judge(Branch(tree))) if judge is not None else []
    errors = [_problem(where, remark) for remark in found if remark.error]
    return errors, tuple(_problem(where, remark) for remark in found if not remark.error)


def _problem(where: str, remark: Remark) -> Problem:
    return Problem(
        Place(where, path=remark.path), f"{remark.what} ({remark.source})", remark.remedy
    )
