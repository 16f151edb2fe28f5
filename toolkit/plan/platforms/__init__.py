"""What the plan must know of each platform, one module a platform.  Pure.

`PLATFORMS` has them all; `toolkit.plan.capabilities` holds an inventory to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from toolkit.inventory.model import Platform
from toolkit.plan.platforms.facts import Facts
from toolkit.plan.platforms.frr import FRR
from toolkit.plan.platforms.ietf import IETF
from toolkit.plan.platforms.iosxr import IOSXR
from toolkit.plan.platforms.junos import JUNOS
from toolkit.plan.platforms.reference import REFERENCE
from toolkit.plan.platforms.sros import SROS
from toolkit.plan.platforms.vrp import VRP

PLATFORMS: Mapping[Platform, Facts] = MappingProxyType(
    {
        Platform.REFERENCE: REFERENCE,
        Platform.FRR: FRR,
        Platform.IETF: IETF,
        Platform.SROS: SROS,
        Platform.JUNOS: JUNOS,
        Platform.VRP: VRP,
        Platform.IOSXR: IOSXR,
    }
)
