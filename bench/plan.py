"""How long planning takes for 10,000 routers and 2,000 GPU clouds, and how it grows up to there.

    python bench/plan.py [ROUTERS CLOUDS]

The last line is JSON: seconds to plan from nothing, to plan again with the lock, to derive the
intended state, to write and read the lock; and `growth`, the seconds of planning the full size over
those of a tenth of it, both without the garbage collector (10 is linear).
"""

from __future__ import annotations

import gc
import json
import sys
import time
from ipaddress import IPv4Network

from toolkit.inventory.model import (
    BierSettings,
    Cloud,
    Delivery,
    Domain,
    Inventory,
    Link,
    Pools,
    Repository,
    Router,
)
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.lock import format_lock, parse_lock

REGIONS = 20


def generate(routers: int, clouds: int) -> Inventory:
    """Return a network of `routers` in rings by region, each router with a chord, clouds spread."""
    names = [f"r{i}" for i in range(routers)]
    per_region = -(-routers // REGIONS)
    ring = [Link(a=names[i], b=names[(i + 1) % routers]) for i in range(routers)]
    chords = [
        Link(a=names[i], b=names[(i * 7 + 3) % routers], metric=30)
        for i in range(0, routers, 2)
        if (i * 7 + 3) % routers not in (i, (i + 1) % routers, (i - 1) % routers)
    ]
    links = {frozenset((link.a, link.b)): link for link in (*ring, *chords)}
    receivers = {
        f"cloud{i}": Cloud(name=f"cloud{i}", router=names[i * (routers - 1) // clouds + 1])
        for i in range(clouds)
    }
    return Inventory(
        name="bench",
        domains={"d": Domain(name="d")},
        routers={
            name: Router(name=name, domain="d", region=f"region{i // per_region}")
            for i, name in enumerate(names)
        },
        links=tuple(links.values()),
        repositories={"hub": Repository(name="hub", router=names[0])},
        clouds=receivers,
        deliveries={
            "model": Delivery(name="model", model="demo", source="hub", to=tuple(receivers))
        },
        pools=Pools(
            loopbacks=IPv4Network("10.128.0.0/16"),
            links=IPv4Network("10.0.0.0/14"),
            hosts=IPv4Network("10.64.0.0/14"),
        ),
        bier=BierSettings(bsl=256),
    )


def measure(routers: int, clouds: int) -> dict[str, float]:
    """Return the seconds each step takes, and what came out."""
    inventory = generate(routers, clouds)
    gc.collect()
    marks = [time.perf_counter()]
    plan, lock = make_plan(inventory)
    marks.append(time.perf_counter())
    again, _ = make_plan(inventory, lock)
    marks.append(time.perf_counter())
    intended_state(plan)
    marks.append(time.perf_counter())
    if parse_lock(format_lock(lock)) != lock or again != plan:
        raise SystemExit("bench: the lock did not keep the plan")
    marks.append(time.perf_counter())
    steps = ("plan_s", "plan_again_s", "intended_s", "lock_s")
    figures: dict[str, float] = {
        step: round(end - start, 3)
        for step, start, end in zip(steps, marks, marks[1:], strict=False)
    }
    return figures | {
        "routers": routers,
        "links": len(inventory.links),
        "clouds": clouds,
        "sets": len(plan.flows[0].bit_strings()),
    }


def without_collector(routers: int, clouds: int) -> float:
    """Return the seconds of planning alone: how the work grows, not how the collector does."""
    inventory = generate(routers, clouds)
    gc.collect()
    gc.disable()
    start = time.perf_counter()
    make_plan(inventory)
    taken = time.perf_counter() - start
    gc.enable()
    return taken


def main() -> None:
    routers, clouds = (int(a) for a in sys.argv[1:3]) if len(sys.argv) > 2 else (10_000, 2_000)
    small = measure(routers // 10, clouds // 10)
    print(f"{routers // 10} routers: {small['plan_s']} s")
    full = measure(routers, clouds)
    print(f"{routers} routers: {full['plan_s']} s")
    growth = without_collector(routers, clouds) / without_collector(routers // 10, clouds // 10)
    print(json.dumps({"bench": "plan", **full, "growth": round(growth, 1)}))


if __name__ == "__main__":
    main()
