"""What is ours on routers with the IETF's modules.

Names that we give begin with `llmsync`: the instance of the IGP, that of IGMP or MLD, access lists.
Sub-domains, flows, and what PIM says of an address family have no names that would tell, so they
are ours as a whole.  Label blocks are a whole network's: they are set and never taken away.
"""

from __future__ import annotations

from typing import Final

from toolkit.netconf.ownership.places import table

_IETF: Final = "urn:ietf:params:xml:ns:yang:"
_PROTOCOLS: Final = "/ietf-routing:routing/control-plane-protocols"
_ACLS: Final = "/ietf-access-control-list:acls"

TABLE: Final = table(
    {
        **{
            name: f"{_IETF}{name}"
            for name in (
                "ietf-interfaces",
                "ietf-routing",
                "ietf-pim-base",
                "ietf-bier",
                "ietf-segment-routing",
                "ietf-access-control-list",
                "ietf-multicast",
            )
        },
        **{
            f"llmsync-{name}": f"urn:llmsync:{name}"
            for name in ("bier", "sr", "overlay", "mvpn", "edge", "delivery")
        },
    },
    interfaces=("/ietf-interfaces:interfaces/interface[name]",),
    entries=(
        f"{_PROTOCOLS}/control-plane-protocol[type name]",
        f"{_ACLS}/acl[name]",
    ),
    following=(
        f"{_PROTOCOLS}/ietf-pim-base:pim/interfaces/interface[name]",
        f"{_ACLS}/attachment-points/interface[interface-id]",
    ),
    whole=(
        f"{_PROTOCOLS}/ietf-pim-base:pim/address-family[address-family]",
        "/ietf-routing:routing/ietf-bier:bier",
        "/ietf-multicast:multicast-service",
        "/llmsync-bier:bier",
        "/llmsync-sr:segment-routing",
        "/llmsync-sr:p2mp",
        "/llmsync-overlay:overlay",
        "/llmsync-mvpn:bgp",
        "/llmsync-mvpn:mvpn",
        "/llmsync-edge:edge",
        "/llmsync-edge:qos",
        "/llmsync-delivery:deliveries",
    ),
    shared=("/ietf-routing:routing/ietf-segment-routing:segment-routing",),
)
