"""A router with the IETF's modules, and ours for what the IETF has none.  Pure."""

from __future__ import annotations

from toolkit.plan.platforms.facts import EVERY_ENCAPSULATION, BierCapability, Facts

IETF = Facts(
    title="IETF YANG modules",
    # ietf-bier: bift-id-base and max-si are free.  Nothing in it speaks of hosts: llmsync-bier and
    # llmsync-edge do.
    bier=BierCapability(encapsulations=EVERY_ENCAPSULATION, host_imposition=True),
    replication=True,
)
