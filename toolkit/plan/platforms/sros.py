"""Nokia SR OS 26.3, nokia-conf.  Pure."""

from __future__ import annotations

from toolkit.inventory.model import Encapsulation, FastReroute
from toolkit.plan.platforms.facts import BierCapability, Facts, Refusal

SROS = Facts(
    title="Nokia SR OS 26.3",
    # nokia-conf-router-bier: bfr-id 1..4096, prefix is ipv4-unicast-address, no BSL leaf (256).
    # It has no label leaf either: SR OS takes BIER's labels itself, from a reserved block where
    # one is configured.  Those are carved from the dynamic range, which ends at 524287 on older
    # line cards; its upper end is what dynamic allocation reaches last.
    bier=BierCapability(
        encapsulations=frozenset({Encapsulation.MPLS}),
        bsls=frozenset({256}),
        max_bfr_id=4096,
        versions=frozenset({4}),
        labels=range(400_000, 524_288),
        stride=16,
        ecmp=False,
        # One leaf for it, and what it takes are the IGP's loop-free alternates.
        fast_reroute=frozenset({FastReroute.NONE, FastReroute.LINK}),
        # No leaf binds BIER to anything that crosses other routers.
        tunnels=frozenset(),
    ),
    # nokia-conf-router-p2mp-sr-tree.
    replication=True,
    refused={
        # P2MP policies are named in vprn/mvpn alone, sub-domains there and by PIM over BIER, which
        # only edge routers that speak it understand.
        "overlay": Refusal(
            "no (S,G) is bound to a BitString or a P2MP policy by hand, MVPN does it",
            "set `overlay.signalling: mvpn`, or use a transport pim-ssm or pim-sm",
        ),
        # nokia-conf-svc-vprn: mvpn/auto-discovery/source-address and the group of a PIM tunnel.
        "mvpn/ipv6": Refusal(
            "where its MVPN names a router or a group of the core, it takes IPv4 addresses",
            "take IPv4 `pools`, or use a transport pim-ssm or pim-sm without MVPN",
        ),
    },
    unneeded=frozenset({"delivery"}),
    loopback="system",
    port_pattern=r"(\d+/)(x\d+/)?\d+/(c\d+/)?\d+|lag-\d+",
    port_example="1/1/c1/1",
    logical_ports=True,
    # nokia-types-sros: interface-name and named-item have 1..32 characters; of the latter ours
    # take `llmsync-`.
    longest_port=32,
    longest_tree=24,
    silent={
        "sub_domains.encapsulations": "SR OS takes BIER's labels from its dynamic range itself, and"
        " its BitStrings have 256 bits; show router bier database has both",
        "replication_segments.leaf": "only the action of a segment is configured (push, swap, pop):"
        " that a root has hosts of its own is the VPN's matter",
        "replication_segments.downstream.node": "a downstream node over a port is named by its"
        " address there, not by its loopback",
        "sessions": "it knows flows, not deliveries",
    },
)
