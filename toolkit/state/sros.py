"""A Nokia SR OS router's configuration as network state.

Pure.  Reads nokia-conf, whether it was rendered or came from a device; what stands in Base and in
the VRFs with MVPN counts, for interfaces also other VRFs.  SR OS says most things of an IGP as a
whole: BIER and labelled packets pass the interfaces that have adjacencies, IS-IS and SR included.
Limits of this reader: configuration groups are not expanded, and of several instances of one IGP
the first that is enabled is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from toolkit.state.branch import Branch
from toolkit.state.model import (
    PLAIN_BIER,
    BierRouting,
    Interface,
    IpInterface,
    IsisInterface,
    OspfInterface,
    RouterState,
    SubDomain,
)
from toolkit.state.sros_edge import protection_at, read_qos
from toolkit.state.sros_multicast import egress_flows, memberships, pim_interfaces, read_pim
from toolkit.state.sros_sr import read_sr
from toolkit.state.sros_vpn import read_bgp, read_mvpns, tree_flows

LOOPBACK = "system"
"""The interface that SR OS takes its own address from."""
DEFAULT_METRIC = 10
"""nokia-conf-router-isis, leaf default-metric."""
MAX_SUB_DOMAIN = 255
"""RFC 8279 section 1."""
ETHERNET = 14
"""Header of a frame without tags: what a port's MTU counts on top of a packet."""


def read_router(name: str, tree: Mapping[str, Any]) -> RouterState:
    """Return what router `name` is configured to do."""
    configure = Branch(tree).one("configure")
    base = base_router(configure)
    vprns = tuple(v for v in configure.one("service").all("vprn") if enabled(v, default=False))
    igp = _igp(base)
    interfaces = _interfaces(configure, base, vprns, igp)
    loopback = interfaces.get(LOOPBACK)
    own = loopback.addresses if loopback is not None else ()
    sr = read_sr(base, igp.protocol, {n: i.addresses for n, i in interfaces.items()})
    return RouterState(
        name=name,
        system_id=igp.protocol.text("system-id") if igp.isis else "",
        areas=tuple(sorted(igp.protocol.texts("area-address"))) if igp.isis else (),
        router_id="" if igp.isis or not igp.protocol else _router_id(base, igp.protocol, own),
        interfaces=interfaces,
        sub_domains=_sub_domains(igp.template, own),
        bier=_bier(base.one("bier")) if igp.template else PLAIN_BIER,
        egress_flows=egress_flows(base, vprns),
        pim=read_pim(base.one("pim")),
        tree_flows=tree_flows(vprns, sr["p2mp_policies"]),
        bgp=read_bgp(base, own),
        mvpns=read_mvpns(vprns),
        qos=read_qos(configure, base, vprns),
        **sr,
    )


def base_router(configure: Branch) -> Branch:
    """Return the router instance Base."""
    routers = configure.all("router")
    return next((r for r in routers if r.text("router-name", default="Base") == "Base"), Branch())


def enabled(branch: Branch, *, default: bool) -> bool:
    """Return the admin-state of what is there; `default` where it says none."""
    return bool(branch) and branch.flag("admin-state", default=default)


@dataclass(frozen=True, slots=True)
class _Igp:
    """The IGP of Base; not there: an empty protocol."""

    isis: bool
    protocol: Branch
    interfaces: Mapping[str, tuple[IsisInterface | None, OspfInterface | None]]
    template: Branch
    """The BIER template that it carries."""

    def adjacent(self, name: str) -> bool:
        """Tell whether adjacencies are made over an interface."""
        both = self.interfaces.get(name, (None, None))
        return any(side is not None and not side.passive for side in both)


def _igp(base: Branch) -> _Igp:
    for kind in ("isis", "ospf", "ospf3"):
        protocol = next((p for p in base.all(kind) if enabled(p, default=False)), Branch())
        if not protocol:
            continue
        isis = kind == "isis"
        interfaces = dict(_isis_interfaces(protocol) if isis else _ospf_interfaces(protocol))
        places = protocol.all("level" if isis else "area")
        bound = (place.one("bier") for place in places)
        names = [b.text("template") for b in bound if enabled(b, default=False)]
        return _Igp(isis, protocol, interfaces, _template(base.one("bier"), names))
    return _Igp(False, Branch(), {}, Branch())


def _template(bier: Branch, names: list[str]) -> Branch:
    if not enabled(bier, default=False):
        return Branch()
    templates = (t for t in bier.all("template") if t.text("template-name") in names)
    return next((t for t in templates if enabled(t, default=False)), Branch())


