"""From what is declared, and has nothing wrong with it, to the model.  Pure."""

from __future__ import annotations

from typing import TypeVar

from toolkit.inventory.addressing import pools_of
from toolkit.inventory.body import Body
from toolkit.inventory.declared import ManagementBody
from toolkit.inventory.entry import Entry
from toolkit.inventory.model import (
    BierSettings,
    Cloud,
    Delivery,
    Domain,
    Igp,
    Inventory,
    Link,
    Management,
    OverlaySettings,
    PimSettings,
    Policy,
    Pools,
    QosSettings,
    Repository,
    Router,
    SrSettings,
    TreeConstraints,
)
from toolkit.inventory.naming import name_links
from toolkit.inventory.references import promised_to, receivers_of, region_of
from toolkit.inventory.section import Declared
from toolkit.inventory.settings import TreeBody

B = TypeVar("B", bound=Body)


def build_inventory(declared: Declared) -> Inventory:
    """Return the inventory.  ValueError: it was called although something is wrong."""
    return Inventory(
        name=declared.name,
        domains={
            name: Domain(name=name, area=_body(entry).area)
            for name, entry in declared.domains.items()
        },
        routers=_routers(declared),
        links=_links(declared),
        repositories=_repositories(declared),
        clouds=_clouds(declared),
        deliveries=_deliveries(declared),
        policies=_policies(declared),
        pools=pools_of(declared) or Pools(),
        bier=_bier(declared),
        pim=_pim(declared),
        sr=_sr(declared),
        igp=Igp.ISIS if declared.underlay is None else _body(declared.underlay).igp,
        overlay=_overlay(declared),
        qos=QosSettings() if declared.qos is None else QosSettings(dscp=_body(declared.qos).dscp),
    )


def _body(entry: Entry[B]) -> B:
    if entry.body is None:
        raise ValueError(f"{entry.place()} was refused")
    return entry.body


def _routers(declared: Declared) -> dict[str, Router]:
    only = next(iter(declared.domains))
    routers = {}
    for name, entry in declared.routers.items():
        body = _body(entry)
        routers[name] = Router(
            name=name,
            domain=body.domain or only,
            region=body.region,
            platform=body.platform,
            loopback=body.loopback,
            bier=body.bier,
            replication=body.replication,
            pim=body.pim,
            edge_protection=body.edge_protection,
            qos=body.qos,
            management=_management(body.management),
            place=entry.place(),
        )
    return routers


def _management(body: ManagementBody | None) -> Management | None:
    if body is None:
        return None
    return Management(
        host=body.host,
        port=body.port,
        username=body.username,
        password=body.password,
        key=body.key,
        host_key=body.host_key,
    )


def _links(declared: Declared) -> tuple[Link, ...]:
    bodies = [_body(entry) for entry in declared.links]
    names = name_links([(body.a, body.b, body.name) for body in bodies])
    return tuple(
        Link(
            a=body.a,
            b=body.b,
            name=name,
            metric=body.metric,
            capacity=body.capacity,
            delay=body.delay,
            mtu=body.mtu,
            srlg=body.srlg,
            affinity=body.affinity,
            te_metric=body.te_metric,
            a_port=body.a_port or "",
            b_port=body.b_port or "",
            place=entry.place(),
        )
        for entry, body, name in zip(declared.links, bodies, names, strict=True)
    )


def _repositories(declared: Declared) -> dict[str, Repository]:
    repositories = {}
    for name, entry in declared.repositories.items():
        body = _body(entry)
        repositories[name] = Repository(
            name=name,
            router=body.router,
            capacity=body.capacity,
            delay=body.delay,
            mtu=body.mtu,
            router_port=body.router_port or "",
            place=entry.place(),
        )
    return repositories


def _clouds(declared: Declared) -> dict[str, Cloud]:
    clouds = {}
    for name, entry in declared.clouds.items():
        body = _body(entry)
        clouds[name] = Cloud(
            name=name,
            router=body.router,
            region=region_of(declared, name),
            capacity=body.capacity,
            delay=body.delay,
            mtu=body.mtu,
            gpus=body.gpus,
            router_port=body.router_port or "",
            place=entry.place(),
        )
    return clouds


def _deliveries(declared: Declared) -> dict[str, Delivery]:
    deliveries = {}
    for name, entry in declared.deliveries.items():
        body = _body(entry)
        deliveries[name] = Delivery(
            name=name,
            model=body.path,
            source=body.source,
            to=receivers_of(declared, entry),
            transport=body.transport,
            imposition=body.imposition,
            tree=_tree(body.tree),
            rate=body.rate,
            place=entry.place(),
        )
    return deliveries


def _policies(declared: Declared) -> tuple[Policy, ...]:
    policies = []
    for name, entry in declared.policies.items():
        body = _body(entry)
        policies.append(
            Policy(
                name=name,
                scope=body.scope.value,
                failures=body.failures,
                clouds=promised_to(declared, body.clouds),
                place=entry.place(),
            )
        )
    return tuple(policies)


def _bier(declared: Declared) -> BierSettings:
    if declared.bier is None:
        return BierSettings()
    body = _body(declared.bier)
    return BierSettings(
        sub_domain=body.sub_domain,
        bsl=body.bsl,
        encapsulation=body.encapsulation,
        tunnel=body.tunnel,
        maximum_paths=body.maximum_paths,
        fast_reroute=body.fast_reroute,
    )


def _tree(body: TreeBody | None) -> TreeConstraints:
    if body is None:
        return TreeConstraints()
    return TreeConstraints(
        metric=body.metric,
        exclude_any=body.exclude_any,
        include_any=body.include_any,
        include_all=body.include_all,
        disjoint=body.disjoint,
    )


def _pim(declared: Declared) -> PimSettings:
    if declared.pim is None:
        return PimSettings()
    body, default = _body(declared.pim), PimSettings()
    return PimSettings(
        rp=body.rp or "",
        spt_switchover=body.spt_switchover,
        ssm_ranges=default.ssm_ranges if body.ssm_ranges is None else body.ssm_ranges,
    )


def _overlay(declared: Declared) -> OverlaySettings:
    if declared.overlay is None:
        return OverlaySettings()
    body = _body(declared.overlay)
    return OverlaySettings(
        signalling=body.signalling,
        as_number=body.as_number,
        route_reflectors=body.route_reflectors,
    )


def _sr(declared: Declared) -> SrSettings:
    if declared.sr is None:
        return SrSettings()
    body = _body(declared.sr)
    return SrSettings(srgb=body.srgb, srlb=body.srlb)
