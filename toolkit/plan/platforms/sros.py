"""Nokia SR OS 26.3, nokia-conf.  Pure."""

from __future__ import annotations

from toolkit.inventory.model import Encapsulation
from toolkit.plan.platforms.facts import BierCapability, Facts

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
    ),
    # nokia-conf-router-p2mp-sr-tree.
    replication=True,
)
