"""What a router's configuration asks of the Linux kernel below FRRouting, which cannot do it.

Edge protection, the class of service and the MTU of ports.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.inventory.model import Platform
from toolkit.netconf.backend_linux import HANDLE, HostPart
from toolkit.netconf.frr_text import MARK
from toolkit.plan.platforms import PLATFORMS
from toolkit.render.text import render_text
from toolkit.state.model import RouterState
from toolkit.state.readers import read_router


def host_part(device: str, tree: Mapping[str, Any], templates: Path | None = None) -> HostPart:
    """Return it.  Raises TemplateError where the template cannot be filled."""
    return part_of_state(read_router(device, tree, Platform.FRR.value), templates)


def part_of_state(state: RouterState, templates: Path | None = None) -> HostPart:
    """Return what a router with this state asks of its host."""
    loopback = PLATFORMS[Platform.FRR].loopback
    ports = tuple(name for name in state.interfaces if name != loopback)
    guarded = tuple(i for i in state.interfaces.values() if i.protection is not None)
    variables = {
        "mark": MARK,
        "handle": HANDLE,
        "guarded": guarded,
        "ports": ports,
        "dscp": state.qos.dscp if state.qos is not None else None,
    }
    return HostPart(
        filter=render_text("linux", "nft", variables, templates),
        filtering=bool(guarded) or state.qos is not None,
        classed=ports if state.qos is not None else (),
        mtus={name: i.mtu for name, i in state.interfaces.items() if i.mtu is not None},
    )
