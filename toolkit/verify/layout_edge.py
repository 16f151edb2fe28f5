"""The parts of a router's state that are about its edge, as YANG data path -> value: BGP MVPN, what
edge interfaces take from hosts, the class of deliveries.

Pure.  `toolkit.verify.difference` compares such layouts.
"""

from __future__ import annotations

from toolkit.state.model import EdgeProtection, Mvpn, RouterState
from toolkit.verify import places
from toolkit.verify.layout_sr import PRESENT


def layout_edge(router: RouterState) -> dict[str, str]:
    """Return these parts of the router's state, every entry before its leaves."""
    rows: dict[str, str] = {}
    if router.bgp is not None:
        rows[places.BGP] = PRESENT
        rows[f"{places.BGP}/as"] = str(router.bgp.as_number)
        rows[f"{places.BGP}/router-id"] = router.bgp.router_id
        for address in router.bgp.neighbors:
            entry = places.bgp_neighbor(address)
            rows[entry] = PRESENT
            rows[f"{entry}/route-reflector-client"] = str(address in router.bgp.clients).lower()
    for vrf in router.mvpns:
        rows |= _vpn(vrf)
    for name, interface in sorted(router.interfaces.items()):
        if interface.protection is not None:
            rows |= _protection(name, interface.protection)
    if router.qos is not None:
        rows[places.QOS] = PRESENT
        rows[f"{places.QOS}/dscp"] = str(router.qos.dscp)
    return rows


def _vpn(vrf: Mvpn) -> dict[str, str]:
    path = places.vpn(vrf.name)
    rows = {
        path: PRESENT,
        f"{path}/route-distinguisher": vrf.rd,
        f"{path}/route-target": vrf.route_target,
    }
    rows[f"{path}/tunnel"] = vrf.tunnel
    rows[f"{path}/interface"] = " ".join(sorted(vrf.interfaces))
    if vrf.sub_domain_id is not None:
        rows[f"{path}/sub-domain"] = str(vrf.sub_domain_id)
    if vrf.policies:
        rows[f"{path}/policy"] = " ".join(sorted(vrf.policies))
    if vrf.group is not None:
        rows[f"{path}/group"] = str(vrf.group)
    return rows


def _protection(name: str, protection: EdgeProtection) -> dict[str, str]:
    path = places.protection(name)
    rows = {path: PRESENT}
    for source in protection.sources:
        rows[f"{path}/source[.='{source}']"] = PRESENT
    for si, bits in sorted(protection.bit_strings.items()):
        entry = f"{path}/set[si='{si}']"
        rows[entry] = PRESENT
        rows[f"{entry}/bit-string"] = f"{bits:x}"
    return rows
