"""The YANG modules of each platform: which, in which order, and where they come from.

Standard and vendor modules are not part of this project.  They are searched for in the folders that
LLMSYNC_YANG_PATH names (as in PATH, sub-folders included), after those that `llmsync yang fetch`
stored for the device.  What a platform's modules get wrong is mended by a module of ours in
yang/deviations, with the reason in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from toolkit.datafiles import data_folder
from toolkit.yang.modulefile import base_folders
from toolkit.yang.reference import REFERENCE_FEATURES, REFERENCE_MODULES
from toolkit.yang.schema import Schema, reference_schema
from toolkit.yang.vrp import VRP_MODULES

PATH_VARIABLE: Final = "LLMSYNC_YANG_PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSet:
    """What a router of one platform implements, as far as we configure it."""

    modules: tuple[str, ...]
    """`name` or `name@revision`, in the order in which libyang has to load them."""
    release: str
    """What they are the modules of, for people."""
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """As for `Schema`."""
    remedies: bool = True
    """As for `Schema`: False where pyang takes long (13 s to minutes) to read the modules."""


SETS: Mapping[str, ModuleSet] = MappingProxyType(
    {
        "reference": ModuleSet(
            modules=REFERENCE_MODULES, release="our own modules", features=REFERENCE_FEATURES
        ),
        "frr": ModuleSet(
            modules=REFERENCE_MODULES, release="our own modules", features=REFERENCE_FEATURES
        ),
        # One configuration root; every other module adds its part.
        "junos": ModuleSet(
            modules=tuple(
                f"junos-conf-{part}@2024-01-01"
                for part in (
                    "root",
                    "interfaces",
                    "policy-options",
                    "forwarding-options",
                    "routing-options",
                    "protocols",
                    "routing-instances",
                )
            ),
            release="Juniper Junos 24.4R1",
            remedies=False,
        ),
        # One module with 154 submodules.  The one with configuration groups is too large to ship;
        # a stand-in that names groups and nothing else does for what we write.
        "sros": ModuleSet(modules=("nokia-conf",), release="Nokia SR OS 26.3"),
        "vrp": ModuleSet(
            modules=VRP_MODULES, release="Huawei VRP 8.22.0, NE40E-X8X16", remedies=False
        ),
    }
)
"""Platform -> its modules.  A platform without an entry has none that could be had in advance."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """Why there is no schema to prove a platform's configuration by."""

    reason: str


def search_path() -> tuple[Path, ...]:
    """Return the folders that LLMSYNC_YANG_PATH names; those that do not exist are left out."""
    folders = os.environ.get(PATH_VARIABLE, "").split(os.pathsep)
    return tuple(path for path in map(Path, filter(None, folders)) if path.is_dir())


def platform_schema(platform: str) -> Schema | Unproven:
    """Return the schema of `platform`, loaded once for the whole process, or why there is none.

    Raises SchemaError where modules are there and cannot be loaded.
    """
    if SETS.get(platform) is not None and SETS[platform].modules == REFERENCE_MODULES:
        return reference_schema()
    with _lock:
        return _load(platform, search_path())


_lock = threading.Lock()


@cache
def _load(platform: str, folders: Sequence[Path]) -> Schema | Unproven:
    modules = SETS.get(platform)
    if modules is None:
        return Unproven(f"the modules of {platform} come from a device: llmsync yang fetch")
    own = data_folder("yang")
    missing = [name for name in modules.modules if not _found(name, (own, *folders))]
    if missing:
        return Unproven(
            f"{PATH_VARIABLE} leads to no {missing[0]} ({modules.release})"
            if folders
            else f"{PATH_VARIABLE} names no folder with the modules of {modules.release}"
        )
    return Schema(
        modules.modules,
        (own, *folders, *base_folders()),
        features=modules.features,
        remedies=modules.remedies,
    )


def _found(module: str, folders: Sequence[Path]) -> bool:
    name, _, revision = module.partition("@")
    patterns = (f"{name}@{revision or '*'}.yang", f"{name}.yang")
    every = (*folders, *base_folders())
    return any(next(folder.rglob(pattern), None) for folder in every for pattern in patterns)
