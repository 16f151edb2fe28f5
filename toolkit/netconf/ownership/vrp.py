"""What is ours on Huawei VRP: interfaces, and what hangs on them in routing protocols."""

from __future__ import annotations

from typing import Final

from toolkit.netconf.ownership.places import table

_INSTANCE: Final = "/huawei-network-instance:network-instance/instances/instance[name]"
_SITE: Final = f"{_INSTANCE}/huawei-isis:isis/sites/site[id]"
_OSPF: Final = f"{_INSTANCE}/huawei-ospfv2:ospfv2/sites/site[process-id]"
_AREA: Final = f"{_OSPF}/areas/area[area-id]"
_PIM: Final = f"{_INSTANCE}/huawei-pim:pim"
_TYPE: Final = f"{_PIM}/protocol/instances/instance[type]"
_ACL: Final = "/huawei-acl:acl"

TABLE: Final = table(
    {
        f"huawei-{name}": f"urn:huawei:yang:huawei-{name}"
        for name in (
            "acl", "ifm", "network-instance", "l3vpn", "igmp-mld", "isis", "l3-multicast",
            "ospfv2", "pim", "mpls", "segment-routing", "isis-sr", "ospfv2-sr",
        )
    },
    entries=(
        f"{_ACL}/groups/group[identity]",
        f"{_ACL}/group6s/group6[identity]",
        f"{_AREA}/networks/network[ip-address mask]",
        f"{_PIM}/rp/static-rps/static-rp[type address]",
        *(f"{_TYPE}/{leaf}-policy-name{six}" for leaf in ("src", "ssm") for six in ("", "6")),
    ),
    # They name access lists of ours: without those they cannot stay.
    marks={f"{_PIM}/rp/static-rps/static-rp[type address]": "policy policy-ipv6"},
    interfaces=("/huawei-ifm:ifm/interfaces/interface[name]",),
    following=(
        f"{_INSTANCE}/huawei-igmp-mld:igmp/interfaces/interface[name]",
        f"{_INSTANCE}/huawei-igmp-mld:mld/interfaces/interface[name]",
        f"{_INSTANCE}/huawei-mpls:mpls/common/mpls-interfaces/mpls-interface[name]",
        f"{_SITE}/circuits/circuit[name]",
        f"{_AREA}/interfaces/interface[name]",
        f"{_OSPF}/silent-interfaces/silent-interface[if-name]",
        f"{_PIM}/protocol/interfaces/interface[type if-name]",
    ),
    shared=(
        "/huawei-mpls:mpls/common/global",
        f"{_INSTANCE}/huawei-segment-routing:segment-routing",
        f"{_SITE}/huawei-isis-sr:srgbs",
        f"{_OSPF}/opaque",
        f"{_OSPF}/huawei-ospfv2-sr:segment-routing",
        f"{_OSPF}/huawei-ospfv2-sr:srgbs",
        f"{_INSTANCE}/huawei-l3vpn:afs",
        f"{_INSTANCE}/huawei-l3-multicast:multicast",
        *(
            f"{_SITE}/{leaf}"
            for leaf in ("afs", "cost-style", "is-name", "level", "net-entitys", "timer")
        ),
        f"{_OSPF}/router-id",
        f"{_TYPE}/spt-switchs",
        f"{_TYPE}/ipv6-spt-switchs",
    ),
)  # fmt: skip
