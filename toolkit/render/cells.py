"""The grid of templates, feature by platform: which cells there are, which a router needs.

A cell is the file templates/<feature>/<platform>.j2, so a missing one shows in `ls`, and a plan
that needs it is refused before anything is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from toolkit.datafiles import data_folder
from toolkit.errors import Place, Problem
from toolkit.inventory.model import Igp, Platform
from toolkit.plan.model import Plan
from toolkit.plan.platforms import PLATFORMS
from toolkit.plan.platforms.facts import FEATURES
from toolkit.render.part import Part, part_of


def features_of(part: Part) -> tuple[str, ...]:
    """Return the features that a router needs a template for, in the order of `FEATURES`."""
    needed = {
        "interfaces": True,
        "isis": part.igp is Igp.ISIS,
        "ospf": part.igp is Igp.OSPF,
        "bier": part.router.bfr,
        "pim": part.pim is not None,
        "sr": part.sr is not None,
        "overlay": bool(part.imposed or part.delivered or (part.policies and part.bgp is None)),
        "mvpn": part.bgp is not None,
        "edge": any(port.protection is not None for port in part.router.ports),
        "qos": part.qos is not None,
        "delivery": bool(part.sessions),
    }
    unneeded = PLATFORMS[part.router.platform].unneeded
    return tuple(f for f in FEATURES if needed[f] and f not in unneeded)


def column(platform: Platform) -> str:
    """Return the column of the grid that payloads for `platform` are written with.

    FRR stands behind our own NETCONF server: its payload is one of ours, and its own column,
    text for `vtysh`, is for that server to fill.
    """
    return Platform.REFERENCE.value if platform is Platform.FRR else platform.value


def cells(templates: Path | None = None) -> frozenset[tuple[str, str]]:
    """Return the (feature, platform) pairs that payloads have a template for."""
    folder = templates or data_folder("templates")
    columns = {column(platform) for platform in Platform}
    return frozenset(
        (feature, file.stem)
        for feature in FEATURES
        for file in (folder / feature).glob("*.j2")
        if file.stem in columns
    )


def missing_cells(plan: Plan, templates: Path | None = None) -> list[Problem]:
    """Return a problem for each template that `plan` needs and that does not exist."""
    return list(_missing(plan, cells(templates)))


def _missing(plan: Plan, there: frozenset[tuple[str, str]]) -> Iterator[Problem]:
    for name, router in plan.routers.items():
        for feature in features_of(part_of(plan, name)):
            if (feature, column(router.platform)) not in there:
                others = sorted(platform for has, platform in there if has == feature)
                yield Problem(
                    Place(path=f"routers.{name}"),
                    f"no template for {feature} on {router.platform.value}",
                    f"available: {', '.join(others) or 'none'}",
                )
