"""Platform -> what is ours on its routers.  A new platform is a module here and a line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from toolkit.netconf.ownership import ietf, iosxr, junos, reference, sros, vrp
from toolkit.netconf.ownership.places import Table

TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "reference": reference.TABLE,
        "ietf": ietf.TABLE,
        "sros": sros.TABLE,
        "junos": junos.TABLE,
        "vrp": vrp.TABLE,
        "iosxr": iosxr.TABLE,
        # Our NETCONF server stands in front of FRR, with our modules.
        "frr": reference.TABLE,
    }
)
