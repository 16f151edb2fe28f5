"""What is ours on Cisco IOS XR.  Its modules come from a device, so that keys are told here."""

from __future__ import annotations

from typing import Final

from toolkit.netconf.ownership.places import table

_CISCO: Final = "http://cisco.com/ns/yang/Cisco-IOS-XR-"
_UM: Final = (
    "policymap-classmap", "interface", "ipv4-access-list", "ipv6-access-list",
    "multicast-routing", "router-bgp", "router-igmp", "router-isis", "router-mld", "router-ospf",
    "router-ospfv3", "router-pim", "route-policy", "vrf",
)  # fmt: skip
_OTHERS: Final = ("infra-xtc", "infra-xtc-agent", "segment-routing-ms")

_FORWARDING: Final = "/multicast-routing:multicast-routing"
_BGP: Final = "/router-bgp:router/bgp/as[as-number]"
_ISIS: Final = "/router-isis:router/isis/processes/process[process-id]"
_IGMP: Final = "/router-igmp:router/igmp"
_PIM: Final = "/router-pim:router/pim"
_PCE: Final = "/infra-xtc:pce"
_P2MP: Final = f"{_PCE}/segment-routing/traffic-engineering/p2mp"
_SR: Final = "/segment-routing-ms:sr"
_TE: Final = f"{_SR}/infra-xtc-agent:traffic-engineering"
_FAMILIES: Final = ("ipv4", "ipv6")

TABLE: Final = table(
    {
        **{name: f"{_CISCO}um-{name}-cfg" for name in _UM},
        **{name: f"{_CISCO}{name}-cfg" for name in _OTHERS},
    },
    entries=(
        "/policymap-classmap:class-map/type/qos[class-map-name]",
        "/policymap-classmap:policy-map/type/qos[policy-map-name]",
        "/ipv4-access-list:ipv4/access-lists/access-list[access-list-name]",
        "/ipv6-access-list:ipv6/access-lists/access-list[access-list-name]",
        f"{_FORWARDING}/vrfs/vrf[vrf-name]",
        f"{_P2MP}/p2mp-endpoint-sets/p2mp-endpoint-set[endpoint-set-name]",
        f"{_P2MP}/p2mp-policies/p2mp-policy[policy-name]",
        f"{_BGP}/neighbors/neighbor[neighbor-address]",
        f"{_BGP}/vrfs/vrf[vrf-name]",
        f"{_IGMP}/vrfs/vrf[vrf-name]",
        _ISIS,
        "/router-ospf:router/ospf/processes/process[process-name]",
        "/router-ospfv3:router/ospfv3/processes/process[process-name]",
        *(f"{_PIM}/address-family/{f}/rp-addresses/rp-address[address]" for f in _FAMILIES),
        f"{_PIM}/address-family/ipv4/sr-p2mp-policies/sr-p2mp-policy[id]",
        f"{_PIM}/vrfs/vrf[vrf-name]",
        "/route-policy:routing-policy/route-policies/route-policy[route-policy-name]",
        "/vrf:vrfs/vrf[vrf-name]",
        f"{_TE}/pcc/pce-peers/pce-peer[pce-address]",
    ),
    interfaces=("/interface:interfaces/interface[interface-name]",),
    following=(
        *(
            f"{top}/address-family/{family}/interfaces/interface[interface-name]"
            for top in (_FORWARDING, _PIM)
            for family in _FAMILIES
        ),
        f"{_IGMP}/interfaces/interface[interface-name]",
        "/router-mld:router/mld/interfaces/interface[interface-name]",
    ),
    shared=(
        *(f"{_FORWARDING}/address-family/ipv4/{node}" for node in ("mdt", "ssm", "static")),
        f"{_FORWARDING}/address-family/ipv6/ssm",
        f"{_PCE}/server-address",
        f"{_BGP}/address-families",
        f"{_BGP}/bgp",
        *(
            f"{_PIM}/address-family/{family}/{node}"
            for family in _FAMILIES
            for node in ("rpf", "spt-threshold", "ssm")
        ),
        *(f"{_SR}/{node}" for node in ("enable", "global-block", "local-block")),
        f"{_TE}/enable",
        f"{_TE}/pcc/source-address",
    ),
    lists=(
        f"{_P2MP}/p2mp-endpoint-sets/p2mp-endpoint-set[endpoint-set-name]"
        "/p2mp-endpoint-set-addresses/p2mp-endpoint-set-address[af-type endpoint-address]",
        f"{_ISIS}/address-families/address-family[af-name saf-name]",
        f"{_ISIS}/interfaces/interface[interface-name]",
        f"{_ISIS}/interfaces/interface[interface-name]/address-families"
        "/address-family[af-name saf-name]",
        f"{_BGP}/address-families/address-family[af-name]",
        f"{_BGP}/neighbors/neighbor[neighbor-address]/address-families/address-family[af-name]",
        "/ipv4-access-list:ipv4/access-lists/access-list[access-list-name]/sequences"
        "/sequence[sequence-number]",
        "/ipv6-access-list:ipv6/access-lists/access-list[access-list-name]/sequences"
        "/sequence[sequence-number]",
    ),
)
