"""A Cisco IOS XR router's configuration as network state.  Pure.

Cisco-IOS-XR-um-*, -segment-routing-ms-cfg and -infra-xtc-cfg, as `toolkit.yang.untyped` or a schema
gives them.  Several modules have a container `router` of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, ip_interface
from typing import Any

from toolkit.state.branch import Branch
from toolkit.state.iosxr_multicast import (
    AccessLists,
    egress_flows,
    memberships,
    pim_interfaces,
    protection,
    read_pim,
    thresholds,
)
from toolkit.state.iosxr_services import read_bgp, read_mvpns, read_policies, read_qos, tree_flows
from toolkit.state.model import (
    Interface,
    IpInterface,
    IsisInterface,
    LabelBlock,
    NodeSid,
    OspfInterface,
    RouterState,
    SegmentRouting,
)

PROCESS = "llmsync"
"""Name of our IS-IS or OSPF process."""
DEFAULT_METRIC = 10
"""IS-IS metric of an interface that none is configured for."""
DEFAULT_COST = 1
"""OSPF cost of a loopback that none is configured for."""
HEADER = 14
"""Octets of Ethernet's header, which an interface's MTU counts."""


def read_router(name: str, tree: Mapping[str, Any]) -> RouterState:
    """Return what router `name` is configured to do."""
    root = Branch(tree)
    isis = _process(protocol(root, "isis"), "process-id")
    ospf = _process(protocol(root, "ospf") or protocol(root, "ospfv3"), "process-name")
    areas, system_id = _entity(isis.text("nets", "net", "net-id"))
    interfaces = _interfaces(root, isis, ospf)
    return RouterState(
        name=name,
        system_id=system_id,
        areas=areas,
        router_id=ospf.text("router-id"),
        interfaces=interfaces,
        egress_flows=egress_flows(protocol(root, "igmp")),
        pim=read_pim(root, protocol(root, "pim")),
        sr=_segment_routing(root, isis, ospf, interfaces),
        p2mp_policies=read_policies(root),
        tree_flows=tree_flows(root, protocol(root, "pim")),
        bgp=read_bgp(protocol(root, "bgp")),
        mvpns=read_mvpns(root, protocol(root, "pim")),
        qos=read_qos(root),
    )


def protocol(root: Branch, name: str) -> Branch:
    """Return `/router/<name>`, whichever of the containers `router` it stands in."""
    return next((r.one(name) for r in root.all("router") if r.has(name)), Branch())


def _process(found: Branch, key: str) -> Branch:
    """Return the process that llmsync writes; where it has none, the first."""
    processes = list(found.one("processes").all("process"))
    ours = (process for process in processes if process.text(key) == PROCESS)
    return next(ours, processes[0] if processes else Branch())


def _entity(value: str) -> tuple[tuple[str, ...], str]:
    """Return the area and the system-id of a network entity title (ISO 10589 section 7.1.1)."""
    if not value:
        return (), ""
    parts = value.split(".")
    return (".".join(parts[:-4]),), ".".join(parts[-4:-1])


def _interfaces(root: Branch, isis: Branch, ospf: Branch) -> dict[str, Interface]:
    circuits = {
        entry.text("interface-name"): _circuit(entry)
        for entry in isis.one("interfaces").all("interface")
    }
    labelled = _labelled(isis, ospf)
    lists = AccessLists.of(root)
    pim = pim_interfaces(protocol(root, "pim"))
    versions = memberships(root, lists)
    scopes = thresholds(root)
    found = {}
    for entry in root.one("interfaces").all("interface"):
        name = entry.text("interface-name")
        found[name] = Interface(
            name=name,
            enabled=not entry.has("shutdown"),
            addresses=tuple(_addresses(entry)),
            mtu=entry.number("mtu") - HEADER if entry.has("mtu") else None,
            isis=circuits.get(name),
            ospf=_ospf_interface(ospf, name),
            pim=name in pim,
            membership=versions.get(name),
            ttl_threshold=scopes.get(name, 0),
            protection=protection(entry, lists),
            mpls=name in labelled,
        )
    return found


def _addresses(entry: Branch) -> Iterator[IpInterface]:
    addresses = entry.one("ipv4", "addresses")
    for address in (*addresses.all("address"), *addresses.one("secondaries").all("secondary")):
        yield ip_interface(f"{address.text('address')}/{address.text('netmask')}")
    for address in entry.one("ipv6", "addresses").all("ipv6-address"):
        yield ip_interface(f"{address.text('address')}/{address.text('prefix-length')}")


def _circuit(entry: Branch) -> IsisInterface:
    """A loopback has no neighbors, whether it is said to be passive or not."""
    family = entry.one("address-families", "address-family")
    return IsisInterface(
        metric=family.number("metric", "default-metric", default=DEFAULT_METRIC),
        passive=entry.text("state") == "passive"
        or entry.text("interface-name").startswith("Loopback"),
    )


def _ospf_interface(ospf: Branch, name: str) -> OspfInterface | None:
    for area in ospf.one("areas").all("area"):
        for entry in area.one("interfaces").all("interface"):
            if entry.text("interface-name") == name:
                return OspfInterface(
                    cost=entry.number("cost", default=DEFAULT_COST),
                    passive=entry.has("passive", "enable") or name.startswith("Loopback"),
                    area=_dotted(area.text("area-id")),
                )
    return None


def _dotted(area: str) -> str:
    """Return an area as an IPv4 address, which the configuration may have as a number."""
    return str(IPv4Address(int(area))) if area.isdecimal() else area


def _labelled(isis: Branch, ospf: Branch) -> frozenset[str]:
    """Return the interfaces that labelled packets pass: where an IGP with SR has neighbors."""
    names: set[str] = set()
    if isis.has("address-families", "address-family", "segment-routing", "mpls"):
        names |= {
            entry.text("interface-name")
            for entry in isis.one("interfaces").all("interface")
            if not _circuit(entry).passive
        }
    if ospf.has("segment-routing", "mpls"):
        names |= {
            entry.text("interface-name")
            for area in ospf.one("areas").all("area")
            for entry in area.one("interfaces").all("interface")
            if not entry.has("passive", "enable")
            and not entry.text("interface-name").startswith("Loopback")
        }
    return frozenset(names)


def _segment_routing(
    root: Branch, isis: Branch, ospf: Branch, interfaces: Mapping[str, Interface]
) -> SegmentRouting | None:
    sr = root.one("sr")
    if not sr:
        return None
    indices: dict[str, str] = {}
    for entry in isis.one("interfaces").all("interface"):
        family = entry.one("address-families", "address-family")
        indices[entry.text("interface-name")] = family.text("prefix-sid", "index", "index-id")
    for area in ospf.one("areas").all("area"):
        for entry in area.one("interfaces").all("interface"):
            indices[entry.text("interface-name")] = entry.text("prefix-sid", "index", "sid-index")
    sids = (
        NodeSid(prefix=interfaces[name].addresses[0].network, index=int(index))
        for name, index in indices.items()
        if index and name in interfaces and interfaces[name].addresses
    )
    return SegmentRouting(
        srgb=_block(sr.one("global-block")),
        srlb=_block(sr.one("local-block")),
        node_sids=tuple(sorted(sids, key=lambda sid: (sid.index, str(sid.prefix)))),
    )


def _block(entry: Branch) -> LabelBlock:
    return LabelBlock(entry.number("lower-bound"), entry.number("upper-bound"))
