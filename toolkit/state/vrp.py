"""A Huawei VRP router's configuration as network state.  Pure.  huawei-*, typed or not.

Routing is read in the instance `_public_`, where our routers have all of it.  Lists of groups and
of sources are basic ACLs (huawei-acl).  VRP's BIER configuration names no labels: the router takes
them itself, and BIFT-ids are read as starting at 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, ip_interface
from typing import Any

from toolkit.state.branch import Branch
from toolkit.state.model import (
    BierEncapsulation,
    Interface,
    IpInterface,
    IsisInterface,
    LabelBlock,
    NodeSid,
    OspfInterface,
    RouterState,
    SegmentRouting,
    SubDomain,
)
from toolkit.state.vrp_multicast import (
    Acls,
    memberships,
    pim_interfaces,
    protection,
    read_pim,
    speaking,
)

PUBLIC = "_public_"
"""The instance that interfaces are in which no VPN has."""
PROCESS = "1"
"""Number of our IS-IS or OSPF process."""
DEFAULT_METRIC = 10
"""huawei-isis: cost-level2 of a circuit where neither it nor the process says one."""
DEFAULT_COST = 1
"""huawei-ospfv2: cost of an interface with the reference bandwidth or more."""


def read_router(name: str, tree: Mapping[str, Any]) -> RouterState:
    """Return what router `name` is configured to do."""
    root = Branch(tree)
    instance = public_instance(root)
    isis = _process(instance, "isis", "id")
    ospf = _process(instance, "ospfv2", "process-id")
    areas, system_id = _entity(isis.text("net-entitys", "net-entity", "value"))
    interfaces = _interfaces(root, instance, isis, ospf)
    return RouterState(
        name=name,
        system_id=system_id,
        areas=areas,
        router_id=ospf.text("router-id"),
        interfaces=interfaces,
        sub_domains=tuple(
            sorted(_sub_domains(root, interfaces), key=lambda entry: entry.sub_domain_id)
        ),
        pim=read_pim(instance, Acls.of(root)),
        sr=_segment_routing(instance, isis, ospf, interfaces),
    )


def public_instance(root: Branch) -> Branch:
    """Return the instance that routes between our routers."""
    instances = root.one("network-instance", "instances").all("instance")
    return next((entry for entry in instances if entry.text("name") == PUBLIC), Branch())


def _process(instance: Branch, protocol: str, key: str) -> Branch:
    """Return the process that llmsync writes; where it has none, the first."""
    sites = list(instance.one(protocol, "sites").all("site"))
    ours = (site for site in sites if site.text(key) == PROCESS)
    return next(ours, sites[0] if sites else Branch())


def _entity(value: str) -> tuple[tuple[str, ...], str]:
    """Return the area and the system-id of a network entity title (ISO 10589 section 7.1.1)."""
    if not value:
        return (), ""
    parts = value.split(".")
    return (".".join(parts[:-4]),), ".".join(parts[-4:-1])


def _interfaces(root: Branch, instance: Branch, isis: Branch, ospf: Branch) -> dict[str, Interface]:
    circuits = {
        circuit.text("name"): _circuit(circuit, isis)
        for circuit in isis.one("circuits").all("circuit")
    }
    acls = Acls.of(root)
    pim, loud = pim_interfaces(instance), speaking(instance)
    versions = memberships(instance)
    labelled = frozenset(
        entry.text("name")
        for entry in instance.one("mpls", "common", "mpls-interfaces").all("mpls-interface")
    )
    thresholds = {
        entry.text("name"): entry.number("minimum-ttl")
        for family in ("ipv4", "ipv6")
        for entry in instance.one("multicast", family, "interface-min-ttls").all(
            "interface-min-ttl"
        )
    }
    imposed = isis.flag("bier", "enable")
    found = {}
    for entry in root.one("ifm", "interfaces").all("interface"):
        name = entry.text("name")
        addresses = tuple(_addresses(entry))
        circuit = circuits.get(name)
        found[name] = Interface(
            name=name,
            enabled=entry.text("admin-status", default="up") == "up",
            addresses=addresses,
            mtu=entry.number("mtu") or entry.number("ipv6", "mtu6") or None,
            isis=circuit,
            bier=imposed and circuit is not None and not circuit.passive,
            pim=name in pim,
            membership=versions.get(name),
            ttl_threshold=thresholds.get(name, 0),
            ospf=_ospf_interface(ospf, name, addresses),
            protection=protection(instance, acls, addresses, silent=name not in loud),
            mpls=name in labelled,
        )
    return found


def _addresses(entry: Branch) -> Iterator[IpInterface]:
    for address in entry.one("ipv4", "addresses").all("address"):
        yield ip_interface(f"{address.text('ip')}/{address.text('mask')}")
    for address in entry.one("ipv6", "addresses").all("address"):
        if address.text("type", default="global") == "global":
            yield ip_interface(f"{address.text('ip')}/{address.text('prefix-length')}")


def _circuit(circuit: Branch, isis: Branch) -> IsisInterface:
    """A loopback has no neighbors, whether it is said to be silent or not."""
    name = circuit.text("name")
    family = circuit.one("afs", "af")
    process = next(
        (af for af in isis.one("afs").all("af") if af.text("type") == family.text("type")), Branch()
    )
    return IsisInterface(
        metric=family.number("cost-level2")
        or process.number("cost-level2", default=DEFAULT_METRIC),
        passive=circuit.flag("silent-enable") or name.startswith("LoopBack"),
    )


def _ospf_interface(
    ospf: Branch, name: str, addresses: tuple[IpInterface, ...]
) -> OspfInterface | None:
    """Return OSPF on the interface: one of its addresses is in a network of an area."""
    silent = {
        entry.text("if-name") for entry in ospf.one("silent-interfaces").all("silent-interface")
    }
    for area in ospf.one("areas").all("area"):
        said = next(
            (i for i in area.one("interfaces").all("interface") if i.text("name") == name), Branch()
        )
        for network in area.one("networks").all("network"):
            inside = wildcard_network(network.text("ip-address"), network.text("mask"))
            if any(address.ip in inside for address in addresses):
                return OspfInterface(
                    cost=said.number("cost", default=DEFAULT_COST),
                    passive=name in silent
                    or ospf.flag("silent-all-interface")
                    or name.startswith("LoopBack"),
                    area=area.text("area-id"),
                )
    return None


def wildcard_network(address: str, wildcard: str) -> IPv4Network:
    """Return the network of an address and a wildcard mask."""
    length = 32 - int(IPv4Address(wildcard)).bit_length()
    return IPv4Network(f"{address}/{length}", strict=False)


def _sub_domains(root: Branch, interfaces: Mapping[str, Interface]) -> Iterator[SubDomain]:
    for entry in root.one("bier", "sub-domains").all("sub-domain"):
        prefix = interfaces.get(entry.text("bfr-prefix-interface"), Interface(name="")).addresses
        if not prefix:
            continue  # a sub-domain without a BFR-prefix does nothing
        yield SubDomain(
            sub_domain_id=entry.number("sub-domain-id"),
            bfr_prefix=prefix[0].network,
            bfr_id=entry.number("bfr-id") or None,
            encapsulations=tuple(
                BierEncapsulation(
                    kind=bound.text("encapsulation-type"),
                    bsl=int(bound.text("bsl").removesuffix("-bit")),
                    base=0,
                    max_si=bound.number("max-si"),
                )
                for bound in entry.one("encapsulations").all("encapsulation")
            ),
        )


def _segment_routing(
    instance: Branch, isis: Branch, ospf: Branch, interfaces: Mapping[str, Interface]
) -> SegmentRouting | None:
    if not instance.flag("segment-routing", "enable"):
        return None
    local = instance.one("segment-routing", "srlbs", "srlb")
    site = isis if isis.has("srgbs") else ospf
    block = site.one("srgbs", "srgb")
    sids = (
        NodeSid(prefix=interfaces[name].addresses[0].network, index=sid.number("label"))
        for name, sid in _prefix_sids(isis, ospf)
        if name in interfaces and interfaces[name].addresses
        if sid.number("algorithm") == 0 and sid.text("type") == "index"
    )
    return SegmentRouting(
        srgb=LabelBlock(block.number("lower-bound"), block.number("upper-bound")),
        srlb=LabelBlock(local.number("begin"), local.number("end")),
        node_sids=tuple(sorted(sids, key=lambda sid: (sid.index, str(sid.prefix)))),
    )


def _prefix_sids(isis: Branch, ospf: Branch) -> Iterator[tuple[str, Branch]]:
    """Yield interface and prefix SID."""
    for circuit in isis.one("circuits").all("circuit"):
        for family in circuit.one("afs").all("af"):
            for sid in family.one("prefix-sids").all("prefix-sid"):
                yield circuit.text("name"), sid
    for area in ospf.one("areas").all("area"):
        for interface in area.one("interfaces").all("interface"):
            for sid in interface.one("prefix-sids").all("prefix-sid"):
                yield interface.text("name"), sid
