"""What is ours on routers of the IETF models.  BIER and multicast flows are ours as a whole."""

from __future__ import annotations

from typing import Final

from toolkit.netconf.ownership.places import table
from toolkit.netconf.ownership.reference import OWN_MODULES

_PROTOCOLS: Final = "/ietf-routing:routing/control-plane-protocols"
_PROTOCOL: Final = f"{_PROTOCOLS}/control-plane-protocol[type name]"
_ISIS: Final = f"{_PROTOCOL}/ietf-isis:isis"
_OSPF: Final = f"{_PROTOCOL}/ietf-ospf:ospf"
_PIM: Final = f"{_PROTOCOLS}/ietf-pim-base:pim"
_FAMILY: Final = f"{_PIM}/address-family[address-family]"
_SR: Final = "/ietf-routing:routing/ietf-segment-routing:segment-routing"
_MPLS: Final = f"{_SR}/ietf-segment-routing-mpls:sr-mpls"

TABLE: Final = table(
    {
        **OWN_MODULES,
        **{
            f"ietf-{name}": f"urn:ietf:params:xml:ns:yang:ietf-{name}"
            for name in (
                "interfaces", "routing", "access-control-list", "multicast", "bier", "isis",
                "ospf", "igmp-mld", "pim-base", "pim-rp", "pim-sm", "segment-routing",
                "segment-routing-mpls", "isis-sr-mpls", "ospf-sr-mpls",
            )
        },
    },
    whole=(
        "/llmsync-bier:bier",
        "/llmsync-sr:segment-routing",
        "/llmsync-sr:p2mp",
        "/llmsync-overlay:overlay",
        "/llmsync-mvpn:bgp",
        "/llmsync-mvpn:mvpn",
        "/llmsync-edge:edge",
        "/llmsync-edge:qos",
        "/llmsync-delivery:deliveries",
        "/ietf-multicast:multicast-service",
        "/ietf-routing:routing/ietf-bier:bier",
    ),
    entries=(
        "/ietf-access-control-list:acls/acl[name]",
        f"{_FAMILY}/ietf-pim-rp:rp/static-rp/ipv4-rp[rp-address]",
        f"{_FAMILY}/ietf-pim-rp:rp/static-rp/ipv6-rp[rp-address]",
        f"{_MPLS}/bindings/local-prefix-sid/local-prefix-sid[prefix algorithm]",
        f"{_MPLS}/srgb/srgb[lower-bound upper-bound]",
        f"{_MPLS}/srlb/srlb[lower-bound upper-bound]",
    ),
    interfaces=("/ietf-interfaces:interfaces/interface[name]",),
    following=(
        "/ietf-access-control-list:acls/attachment-points/interface[interface-id]",
        f"{_ISIS}/interfaces/interface[name]",
        f"{_OSPF}/areas/area[area-id]/interfaces/interface[name]",
        f"{_PIM}/interfaces/interface[name]",
        f"{_PROTOCOL}/ietf-igmp-mld:igmp/interfaces/interface[interface-name]",
        f"{_PROTOCOL}/ietf-igmp-mld:mld/interfaces/interface[interface-name]",
    ),
    shared=(
        *(
            f"{_ISIS}/{node}"
            for node in (
                "address-families", "area-address", "ietf-bier:bier-isis-cfg", "level-type",
                "metric-type", "ietf-isis-sr-mpls:segment-routing", "system-id",
            )
        ),
        *(
            f"{_OSPF}/{node}"
            for node in (
                "address-family", "explicit-router-id", "ietf-bier:bier-ospf-cfg",
                "ietf-ospf-sr-mpls:segment-routing",
            )
        ),
        _FAMILY,
        f"{_FAMILY}/ietf-pim-sm:sm",
    ),
)  # fmt: skip
