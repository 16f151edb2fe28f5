"""Plan against configuration: every difference between what is wanted and what a device has.

Pure.  A router's state is laid out as YANG data path -> value; two such layouts are
compared.  Where a whole list entry is missing or too much, that is one difference, not one for each
of its leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.state.model import Interface, NetworkState, PimRouting, RouterState, SubDomain
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Finding
from toolkit.verify.layout_edge import layout_edge
from toolkit.verify.layout_sr import PRESENT, layout_sr

ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Difference:
    path: str
    wanted: str
    found: str


def layout(router: RouterState) -> dict[str, str]:
    """Return the router's state as YANG data path -> value, every entry before its leaves."""
    rows: dict[str, str] = {}
    if router.system_id:
        rows[places.ISIS] = PRESENT
        rows[f"{places.ISIS}/system-id"] = router.system_id
        rows[f"{places.ISIS}/area-address"] = " ".join(sorted(router.areas))
    if router.router_id:
        rows[places.OSPF] = PRESENT
        rows[f"{places.OSPF}/router-id"] = router.router_id
    for name, interface in sorted(router.interfaces.items()):
        rows |= _interface(name, interface)
    if router.sub_domains:
        rows[places.BIER] = PRESENT
        rows[f"{places.BIER}/maximum-paths"] = str(router.bier.maximum_paths)
        rows[f"{places.BIER}/fast-reroute"] = router.bier.fast_reroute
        rows[f"{places.BIER}/tunnel"] = router.bier.tunnel
    for sub_domain in router.sub_domains:
        rows |= _sub_domain(sub_domain)
    if router.pim is not None:
        rows |= _pim(router.pim)
    for ingress in router.ingress_flows:
        path = places.flow("ingress", ingress.source, ingress.group)
        rows[path] = PRESENT
        rows[f"{path}/sub-domain"] = str(ingress.sub_domain_id)
        rows[f"{path}/bsl"] = str(ingress.bsl)
        for si, bits in sorted(ingress.sets.items()):
            rows[f"{path}/set[si='{si}']"] = PRESENT
            rows[f"{path}/set[si='{si}']/bit-string"] = f"{bits:0{ingress.bsl // 4}x}"
    for egress in router.egress_flows:
        path = places.flow("egress", egress.source, egress.group)
        rows[path] = PRESENT
        rows[f"{path}/interface"] = " ".join(sorted(egress.interfaces))
    for session in router.sessions:
        path = places.session(session.name)
        rows[path] = PRESENT
        rows[f"{path}/tsi"] = str(session.tsi)
        rows[f"{path}/source"] = str(session.source)
        rows[f"{path}/group"] = str(session.group)
        rows[f"{path}/role"] = session.role
    return rows | layout_sr(router) | layout_edge(router)


def _interface(name: str, interface: Interface) -> dict[str, str]:
    path = places.interface(name)
    rows = {path: PRESENT, f"{path}/enabled": str(interface.enabled).lower()}
    if interface.mtu is not None:
        rows[places.network_mtu(name)] = str(interface.mtu)
    for address in interface.addresses:
        entry = places.address(name, address)
        rows[entry] = PRESENT
        rows[f"{entry}/prefix-length"] = str(address.network.prefixlen)
    if interface.isis is not None:
        entry = places.isis_interface(name)
        rows[entry] = PRESENT
        rows[f"{entry}/metric"] = str(interface.isis.metric)
        rows[f"{entry}/passive"] = str(interface.isis.passive).lower()
    if interface.ospf is not None:
        entry = places.ospf_interface(name)
        rows[entry] = PRESENT
        rows[f"{entry}/area"] = interface.ospf.area
        rows[f"{entry}/cost"] = str(interface.ospf.cost)
        rows[f"{entry}/passive"] = str(interface.ospf.passive).lower()
    if interface.bier or interface.accept_host_bier:
        entry = places.bier_interface(name)
        rows[entry] = PRESENT
        rows[f"{entry}/role"] = "host-imposition" if interface.accept_host_bier else "core"
    if interface.pim:
        entry = places.pim_interface(name)
        rows[entry] = PRESENT
        rows[f"{entry}/ttl-threshold"] = str(interface.ttl_threshold)
    if interface.membership is not None:
        entry = places.membership(name)
        rows[entry] = PRESENT
        rows[f"{entry}/version"] = str(interface.membership)
    return rows


def _pim(routing: PimRouting) -> dict[str, str]:
    rows = {places.PIM: PRESENT}
    for rp in routing.rps:
        rows[places.static_rp(rp.address, rp.groups)] = PRESENT
    for groups in routing.ssm_ranges:
        rows[places.ssm_range(groups)] = PRESENT
    rows[f"{places.PIM}/spt-switchover"] = "immediate" if routing.spt_switchover else "never"
    return rows


def _sub_domain(sub_domain: SubDomain) -> dict[str, str]:
    path = places.sub_domain(sub_domain.sub_domain_id)
    rows = {path: PRESENT, f"{path}/bfr-prefix": str(sub_domain.bfr_prefix)}
    if sub_domain.bfr_id is not None:
        rows[f"{path}/bfr-id"] = str(sub_domain.bfr_id)
    for encapsulation in sub_domain.encapsulations:
        entry = places.encapsulation(
            sub_domain.sub_domain_id, encapsulation.bsl, encapsulation.kind
        )
        rows[entry] = PRESENT
        rows[f"{entry}/bift-id-base"] = str(encapsulation.base)
        rows[f"{entry}/max-si"] = str(encapsulation.max_si)
    return rows


def compare(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[Difference]:
    """Return the differences between two layouts, in the order of paths."""
    differences: list[Difference] = []
    entry = ""
    for path in sorted(wanted.keys() | found.keys()):
        if entry and path.startswith((f"{entry}/", f"{entry}[")):
            continue
        one, other = wanted.get(path, ABSENT), found.get(path, ABSENT)
        if one != other:
            differences.append(Difference(path, one, other))
            entry = path if PRESENT in (one, other) else ""
    return differences


def config_findings(intended: NetworkState, state: NetworkState) -> Iterator[Finding]:
    """Yield every difference between the intended and the configured state of all routers."""
    for name in sorted(intended.routers.keys() | state.routers.keys()):
        wanted, found = intended.routers.get(name), state.routers.get(name)
        if found is None:
            yield finding(
                "config-missing",
                places.on(name),
                f"{name} is in the plan, and there is no configuration of it",
                subjects=[name],
            )
        elif wanted is None:
            yield finding(
                "config-unknown",
                places.on(name),
                f"there is a configuration of {name}, and the plan has no such router",
                subjects=[name],
            )
        else:
            for difference in compare(layout(wanted), layout(found)):
                yield finding(
                    "config-differs",
                    places.on(name, difference.path),
                    f"{name}: {_words(difference)}",
                    evidence=[f"wanted: {difference.wanted}", f"found: {difference.found}"],
                    subjects=[name],
                )


def _words(difference: Difference) -> str:
    """Say what differs; the node is named by the last two steps of its path."""
    steps = difference.path.split("/")[-2:]
    node = "/".join(step.rpartition(":")[2] for step in steps if step)
    wanted, found = difference.wanted, difference.found
    if PRESENT in (wanted, found):
        return f"{node} is {found}, and the plan wants it {wanted}"
    return f"{node} is {found}, and the plan wants {wanted}"
