"""Inventories for planning tests: a small one to vary, and random ones.

Values are built straight from the model, as a loader would leave them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Network

from hypothesis import strategies as st

from toolkit.inventory.model import (
    BierSettings,
    Cloud,
    Delivery,
    Domain,
    Encapsulation,
    Imposition,
    Inventory,
    Link,
    Platform,
    Policy,
    Pools,
    Repository,
    Router,
)

IPV6_POOLS = Pools(
    loopbacks=IPv6Network("2001:db8:ff::/64"),
    links=IPv6Network("2001:db8:1::/64"),
    hosts=IPv6Network("2001:db8:2::/64"),
    groups=IPv6Network("ff3e::8000:0/112"),
)


def inventory(
    routers: Mapping[str, Router] | Iterable[str],
    links: Iterable[tuple[str, str] | Link] = (),
    *,
    clouds: Mapping[str, str] | None = None,
    repositories: Mapping[str, str] | None = None,
    imposition: Imposition = Imposition.HOST,
    bier: BierSettings | None = None,
    pools: Pools | None = None,
) -> Inventory:
    """Return an inventory; hosts are given as name -> router.

    There is one delivery, from the first repository to all clouds, where both exist.
    """
    if not isinstance(routers, Mapping):
        routers = {name: Router(name=name, domain="d") for name in routers}
    clouds, repositories = clouds or {}, repositories or {}
    deliveries = {}
    if clouds and repositories:
        deliveries["model"] = Delivery(
            name="model",
            model="demo",
            source=next(iter(repositories)),
            to=tuple(clouds),
            imposition=imposition,
        )
    return Inventory(
        name="test",
        domains={name: Domain(name=name) for name in {r.domain: None for r in routers.values()}},
        routers=dict(routers),
        links=tuple(k if isinstance(k, Link) else Link(a=k[0], b=k[1]) for k in links),
        repositories={n: Repository(name=n, router=r) for n, r in repositories.items()},
        clouds={n: Cloud(name=n, router=r) for n, r in clouds.items()},
        deliveries=deliveries,
        policies=(Policy(name="any-link"),),
        pools=pools or Pools(),
        bier=bier or BierSettings(),
    )


def star(edges: int, *, platform: Platform = Platform.REFERENCE, bsl: int = 256) -> Inventory:
    """Return a hub `core` with a repository and `edges` routers `e1`.. with a cloud each."""
    names = [f"e{i}" for i in range(1, edges + 1)]
    return inventory(
        {name: Router(name=name, domain="d", platform=platform) for name in ("core", *names)},
        [("core", name) for name in names],
        clouds={f"c-{name}": name for name in names},
        repositories={"hub": "core"},
        imposition=Imposition.ROUTER,
        bier=BierSettings(bsl=bsl),
    )


def without_clouds(whole: Inventory, gone: Iterable[str]) -> Inventory:
    """Return `whole` with some clouds taken away, from the deliveries too."""
    left = {name: c for name, c in whole.clouds.items() if name not in set(gone)}
    deliveries = {
        name: dataclasses.replace(d, to=tuple(c for c in d.to if c in left))
        for name, d in whole.deliveries.items()
    }
    return dataclasses.replace(
        whole, clouds=left, deliveries={n: d for n, d in deliveries.items() if d.to}
    )


def reordered(whole: Inventory) -> Inventory:
    """Return the same inventory declared the other way round."""
    return dataclasses.replace(
        whole,
        domains=dict(reversed(whole.domains.items())),
        routers=dict(reversed(whole.routers.items())),
        links=tuple(reversed(whole.links)),
        repositories=dict(reversed(whole.repositories.items())),
        clouds=dict(reversed(whole.clouds.items())),
        deliveries={
            name: dataclasses.replace(d, to=tuple(reversed(d.to)))
            for name, d in reversed(whole.deliveries.items())
        },
    )


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Draw a plannable inventory: any shape, parallel links, several regions, both families."""
    count = draw(st.integers(2, 12))
    names = [f"r{i}" for i in range(1, count + 1)]
    edge = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    source = draw(st.sampled_from(names))
    routers = {
        name: Router(
            name=name,
            domain=draw(st.sampled_from(("d1", "d2"))),
            region=draw(st.sampled_from(("", "east", "west", "north"))),
            platform=draw(st.sampled_from((Platform.REFERENCE, Platform.FRR))),
            bier=name in edge or name == source or draw(st.booleans()),
        )
        for name in names
    }

    def port(router: str, name: str) -> str:
        return name if routers[router].platform is Platform.FRR else ""  # hosts have names of ports

    pairs = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=20))
    links: list[Link] = []
    for a, b in pairs:
        if a != b:
            twins = sum(link.name.startswith(f"{a}-{b}") for link in links)
            name = f"{a}-{b}-{twins + 1}" if twins else ""
            ports = [port(end, f"eth{2 * len(links) + side}") for side, end in enumerate((a, b))]
            mtu = draw(st.sampled_from((1500, 9000)))
            links.append(Link(a=a, b=b, name=name, mtu=mtu, a_port=ports[0], b_port=ports[1]))
    clouds = {}
    for i in range(draw(st.integers(1, 15))):
        router = draw(st.sampled_from(edge))
        clouds[f"c{i}"] = Cloud(name=f"c{i}", router=router, router_port=port(router, f"host{i}"))
    deliveries = {
        name: Delivery(
            name=name,
            model="demo",
            source="hub",
            to=tuple(draw(st.lists(st.sampled_from(list(clouds)), min_size=1, unique=True))),
            imposition=draw(st.sampled_from(Imposition)),
        )
        for name in draw(st.lists(st.sampled_from(("m1", "m2", "m10")), min_size=1, unique=True))
    }
    return Inventory(
        name="drawn",
        domains={"d1": Domain(name="d1"), "d2": Domain(name="d2", area="49.0002")},
        routers=routers,
        links=tuple(links),
        repositories={
            "hub": Repository(name="hub", router=source, router_port=port(source, "hub"))
        },
        clouds=clouds,
        deliveries=deliveries,
        pools=draw(st.sampled_from((Pools(), IPV6_POOLS))),
        bier=BierSettings(
            sub_domain=draw(st.sampled_from((0, 7, 255))),
            bsl=draw(st.sampled_from((64, 256))),
            encapsulation=draw(st.sampled_from(Encapsulation)),
        ),
    )
