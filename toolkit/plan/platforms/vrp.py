"""Huawei VRP 8.22, huawei-*.  Pure."""

from __future__ import annotations

from toolkit.plan.platforms.facts import BierCapability, Facts, Refusal

_BIER = "it speaks BIERv6, which no other platform understands"

VRP = Facts(
    title="Huawei VRP 8.22",
    # huawei-bier: BIERv6, an encapsulation of its own that no other platform speaks.
    bier=BierCapability(
        encapsulations=frozenset(),
        bsls=frozenset({64, 128, 256}),
        versions=frozenset({6}),
        note=_BIER,
    ),
    refused={
        "bier": Refusal(
            _BIER,
            "set `bier: false` on it: neighbors that have tunnels then reach each other across it",
        ),
        "overlay": Refusal(
            "without BIER and SR-P2MP it is neither BFER nor leaf, and there is nothing to map",
            "send to its clouds with transport pim-ssm or pim-sm, where they ask by IGMP or MLD",
        ),
        "mvpn": Refusal(
            "its NG-MVPN has P2MP TE, mLDP and BIER tunnels (huawei-mvpn, tunnel-mode), and its "
            "PIM tunnels are Rosen MVPN without RFC 6514 routes",
            "set `overlay.signalling: static`, or give its part of the VPN to another router",
        ),
        "ospf/ipv6": Refusal(
            "OSPFv3 (huawei-ospfv3) is not among the modules that it is proven by",
            "set `underlay.igp: isis`",
        ),
        "sr/ipv6": Refusal(
            "huawei-isis-sr has node SIDs of IPv4 prefixes alone",
            "take `pools.loopbacks` from IPv4, or another transport",
        ),
        "qos": Refusal(
            "the modules that classify packets (huawei-qos) are not among those it is proven by",
            "set `qos: false` on it and configure its classes yourself",
        ),
    },
    # It forwards by what our sender and receivers do; receipts are the senders' to show.
    unneeded=frozenset({"delivery"}),
    loopback="LoopBack0",
    port_pattern=(
        r"(GigabitEthernet|XGigabitEthernet|(10|25|40|50|100|200|400|50\|100)GE)"
        r"\d+/\d+/\d+(:\d+)?|Eth-Trunk\d+"
    ),
    port_example="100GE0/1/0",
    silent={"sessions": "no module of Huawei's knows delivery sessions; the plan names them"},
)
