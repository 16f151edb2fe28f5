"""The readers of all platforms: a router's configuration as network state.  Pure.

A reader takes the name of the router and the RFC 7951 tree of its configuration and returns a
RouterState in which interfaces have the plan's names.  It looks only at configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from toolkit.state import ietf, iosxr, junos, reference, sros, vrp
from toolkit.state.model import RouterState

Reader = Callable[[str, Mapping[str, Any]], RouterState]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "reference": reference.read_router,
        # FRR stands behind our own NETCONF server, which implements our modules.
        "frr": reference.read_router,
        "ietf": ietf.read_router,
        "sros": sros.read_router,
        "junos": junos.read_router,
        "vrp": vrp.read_router,
        "iosxr": iosxr.read_router,
    }
)
"""Platform -> its reader."""


def read_router(name: str, tree: Mapping[str, Any], platform: str = "reference") -> RouterState:
    """Return what router `name` is configured to do; an empty tree configures nothing."""
    return READERS[platform](name, tree) if tree else RouterState(name=name)
