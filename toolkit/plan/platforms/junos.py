"""Juniper Junos 24.4, junos-conf.  Pure.

What each cell of the grid can be is decided by the modules of Junos 24.4R1 (family `junos`) and by
Juniper's documentation of the statements; `templates/<feature>/junos.j2` says it in Junos' words.
"""

from __future__ import annotations

from typing import Final

from toolkit.inventory.model import Encapsulation, FastReroute
from toolkit.plan.platforms.facts import BierCapability, Facts, Refusal

SERVICE_LABELS: Final = range(1_048_560, 1_048_576)
"""The last of the static labels: what edge routers know VPNs by, the same on all of them."""

JUNOS = Facts(
    title="Juniper Junos 24.4",
    # junos-conf-protocols: bfr-id 1..1024, bitstringlen 256 only, number-sets 1..16.  Of
    # static-base-label's 16..1048575 only the range for static labels (1000000 and up) is
    # never handed out dynamically.
    bier=BierCapability(
        encapsulations=frozenset({Encapsulation.MPLS}),
        bsls=frozenset({256}),
        max_bfr_id=1024,
        labels=range(1_000_000, SERVICE_LABELS.start),
        stride=16,
        # Its BIRT has one next hop for each BFER, and no statement asks for more, for backups, or
        # for tunnels.
        ecmp=False,
        fast_reroute=frozenset({FastReroute.NONE}),
        tunnels=frozenset(),
    ),
    refused={
        "overlay": Refusal(
            "junos-conf puts packets on BIER, and takes them off it, in a multicast VPN only",
            "set `overlay: {signalling: mvpn}`, or attach its hosts to another router",
        ),
        "bier/ospf": Refusal(
            "junos-conf advertises sub-domains of BIER in IS-IS only",
            "set `underlay: {igp: isis}`, or `bier: false` on it",
        ),
        "mvpn/ipv6": Refusal(
            "junos-conf takes IPv4 addresses for tunnels between edge routers",
            "take pools.loopbacks from IPv4",
        ),
        "sr/ospfv3": Refusal(
            "junos-conf has node SIDs of IPv4 in OSPF only",
            "set `underlay: {igp: isis}`",
        ),
        "edge": Refusal(
            "the sources that a port accepts are a firewall filter's to say, and "
            "junos-conf-firewall is not among the modules that configurations are proven by",
            "set `edge_protection: false` on it and filter its edge ports yourself; they take no "
            "labelled packets, BIER among them, in any case",
        ),
        "qos": Refusal(
            "classes are class-of-service's to say, and junos-conf-class-of-service is not "
            "among the modules that configurations are proven by",
            "set `qos: false` on it and configure its classes yourself",
        ),
    },
    # It has no place for sessions, and forwards them without knowing.
    unneeded=frozenset({"delivery"}),
    port_pattern=r"(?:xe|et|ge)-\d+/\d+/\d+(?::\d+)?|ae\d+",
    port_example="et-0/0/0",
    silent={
        "sessions": "Junos has no place for delivery sessions; they forward nothing",
        "sr.srlb": "Junos has no replication segments, and no statement for an SRLB",
    },
)
