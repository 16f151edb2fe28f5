"""Cisco IOS XR 26.2, Cisco-IOS-XR-um-*.  Pure."""

from __future__ import annotations

from toolkit.plan.platforms.facts import Facts, Refusal

_TREES = (
    "its trees are computed by a path computation element from roots and sets of endpoints "
    "(Cisco-IOS-XR-infra-xtc-cfg); the plan says which one is wanted"
)

IOSXR = Facts(
    title="Cisco IOS XR 26.2",
    # Tree-SID, Cisco-IOS-XR-infra-xtc-cfg: the root is the path computation element of its trees.
    replication=True,
    own_trees=True,
    refused={
        "bier": Refusal(
            "it has no BIER configuration",
            "set `bier: false` on it: neighbors that have tunnels then reach each other across it",
        ),
        "sr/ipv6": Refusal(
            "Tree-SID has IPv4 roots and endpoints",
            "take `pools.loopbacks` from IPv4, or another transport",
        ),
        "mvpn/pim-ssm": Refusal(
            "unicast packets of the VPN need labels between edge routers, and without segment "
            "routing it has no MPLS in GRE for them",
            "use transport sr-p2mp, or set `overlay.signalling: static`",
        ),
        "mvpn/ipv6": Refusal(
            "its tunnels of MVPN are those of an IPv4 core",
            "take `pools.loopbacks` from IPv4, or set `overlay.signalling: static`",
        ),
    },
    # It forwards by what our sender and receivers do; receipts are the senders' to show.
    unneeded=frozenset({"delivery"}),
    loopback="Loopback0",
    port_pattern=(
        r"(Gigabit|TwentyFiveGig|FortyGig|FiftyGig|HundredGig|TwoHundredGig|FourHundredGig"
        r"|EightHundredGig|TenGig)E(thernet)?\d+/\d+/\d+/\d+(/\d+)?|Bundle-Ether\d+"
    ),
    port_example="HundredGigE0/0/0/0",
    silent={
        "sessions": "no module of Cisco's knows delivery sessions; the plan names them",
        "replication_segments": _TREES,
        "p2mp_policies.candidate_paths": _TREES,
    },
)
