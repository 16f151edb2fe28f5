"""The form of what is known of a platform.  Pure.

Limits carry their source, a vendor's YANG module or an RFC, at the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolkit.inventory.model import BierTunnel, Encapsulation, FastReroute

BSLS = (64, 128, 256, 512, 1024, 2048, 4096)
"""BitString lengths in bits (RFC 8296 section 2.1.2)."""
MAX_BFR_ID = 65535
MAX_SETS = 256
"""SI is 0..255 (RFC 8279 section 1, RFC 8401 section 6.2)."""
EVERY_ENCAPSULATION = frozenset(Encapsulation)

FEATURES = (
    "interfaces",
    "isis",
    "ospf",
    "bier",
    "pim",
    "sr",
    "overlay",
    "mvpn",
    "edge",
    "qos",
    "delivery",
)
"""Rows of the grid, in the order in which their configuration is written.  `isis` and `ospf` are
the underlay, `sr` is node SIDs and replication segments (SR-P2MP), `overlay` the static one, `edge`
what edge ports refuse, `delivery` sessions that the router shows receipts of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BierCapability:
    """What a platform's BIER can be told to do."""

    encapsulations: frozenset[Encapsulation]
    bsls: frozenset[int] = frozenset(BSLS)
    max_bfr_id: int = MAX_BFR_ID
    versions: frozenset[int] = frozenset({4, 6})
    """Address families of the BFR-prefix."""
    labels: range = range(100_000, 1_048_576)
    """Where label blocks are taken from."""
    stride: int = MAX_SETS
    """Labels from one block to the next: as many as the platform can ever have sets."""
    host_imposition: bool = False
    """An edge port can be told to accept BIER packets that a host imposed."""
    ecmp: bool = True
    """It spreads BIER over equal-cost ways (RFC 8279 section 6.7)."""
    fast_reroute: frozenset[FastReroute] = frozenset(FastReroute)
    """Failures that its BIER can be told to route around."""
    tunnels: frozenset[BierTunnel] = frozenset(BierTunnel)
    """What its BIER can be told to cross routers that are no BFRs in; none: BIER from or to it goes
    over BFRs alone."""
    note: str = ""
    """Added to a refusal: why the platform is so."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A cell of the grid that the platform cannot have."""

    why: str
    """Ends the sentence `r1 (junos) cannot do sr: ...`."""
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One column of the grid."""

    title: str
    """Vendor, system and release, as people write it."""
    bier: BierCapability | None = None
    """None: no BIER configuration at all."""
    replication: bool = False
    """It has replication segments (RFC 9524)."""
    own_trees: bool = False
    """It is told roots and leaves, and computes the trees itself; only routers that do can stand in
    them."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """Feature of `FEATURES` -> why there is no template for it; every other one has a template.
    `bier/ospf` refuses a feature with a variant alone: an IGP, `static` or `mvpn`, `ipv6`,
    `ospfv3`, a transport (`toolkit.plan.grid.variants`)."""
    unneeded: frozenset[str] = frozenset()
    """Features that are left out without harm: nothing is forwarded differently."""
    loopback: str = "lo0"
    """Name of the interface that the loopback address stands on."""
    port_pattern: str = ""
    """Regular expression that the names of physical ports match whole; empty: any name.  Where it
    is set, the inventory has to name ports (`a_port`, `b_port`, `router_port`)."""
    port_example: str = ""
    logical_ports: bool = False
    """Routed interfaces have names of their own (the plan's), bound to physical ports."""
    longest_port: int = 0
    """Characters that the name of a routed interface may have; 0: any number."""
    longest_tree: int = 0
    """Characters that the name of a delivery may have whose P2MP policy is named after it; 0: any
    number."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Parts of a router's state that its configuration cannot say -> why, and who says it instead.
    `sessions`, `bier.tunnel` or `interfaces.mtu`: a field of RouterState, or of what it holds;
    `toolkit.plan.silence` knows how entries are told apart."""
