"""Networks for the verification tests: small inventories, their plans, and ways to break their
states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from toolkit.inventory.model import (
    BierSettings,
    Cloud,
    Delivery,
    Domain,
    Igp,
    Imposition,
    Inventory,
    Link,
    Policy,
    Repository,
    Router,
)
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.state.model import Interface, NetworkState, RouterState, Source

LINES = [("a", "b"), ("b", "c"), ("c", "d")]
SQUARE = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]


def inventory(
    links: Iterable[tuple[str, str] | Link],
    *,
    source: str = "a",
    clouds: Iterable[str] = ("d",),
    without_bier: Iterable[str] = (),
    imposition: Imposition = Imposition.HOST,
    policies: Iterable[Policy] = (),
    bier: BierSettings | None = None,
) -> Inventory:
    """Return an inventory of routers named by `links`, a hub at `source`, a cloud at each of
    `clouds`.

    The cloud at router x is called `cloud-x`.
    """
    lines = [link if isinstance(link, Link) else Link(a=link[0], b=link[1]) for link in links]
    names = sorted({n for link in lines for n in (link.a, link.b)} | {source, *clouds})
    no_bier = frozenset(without_bier)
    receivers = {f"cloud-{c}": Cloud(name=f"cloud-{c}", router=c) for c in clouds}
    delivery = Delivery(
        name="model", model="demo", source="hub", to=tuple(receivers), imposition=imposition
    )
    return Inventory(
        name="test",
        domains={"net": Domain(name="net")},
        routers={n: Router(name=n, domain="net", bier=n not in no_bier) for n in names},
        links=tuple(lines),
        repositories={"hub": Repository(name="hub", router=source)},
        clouds=receivers,
        deliveries={"model": delivery},
        policies=tuple(policies),
        bier=bier or BierSettings(),
    )


def planned(of: Inventory) -> tuple[Plan, NetworkState]:
    """Return the plan of an inventory and its intended state."""
    plan, _ = make_plan(of)
    return plan, intended_state(plan)


def network(links: Iterable[tuple[str, str] | Link], **options: Any) -> tuple[Plan, NetworkState]:
    return planned(inventory(links, **options))


def port_to(plan: Plan, router: str, peer: str) -> str:
    """Return the port of `router` that `peer` is behind."""
    return next(p.name for p in plan.routers[router].ports if p.peer == peer)


def change_router(state: NetworkState, name: str, **fields: Any) -> NetworkState:
    """Return `state`, as read from configurations, with fields of one router replaced."""
    routers = {**state.routers, name: replace(state.routers[name], **fields)}
    return replace(state, source=Source.RENDERED, routers=routers)


def change_port(state: NetworkState, name: str, port: str, **fields: Any) -> NetworkState:
    """Return `state` with fields of one interface replaced."""
    interfaces = state.routers[name].interfaces
    changed: dict[str, Interface] = {**interfaces, port: replace(interfaces[port], **fields)}
    return change_router(state, name, interfaces=changed)


def change_sub_domain(state: NetworkState, name: str, **fields: Any) -> NetworkState:
    """Return `state` with fields of the first sub-domain of one router replaced."""
    router: RouterState = state.routers[name]
    first, *rest = router.sub_domains
    return change_router(state, name, sub_domains=(replace(first, **fields), *rest))


def change_encapsulation(state: NetworkState, name: str, **fields: Any) -> NetworkState:
    """Return `state` with fields of the first encapsulation of one router replaced."""
    (first, *rest) = state.routers[name].sub_domains[0].encapsulations
    return change_sub_domain(state, name, encapsulations=(replace(first, **fields), *rest))


def over_ospf(plan: Plan) -> tuple[Plan, NetworkState]:
    """Return the same network with OSPF instead of IS-IS."""
    turned = replace(plan, igp=Igp.OSPF)
    return turned, intended_state(turned)
