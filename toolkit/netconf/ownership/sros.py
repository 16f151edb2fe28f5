"""What is ours on Nokia SR OS.  BIER templates, filters, policies and services have our names."""

from __future__ import annotations

from typing import Final

from toolkit.netconf.ownership.places import table

_TOP: Final = "/nokia-conf:configure"
_ROUTER: Final = f"{_TOP}/router[router-name]"
_ISIS: Final = f"{_ROUTER}/isis[isis-instance]"
_OSPF: Final = f"{_ROUTER}/ospf[ospf-instance]"
_OSPF3: Final = f"{_ROUTER}/ospf3[ospf-instance]"
_PIM: Final = f"{_ROUTER}/pim"
_BIER: Final = (f"{_ISIS}/level[level-number]/bier", f"{_OSPF}/area[area-id]/bier")
"""They name our template: without it they cannot stay."""

TABLE: Final = table(
    {"nokia-conf": "urn:nokia.com:sros:ns:yang:sr:conf"},
    entries=(
        f"{_TOP}/filter/ip-filter[filter-name]",
        f"{_TOP}/filter/ipv6-filter[filter-name]",
        f"{_TOP}/port[port-id]",
        f"{_TOP}/qos/network[network-policy-name]",
        f"{_TOP}/qos/network-queue[network-queue-policy]",
        f"{_TOP}/qos/port-scheduler-policy[name]",
        f"{_TOP}/qos/sap-egress[sap-egress-policy-name]",
        f"{_TOP}/qos/sap-ingress[sap-ingress-policy-name]",
        f"{_TOP}/service/customer[customer-name]",
        f"{_TOP}/service/vprn[service-name]",
        f"{_ROUTER}/bgp/group[group-name]",
        f"{_ROUTER}/bgp/neighbor[ip-address]",
        f"{_ROUTER}/bier/template[template-name]",
        *_BIER,
        f"{_ROUTER}/mpls-labels/reserved-label-block[label-block-name]",
        f"{_ROUTER}/p2mp-sr-tree/p2mp-policy[p2mp-policy-name]",
        f"{_ROUTER}/p2mp-sr-tree/replication-segment[policy-name]",
        f"{_PIM}/rp/ipv4/static/address[ipv4-address]",
        f"{_PIM}/rp/ipv6/static/address[ipv6-address]",
        f"{_PIM}/spt-switchover[ip-prefix]",
        f"{_PIM}/ssm-groups/group-range[ip-prefix]",
    ),
    interfaces=(f"{_ROUTER}/interface[interface-name]",),
    following=(
        f"{_ISIS}/interface[interface-name]",
        f"{_OSPF}/area[area-id]/interface[interface-name]",
        f"{_OSPF3}/area[area-id]/interface[interface-name]",
        f"{_PIM}/interface[interface-name]",
        f"{_ROUTER}/igmp/interface[ip-interface-name]",
        f"{_ROUTER}/mld/interface[ip-interface-name]",
        f"{_ROUTER}/segment-routing/sr-mpls/prefix-sids[interface-name]",
    ),
    marks={f"{_ROUTER}/bgp/neighbor[ip-address]": "group", **dict.fromkeys(_BIER, "template")},
    shared=(
        f"{_ROUTER}/autonomous-system",
        f"{_ROUTER}/bgp/admin-state",
        f"{_ROUTER}/bgp/router-id",
        f"{_ROUTER}/bier/admin-state",
        f"{_ROUTER}/bier/service-reserved-label-block",
        f"{_ROUTER}/igmp/admin-state",
        f"{_ROUTER}/mld/admin-state",
        *(
            f"{_ISIS}/{leaf}"
            for leaf in (
                "admin-state", "advertise-router-capability", "area-address", "ipv6-routing",
                "level[level-number]/wide-metrics-only", "level-capability", "segment-routing",
                "system-id",
            )
        ),
        *(
            f"{_OSPF}/{leaf}"
            for leaf in (
                "admin-state", "advertise-router-capability", "router-id", "segment-routing",
            )
        ),
        f"{_OSPF3}/admin-state",
        f"{_OSPF3}/router-id",
        f"{_ROUTER}/mpls-labels/sr-labels",
        f"{_ROUTER}/mpls-labels/static-label-range",
        f"{_ROUTER}/p2mp-sr-tree/admin-state",
        f"{_ROUTER}/p2mp-sr-tree/reserved-label-block",
        f"{_PIM}/admin-state",
        f"{_PIM}/ipv4",
        f"{_PIM}/ipv6",
    ),
)  # fmt: skip
