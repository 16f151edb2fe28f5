"""Addresses: pools that are too small, mixed or in each other's way are told, never used."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

import pytest
from plan_inventories import IPV6_POOLS, inventory

from toolkit.errors import PlanError
from toolkit.inventory.model import IpNetwork, Pools, Router
from toolkit.plan.addresses import Addresses, Pool, system_id
from toolkit.plan.expand import make_plan
from toolkit.plan.lock import EMPTY_LOCK
from toolkit.plan.model import Lock


def told(
    lock: Lock = EMPTY_LOCK, *, pools: Pools | None = None, loopback: str = ""
) -> list[tuple[str, str]]:
    """Return place and text of the problems of three routers in a row with a host each."""
    declared = inventory(
        {
            "a": Router(name="a", domain="d", loopback=ip_address(loopback) if loopback else None),
            "b": Router(name="b", domain="d"),
            "c": Router(name="c", domain="d"),
        },
        [("a", "b"), ("b", "c")],
        clouds={"gpu": "c"},
        repositories={"hub": "a"},
        pools=pools,
    )
    with pytest.raises(PlanError) as caught:
        make_plan(declared, lock)
    return [(str(p.place), p.what) for p in caught.value.problems]


def test_a_system_id_is_the_number_in_decimal_digits() -> None:
    assert system_id(1) == "0000.0000.0001"
    assert system_id(123_456_789) == "0001.2345.6789"


@pytest.mark.parametrize(
    ("name", "network", "width", "slots", "first"),
    [
        ("loopbacks", ip_network("10.0.0.0/30"), 1, 3, "10.0.0.1/32"),
        ("links", ip_network("10.0.0.0/30"), 2, 2, "10.0.0.0/31"),
        ("hosts", ip_network("10.0.0.0/28"), 4, 4, "10.0.0.0/30"),
        ("loopbacks", ip_network("2001:db8::/126"), 1, 3, "2001:db8::1/128"),
        ("links", ip_network("2001:db8::/126"), 2, 1, "2001:db8::2/127"),
        ("hosts", ip_network("2001:db8::/64"), 4, 2**62 - 1, "2001:db8::4/126"),
        ("links", ip_network("2001:db8::/128"), 2, 0, "2001:db8::2/127"),
    ],
)
def test_pools_are_cut_into_slots(
    name: str, network: IpNetwork, width: int, slots: int, first: str
) -> None:
    pool = Pool(name, network, width)
    assert pool.slots == slots
    assert pool.interface(1) == ip_interface(first)


def test_a_pool_that_is_too_small_says_for_whom() -> None:
    pools = Pools(loopbacks=IPv4Network("10.255.0.0/31"), links=IPv4Network("10.0.0.0/31"))
    assert told(pools=pools) == [
        ("pools.links", "10.0.0.0/31 has room for 1, none is left for b-c"),
        ("pools.loopbacks", "10.255.0.0/31 has room for 1, none is left for b, c"),
    ]


def test_names_in_the_lock_count_even_when_they_left() -> None:
    lock = dataclasses.replace(EMPTY_LOCK, hosts={"left": 1})
    pools = Pools(hosts=IPv4Network("10.1.0.0/29"))
    assert told(lock, pools=pools) == [
        ("pools.hosts", "10.1.0.0/29 has room for 2, none is left for hub")
    ]


def test_pools_must_not_overlap() -> None:
    pools = Pools(links=IPv4Network("10.0.0.0/15"))
    assert told(pools=pools) == [("pools.hosts", "10.1.0.0/16 overlaps pools.links 10.0.0.0/15")]


def test_pools_are_of_one_family() -> None:
    pools = dataclasses.replace(Pools(), links=IPv6Network("2001:db8::/64"))
    assert told(pools=pools) == [
        ("pools.links", "2001:db8::/64 is IPv6, but the loopbacks are IPv4")
    ]


def test_a_loopback_is_of_the_family_of_the_pools() -> None:
    assert told(loopback="2001:db8::1") == [
        ("routers.a", "loopback 2001:db8::1 is IPv6, but the pools are IPv4")
    ]


@pytest.mark.parametrize("groups", ["239.0.0.0/8", "232.0.0.0/7", "10.2.0.0/16"])
def test_groups_are_source_specific(groups: str) -> None:
    pools = dataclasses.replace(Pools(), groups=IPv4Network(groups))
    assert ("pools.groups", f"{groups} is not in the range for source-specific multicast") in told(
        pools=pools
    )


@pytest.mark.parametrize(
    ("groups", "fine"),
    [
        ("ff3e::8000:0/97", True),
        ("ff35::/32", True),
        ("ff3e::/31", False),
        ("ff3e:1::/64", False),
        ("ff1e::/32", False),
    ],
)
def test_ipv6_groups_are_in_ff3x_32(groups: str, fine: bool) -> None:
    pools = dataclasses.replace(IPV6_POOLS, groups=IPv6Network(groups))
    assert (list(Addresses(pools).check()) == []) is fine
