"""What stands beside a payload of an `frr` router: what its host gets to run, by name of the file.

NAME.frr.conf is FRR's part; NAME.nft and NAME.tc are the kernel's (edge protection, class of
service); NAME.bift.yaml is the BIFT document for `llmsync bier forward`, since FRR carries no BIER.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import yaml

from toolkit.bier.document_text import document
from toolkit.inventory.model import Platform
from toolkit.netconf.backend_linux import queue_commands
from toolkit.plan.configured import configured_router
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.planes.derive import Network
from toolkit.planes.program import program_of
from toolkit.render.frr import frr_text
from toolkit.render.host import host_part
from toolkit.render.payload import Payload
from toolkit.state.model import NetworkState


def beside(plan: Plan, payloads: Iterable[Payload]) -> dict[str, str]:
    """Return file name -> text for the payloads of `frr` routers.

    Raises the first router's SchemaError or TemplateError.
    """
    texts: dict[str, str] = {}
    state: NetworkState | None = None
    for payload in payloads:
        if payload.platform is not Platform.FRR:
            continue
        texts[f"{payload.device}.frr.conf"] = frr_text(payload.device, payload.tree)
        part = host_part(payload.device, payload.tree)
        if part.filtering:
            texts[f"{payload.device}.nft"] = part.filter
        if part.classed:
            texts[f"{payload.device}.tc"] = queue_commands(part.classed)
        if payload.device in plan.routers and plan.routers[payload.device].bfr:
            state = state or intended_state(plan)
            texts[f"{payload.device}.bift.yaml"] = bift_text(
                plan, state, payload.device, payload.tree
            )
    return texts


def bift_text(plan: Plan, state: NetworkState, name: str, tree: Mapping[str, Any]) -> str:
    """Return the BIFT document of router `name` when it has the configuration `tree`.

    All others are as `state`, the plan's, says.  Empty where it is no BFR.
    """
    router = configured_router(plan, name, tree)
    plane = Network(replace(state, routers={**state.routers, name: router})).plane(name)
    if not plane.bfr:
        return ""
    return yaml.safe_dump(document(program_of(plane)), sort_keys=False, allow_unicode=True)
