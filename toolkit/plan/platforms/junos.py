"""Juniper Junos 24.4, junos-conf.  Pure."""

from __future__ import annotations

from toolkit.inventory.model import Encapsulation
from toolkit.plan.platforms.facts import BierCapability, Facts

JUNOS = Facts(
    title="Juniper Junos 24.4",
    # junos-conf-protocols: bfr-id 1..1024, bitstringlen 256 only, number-sets 1..16.  Of
    # static-base-label's 16..1048575 only the range for static labels (1000000 and up) is
    # never handed out dynamically.
    bier=BierCapability(
        encapsulations=frozenset({Encapsulation.MPLS}),
        bsls=frozenset({256}),
        max_bfr_id=1024,
        labels=range(1_000_000, 1_048_576),
        stride=16,
    ),
)
