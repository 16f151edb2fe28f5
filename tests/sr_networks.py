"""Networks with SR-P2MP for tests: the demonstration's plan, and generated inventories."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from hypothesis import strategies as st
from plan_inventories import IPV6_POOLS

from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import (
    Cloud,
    Delivery,
    Disjointness,
    Domain,
    Inventory,
    Link,
    Pools,
    Repository,
    Router,
    Transport,
    TreeConstraints,
    TreeMetric,
)
from toolkit.plan.expand import make_plan
from toolkit.plan.model import Plan
from toolkit.plan.transports import over

DEMO = Path(__file__).parent.parent / "inventories" / "demo"


@cache
def demo_sr_plan() -> Plan:
    return make_plan(over(load_inventory(DEMO), Transport.SR_P2MP))[0]


@st.composite
def sr_inventories(draw: st.DrawFn, *, least_links: int = 0) -> Inventory:
    """Draw a connected inventory with one delivery over SR-P2MP."""
    count = draw(st.integers(2, 9))
    names = [f"r{i}" for i in range(1, count + 1)]
    pairs = [
        (name, draw(st.sampled_from(names[:position])))
        for position, name in enumerate(names)
        if position
    ]
    more = st.tuples(st.sampled_from(names), st.sampled_from(names))
    pairs += draw(st.lists(more, min_size=least_links, max_size=12))
    links: list[Link] = []
    for a, b in pairs:
        if a != b:
            twins = sum({k.a, k.b} == {a, b} for k in links)
            links.append(
                Link(
                    a=a, b=b, name=f"{a}-{b}-{twins + 1}" if twins else "",
                    metric=draw(st.sampled_from((1, 5, 10, 10, 10, 30))),
                    te_metric=draw(st.sampled_from((None, 1, 100))),
                    srlg=draw(st.sampled_from(((), (), ("duct",)))),
                )
            )  # fmt: skip
    source = draw(st.sampled_from(names))
    edge = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
    clouds = {f"c-{name}": Cloud(name=f"c-{name}", router=name) for name in edge}
    routers = {
        name: Router(
            name=name, domain="d",
            replication=name in edge or name == source or draw(st.integers(0, 3)) > 0,
        )
        for name in names
    }  # fmt: skip
    tree = TreeConstraints(
        metric=draw(st.sampled_from(TreeMetric)), disjoint=draw(st.sampled_from(Disjointness))
    )
    return Inventory(
        name="drawn",
        domains={"d": Domain(name="d")},
        routers=routers,
        links=tuple(links),
        repositories={"hub": Repository(name="hub", router=source)},
        clouds=clouds,
        deliveries={
            "m": Delivery(
                name="m", model="demo", source="hub", to=tuple(clouds),
                transport=Transport.SR_P2MP, tree=tree,
            )
        },
        pools=draw(st.sampled_from((Pools(), IPV6_POOLS))),
    )  # fmt: skip


def all_replicating(inventory: Inventory) -> Inventory:
    routers = {name: replace(r, replication=True) for name, r in inventory.routers.items()}
    return replace(inventory, routers=routers)
