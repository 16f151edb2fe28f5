"""The network state that configurations make on the plan's cables.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.plan.members import members_of
from toolkit.plan.model import Plan
from toolkit.state.model import NetworkState, RouterState, Source
from toolkit.state.reference import read_router


def configured_state(
    plan: Plan, trees: Mapping[str, Mapping[str, Any]], source: Source
) -> NetworkState:
    """Return the state of routers with these configurations (RFC 7951 trees, by name).

    A router whose tree is empty has no configuration; one without a tree is not there.
    """
    return NetworkState(
        source=source,
        routers={
            name: read_router(name, tree) if tree else RouterState(name=name)
            for name, tree in trees.items()
        },
        cables=plan.cables,
        hosts=frozenset(plan.hosts),
        members=members_of(plan),
    )
