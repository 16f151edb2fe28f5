"""Cisco IOS XR 26.2, Cisco-IOS-XR-um-*.  Pure."""

from __future__ import annotations

from toolkit.plan.platforms.facts import Facts

IOSXR = Facts(
    title="Cisco IOS XR 26.2",
    # Tree-SID, Cisco-IOS-XR-infra-xtc-cfg.
    replication=True,
)
