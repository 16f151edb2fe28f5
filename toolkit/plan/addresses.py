"""Addresses: loopbacks, link and host prefixes, groups, and system identifiers, all from indices.

Pure.  An index (1, 2, ... from the lock) names a slot of its pool, so an address moves only when
its pool does.  Links are /31 (RFC 3021) or /127 (RFC 6164), hosts /30 or /126, loopbacks /32 or
/128.  The first slot of an IPv6 pool stays free: its lowest address is the Subnet-Router anycast
address (RFC 4291 section 2.6.1, RFC 6164 section 5.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from itertools import combinations

from toolkit.errors import Place, Problem
from toolkit.inventory.model import IpAddress, IpNetwork, Pools, Router
from toolkit.plan.places import place_of
from toolkit.state.model import IpInterface

_SSM = IPv4Network("232.0.0.0/8")
"""RFC 4607 section 1."""


def system_id(index: int) -> str:
    """Return the IS-IS system identifier (ISO 10589): the index in decimal digits."""
    digits = f"{index:012d}"
    return f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"


def router_id(loopback: IpInterface, index: int) -> str:
    """Return the identifier in OSPF and BGP: the loopback, or the index where that is IPv6."""
    return str(loopback.ip if loopback.version == 4 else IPv4Address(index))


class Pool:
    """One of the inventory's pools, cut into slots of `width` addresses."""

    def __init__(self, name: str, network: IpNetwork, width: int) -> None:
        self.name, self.network = name, network
        self._width = width
        # Loopbacks and groups: not the pool's own first address, which reads as a network's name.
        self._first = int(network.network_address) + (
            width if network.version == 6 or width == 1 else 0
        )
        last = int(network.network_address) + network.num_addresses
        self.slots = max(0, (last - self._first) // width)

    def number(self, index: int, offset: int = 0) -> int:
        """Return address `offset` of slot `index` (from 1) as an integer."""
        return self._first + (index - 1) * self._width + offset

    def address(self, index: int) -> IpAddress:
        """Return the first address of a slot."""
        number = self.number(index)
        return IPv4Address(number) if self.network.version == 4 else IPv6Address(number)

    def interface(self, index: int, offset: int = 0) -> IpInterface:
        """Return address `offset` of a slot with the slot's prefix length."""
        length = self.network.max_prefixlen - self._width.bit_length() + 1
        number = self.number(index, offset)
        if self.network.version == 4:
            return IPv4Interface((number, length))
        return IPv6Interface((number, length))

    def check(self, indices: Mapping[str, int]) -> Iterator[Problem]:
        """Say so, once, where names have indices past the end of the pool."""
        outside = [name for name, index in indices.items() if index > self.slots]
        if outside:
            more = f" and {len(outside) - 3} more" if len(outside) > 3 else ""
            shown = ", ".join(outside[:3]) + more
            yield Problem(
                Place(path=f"pools.{self.name}"),
                f"{self.network} has room for {self.slots}, none is left for {shown}",
                "use a larger pool, or remove names that left from the lock",
            )


class Addresses:
    """The pools of an inventory."""

    def __init__(self, pools: Pools) -> None:
        self.loopbacks = Pool("loopbacks", pools.loopbacks, 1)
        self.links = Pool("links", pools.links, 2)
        self.hosts = Pool("hosts", pools.hosts, 4)
        self.groups = Pool("groups", pools.groups, 1)
        self.asm_groups = Pool("asm_groups", pools.any_source, 1)

    @property
    def all(self) -> tuple[Pool, ...]:
        return self.loopbacks, self.links, self.hosts, self.groups, self.asm_groups

    def loopback(self, router: Router, index: int) -> IpInterface:
        """Return the declared loopback, or the one of the index; always a host address."""
        if router.loopback is None:
            return self.loopbacks.interface(index)
        if router.loopback.version == 4:
            return IPv4Interface(router.loopback)
        return IPv6Interface(router.loopback)

    def check(self) -> Iterator[Problem]:
        """Check the pools by themselves: one family, no overlap, SSM groups."""
        family = self.loopbacks.network.version
        for pool in self.all:
            if pool.network.version != family:
                yield Problem(
                    Place(path=f"pools.{pool.name}"),
                    f"{pool.network} is IPv{pool.network.version}, but the loopbacks are"
                    f" IPv{family}",
                    "take all pools from one address family",
                )
        for one, other in combinations(self.all, 2):
            if _overlap(one.network, other.network):
                yield Problem(
                    Place(path=f"pools.{other.name}"),
                    f"{other.network} overlaps pools.{one.name} {one.network}",
                    "give each pool a range of its own",
                )
        groups = self.groups.network
        if not _is_ssm(groups):
            yield Problem(
                Place(path="pools.groups"),
                f"{groups} is not in the range for source-specific multicast",
                "take it from 232.0.0.0/8 or ff3x::/32 (RFC 4607)",
            )

    def check_loopbacks(
        self, routers: Mapping[str, Router], indices: Mapping[str, int]
    ) -> Iterator[Problem]:
        """Check loopbacks against each other and against the other pools."""
        owners: dict[int, str] = {}
        for router in routers.values():
            declared, index = router.loopback, indices[router.name]
            if declared is None:
                if not 1 <= index <= self.loopbacks.slots:
                    continue  # said by Pool.check
                number = self.loopbacks.number(index)
            elif declared.version != self.loopbacks.network.version:
                yield Problem(
                    place_of(router),
                    f"loopback {declared} is IPv{declared.version}, but the pools are"
                    f" IPv{self.loopbacks.network.version}",
                    "use one address family throughout",
                )
                continue
            else:
                number = int(declared)
                for pool in (self.links, self.hosts, self.groups):
                    if _contains(pool.network, declared):
                        yield Problem(
                            place_of(router),
                            f"loopback {declared} lies in pools.{pool.name} {pool.network}",
                            "use an address outside of it",
                        )
            owner = owners.setdefault(number, router.name)
            if owner != router.name:
                address = declared or self.loopbacks.address(index)
                yield Problem(
                    place_of(router),
                    f"loopback {address} of {router.name} is also that of {owner}",
                    "declare another loopback",
                )


def _overlap(one: IpNetwork, other: IpNetwork) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)


def _contains(network: IpNetwork, address: IpAddress) -> bool:
    return address.version == network.version and address in network


def _is_ssm(groups: IpNetwork) -> bool:
    if isinstance(groups, IPv4Network):
        return groups.subnet_of(_SSM)
    # FF3x::/32: eight bits of one, flags 3, any scope, and 16 bits of zero (RFC 4607 section 1).
    top = int(groups.network_address) >> 96
    return groups.prefixlen >= 32 and top >> 20 == 0xFF3 and top & 0xFFFF == 0
