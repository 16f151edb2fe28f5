"""The YANG modules of each platform: which, in which order, and where they come from.

Standard and vendor modules are not part of this project.  They are searched for in the folders that
LLMSYNC_YANG_PATH names (as in PATH, sub-folders included), after those that `llmsync yang fetch`
stored for the device.  What a platform's modules get wrong is mended by a module of ours in
yang/deviations, with the reason in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from toolkit.datafiles import data_folder
from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError
from toolkit.yang.fetched import device_folder, read_library
from toolkit.yang.library import Library, needed_modules
from toolkit.yang.modulefile import base_folders, deviated_modules, find_module
from toolkit.yang.reference import OWN_MODULES, REFERENCE_FEATURES, REFERENCE_MODULES
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
    """As for `Schema`: False where pyang takes long (13 s to minutes) to read them."""


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
        "ietf": ModuleSet(
            modules=(
                "llmsync-ietf-isis-deviations",
                "ietf-interfaces",
                "iana-if-type",
                "ietf-ip",
                "ietf-routing",
                "ietf-isis",
                "ietf-ospf",
                "ietf-igmp-mld",
                "ietf-pim-base",
                "ietf-pim-rp",
                "ietf-pim-sm",
                "ietf-segment-routing",
                "ietf-segment-routing-common",
                "ietf-segment-routing-mpls",
                "ietf-isis-sr-mpls",
                "ietf-ospf-sr-mpls",
                "ietf-access-control-list",
                "ietf-multicast",
                "ietf-bier@2020-09-08",
                *(name for name in OWN_MODULES if name != "llmsync-types"),
            ),
            release="RFCs of the IETF, ietf-bier of 2020-09-08, ietf-multicast of 2026-04-12",
        ),
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


def by_our_own(platform: str) -> bool:
    """Return whether routers of `platform` have our modules, of this version and no other."""
    return platform in SETS and SETS[platform].modules == REFERENCE_MODULES


Namespaces = Callable[[], Collection[str]]


def platform_schema(
    platform: str, device: str = "", namespaces: Namespaces = frozenset
) -> Schema | Unproven:
    """Return the schema of `platform`, loaded once for the whole process, or why there is none.

    The modules that were fetched from `device` come before those of the platform; which of them are
    needed follows from the `namespaces` of the payload.  Raises SchemaError where modules are there
    and cannot be loaded, or where the device has none for a namespace.
    """
    if by_our_own(platform):
        return reference_schema()
    library = read_library(device) if device else None
    if library is not None and library.platform not in ("", platform):
        library = None  # a router of that name in another network, or what was there before
    with _lock:
        if library is not None:
            return _load_fetched(
                platform, _Fetched(library.digest, library), frozenset(namespaces())
            )
        return _load(platform, search_path())


_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A device's library as the key of a cache: devices with the same modules share a schema."""

    digest: str
    library: Library = field(compare=False)


@cache
def _load(platform: str, folders: Sequence[Path]) -> Schema | Unproven:
    modules = SETS.get(platform)
    if modules is None:
        return Unproven(f"the modules of {platform} come from a device: llmsync yang fetch")
    own = own_folder()
    missing = [name for name in modules.modules if where(name, (own, *folders)) is None]
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


@cache
def _load_fetched(platform: str, fetched: _Fetched, namespaces: frozenset[str]) -> Schema:
    """Return the schema of a device's own modules; devices with equal ones share it.

    What the platform's modules get wrong they get wrong on the device too, so our deviations from
    them are loaded first.
    """
    library = fetched.library
    needed, missing = needed_modules(library, namespaces)
    if missing:
        raise SchemaError(
            [
                Problem(
                    Place(library.device),
                    f"the device has no module of namespace {namespace}",
                    "fetch its modules again if it was upgraded: llmsync yang fetch",
                )
                for namespace in missing
            ]
        )
    folders = (device_folder(library.device), own_folder() / "deviations", *base_folders())
    features = {module.name: module.features for module in needed}
    names = tuple(map(str, needed))
    mended = _mended(platform, {module.name for module in needed})
    if mended:
        try:
            return Schema((*mended, *names), folders, features=features)
        except SchemaError:
            pass  # the device's revision has not got what the deviation takes out
    return Schema(names, folders, features=features)


def _mended(platform: str, modules: Collection[str]) -> list[str]:
    """Return our deviations for `platform` from any of `modules`."""
    names = SETS[platform].modules if platform in SETS else ()
    files = {name: own_folder() / "deviations" / f"{name}.yang" for name in names}
    return [
        name
        for name, file in files.items()
        if file.is_file() and not deviated_modules(file.read_text("utf-8")).isdisjoint(modules)
    ]


def own_folder() -> Path:
    """Return the folder of our own modules and of our deviations from others."""
    return data_folder("yang")


def where(module: str, folders: Sequence[Path] | None = None) -> Path | None:
    """Return the file of `module` (`name` or `name@revision`), where there is one.

    `folders`: instead of our own and those of LLMSYNC_YANG_PATH.
    """
    chosen = (own_folder(), *search_path()) if folders is None else folders
    try:
        return find_module(module, (*chosen, *base_folders()))
    except EnvironmentProblem:
        return None
