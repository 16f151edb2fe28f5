"""A Junos router's configuration as network state.

Pure.  Reads the tree of the junos-conf modules of 24.4, as libyang returns it or untyped.  Ports
are named as in the plan: `et-0/0/0` is its unit 0, other units keep their number (`et-0/0/3.100`).
Everything in these models may be a wildcard or a variable (`<*>`, `$x`), which mean something in
groups only: where one stands for a value, the value counts as not given, and the lint says so.
What groups would add is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, Final, TypeVar

from toolkit.state.branch import Branch
from toolkit.state.junos_routing import (
    read_bgp,
    read_mvpns,
    read_rps,
    read_segment_routing,
    read_ssm_ranges,
)
from toolkit.state.junos_values import address, interface_address, is_loopback, number, unit_name
from toolkit.state.model import (
    PLAIN_BIER,
    BierEncapsulation,
    BierRouting,
    Interface,
    IpInterface,
    IsisInterface,
    OspfInterface,
    PimRouting,
    RouterState,
    SubDomain,
)

ETHERNET: Final = 14
"""Octets of the header that the MTU of an interface counts and that of a family does not."""
DEFAULT_ISIS_METRIC: Final = 10
DEFAULT_OSPF_COST: Final = 1
"""100 Mbit/s by the interface's speed, and nothing below 1 (junos-conf-protocols,
reference-bandwidth)."""
DEFAULT_SETS: Final = 4
"""Juniper, statement `bier`, number-sets."""
STARTED_WITH_PIM: Final = {4: ("igmp", 2), 6: ("mld", 1)}
"""Family -> what runs on every interface with PIM, and its version, unless configured otherwise."""

_T = TypeVar("_T")


def read_router(name: str, tree: Mapping[str, Any]) -> RouterState:
    """Return what router `name` is configured to do."""
    configuration = Branch(tree).one("configuration")
    protocols, options = configuration.one("protocols"), configuration.one("routing-options")
    interfaces = dict(_interfaces(configuration.one("interfaces")))
    isis, ospf = _running(protocols, "isis"), _running(protocols, "ospf")
    ospf3, pim = _running(protocols, "ospf3"), _running(protocols, "pim")
    sub_domains = tuple(_sub_domains(protocols.one("bier")))
    loopbacks = [a for i in interfaces.values() if is_loopback(i.name) for a in i.addresses]
    bier = bool(sub_domains) and configuration.has("forwarding-options", "bier")
    nets = list(_nets(configuration.one("interfaces"), isis))
    multicast = _multicast(configuration)
    mvpns = read_mvpns(configuration.one("routing-instances"))
    for port, interface in interfaces.items():
        routed = _isis(isis, interface) if _family(configuration, port).has("iso") else None
        labelled = _family(configuration, port).has("mpls")
        interfaces[port] = replace(
            interface,
            isis=routed,
            ospf=_ospf(ospf, interface) or _ospf(ospf3, interface),
            bier=bier and labelled and routed is not None and not routed.passive,
            mpls=labelled and bool(_segment_routing(isis, ospf)),
            pim=_named(multicast["pim"], port, _on, default=False),
            membership=_membership(multicast, interface),
        )
    return RouterState(
        name=name,
        system_id=nets[0][1] if nets else "",
        areas=tuple(sorted({area for area, _ in nets})),
        router_id=options.text("router-id") if ospf or ospf3 else "",
        interfaces=interfaces,
        sub_domains=sub_domains,
        pim=PimRouting(
            rps=read_rps(pim.one("rp")),
            ssm_ranges=read_ssm_ranges(options.one("multicast"), loopbacks),
            spt_switchover=not pim.has("spt-threshold", "infinity"),
        )
        if pim
        else None,
        bier=BierRouting(tunnel="none") if sub_domains else PLAIN_BIER,
        sr=read_segment_routing(_segment_routing(isis, ospf), loopbacks),
        bgp=read_bgp(protocols.one("bgp"), options, mvpns),
        mvpns=mvpns,
    )


def _running(protocols: Branch, name: str) -> Branch:
    """Return a protocol, absent where it is disabled."""
    protocol = protocols.one(name)
    return Branch() if protocol.has("disable") else protocol


def _segment_routing(isis: Branch, ospf: Branch) -> Branch:
    return isis.one("source-packet-routing") or ospf.one("source-packet-routing")


def _interfaces(interfaces: Branch) -> Iterator[tuple[str, Interface]]:
    for device in interfaces.all("interface"):
        for unit in device.all("unit"):
            name = unit_name(f"{device.text('name')}.{unit.text('name')}")
            family = unit.one("family")
            yield (
                name,
                Interface(
                    name=name,
                    enabled=not (device.has("disable") or unit.has("disable")),
                    addresses=tuple(_addresses(family)),
                    mtu=None if is_loopback(name) else _mtu(device, family),
                ),
            )


def _addresses(family: Branch) -> Iterator[IpInterface]:
    for inet in ("inet", "inet6"):
        for entry in family.one(inet).all("address"):
            found = interface_address(entry.text("name"))
            if found is not None:
                yield found


def _mtu(device: Branch, family: Branch) -> int | None:
    said = (number(family, inet, "mtu") for inet in ("inet", "inet6"))
    own = next(filter(None, said), 0)
    media = number(device, "mtu")
    return own or (media - ETHERNET if media > ETHERNET else None)


def _family(configuration: Branch, port: str) -> Branch:
    device, _, unit = port.partition(".")
    for entry in configuration.one("interfaces").all("interface"):
        if entry.text("name") == device:
            for logical in entry.all("unit"):
                if logical.text("name") == (unit or "0"):
                    return logical.one("family")
    return Branch()


def _nets(interfaces: Branch, isis: Branch) -> Iterator[tuple[str, str]]:
    """Yield area and system-id of each NET (ISO 10589): area, six octets, the selector 00."""
    if not isis:
        return
    written = [entry.text("name") for entry in isis.all("net")]
    for device in interfaces.all("interface"):
        for unit in device.all("unit"):
            written += [e.text("name") for e in unit.one("family", "iso").all("address")]
    for net in written:
        digits = net.replace(".", "")
        if len(digits) >= 16 and digits.isalnum():
            area, system = digits[:-14], digits[-14:-2]
            yield _dotted(area[:2], area[2:]), _dotted("", system)


def _dotted(first: str, rest: str) -> str:
    return ".".join(filter(None, (first, *(rest[i : i + 4] for i in range(0, len(rest), 4)))))


def _named(
    entries: list[tuple[str, Branch]], port: str, read: Callable[[Branch], _T], *, default: _T
) -> _T:
    """Return what a protocol says of an interface: its own entry, or that of `all`."""
    found = {unit_name(name): entry for name, entry in entries}
    entry = found.get(port) or found.get("all")
    return default if entry is None else read(entry)


def _entries(protocol: Branch) -> list[tuple[str, Branch]]:
    return [(entry.text("name"), entry) for entry in protocol.all("interface")]


def _on(entry: Branch) -> bool:
    return not entry.has("disable")


def _isis(isis: Branch, interface: Interface) -> IsisInterface | None:
    def read(entry: Branch) -> IsisInterface | None:
        levels = {level.text("name"): level for level in entry.all("level")}
        level = levels.get("2", Branch())
        if entry.has("disable") or level.has("disable"):
            return None
        return IsisInterface(
            metric=number(
                level, "metric", default=0 if is_loopback(interface.name) else DEFAULT_ISIS_METRIC
            ),
            passive=entry.has("passive") or level.has("passive"),
        )

    return _named(_entries(isis), interface.name, read, default=None)


def _ospf(ospf: Branch, interface: Interface) -> OspfInterface | None:
    for area in ospf.all("area"):

        def read(entry: Branch, area: str = area.text("name")) -> OspfInterface | None:
            if entry.has("disable"):
                return None
            default = 0 if is_loopback(interface.name) else DEFAULT_OSPF_COST
            return OspfInterface(
                cost=number(entry, "metric", default=default),
                passive=entry.has("passive"),
                area=area,
            )

        found = _named(_entries(area), interface.name, read, default=None)
        if found is not None:
            return found
    return None


def _multicast(configuration: Branch) -> dict[str, list[tuple[str, Branch]]]:
    """Return protocol -> its interfaces: those of PIM in every instance (`vrf`) or the first."""
    protocols = configuration.one("protocols")
    found = {name: _entries(_running(protocols, name)) for name in ("pim", "igmp", "mld")}
    instances = configuration.one("routing-instances").all("instance")
    vrfs = [_entries(_running(i.one("protocols"), "pim")) for i in instances]
    return found | {"vrf": [entry for entries in vrfs for entry in entries]}


def _membership(
    multicast: Mapping[str, list[tuple[str, Branch]]], interface: Interface
) -> int | None:
    for version in sorted({a.version for a in interface.addresses}):
        protocol, usual = STARTED_WITH_PIM[version]

        def read(entry: Branch, usual: int = usual) -> int | None:
            silent = entry.has("passive") and not entry.has("passive", "allow-receive")
            return (
                None if entry.has("disable") or silent else number(entry, "version", default=usual)
            )

        pim = [*multicast["pim"], *multicast["vrf"]]
        started = _named(pim, interface.name, _on, default=False)
        found = _named(
            multicast[protocol], interface.name, read, default=usual if started else None
        )
        if found is not None:
            return found
    return None


def _sub_domains(bier: Branch) -> Iterator[SubDomain]:
    entries = [entry for entry in bier.all("sub-domain") if number(entry, "name", default=-1) >= 0]
    for entry in sorted(entries, key=lambda e: number(e, "name")):
        prefix = address(entry.text("bfr-prefix").partition("/")[0])
        if prefix is None:
            continue
        encapsulation = entry.one("encapsulation")
        yield SubDomain(
            sub_domain_id=number(entry, "name"),
            bfr_prefix=ip_network(prefix),
            bfr_id=number(entry, "bfr-id") or None,
            encapsulations=(
                BierEncapsulation(
                    kind="mpls",
                    bsl=number(encapsulation, "bitstringlen", default=256),
                    base=number(encapsulation, "static-base-label"),
                    max_si=number(encapsulation, "number-sets", default=DEFAULT_SETS) - 1,
                ),
            )
            if encapsulation.has("mpls")
            else (),
        )
