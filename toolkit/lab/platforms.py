"""Which embedded router stands for a router of each platform: one with the platform's own modules.

Touches the search path of YANG modules.  Law: a router of the laboratory takes the configuration
that its platform would; what forwards is our engine, whatever the platform.  A platform whose
modules are not at hand has no router here, and nothing is put in its place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from toolkit.errors import EnvironmentProblem, ToolkitError
from toolkit.inventory.model import Platform
from toolkit.netconf.device import Device
from toolkit.plan.model import Plan
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


def schemas_of(plan: Plan, reference: Schema) -> Mapping[Platform, Schema]:
    """Return the schema of each platform of the plan; `reference`: that of our own router.

    Raises EnvironmentProblem that names every router that cannot be emulated, why, and how to go
    on.
    """
    found: dict[Platform, Schema] = {}
    reasons: list[str] = []
    routers: dict[Platform, list[str]] = {}
    for name, router in plan.routers.items():
        routers.setdefault(router.platform, []).append(name)
    for platform, names in routers.items():
        if shows_state(platform):
            found[platform] = reference
            continue
        schema = _readable(platform)
        if isinstance(schema, str):
            reasons.append(f"{_named(names)} ({platform}): {schema}")
        else:
            found[platform] = schema
    if reasons:
        raise EnvironmentProblem(
            f"the laboratory cannot emulate {'; '.join(reasons)}. Without it: `llmsync verify` "
            "judges the network, and a copy of the inventory with `platform: reference` on these "
            "routers runs"
        )
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
