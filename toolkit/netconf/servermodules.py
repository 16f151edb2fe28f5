"""The YANG modules of the NETCONF server itself, as pyang's wheel brings them.

What RFC 8525 wants listed and RFC 6022 wants handed out: the protocol's own modules beside those of
the router.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Final

from toolkit.yang.modulefile import ModuleInfo, base_folders, read_modules
from toolkit.yang.schema import Schema

MODULES: Final = (
    "ietf-datastores",
    "ietf-netconf",
    "ietf-netconf-monitoring",
    "ietf-netconf-nmda",
    "ietf-netconf-notifications",
    "ietf-netconf-with-defaults",
    "ietf-yang-library",
)
FEATURES: Final = {
    "ietf-netconf": (
        "candidate", "confirmed-commit", "rollback-on-error", "validate", "startup", "xpath",
    ),
    "ietf-netconf-nmda": (),
}  # fmt: skip


def server_modules(schema: Schema, *, startup: bool) -> tuple[ModuleInfo, ...]:
    """Return the server's modules and what they import, without those that `schema` has.

    `startup`: is there a startup datastore?
    """
    known = {module.name for module in schema.modules()}
    return tuple(
        module if startup else _without_startup(module)
        for module in _all()
        if module.name not in known
    )


def _without_startup(module: ModuleInfo) -> ModuleInfo:
    if module.name != "ietf-netconf":
        return module
    return replace(module, features=tuple(f for f in module.features if f != "startup"))


@cache
def _all() -> tuple[ModuleInfo, ...]:
    return read_modules(MODULES, base_folders(), FEATURES)
