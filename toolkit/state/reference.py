"""A reference router's configuration as network state.

Pure.  Reads the RFC 7951 tree of the modules in yang/, as `toolkit.yang.schema` returns it: valid
and canonical.  Whether it came from a rendered payload or from a device's running configuration
makes no difference.  State nodes are not looked at: what follows from a configuration is derived,
not believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from toolkit.state.edge import read_protection, read_qos
from toolkit.state.model import (
    BierEncapsulation,
    BierRouting,
    EgressFlow,
    IngressFlow,
    Interface,
    IpInterface,
    IsisInterface,
    RouterState,
    Session,
    SubDomain,
)
from toolkit.state.mvpn import read_bgp, read_mvpns
from toolkit.state.order import counting
from toolkit.state.ospf import read_ospf, read_router_id
from toolkit.state.pim import read_pim, with_multicast
from toolkit.state.sr import mpls_interfaces, read_sr

DEFAULT_METRIC = 10
"""llmsync-isis, leaf metric."""
DEFAULT_ROLE = "core"
"""llmsync-bier, leaf role."""

_Node = Mapping[str, Any]


def read_router(name: str, tree: _Node) -> RouterState:
    """Return what router `name` is configured to do.

    A tree has no order of its own: flows are sorted by group, sessions by TSI, names the way people
    count (`r2` before `r10`).
    """
    isis: _Node = tree.get("llmsync-isis:isis", {})
    bier: _Node = tree.get("llmsync-bier:bier", {})
    overlay: _Node = tree.get("llmsync-overlay:overlay", {})
    deliveries: _Node = tree.get("llmsync-delivery:deliveries", {})
    return RouterState(
        name=name,
        system_id=isis.get("system-id", ""),
        areas=tuple(sorted(isis.get("area-address", ()))),
        router_id=read_router_id(tree),
        interfaces=with_multicast(_interfaces(tree, isis, bier), tree),
        pim=read_pim(tree),
        sub_domains=tuple(
            sorted(map(_sub_domain, _entries(bier, "sub-domain")), key=lambda s: s.sub_domain_id)
        ),
        bier=_bier_routing(bier),
        ingress_flows=tuple(
            sorted(map(_ingress_flow, _entries(overlay, "ingress-flow")), key=_flow_order)
        ),
        egress_flows=tuple(
            sorted(map(_egress_flow, _entries(overlay, "egress-flow")), key=_flow_order)
        ),
        sessions=tuple(
            sorted(map(_session, _entries(deliveries, "session")), key=lambda s: (s.tsi, s.name))
        ),
        bgp=read_bgp(tree),
        mvpns=read_mvpns(tree),
        qos=read_qos(tree),
        **read_sr(tree),
    )


def _entries(node: _Node, name: str) -> Iterable[_Node]:
    entries: Iterable[_Node] = node.get(name, ())
    return entries


def _interfaces(tree: _Node, isis: _Node, bier: _Node) -> dict[str, Interface]:
    mpls, ospf, protection = mpls_interfaces(tree), read_ospf(tree), read_protection(tree)
    interfaces: _Node = tree.get("ietf-interfaces:interfaces", {})
    routed = {entry["name"]: _isis_interface(entry) for entry in _entries(isis, "interface")}
    roles = {
        entry["name"]: entry.get("role", DEFAULT_ROLE) for entry in _entries(bier, "interface")
    }
    return {
        entry["name"]: Interface(
            name=entry["name"],
            enabled=entry.get("enabled", True),
            addresses=tuple(_addresses(entry)),
            mtu=entry.get("llmsync-isis:network-mtu"),
            isis=routed.get(entry["name"]),
            ospf=ospf.get(entry["name"]),
            protection=protection.get(entry["name"]),
            bier=roles.get(entry["name"]) == "core",
            accept_host_bier=roles.get(entry["name"]) == "host-imposition",
            mpls=entry["name"] in mpls,
        )
        for entry in _entries(interfaces, "interface")
    }


def _isis_interface(entry: _Node) -> IsisInterface:
    return IsisInterface(
        metric=entry.get("metric", DEFAULT_METRIC), passive=entry.get("passive", False)
    )


def _addresses(interface: _Node) -> Iterable[IpInterface]:
    for family in ("ietf-ip:ipv4", "ietf-ip:ipv6"):
        ip: _Node = interface.get(family, {})
        if ip.get("enabled", True):
            for entry in _entries(ip, "address"):
                yield ip_interface(f"{entry['ip']}/{entry['prefix-length']}")


def _bier_routing(bier: _Node) -> BierRouting:
    plain = BierRouting()
    return BierRouting(
        maximum_paths=bier.get("maximum-paths", plain.maximum_paths),
        fast_reroute=bier.get("fast-reroute", plain.fast_reroute),
        tunnel=bier.get("tunnel", plain.tunnel),
    )


def _sub_domain(entry: _Node) -> SubDomain:
    return SubDomain(
        sub_domain_id=entry["id"],
        bfr_prefix=ip_network(entry["bfr-prefix"]),
        bfr_id=entry.get("bfr-id"),
        encapsulations=tuple(
            BierEncapsulation(
                kind=bound["kind"],
                bsl=bound["bsl"],
                base=bound["bift-id-base"],
                max_si=bound.get("max-si", 0),
            )
            for bound in sorted(
                _entries(entry, "encapsulation"), key=lambda e: (e["bsl"], e["kind"])
            )
        ),
    )


def _ingress_flow(entry: _Node) -> IngressFlow:
    return IngressFlow(
        source=ip_address(entry["source"]),
        group=ip_address(entry["group"]),
        sub_domain_id=entry["sub-domain"],
        bsl=entry["bsl"],
        sets={bound["si"]: int(bound["bit-string"], 16) for bound in _entries(entry, "set")},
    )


def _egress_flow(entry: _Node) -> EgressFlow:
    return EgressFlow(
        source=ip_address(entry["source"]),
        group=ip_address(entry["group"]),
        interfaces=tuple(sorted(entry["interface"], key=counting)),
    )


def _flow_order(flow: IngressFlow | EgressFlow) -> tuple[int, int, int]:
    return flow.group.version, int(flow.group), int(flow.source)


def _session(entry: _Node) -> Session:
    return Session(
        name=entry["name"],
        tsi=entry["tsi"],
        source=ip_address(entry["source"]),
        group=ip_address(entry["group"]),
        role=entry["role"],
    )
