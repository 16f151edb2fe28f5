"""Huawei VRP 8.22, huawei-*.  Pure."""

from __future__ import annotations

from toolkit.plan.platforms.facts import BierCapability, Facts

VRP = Facts(
    title="Huawei VRP 8.22",
    # huawei-bier: BIERv6, an encapsulation of its own that no other platform speaks.
    bier=BierCapability(
        encapsulations=frozenset(),
        bsls=frozenset({64, 128, 256}),
        versions=frozenset({6}),
        note="it speaks BIERv6, which no other platform understands",
    ),
)
