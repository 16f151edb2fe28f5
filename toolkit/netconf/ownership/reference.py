"""What is ours on routers of platform `reference`: our modules' containers, and interfaces."""

from __future__ import annotations

from typing import Final

from toolkit.netconf.ownership.places import table

OWN_MODULES: Final = {
    "llmsync-isis": "urn:llmsync:isis",
    "llmsync-ospf": "urn:llmsync:ospf",
    "llmsync-bier": "urn:llmsync:bier",
    "llmsync-pim": "urn:llmsync:pim",
    "llmsync-sr": "urn:llmsync:sr",
    "llmsync-overlay": "urn:llmsync:overlay",
    "llmsync-mvpn": "urn:llmsync:mvpn",
    "llmsync-edge": "urn:llmsync:edge",
    "llmsync-delivery": "urn:llmsync:delivery",
}

TABLE: Final = table(
    {
        "ietf-interfaces": "urn:ietf:params:xml:ns:yang:ietf-interfaces",
        **OWN_MODULES,
    },
    interfaces=("/ietf-interfaces:interfaces/interface[name]",),
    whole=(
        "/llmsync-isis:isis",
        "/llmsync-ospf:ospf",
        "/llmsync-bier:bier",
        "/llmsync-pim:pim",
        "/llmsync-pim:membership",
        "/llmsync-sr:segment-routing",
        "/llmsync-sr:p2mp",
        "/llmsync-overlay:overlay",
        "/llmsync-mvpn:bgp",
        "/llmsync-mvpn:mvpn",
        "/llmsync-edge:edge",
        "/llmsync-edge:qos",
        "/llmsync-delivery:deliveries",
    ),
)
