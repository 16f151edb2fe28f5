"""What a platform's schema lets pass and the router does not: lints, one function a platform.

Pure.  Junos' models hold no leafref and no must, vendors' documents set limits that no module
states.  A lint reads the configuration as it is, whether it was rendered or written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from toolkit.errors import Place, Problem
from toolkit.inventory.model import Platform
from toolkit.render.remark import Lint, Remark
from toolkit.state.branch import Branch
from toolkit.state.readers import READERS, read_router

__all__ = ["LINTS", "Lint", "Remark", "lint"]


def _ietf(tree: Branch) -> Iterator[Remark]:
    from toolkit.render.lint_ietf import lint_ietf

    return lint_ietf(tree)


def _sros(tree: Branch) -> Iterator[Remark]:
    from toolkit.render.lint_sros import lint_sros

    return lint_sros(tree)


def _junos(tree: Branch) -> Iterator[Remark]:
    from toolkit.render.lint_junos import lint_junos

    return lint_junos(tree)


def _vrp(tree: Branch) -> Iterator[Remark]:
    from toolkit.render.lint_vrp import lint_vrp

    return lint_vrp(tree)


def _iosxr(tree: Branch) -> Iterator[Remark]:
    from toolkit.render.lint_iosxr import lint_iosxr

    return lint_iosxr(tree)


LINTS: Final[Mapping[Platform, Lint]] = MappingProxyType(
    {
        Platform.IETF: _ietf,
        Platform.SROS: _sros,
        Platform.JUNOS: _junos,
        Platform.VRP: _vrp,
        Platform.IOSXR: _iosxr,
    }
)
"""Platform -> its lint, which is imported when it is asked: most networks have few platforms."""


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
