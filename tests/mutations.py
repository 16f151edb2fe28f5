"""Ways to get one leaf of a router's state wrong, for tests that compare models of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from toolkit.state.model import (
    BgpSpeaker,
    EdgeProtection,
    Interface,
    IpInterface,
    IsisInterface,
    Mvpn,
    NetworkState,
    PimRouting,
    RouterState,
    Source,
    StaticRp,
    SubDomain,
)

MTUS = (None, 100, 150, 576, 1000, 1500, 8950, 9216)
SHARDS = 8
"""A sweep over all mutations is made in so many parts."""
METRICS = (1, 25, 1000, 16_777_214)


def mutations(state: NetworkState) -> Iterator[tuple[str, NetworkState]]:
    """Yield (what was changed, the state with it) for each single change that is known here."""
    addresses = sorted(
        {a for r in state.routers.values() for i in r.interfaces.values() for a in i.addresses},
        key=lambda a: (a.version, a.ip),
    )
    for name, router in state.routers.items():
        for what, changed in _of_router(state, router, addresses):
            routers = {**state.routers, name: changed}
            yield f"{name}: {what}", replace(state, source=Source.RENDERED, routers=routers)


def misjudged(
    states: Iterable[tuple[str, NetworkState]], shard: int, compare: Callable[[NetworkState], None]
) -> list[str]:
    """Return what `compare` asserts in vain of the states of one shard, which are more than 100."""
    judged, wrong = 0, []
    for number, (name, state) in enumerate(states):
        if number % SHARDS != shard:
            continue
        judged += 1
        try:
            compare(state)
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    assert judged > 100
    return wrong


def _of_router(
    state: NetworkState, router: RouterState, addresses: list[IpInterface]
) -> Iterator[tuple[str, RouterState]]:
    other = next(r for n, r in state.routers.items() if n != router.name)
    for system_id in ("", other.system_id):
        yield f"system-id {system_id!r}", replace(router, system_id=system_id)
    if router.router_id:
        for router_id in ("", other.router_id):
            yield f"router-id {router_id!r}", replace(router, router_id=router_id)
    yield from of_vpn(router, other)
    if router.pim is not None:
        for what, routing in _of_pim(state, router.pim):
            yield f"pim {what}", replace(router, pim=routing)
    for name, interface in router.interfaces.items():
        rest = {n: i for n, i in router.interfaces.items() if n != name}
        yield f"{name} deleted", replace(router, interfaces=rest)
        for what, changed in _of_interface(interface, addresses):
            interfaces = {**router.interfaces, name: changed}
            yield f"{name} {what}", replace(router, interfaces=interfaces)
    for position, part in enumerate(router.sub_domains):
        for what, made in _of_sub_domain(state, part):
            parts = list(router.sub_domains)
            parts[position : position + 1] = [made] if made is not None else []
            yield f"sub-domain {what}", replace(router, sub_domains=tuple(parts))
    for key in ("ingress_flows", "egress_flows"):
        flows: tuple[Any, ...] = getattr(router, key)
        for position, flow in enumerate(flows):
            for what, made in _of_flow(router, flow, key):
                changed_flows = list(flows)
                changed_flows[position : position + 1] = [made] if made is not None else []
                yield f"{key} {what}", replace(router, **{key: tuple(changed_flows)})


def _of_pim(state: NetworkState, pim: PimRouting) -> Iterator[tuple[str, PimRouting | None]]:
    yield "deleted", None
    yield "other switchover", replace(pim, spt_switchover=not pim.spt_switchover)
    yield "no ssm range", replace(pim, ssm_ranges=())
    yield "no rp", replace(pim, rps=())
    for group in (
        IPv4Network("239.0.0.0/8"),
        IPv4Network("239.1.0.0/24"),
        IPv4Network("239.9.0.0/16"),
    ):
        yield f"ssm range {group} too", replace(pim, ssm_ranges=(*pim.ssm_ranges, group))
        for rp in pim.rps:
            yield f"rp of {group}", replace(pim, rps=(replace(rp, groups=group),))
    own = pim.rps[0].groups if pim.rps else IPv4Network("232.0.0.0/8")
    for other in state.routers.values():
        for interface in other.interfaces.values():
            if interface.name.startswith(("lo", "host")):
                for address in interface.addresses:
                    made = StaticRp(address=address.ip, groups=own)
                    yield f"rp {address.ip}", replace(pim, rps=(made,))
                    narrow = replace(made, groups=next(own.subnets(new_prefix=24)))
                    yield f"rp {address.ip} too", replace(pim, rps=(*pim.rps, narrow))


def _of_interface(
    interface: Interface, addresses: list[IpInterface]
) -> Iterator[tuple[str, Interface]]:
    yield "other enabled", replace(interface, enabled=not interface.enabled)
    yield "other bier", replace(interface, bier=not interface.bier)
    yield "other pim", replace(interface, pim=not interface.pim)
    for version in (None, 1, 2, 3):
        yield f"membership {version}", replace(interface, membership=version)
    for threshold in (1, 58, 60, 61, 62, 63, 64, 255):
        yield f"threshold {threshold}", replace(interface, ttl_threshold=threshold)
    yield "other role", replace(interface, accept_host_bier=not interface.accept_host_bier)
    for mtu in MTUS:
        yield f"mtu {mtu}", replace(interface, mtu=mtu)
    if interface.isis is None:
        yield "isis", replace(interface, isis=IsisInterface())
    else:
        yield "no isis", replace(interface, isis=None)
        flipped = replace(interface.isis, passive=not interface.isis.passive)
        yield "other passive", replace(interface, isis=flipped)
        for metric in METRICS:
            yield (
                f"metric {metric}",
                replace(interface, isis=replace(interface.isis, metric=metric)),
            )
    if interface.ospf is not None:
        yield "no ospf", replace(interface, ospf=None)
        for what, ospf in (
            ("other passive", replace(interface.ospf, passive=not interface.ospf.passive)),
            ("other area", replace(interface.ospf, area="0.0.0.7")),
            *((f"cost {c}", replace(interface.ospf, cost=c)) for c in (0, 1, 25, 65535, 65536)),
        ):
            yield f"ospf {what}", replace(interface, ospf=ospf)
    if interface.protection is not None:
        for what, protection in _of_protection(interface.protection):
            yield f"protection {what}", replace(interface, protection=protection)
    yield "no address", replace(interface, addresses=())
    for address in interface.addresses:
        full = address.max_prefixlen
        for length in {full, full - 1, full - 2, full - 8, full - 16, full - 24}:
            made = type(address)(f"{address.ip}/{length}")
            yield f"address {made}", replace(interface, addresses=(made,))
        for value in (address.ip + 1, address.ip - 1, address.ip + 2):
            made = type(address)(f"{value}/{address.network.prefixlen}")
            yield f"address {made}", replace(interface, addresses=(made,))
    for address in addresses:
        yield f"address {address} of another", replace(interface, addresses=(address,))
        both = (*interface.addresses, address)
        yield f"address {address} of another too", replace(interface, addresses=both)


def _of_protection(guard: EdgeProtection) -> Iterator[tuple[str, EdgeProtection | None]]:
    yield "deleted", None
    yield "no sources", replace(guard, sources=())
    yield "another source", replace(guard, sources=(IPv4Address("192.0.2.1"),))
    yield "no sets", replace(guard, bit_strings={})
    for si, bits in guard.bit_strings.items():
        for bit in range(12):
            yield f"bit {bit + 1}", replace(guard, bit_strings={si: bits ^ 1 << bit})
        yield "set moved", replace(guard, bit_strings={si + 1: bits})


def of_vpn(router: RouterState, other: RouterState) -> Iterator[tuple[str, RouterState]]:
    """Yield what can be wrong with BGP and with the VPN of a router."""
    if router.bgp is not None:
        yield "bgp deleted", replace(router, bgp=None)
        for what, bgp in _of_bgp(router.bgp):
            yield f"bgp {what}", replace(router, bgp=bgp)
    for vrf in router.mvpns:
        yield "vpn deleted", replace(router, mvpns=())
        for what, made in _of_vrf(vrf, router):
            yield f"vpn {what}", replace(router, mvpns=(made,))


def _of_bgp(bgp: BgpSpeaker) -> Iterator[tuple[str, BgpSpeaker]]:
    yield "other as", replace(bgp, as_number=bgp.as_number + 1)
    yield "no neighbors", replace(bgp, neighbors=())
    yield "no clients", replace(bgp, clients=())
    yield "id of another", replace(bgp, router_id="10.255.0.1")
    yield "a neighbor of nowhere", replace(bgp, neighbors=(IPv4Address("192.0.2.1"),))
    for neighbor in bgp.neighbors:
        fewer = tuple(n for n in bgp.neighbors if n != neighbor)
        yield f"without {neighbor}", replace(bgp, neighbors=fewer)
        fewer = tuple(n for n in bgp.clients if n != neighbor)
        yield f"{neighbor} no client", replace(bgp, clients=fewer)


def _of_vrf(vrf: Mvpn, router: RouterState) -> Iterator[tuple[str, Mvpn]]:
    yield "other route target", replace(vrf, route_target="64512:77")
    for tunnel in ("bier", "sr-p2mp", "pim-ssm"):
        yield f"tunnel {tunnel}", replace(vrf, tunnel=tunnel)
    yield "other sub-domain", replace(vrf, sub_domain_id=(vrf.sub_domain_id or 0) + 1)
    yield "no policies", replace(vrf, policies=())
    yield "other group", replace(vrf, group=IPv4Address("232.9.9.9"))
    yield "no interfaces", replace(vrf, interfaces=())
    for port in router.interfaces:
        if port in vrf.interfaces:
            rest = tuple(p for p in vrf.interfaces if p != port)
            yield f"without {port}", replace(vrf, interfaces=rest)
        else:
            yield f"with {port}", replace(vrf, interfaces=(*vrf.interfaces, port))


def _of_sub_domain(state: NetworkState, part: SubDomain) -> Iterator[tuple[str, SubDomain | None]]:
    yield "deleted", None
    yield "id", replace(part, sub_domain_id=part.sub_domain_id + 1)
    for bfr_id in (None, *range(1, 13), 300):
        yield f"bfr-id {bfr_id}", replace(part, bfr_id=bfr_id)
    for router in state.routers.values():
        for other in router.sub_domains:
            yield f"prefix {other.bfr_prefix}", replace(part, bfr_prefix=other.bfr_prefix)
    yield "wide prefix", replace(part, bfr_prefix=part.bfr_prefix.supernet(8))
    yield "no encapsulation", replace(part, encapsulations=())
    for position, binding in enumerate(part.encapsulations):
        kind = "non-mpls" if binding.kind == "mpls" else "mpls"
        for what, made in (
            ("kind", replace(binding, kind=kind)),
            ("bsl", replace(binding, bsl=512)),
            ("base", replace(binding, base=binding.base + 1)),
            ("base far", replace(binding, base=binding.base + 5000)),
            ("max-si", replace(binding, max_si=binding.max_si + 3)),
        ):
            bindings = list(part.encapsulations)
            bindings[position] = made
            yield f"encapsulation {what}", replace(part, encapsulations=tuple(bindings))
            yield (
                f"encapsulation {what} too",
                replace(part, encapsulations=(*part.encapsulations, made)),
            )


def _of_flow(router: RouterState, flow: Any, key: str) -> Iterator[tuple[str, Any]]:
    yield "deleted", None
    yield "source", replace(flow, source=flow.source + 1)
    yield "group", replace(flow, group=flow.group + 1)
    if key == "egress_flows":
        yield "to nothing", replace(flow, interfaces=())
        for port in (*router.interfaces, "nowhere"):
            yield f"to {port}", replace(flow, interfaces=(port,))
            yield f"to {port} too", replace(flow, interfaces=(*flow.interfaces, port))
        return
    yield "sub-domain", replace(flow, sub_domain_id=flow.sub_domain_id + 1)
    yield "bsl", replace(flow, bsl=512)
    yield "no sets", replace(flow, sets={})
    for si, bits in flow.sets.items():
        for bit in range(12):
            yield f"bit {bit + 1}", replace(flow, sets={**flow.sets, si: bits ^ 1 << bit})
        yield "set moved", replace(flow, sets={si + 1: bits})
