"""Which modules a router of platform `reference` implements.

Values only, so that the build, which has nothing but pyang and pyangbind, can read them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from toolkit.datafiles import data_folder
from toolkit.yang.modulefile import base_folders

OWN_MODULES: Final = (
    "llmsync-types",
    "llmsync-isis",
    "llmsync-ospf",
    "llmsync-bier",
    "llmsync-sr",
    "llmsync-overlay",
    "llmsync-pim",
    "llmsync-mvpn",
    "llmsync-edge",
    "llmsync-delivery",
)
"""The modules of yang/."""

REFERENCE_MODULES: Final = ("ietf-interfaces", "iana-if-type", "ietf-ip", *OWN_MODULES)

REFERENCE_FEATURES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        # Interfaces have the plan's names; there is no MIB and nothing to provision for later.
        "ietf-interfaces": ("arbitrary-names",),
        # Addresses have prefix lengths; there are no temporary addresses.
        "ietf-ip": (),
    }
)
"""Features that it supports, where that is not all that the module defines."""


def reference_search_path() -> tuple[Path, ...]:
    """Return the folders that all of these modules and their imports lie in."""
    return data_folder("yang"), *base_folders()
