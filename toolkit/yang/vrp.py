"""Which modules a Huawei VRP 8.22 router implements, as far as we configure it.  Values only.

The device's own deviations come before what they deviate from: what does not compile is gone by
then, and the rest loads faster.
"""

from __future__ import annotations

from typing import Final

_DEVIATED: Final = (
    "bd",
    "bfd",
    "bier",
    "devm",
    "ethernet",
    "evpl",
    "if-ip",
    "ifm",
    "ifm-trunk",
    "ip",
    "isis",
    "l3-multicast",
    "l3vpn",
    "mpls",
    "ospfv2",
    "routing",
    "routing-policy",
    "srv6",
    "system",
    "te",
    "tunnel-management",
    "vlan",
    "pim",
)

VRP_MODULES: Final = (
    "llmsync-vrp-deviations",
    *(f"huawei-{name}-deviations-OC-NE-X8X16" for name in _DEVIATED),
    "huawei-bier",
    "huawei-isis",
    "huawei-pim",
    "huawei-ifm",
    "huawei-network-instance",
    "huawei-igmp-mld",
    "huawei-ospfv2",
    "huawei-ifm-trunk",
    "huawei-ip",
    "huawei-ethernet",
    "huawei-mpls",
    "huawei-segment-routing",
    "huawei-isis-sr",
    "huawei-if-ip",
    "huawei-ospfv2-sr",
)
