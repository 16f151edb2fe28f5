"""What a router's PIM knows of its own router: interfaces, neighbors, and the way to any address.

Pure values; made from planes, or by hand in tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from toolkit.state.model import IpAddress, IpNetwork, PimRouting


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An interface that is up."""

    name: str
    address: IpAddress | None = None
    """Where its PIM, IGMP and MLD packets come from."""
    pim: bool = False
    membership: int | None = None
    """Version of IGMP or MLD."""
    ttl_threshold: int = 0
    neighbor: str = ""
    """The PIM neighbor: PIM runs at both ends of the link (RFC 7761 section 4.3)."""
    neighbor_port: str = ""
    neighbor_address: IpAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpf:
    """The way back to a source or to an RP (RFC 7761 section 4.1.2, MRIB)."""

    interface: str = ""
    """Empty: the address is our own, or no route leads to it."""
    router: str = ""
    """The next router; empty: the address is on the interface itself, or nowhere."""
    ours: bool = False
    """One of our own addresses."""

    @property
    def connected(self) -> bool:
        return bool(self.interface) and not self.router


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    router: str
    routing: PimRouting
    addresses: frozenset[IpAddress]
    ports: Mapping[str, Port]
    own: IpAddress | None
    """Where our Register messages come from."""
    rpf: Callable[[IpAddress], Rpf]

    def is_ssm(self, group: IpAddress) -> bool:
        """Say whether the group has source trees only."""
        return any(_holds(held, group) for held in self.routing.ssm_ranges)

    def rp(self, group: IpAddress) -> IpAddress | None:
        """Return RP(G): that of the longest prefix, of equal ones the highest (RFC 7761 4.7.1)."""
        if self.is_ssm(group):
            return None
        found = [rp for rp in self.routing.rps if _holds(rp.groups, group)]
        best = max(found, key=lambda rp: (rp.groups.prefixlen, int(rp.address)), default=None)
        return None if best is None else best.address

    def upstream(self, rpf: Rpf) -> Port | None:
        """Return the port to the RPF neighbor; None where that one is no PIM neighbor."""
        port = self.ports.get(rpf.interface)
        if port is None or not rpf.router or port.neighbor != rpf.router:
            return None
        return port


def _holds(network: IpNetwork, address: IpAddress) -> bool:
    return network.version == address.version and address in network
