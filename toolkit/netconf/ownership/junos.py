"""What is ours on Junos.  BIER is ours as a whole; of an interface, units may be others'."""

from __future__ import annotations

from typing import Final

from toolkit.netconf.ownership.places import table

_TOP: Final = "/junos-conf-root:configuration"
_IFS: Final = f"{_TOP}/junos-conf-interfaces:interfaces/interface[name]"
_PROTOCOLS: Final = f"{_TOP}/junos-conf-protocols:protocols"
_OPTIONS: Final = f"{_TOP}/junos-conf-routing-options:routing-options"
_PIM: Final = f"{_PROTOCOLS}/pim"
_NS: Final = "http://yang.juniper.net/junos/conf"

TABLE: Final = table(
    {
        f"junos-conf-{name}": f"{_NS}/{name}"
        for name in (
            "root", "interfaces", "forwarding-options", "policy-options", "protocols",
            "routing-instances", "routing-options",
        )
    },
    whole=(f"{_PROTOCOLS}/bier",),
    entries=(
        _IFS,
        f"{_TOP}/junos-conf-policy-options:policy-options/policy-statement[name]",
        f"{_TOP}/junos-conf-routing-instances:routing-instances/instance[name]",
        f"{_PROTOCOLS}/bgp/group[name]",
        f"{_PROTOCOLS}/isis/bier-sub-domain[name]",
        f"{_PIM}/rp/static/address[name]",
        f"{_OPTIONS}/dynamic-tunnels/dynamic-tunnel[name]",
        f"{_OPTIONS}/resolution/rib[name]",
    ),
    units=(f"{_IFS}/unit[name]",),
    following=(
        f"{_PROTOCOLS}/igmp/interface[name]",
        f"{_PROTOCOLS}/isis/interface[name]",
        f"{_PROTOCOLS}/mld/interface[name]",
        f"{_PROTOCOLS}/mpls/interface[name]",
        f"{_PROTOCOLS}/ospf/area[name]/interface[name]",
        f"{_PROTOCOLS}/ospf3/area[name]/interface[name]",
        f"{_PIM}/interface[name]",
    ),
    shared=(
        f"{_TOP}/junos-conf-forwarding-options:forwarding-options/bier",
        f"{_PROTOCOLS}/isis/level",
        f"{_PROTOCOLS}/isis/source-packet-routing",
        f"{_PROTOCOLS}/mpls/ipv6-tunneling",
        f"{_PROTOCOLS}/ospf/source-packet-routing",
        f"{_PIM}/rp/local",
        f"{_PIM}/spt-threshold",
        f"{_OPTIONS}/autonomous-system",
        f"{_OPTIONS}/multicast/ssm-groups",
        f"{_OPTIONS}/router-id",
    ),
)  # fmt: skip
