"""Inventories for the law of every platform: what is rendered reads back as planned.

`cases(platform)` is a handful of small ones, named by what they vary: underlay, transport, overlay,
imposition, address family.  `larger(platform)` draws bigger ones.  Both leave out what the
platform's facts refuse, and name ports where the platform asks for names, so every one of them can
be planned.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

from hypothesis import strategies as st
from plan_inventories import IPV6_POOLS

from toolkit.inventory.model import (
    BierSettings,
    Cloud,
    Delivery,
    Domain,
    Encapsulation,
    FastReroute,
    Igp,
    Imposition,
    Inventory,
    Link,
    OverlaySettings,
    OverlaySignalling,
    PimSettings,
    Platform,
    Policy,
    Pools,
    QosSettings,
    Repository,
    Router,
    SptSwitchover,
    Transport,
)
from toolkit.plan.grid import refusals
from toolkit.plan.platforms import PLATFORMS
from toolkit.plan.platforms.facts import Facts

MVPN = OverlaySettings(signalling=OverlaySignalling.MVPN)
REFLECTED = replace(MVPN, as_number=65001, route_reflectors=("r2", "r4"))


@cache
def cases(platform: Platform) -> Mapping[str, Inventory]:
    """Return name -> a small inventory of this platform's routers."""
    facts = PLATFORMS[platform]
    found: dict[str, Inventory] = {}
    for igp, (transport, imposition), overlay, pools in itertools.product(
        Igp, _ways(), (OverlaySettings(), MVPN, REFLECTED), (Pools(), IPV6_POOLS)
    ):
        mvpn = overlay.signalling is OverlaySignalling.MVPN
        if mvpn and (imposition is Imposition.HOST or transport is Transport.PIM_SM):
            continue  # not signalled by MVPN
        words = [igp, transport]
        if transport is Transport.BIER:
            words.append(imposition)
        words.append("reflected" if overlay is REFLECTED else overlay.signalling)
        words += ["ipv6"] if pools is IPV6_POOLS else []
        made = suited(_small(igp, transport, imposition, overlay, pools), platform)
        if possible(made, facts):
            found["-".join(words)] = made
    return found


def _ways() -> Iterator[tuple[Transport, Imposition]]:
    yield Transport.BIER, Imposition.HOST
    for transport in Transport:
        yield transport, Imposition.ROUTER


def possible(inventory: Inventory, facts: Facts) -> bool:
    """Tell whether the platform's own facts refuse nothing of this inventory."""
    if any(True for _ in refusals(inventory)):
        return False
    transports = {delivery.transport for delivery in inventory.deliveries.values()}
    by_host = any(
        d.transport is Transport.BIER and d.imposition is Imposition.HOST
        for d in inventory.deliveries.values()
    )
    if Transport.BIER in transports:
        if facts.bier is None or not facts.bier.encapsulations:
            return False
        if by_host and not facts.bier.host_imposition:
            return False
        if inventory.pools.loopbacks.version not in facts.bier.versions:
            return False
    return facts.replication or Transport.SR_P2MP not in transports


def suited(inventory: Inventory, platform: Platform) -> Inventory:
    """Return the inventory with every router of this platform, within its limits, ports named."""
    facts = PLATFORMS[platform]
    bier, settings = facts.bier, inventory.bier
    if bier is not None and bier.encapsulations:
        kinds = bier.encapsulations
        settings = replace(
            settings,
            bsl=settings.bsl if settings.bsl in bier.bsls else min(bier.bsls),
            encapsulation=settings.encapsulation if settings.encapsulation in kinds else min(kinds),
            maximum_paths=settings.maximum_paths if bier.ecmp else 1,
            fast_reroute=settings.fast_reroute
            if settings.fast_reroute in bier.fast_reroute
            else FastReroute.NONE,
        )
    guarded, classed = "edge" not in facts.refused, "qos" not in facts.refused
    routers = {
        name: replace(
            r,
            platform=platform,
            edge_protection=r.edge_protection and guarded,
            qos=r.qos and classed,
        )
        for name, r in inventory.routers.items()
    }
    made = replace(inventory, routers=routers, bier=settings)
    return with_ports(made)


def with_ports(inventory: Inventory) -> Inventory:
    """Return the inventory with a port of its own at every cable end of a router that needs one."""
    names = {name: port_names(PLATFORMS[r.platform]) for name, r in inventory.routers.items()}
    return replace(
        inventory,
        links=tuple(
            replace(k, a_port=next(names[k.a]), b_port=next(names[k.b])) for k in inventory.links
        ),
        repositories={
            n: replace(h, router_port=next(names[h.router]))
            for n, h in inventory.repositories.items()
        },
        clouds={
            n: replace(h, router_port=next(names[h.router])) for n, h in inventory.clouds.items()
        },
    )


def port_names(facts: Facts) -> Iterator[str]:
    """Yield different names of ports: the example with its numbers counted on, the last first."""
    if not facts.port_pattern:
        yield from itertools.repeat("")
    seen: set[str] = set()
    numbers = list(re.finditer(r"\d+", facts.port_example))
    for count in range(512):
        for number in reversed(numbers):
            raised = str(int(number[0]) + count)
            start, end = number.span()
            name = facts.port_example[:start] + raised + facts.port_example[end:]
            if name not in seen and re.fullmatch(facts.port_pattern, name):
                seen.add(name)
                yield name
                break
    raise AssertionError(f"{facts.port_example} counts no further")


