"""FRRouting on Linux, behind our NETCONF server, with our engines beside it.  Pure."""

from __future__ import annotations

from toolkit.plan.platforms.facts import EVERY_ENCAPSULATION, BierCapability, Facts, Refusal

FRR = Facts(
    title="FRRouting",
    # FRRouting carries no BIER: the reference engine runs beside it and obeys the same plan.
    bier=BierCapability(encapsulations=EVERY_ENCAPSULATION, host_imposition=True),
    replication=True,
    refused={
        # `address-family ipv4 mvpn` exists, the routes of RFC 6514 do not (bgpd, 8.4 to 10).
        "mvpn": Refusal(
            "FRRouting's BGP carries no MVPN routes",
            "leave overlay.signalling static, or let other platforms be the edge",
        ),
    },
    loopback="lo",
    # net/core/dev.c, dev_valid_name: 15 bytes; of those, what needs quotes nowhere.
    port_pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}",
    port_example="eth1",
)
