"""The readers of all platforms: a router's configuration as network state.  Pure.

A reader takes the name of the router and the RFC 7951 tree of its configuration and returns a
RouterState in which interfaces have the plan's names.  It looks only at configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from toolkit.state.model import RouterState
from toolkit.state.reference import read_router as read_reference

Reader = Callable[[str, Mapping[str, Any]], RouterState]


def _ietf(name: str, tree: Mapping[str, Any]) -> RouterState:
    from toolkit.state.ietf import read_router

    return read_router(name, tree)


def _sros(name: str, tree: Mapping[str, Any]) -> RouterState:
    from toolkit.state.sros import read_router

    return read_router(name, tree)


def _junos(name: str, tree: Mapping[str, Any]) -> RouterState:
    from toolkit.state.junos import read_router

    return read_router(name, tree)


def _vrp(name: str, tree: Mapping[str, Any]) -> RouterState:
    from toolkit.state.vrp import read_router

    return read_router(name, tree)


def _iosxr(name: str, tree: Mapping[str, Any]) -> RouterState:
    from toolkit.state.iosxr import read_router

    return read_router(name, tree)


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "reference": read_reference,
        # FRR stands behind our own NETCONF server, which implements our modules.
        "frr": read_reference,
        "ietf": _ietf,
        "sros": _sros,
        "junos": _junos,
        "vrp": _vrp,
        "iosxr": _iosxr,
    }
)
"""Platform -> its reader, imported when it is asked."""


def read_router(name: str, tree: Mapping[str, Any], platform: str = "reference") -> RouterState:
    """Return what router `name` is configured to do; an empty tree configures nothing."""
    return READERS[platform](name, tree) if tree else RouterState(name=name)