def _isis_interfaces(
    isis: Branch,
) -> Iterator[tuple[str, tuple[IsisInterface | None, OspfInterface | None]]]:
    """Metrics are those of level 2; where only level 1 runs, of level 1."""
    level = "1" if isis.text("level-capability") == "1" else "2"

    def of(branch: Branch) -> Branch:
        return next((x for x in branch.all("level") if x.text("level-number") == level), Branch())

    usual = of(isis).number("default-metric", default=DEFAULT_METRIC)
    for entry in isis.all("interface"):
        if enabled(entry, default=True):
            passive = entry.flag("passive") or of(entry).flag("passive")
            metric = of(entry).number("metric", default=usual)
            yield (
                entry.text("interface-name"),
                (IsisInterface(metric=metric, passive=passive), None),
            )


def _ospf_interfaces(
    ospf: Branch,
) -> Iterator[tuple[str, tuple[IsisInterface | None, OspfInterface | None]]]:
    for area in ospf.all("area"):
        for entry in area.all("interface"):
            if enabled(entry, default=True):
                found = OspfInterface(
                    cost=entry.number("metric", default=DEFAULT_METRIC),
                    passive=entry.flag("passive"),
                    area=area.text("area-id"),
                )
                yield entry.text("interface-name"), (None, found)


def _interfaces(
    configure: Branch, base: Branch, vprns: tuple[Branch, ...], igp: _Igp
) -> dict[str, Interface]:
    ports = {port.text("port-id"): port for port in configure.all("port")}
    filters = configure.one("filter")
    joined = memberships(base, vprns)
    multicast = pim_interfaces(base) - {LOOPBACK}
    labelled = enabled(igp.protocol.one("segment-routing"), default=False)
    found: dict[str, Interface] = {}
    for entry in base.all("interface"):
        name = entry.text("interface-name")
        port = ports.get(entry.text("port"), Branch())
        isis, ospf = igp.interfaces.get(name, (None, None))
        found[name] = Interface(
            name=name,
            enabled=_up(entry, port),
            addresses=tuple(_addresses(entry)),
            mtu=_mtu(entry, port),
            isis=isis,
            ospf=ospf,
            bier=bool(igp.template) and igp.adjacent(name),
            mpls=labelled and igp.adjacent(name),
            pim=name in multicast,
            membership=joined.get(name),
            protection=protection_at(
                filters, entry.one("ingress", "filter"),
                unlabelled=entry.text("untrusted", "default-forwarding") == "drop",
            ),
        )  # fmt: skip
    for vprn in vprns:
        for entry in vprn.all("interface"):
            name, sap = entry.text("interface-name"), entry.one("sap")
            port = ports.get(sap.text("sap-id").partition(":")[0], Branch())
            found[name] = Interface(
                name=name,
                enabled=_up(entry, port) and enabled(sap, default=True),
                addresses=tuple(_addresses(entry)),
                mtu=_mtu(entry, port),
                membership=joined.get(name),
                protection=protection_at(filters, sap.one("ingress", "filter"), unlabelled=True),
            )
    return found


def _up(interface: Branch, port: Branch) -> bool:
    """A port is down until it is enabled; one that is not configured here is somebody else's."""
    return enabled(interface, default=True) and (not port or enabled(port, default=False))


def _mtu(interface: Branch, port: Branch) -> int | None:
    if interface.has("ip-mtu"):
        return interface.number("ip-mtu")
    frame = port.number("ethernet", "mtu")
    return frame - ETHERNET if frame else None


def _addresses(interface: Branch) -> Iterator[IpInterface]:
    ipv4 = interface.one("ipv4")
    for entry in (*ipv4.all("primary"), *ipv4.all("secondary")):
        yield ip_interface(f"{entry.text('address')}/{entry.text('prefix-length')}")
    for entry in interface.one("ipv6").all("address"):
        yield ip_interface(f"{entry.text('ipv6-address')}/{entry.text('prefix-length')}")


def _router_id(base: Branch, ospf: Branch, own: tuple[IpInterface, ...]) -> str:
    said = ospf.text("router-id") or base.text("router-id")
    return said or next((str(address.ip) for address in own if address.version == 4), "")


def _bier(bier: Branch) -> BierRouting:
    """SR OS has alternates for links alone, and no tunnels."""
    backup = "link" if bier.flag("fast-reroute") else "none"
    return BierRouting(fast_reroute=backup, tunnel="none")


def _sub_domains(template: Branch, own: tuple[IpInterface, ...]) -> tuple[SubDomain, ...]:
    """A range of sub-domains is one BFR-id in each of them."""
    found = []
    for entry in template.all("sub-domain"):
        prefix = entry.text("prefix", default="0.0.0.0")
        address = ip_address(prefix)
        if address.is_unspecified:  # the system address
            address = next((a.ip for a in own if a.version == 4), address)
        found += [
            SubDomain(
                sub_domain_id=number,
                bfr_prefix=ip_network(address),
                bfr_id=entry.number("bfr-id") or None,
            )
            for number in entry.span("start", "end", MAX_SUB_DOMAIN)
        ]
    return tuple(sorted(found, key=lambda s: s.sub_domain_id))
