"""The grid of templates, feature by platform: which cells there are, which a router needs.

A cell is the file templates/<feature>/<platform>.j2, so a missing one shows in `ls`, and a plan
that needs it is refused before anything is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from toolkit.datafiles import data_folder
from toolkit.errors import Place, Problem
from toolkit.plan.model import Plan
from toolkit.render.part import Part, part_of

FEATURES = ("isis", "bier", "pim", "sr", "overlay", "delivery")
"""In the order in which their configuration is written."""


def features_of(part: Part) -> tuple[str, ...]:
    """Return the features that a router needs a template for."""
    needed = {
        "isis": True,
        "bier": part.router.bfr,
        "pim": part.pim is not None,
        "sr": part.sr is not None,
        "overlay": bool(part.imposed or part.delivered),
        "delivery": bool(part.sessions),
    }
    return tuple(feature for feature in FEATURES if needed[feature])


def cells(templates: Path | None = None) -> frozenset[tuple[str, str]]:
    """Return the (feature, platform) pairs that have a template."""
    folder = templates or data_folder("templates")
    return frozenset(
        (feature, file.stem) for feature in FEATURES for file in (folder / feature).glob("*.j2")
    )


def missing_cells(plan: Plan, templates: Path | None = None) -> list[Problem]:
    """Return a problem for each template that `plan` needs and that does not exist."""
    return list(_missing(plan, cells(templates)))


def _missing(plan: Plan, there: frozenset[tuple[str, str]]) -> Iterator[Problem]:
    for name, router in plan.routers.items():
        for feature in features_of(part_of(plan, name)):
            if (feature, router.platform.value) not in there:
                others = sorted(platform for has, platform in there if has == feature)
                yield Problem(
                    Place(path=f"routers.{name}"),
                    f"no template for {feature} on {router.platform.value}",
                    f"available: {', '.join(others) or 'none'}",
                )
