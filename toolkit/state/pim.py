"""A reference router's PIM and IGMP or MLD configuration as network state.

Pure.  Reads llmsync-pim in the JSON of RFC 7951, valid and canonical; state nodes are not looked
at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from toolkit.state.model import Interface, IpNetwork, PimRouting, StaticRp

_Node = Mapping[str, Any]


def read_pim(tree: _Node) -> PimRouting | None:
    """Return what a router is configured to do; None: it runs no PIM."""
    pim: _Node | None = tree.get("llmsync-pim:pim")
    if pim is None:
        return None
    return PimRouting(
        rps=tuple(
            sorted(
                (
                    StaticRp(
                        address=ip_address(entry["address"]),
                        groups=ip_network(entry["group-prefix"]),
                    )
                    for entry in pim.get("static-rp", ())
                ),
                key=lambda rp: (_order(rp.groups), int(rp.address)),
            )
        ),
        ssm_ranges=tuple(sorted(map(ip_network, pim.get("ssm-range", ())), key=_order)),
        spt_switchover=pim.get("spt-switchover", "immediate") == "immediate",
    )


def _order(network: IpNetwork) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def with_multicast(interfaces: Mapping[str, Interface], tree: _Node) -> dict[str, Interface]:
    """Return the interfaces with what PIM, and IGMP or MLD, say of them."""
    pim: _Node = tree.get("llmsync-pim:pim", {})
    membership: _Node = tree.get("llmsync-pim:membership", {})
    entries: Iterable[_Node] = pim.get("interface", ())
    thresholds = {entry["name"]: entry.get("ttl-threshold", 0) for entry in entries}
    joined: Iterable[_Node] = membership.get("interface", ())
    versions = {entry["name"]: entry["version"] for entry in joined}
    return {
        name: replace(
            interface,
            pim=name in thresholds,
            membership=versions.get(name),
            ttl_threshold=thresholds.get(name, 0),
        )
        for name, interface in interfaces.items()
    }
