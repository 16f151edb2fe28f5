"""Our own router: the modules in yang/.  Pure."""

from __future__ import annotations

from toolkit.plan.platforms.facts import EVERY_ENCAPSULATION, BierCapability, Facts

REFERENCE = Facts(
    title="llmsync reference router",
    # Labels from 100000: above what dynamic allocators hand out first on common routers.
    bier=BierCapability(encapsulations=EVERY_ENCAPSULATION, host_imposition=True),
    replication=True,
)
