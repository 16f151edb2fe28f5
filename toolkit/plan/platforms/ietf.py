"""A router with the IETF's modules, and ours for what the IETF has none.  Pure."""

from __future__ import annotations

from toolkit.plan.platforms.facts import (
    EVERY_ENCAPSULATION,
    BierCapability,
    Facts,
    Refusal,
)

IETF = Facts(
    title="IETF YANG modules",
    # ietf-bier: bift-id-base and max-si are free; nothing in it speaks of hosts.
    bier=BierCapability(
        encapsulations=EVERY_ENCAPSULATION,
        note="ietf-bier has no word for BIER packets of hosts",
    ),
    replication=True,
    refused={
        "mvpn": Refusal(
            "no IETF module in use has BGP MVPN: ietf-bgp and ietf-mvpn are no RFCs",
            "set `overlay.signalling: static`",
        ),
        "qos": Refusal(
            "no RFC has a YANG module for queues",
            "set `qos.dscp: none`, and give the class on the routers by hand",
        ),
    },
)
