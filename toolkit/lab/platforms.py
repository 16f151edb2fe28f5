"""Which embedded router stands for a router of each platform: one with the platform's own modules.

Touches the search path of YANG modules.  Law: a router of the laboratory takes the configuration
that its platform would; what forwards is our engine, whatever the platform.  A platform whose
modules are not at hand has no router here; a reference router stands in for it where that is asked
for, and is named.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from toolkit.errors import EnvironmentProblem, ToolkitError
from toolkit.inventory.model import Inventory, Platform
from toolkit.netconf.device import Device
from toolkit.yang.platforms import SETS, Unproven, platform_schema
from toolkit.yang.reference import REFERENCE_MODULES
from toolkit.yang.schema import Schema

_NAMED = 8
_INCLUDE = re.compile(r"^\s*include\s+[\w\"'-]", re.MULTILINE)


def shows_state(platform: Platform) -> bool:
    """Say whether a router of the platform has our own modules, and so shows what they say of
    tables and deliveries."""
    modules = SETS.get(platform.value)
    return modules is not None and modules.modules == REFERENCE_MODULES


def schemas_of(platforms: Mapping[str, Platform], reference: Schema) -> Mapping[Platform, Schema]:
    """Return the schema of each platform; `platforms`: that of each router, `reference`: the schema
    of our own.

    Raises EnvironmentProblem that names every router that cannot be emulated, why, and how to go
    on.
    """
    routers = _by_platform(platforms.items())
    schemas = {p: reference if shows_state(p) else _readable(p) for p in routers}
    reasons = [
        f"{_named(routers[platform])} ({platform}): {found}"
        for platform, found in schemas.items()
        if isinstance(found, str)
    ]
    if reasons:
        raise EnvironmentProblem(
            f"the laboratory cannot emulate {'; '.join(reasons)}. Without it: `llmsync verify` "
            "judges the network and every configuration, `llmsync run --stand-in` runs reference "
            "routers in their place, `llmsync device --router NAME` starts others"
        )
    return {platform: found for platform, found in schemas.items() if not isinstance(found, str)}


def with_stand_ins(inventory: Inventory) -> tuple[Inventory, tuple[str, ...]]:
    """Return the inventory with reference routers for those that cannot be emulated, and a line for
    each platform that says who and why."""
    lines: list[str] = []
    routers = dict(inventory.routers)
    by_platform = _by_platform((n, r.platform) for n, r in inventory.routers.items())
    for platform, names in by_platform.items():
        found = None if shows_state(platform) else _readable(platform)
        if isinstance(found, str):
            lines.append(f"{_named(names)} ({platform}): {found}")
            routers |= {n: replace(routers[n], platform=Platform.REFERENCE) for n in names}
    return replace(inventory, routers=routers), tuple(lines)


def _by_platform(routers: Iterable[tuple[str, Platform]]) -> dict[Platform, list[str]]:
    found: dict[Platform, list[str]] = {}
    for name, platform in routers:
        found.setdefault(platform, []).append(name)
    return found


def _readable(platform: Platform) -> Schema | str:
    """Return the platform's schema, or why no embedded router can have it."""
    try:
        schema = platform_schema(platform.value)
        if isinstance(schema, Unproven):
            return schema.reason
        if parts := _submodules(schema):
            return f"its module {parts} has submodules, which the embedded router does not read"
        Device("probe", schema)  # libyang has read the modules; pyang has to as well
    except ToolkitError as error:
        return str(error)
    return schema


def _submodules(schema: Schema) -> str:
    """Return a module that includes submodules (RFC 7950 section 5.1); empty: none does."""
    return next((m.name for m in schema.modules() if m.implemented and _INCLUDE.search(m.text)), "")


def _named(names: Collection[str]) -> str:
    shown = list(names)[:_NAMED]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
