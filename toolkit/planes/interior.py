"""The interior gateway protocol of a state, and what a router and an interface say to it.

ISO/IEC 10589 and RFC 1195 (IS-IS), RFC 2328 and RFC 5340 (OSPF).  Law: a network has one IGP, that
of most of its routers (OSPF where as many run it, as routers prefer its routes); nothing passes
from one to the other.  What follows from adjacencies and metrics is the same for both.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from toolkit.state.model import Interface, NetworkState, RouterState

MAX_COST: Final = 65535
"""Of an OSPF interface (RFC 2328 section A.4.2); 0 is none."""


class Protocol(StrEnum):
    ISIS = "isis"
    OSPF = "ospf"

    @property
    def spelled(self) -> str:
        """The protocol as people write it."""
        return "IS-IS" if self is Protocol.ISIS else "OSPF"


@dataclass(frozen=True, slots=True)
class Circuit:
    """An interface as the IGP has it."""

    metric: int
    passive: bool
    area: str = ""
    """OSPF only: level 2 of IS-IS knows no areas."""


def protocol_of(state: NetworkState) -> Protocol:
    """Return the IGP of a network: what most of its routers run."""
    ospf = sum(bool(router.router_id) for router in state.routers.values())
    isis = sum(bool(router.system_id) for router in state.routers.values())
    return Protocol.OSPF if ospf and ospf >= isis else Protocol.ISIS


def identity(router: RouterState, protocol: Protocol) -> str:
    """Return the router's name in the protocol; empty: it does not run it."""
    return router.system_id if protocol is Protocol.ISIS else router.router_id


def rank(router: RouterState, protocol: Protocol) -> str:
    """Return what routers are ordered by where nothing else decides: identifiers by value."""
    if protocol is Protocol.ISIS:
        return router.system_id
    try:
        return f"{int(IPv4Address(router.router_id)):08x}"
    except AddressValueError:
        return router.router_id


def in_vrf(router: RouterState) -> frozenset[str]:
    """Return the interfaces that are in a VRF: the IGP knows nothing of them (RFC 4364)."""
    return frozenset(port for vrf in router.mvpns for port in vrf.interfaces)


def circuit(interface: Interface, protocol: Protocol) -> Circuit | None:
    """Return the interface as the protocol has it; None: it is not in it."""
    if protocol is Protocol.ISIS:
        isis = interface.isis
        return None if isis is None else Circuit(isis.metric, isis.passive)
    ospf = interface.ospf
    return None if ospf is None else Circuit(ospf.cost, ospf.passive, ospf.area)
