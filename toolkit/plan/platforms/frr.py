"""FRRouting on Linux, behind our NETCONF server, with our engines beside it.  Pure."""

from __future__ import annotations

from toolkit.plan.platforms.facts import EVERY_ENCAPSULATION, BierCapability, Facts

FRR = Facts(
    title="FRRouting",
    # FRRouting carries no BIER: the reference engine runs beside it and obeys the same plan.
    bier=BierCapability(encapsulations=EVERY_ENCAPSULATION, host_imposition=True),
    replication=True,
    loopback="lo",
)
