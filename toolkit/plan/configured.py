"""The network state that configurations make on the plan's cables.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from toolkit.inventory.model import Platform
from toolkit.plan.intended import intended_router, intended_state
from toolkit.plan.members import members_of
from toolkit.plan.model import Plan
from toolkit.plan.platforms import PLATFORMS
from toolkit.plan.silence import filled
from toolkit.state.model import NetworkState, RouterState, Source
from toolkit.state.readers import read_router


def configured_state(
    plan: Plan, trees: Mapping[str, Mapping[str, Any]], source: Source
) -> NetworkState:
    """Return the state of routers with these configurations (RFC 7951 trees, by name).

    A router whose tree is empty has no configuration; one without a tree is not there.
    """
    routers = {}
    intended: Mapping[str, RouterState] = {}
    for name, tree in trees.items():
        silent = _silent(plan, name)
        routers[name] = read_router(name, tree, _platform(plan, name))
        if silent and tree:
            intended = intended or intended_state(plan).routers
            routers[name] = filled(routers[name], intended[name], silent)
    return NetworkState(
        source=source,
        routers=routers,
        cables=plan.cables,
        hosts=frozenset(plan.hosts),
        members=members_of(plan),
    )


def configured_router(plan: Plan, name: str, tree: Mapping[str, Any]) -> RouterState:
    """Return the state that `tree` gives router `name`; what it cannot say is as planned."""
    silent = _silent(plan, name)
    read = read_router(name, tree, _platform(plan, name))
    return filled(read, intended_router(plan, name), silent) if silent and tree else read


def _platform(plan: Plan, name: str) -> Platform:
    return plan.routers[name].platform if name in plan.routers else Platform.REFERENCE


def _silent(plan: Plan, name: str) -> Collection[str]:
    return PLATFORMS[_platform(plan, name)].silent if name in plan.routers else ()
