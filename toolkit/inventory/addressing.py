"""Addresses of the inventory side by side: one family, no overlap, room for everything.  Pure.

RFC 8279 section 2 (one address family in a sub-domain), RFC 4607 (SSM groups).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import combinations

from toolkit.errors import Place, Problem
from toolkit.inventory.model import IpAddress, IpNetwork, Pools
from toolkit.inventory.section import Declared

UNICAST = ("loopbacks", "links", "hosts")
SLOT = {"loopbacks": 1, "links": 2, "hosts": 4, "groups": 1, "asm_groups": 1}
"""Addresses that one router, link, host or delivery takes from its pool."""


def pools_of(declared: Declared) -> Pools | None:
    """Return the pools in force, or None where they could not be read."""
    if declared.pools is None:
        return Pools()
    if declared.pools.body is None:
        return None
    given = {
        name: getattr(declared.pools.body, name) for name in declared.pools.body.model_fields_set
    }
    return Pools(**given)


def check_addresses(declared: Declared) -> Iterator[Problem]:
    """Yield addresses that collide, mix families or do not suffice."""
    yield from _check_shared_loopbacks(declared)
    yield from _check_shared_management(declared)
    pools = pools_of(declared)
    if pools is None or not declared.certain("pools"):
        return
    yield from _check_families(declared, pools)
    yield from _check_overlaps(declared, pools)
    yield from _check_loopbacks_in_pools(declared, pools)
    if declared.certain("routers", "links", "repositories", "clouds", "deliveries"):
        yield from _check_room(declared, pools)


def _check_shared_loopbacks(declared: Declared) -> Iterator[Problem]:
    owners: dict[IpAddress, tuple[str, Place]] = {}
    for name, router in declared.routers.items():
        address = router.body.loopback if router.body else None
        if address is None:
            continue
        if address in owners:
            owner, place = owners[address]
            what = f"{address} is also the loopback of {owner}, at {place}"
            yield router.problem(what, "give each router its own", at="loopback")
        else:
            owners[address] = (name, router.place("loopback"))


def _check_shared_management(declared: Declared) -> Iterator[Problem]:
    owners: dict[tuple[str, int], tuple[str, Place]] = {}
    for name, router in declared.routers.items():
        management = router.body.management if router.body else None
        if management is None:
            continue
        server = (management.host.lower(), management.port)
        if server in owners:
            owner, place = owners[server]
            what = f"port {server[1]} of {server[0]} is also how {owner} is reached, at {place}"
            yield router.problem(what, "each router has its own server", at="management")
        else:
            owners[server] = (name, router.place("management"))


def _pool_place(declared: Declared, name: str) -> Place:
    if declared.pools is None:
        return Place(declared.place.file, declared.place.line, f"pools.{name}")
    return declared.pools.place(name)


def _pool_name(declared: Declared, name: str) -> str:
    given = declared.pools is not None and name in declared.pools.written
    return f"pools.{name}" if given else f"the default of pools.{name}"


def _check_families(declared: Declared, pools: Pools) -> Iterator[Problem]:
    family = pools.loopbacks.version
    remedy = "all pools and loopbacks are of one address family"
    for field in dataclasses.fields(pools):
        pool: IpNetwork | None = getattr(pools, field.name)
        if pool is not None and pool.version != family:
            what = (
                f"{_pool_name(declared, field.name)} {pool} is IPv{pool.version},"
                f" {_pool_name(declared, 'loopbacks')} {pools.loopbacks} is IPv{family}"
            )
            yield Problem(_pool_place(declared, field.name), what, remedy)
    for router in declared.routers.values():
        address = router.body.loopback if router.body else None
        if address is not None and address.version != family:
            what = f"{address} is IPv{address.version}, the pools are IPv{family}"
            yield router.problem(what, remedy, at="loopback")


def _check_overlaps(declared: Declared, pools: Pools) -> Iterator[Problem]:
    for first, second in combinations(UNICAST, 2):
        a: IpNetwork = getattr(pools, first)
        b: IpNetwork = getattr(pools, second)
        if a.version == b.version and a.overlaps(b):
            # The one that was written is the one to change.
            shown, other = (second, first)
            if declared.pools is not None and second not in declared.pools.written:
                shown, other = first, second
            what = (
                f"{getattr(pools, shown)} overlaps {_pool_name(declared, other)},"
                f" {getattr(pools, other)}"
            )
            yield Problem(_pool_place(declared, shown), what, "take two separate prefixes")


def _check_loopbacks_in_pools(declared: Declared, pools: Pools) -> Iterator[Problem]:
    for router in declared.routers.values():
        address = router.body.loopback if router.body else None
        for name in ("links", "hosts"):
            pool: IpNetwork = getattr(pools, name)
            if address is not None and address.version == pool.version and address in pool:
                what = f"{address} lies in {_pool_name(declared, name)}, {pool}"
                yield router.problem(what, "take it from elsewhere", at="loopback")


def _check_room(declared: Declared, pools: Pools) -> Iterator[Problem]:
    """Yield pools that the plan could not cut into enough slots, one for each user."""
    # Slots go by a router's number, and every router has one: also those with their own loopback.
    planned = any("loopback" not in router.written for router in declared.routers.values())
    users = {
        "loopbacks": (len(declared.routers) if planned else 0, "routers"),
        "links": (len(declared.links), "links"),
        "hosts": (len(declared.repositories) + len(declared.clouds), "repositories and clouds"),
        "groups": (len(declared.deliveries), "deliveries"),
        "asm_groups": (len(declared.deliveries), "deliveries"),
    }
    for name, (count, noun) in users.items():
        pool: IpNetwork = pools.any_source if name == "asm_groups" else getattr(pools, name)
        width = SLOT[name]
        # The first address of an IPv6 pool, and of one of single addresses, is not used.
        unused = width if pool.version == 6 or width == 1 else 0
        room = max(0, pool.num_addresses - unused) // width
        if count > room:
            what = f"{pool} has room for {room} of {count} {noun}"
            length = pool.max_prefixlen - (count * width + unused - 1).bit_length()
            yield Problem(_pool_place(declared, name), what, f"take a /{length} or larger")
