"""What Junos is told of PIM, segment routing, BGP and multicast VPNs.  Pure.  junos-conf 24.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Final

from toolkit.state.branch import Branch
from toolkit.state.junos_values import (
    address,
    counting,
    network,
    network_order,
    number,
    unit_name,
)
from toolkit.state.model import (
    BgpSpeaker,
    IpAddress,
    IpInterface,
    IpNetwork,
    LabelBlock,
    Mvpn,
    NodeSid,
    SegmentRouting,
    StaticRp,
)

EVERY_GROUP: Final[Mapping[int, IpNetwork]] = {
    4: ip_network("224.0.0.0/4"),
    6: ip_network("ff00::/8"),
}
"""What an RP without `group-ranges` serves."""
DEFAULT_SSM: Final = {
    4: (ip_network("232.0.0.0/8"),),
    6: tuple(ip_network(f"ff3{scope:x}::/32") for scope in range(16)),
}
"""Where `ssm-groups` says nothing (RFC 4607)."""
STATIC_LABELS: Final = LabelBlock(1_000_000, 1_048_575)
"""Junos has no SRLB of its own; these are the labels that it leaves to configurations."""


def read_rps(rp: Branch) -> tuple[StaticRp, ...]:
    """Return the rendezvous points: those that others are (`static`), and the router (`local`)."""
    local = rp.one("local")
    families = [local.one("family", inet) for inet in ("inet", "inet6")]
    entries = [
        *((entry.text("name"), entry) for entry in rp.one("static").all("address")),
        *((entry.text("address"), entry) for entry in (local, *families) if _enabled(entry)),
    ]
    return tuple(sorted(_rps(entries), key=lambda r: (network_order(r.groups), int(r.address))))


def _enabled(entry: Branch) -> bool:
    return entry.has("address") and not entry.has("disable")


def _rps(entries: Iterable[tuple[str, Branch]]) -> Iterator[StaticRp]:
    for text, entry in entries:
        rp = address(text)
        if rp is not None:
            said = [network(groups.text("name")) for groups in entry.all("group-ranges")]
            for groups in said or [EVERY_GROUP[rp.version]]:
                if groups is not None:
                    yield StaticRp(address=rp, groups=groups)


def read_ssm_ranges(multicast: Branch, loopbacks: Iterable[IpInterface]) -> tuple[IpNetwork, ...]:
    """Return the groups of source-specific multicast."""
    said = [network(text) for text in multicast.texts("ssm-groups")]
    found = [groups for groups in said if groups is not None]
    if not found:
        for version in sorted({a.version for a in loopbacks}):
            found += DEFAULT_SSM[version]
    return tuple(sorted(found, key=network_order))


def read_segment_routing(spring: Branch, loopbacks: Sequence[IpInterface]) -> SegmentRouting | None:
    """Return the blocks and node SIDs; an index belongs to the first loopback of its family."""
    if not spring:
        return None
    start = number(spring, "srgb", "start-label")
    size = number(spring, "srgb", "index-range")
    sids = []
    for version in (4, 6):
        index = spring.text("node-segment", f"ipv{version}-index")
        prefix = next((a.network for a in loopbacks if a.version == version), None)
        if index.isdecimal() and prefix is not None:
            sids.append(NodeSid(prefix=prefix, index=int(index)))
    return SegmentRouting(
        srgb=LabelBlock(start, start + max(size, 1) - 1),
        srlb=STATIC_LABELS,
        node_sids=tuple(sorted(sids, key=lambda s: (s.index, str(s.prefix)))),
    )


def read_bgp(bgp: Branch, options: Branch, mvpns: Sequence[Mvpn]) -> BgpSpeaker | None:
    """Return the sessions within the AS that carry MVPN routes; a `cluster` has clients.

    A VPN of one edge router has none.
    """
    neighbors: list[IpAddress] = []
    clients: list[IpAddress] = []
    for group in bgp.all("group"):
        family = group.one("family")
        carried = any(family.has(f"{inet}-mvpn", "signaling") for inet in ("inet", "inet6"))
        if group.text("type") != "internal" or not carried:
            continue
        found = [address(neighbor.text("name")) for neighbor in group.all("neighbor")]
        neighbors += filter(None, found)
        clients += filter(None, found if group.has("cluster") else ())
    as_number = options.text("autonomous-system", "as-number")
    if not neighbors and not (mvpns and as_number):
        return None
    return BgpSpeaker(
        as_number=_as_number(as_number),
        router_id=options.text("router-id"),
        neighbors=_sorted(neighbors),
        clients=_sorted(clients),
    )


def _sorted(addresses: Iterable[IpAddress]) -> tuple[IpAddress, ...]:
    return tuple(sorted(addresses, key=lambda a: (a.version, int(a))))


def _as_number(text: str) -> int:
    """Return an AS number, also as two halves (`1.10`, RFC 5396)."""
    high, _, low = text.rpartition(".")
    if not low.isdecimal() or not (high or "0").isdecimal():
        return 0
    return int(high or 0) << 16 | int(low)


def read_mvpns(instances: Branch) -> tuple[Mvpn, ...]:
    """Return the VRFs that speak MVPN, by name."""
    found = [
        instance
        for instance in instances.all("instance")
        if instance.text("instance-type") == "vrf" and instance.has("protocols", "mvpn")
    ]
    return tuple(_mvpn(i) for i in sorted(found, key=lambda i: counting(i.text("name"))))


def _mvpn(instance: Branch) -> Mvpn:
    tunnel = instance.one("provider-tunnel")
    bier, ssm = tunnel.one("bier"), tunnel.one("pim-ssm")
    names = [unit_name(entry.text("name")) for entry in instance.all("interface")]
    return Mvpn(
        name=instance.text("name"),
        rd=instance.text("route-distinguisher", "rd-type"),
        route_target=instance.text("vrf-target", "community").removeprefix("target:"),
        tunnel="bier" if bier else "pim-ssm" if ssm else "",
        interfaces=tuple(sorted(names, key=counting)),
        sub_domain_id=number(bier, "subdomain-id") if bier else None,
        group=address(ssm.text("group-address")) if ssm else None,
    )
