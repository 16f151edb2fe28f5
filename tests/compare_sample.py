"""A comparison by hand: figures that no network has, so that every column is told apart."""

from __future__ import annotations

from toolkit.compare.model import (
    CloudTime,
    Comparison,
    Cost,
    EventFigures,
    Refused,
    StateFigures,
    TrafficFigures,
    TransportFigures,
)


def event(name: str, subjects: tuple[str, ...], base: int) -> EventFigures:
    worst = Cost(configured=base, messages=base + 1, rows=base + 2, routers=base + 3)
    return EventFigures(
        name=name,
        subjects=subjects,
        mean={"configured": base / 2, "messages": base, "rows": base + 0.25, "routers": 1.0},
        worst=worst,
        note="said of it" if base == 22 else "",
        unserved={"l1": ("cloud-b",)} if name == "link-failure" and base > 20 else {},
    )


def figures(transport: str, base: int, *, run: bool) -> TransportFigures:
    clouds = (
        CloudTime(cloud="cloud-a", region="north", complete=True, verified=0.1 * base),
        CloudTime(
            cloud="cloud-b", region="south", complete=base < 20,
            verified=0.11 * base if base < 20 else None, reason="" if base < 20 else "lost",
        ),
    )  # fmt: skip
    traffic = TrafficFigures(
        size=10_000_000, loss=0.01, complete=base < 20, clouds=clouds, duration=0.11 * base,
        egress=10_500_000 + base, core=40_000_000 + base * 1_000_000, optimal=30_000_000.0,
        optimal_exact=True, unicast_egress=20_400_000, unicast_core=60_000_000,
        unicast_duration=4.0, packets=1200, repairs=base, repair_bytes=base * 9000,
        needless=base * 10, late="cloud-b", late_wait=0.001 * base,
    )  # fmt: skip
    return TransportFigures(
        transport=transport,
        state=StateFigures(
            entries=base * 100,
            most=base,
            most_on="r1",
            routers=base,
            network=40,
            further=base * 2,
            further_routers=base // 2,
        ),
        events=(
            event("join", ("cloud-a", "cloud-b"), base),
            event("new-cloud", ("cloud-a", "cloud-b"), base + 1),
            event("link-failure", ("l1", "l2", "l3"), base + 2),
            event("node-failure", ("r2",), base + 3),
        ),
        traffic=traffic if run else None,
    )


def comparison(*, run: bool = True, hostile: str = "") -> Comparison:
    return Comparison(
        network=f"sample{hostile}",
        delivery=f"llama{hostile}",
        source=f"hub{hostile}",
        clouds=("cloud-a", "cloud-b"),
        routers=40,
        links=61,
        rate=2_000_000_000,
        command=f"llmsync compare sample{hostile}",
        figures=(figures("bier", 10, run=run), figures("pim-sm", 21, run=run)),
        refused=(Refused(transport="sr-p2mp", reasons=(f"r1 (junos) has no SR-P2MP{hostile}",)),),
    )