def _small(
    igp: Igp, transport: Transport, imposition: Imposition, overlay: OverlaySettings, pools: Pools
) -> Inventory:
    """Return six routers: parallel links, a plain transit router, two sources, three clouds."""
    routers = {
        name: Router(name=name, domain="d", region="east" if name in ("r1", "r2") else "west")
        for name in ("r1", "r2", "r3", "r4", "r5", "r6")
    }
    # Hosts and classes of r6 are somebody else's; r5 has no hosts, and with BIER it is crossed.
    routers["r6"] = replace(routers["r6"], edge_protection=False, qos=False)
    if transport is Transport.BIER:
        routers["r5"] = replace(routers["r5"], bier=False)
    return Inventory(
        name="small",
        domains={"d": Domain(name="d", area="49.0002")},
        routers=routers,
        links=(
            Link(a="r1", b="r2"),
            Link(a="r2", b="r3", metric=20, mtu=1600),
            Link(a="r2", b="r3", name="r2-r3-2", metric=30),
            Link(a="r3", b="r4", metric=65535),
            Link(a="r2", b="r5"),
            Link(a="r5", b="r4", mtu=4000),
            Link(a="r4", b="r6"),
        ),
        repositories={
            "hub": Repository(name="hub", router="r1"),
            "spare": Repository(name="spare", router="r3", mtu=1500),
        },
        clouds={
            "c3": Cloud(name="c3", router="r3"),
            "c4": Cloud(name="c4", router="r4", mtu=1500),
            "c6": Cloud(name="c6", router="r6"),
            "near": Cloud(name="near", router="r1"),
        },
        deliveries={
            "all": _delivery("all", "hub", ("c3", "c4", "c6", "near"), transport, imposition),
            "few": _delivery("few", "hub", ("c4", "c6"), transport, imposition),
        },
        policies=(Policy(name="any-link"),),
        pools=pools,
        igp=igp,
        overlay=overlay,
        pim=PimSettings(rp="r4", spt_switchover=SptSwitchover.NEVER),
        qos=QosSettings(dscp=10) if igp is Igp.OSPF else QosSettings(),
    )


def _delivery(
    name: str, source: str, to: tuple[str, ...], transport: Transport, imposition: Imposition
) -> Delivery:
    return Delivery(
        name=name, model="demo", source=source, to=to, transport=transport, imposition=imposition
    )


@st.composite
def larger(draw: st.DrawFn, platform: Platform, most: int = 12) -> Inventory:
    """Draw a plannable inventory of up to `most` routers of this platform."""
    facts = PLATFORMS[platform]
    count = draw(st.integers(2, most))
    names = [f"r{i}" for i in range(1, count + 1)]
    chosen = draw(st.sampled_from(sorted(cases(platform).values(), key=repr)))
    some = next(iter(chosen.deliveries.values()))
    transport, imposition = some.transport, some.imposition
    edge = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    source = draw(st.sampled_from(names))
    ends = {*edge, source}
    routers = {
        name: Router(
            name=name,
            domain="d",
            region=draw(st.sampled_from(("", "east", "west"))),
            bier=name in ends or draw(st.booleans()) if transport is Transport.BIER else True,
            edge_protection=draw(st.booleans()),
            qos=draw(st.booleans()),
        )
        for name in names
    }
    links = []
    for index in range(1, count):  # a tree first: everything is connected
        peer = names[draw(st.integers(0, index - 1))]
        links.append(Link(a=names[index], b=peer, metric=draw(st.integers(1, 65535))))
    for a, b in draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)))):
        if a != b:
            twins = sum({link.a, link.b} == {a, b} for link in links)
            name = f"{a}-{b}-{twins + 1}" if twins else ""
            mtu = draw(st.sampled_from((2000, 9000)))
            links.append(Link(a=a, b=b, name=name, mtu=mtu, metric=draw(st.integers(1, 65535))))
    clouds = {
        f"c{i}": Cloud(name=f"c{i}", router=draw(st.sampled_from(edge)))
        for i in range(draw(st.integers(1, 9)))
    }
    receivers = st.lists(st.sampled_from(list(clouds)), min_size=1, unique=True)
    deliveries = {
        name: _delivery(name, "hub", tuple(draw(receivers)), transport, imposition)
        for name in draw(st.lists(st.sampled_from(("m1", "m2", "m10")), min_size=1, unique=True))
    }
    reflectors = ()
    if chosen.overlay.route_reflectors:
        reflectors = tuple(draw(st.lists(st.sampled_from(names), max_size=3, unique=True)))
    drawn = Inventory(
        name="drawn",
        domains={"d": Domain(name="d")},
        routers=routers,
        links=tuple(links),
        repositories={"hub": Repository(name="hub", router=source)},
        clouds=clouds,
        deliveries=deliveries,
        pools=chosen.pools,
        bier=BierSettings(
            sub_domain=draw(st.sampled_from((0, 7, 255))),
            bsl=draw(st.sampled_from((64, 256))),
            encapsulation=draw(st.sampled_from(Encapsulation)),
            maximum_paths=draw(st.sampled_from((1, 4))),
            fast_reroute=draw(st.sampled_from(FastReroute)),
        ),
        igp=chosen.igp,
        overlay=replace(chosen.overlay, route_reflectors=reflectors),
        qos=QosSettings(dscp=draw(st.sampled_from((None, 1, 8, 5)))),
    )
    made = suited(drawn, platform)
    return made if possible(made, facts) else chosen
