"""BGP between the routers of one AS: which sessions stand, and who hears whose routes.

RFC 4271 (sessions), RFC 4456 (route reflection), RFC 6286 (identifiers).  Law: a session needs both
ends configured for each other and a route in each direction; a route is passed on as reflection
allows and no further.  Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from toolkit.state.model import IpAddress, NetworkState

Routed = Callable[[IpAddress], Collection[str]]
"""Address -> the routers that have a route to it."""


class SessionCut(StrEnum):
    """Why two routers have no session."""

    UNKNOWN = "unknown"
    """No router of the network has the neighbor's address."""
    AMBIGUOUS = "ambiguous"
    """Two routers have it."""
    ONE_SIDED = "one-sided"
    """The neighbor does not have us for one."""
    OTHER_AS = "other-as"
    """The two are in different ASes: these sessions are internal."""
    SAME_ROUTER_ID = "same-router-id"
    """RFC 6286 section 2.1: identifiers are unique within an AS."""
    UNREACHABLE = "unreachable"
    """No route leads to the neighbor, or none back."""


@dataclass(frozen=True, slots=True, order=True)
class NoSession:
    """A neighbor that is configured and has no session."""

    router: str
    address: IpAddress
    cut: SessionCut
    peer: str = ""
    """Router with that address; empty: unknown."""


class Sessions:
    """The BGP sessions of a state; `up`: the routers that have not failed."""

    def __init__(self, state: NetworkState, up: Collection[str], routed: Routed) -> None:
        self._up = up
        self._speakers = {
            name: router.bgp
            for name, router in state.routers.items()
            if router.bgp is not None and name in up
        }
        self._owners: dict[IpAddress, set[str]] = {}
        for name, router in state.routers.items():
            for interface in router.interfaces.values():
                for address in interface.addresses if interface.enabled else ():
                    self._owners.setdefault(address.ip, set()).add(name)
        self._routed = routed
        self.peers: dict[str, dict[str, IpAddress]] = {name: {} for name in self._speakers}
        """Router -> router that it has a session with -> that one's address."""
        self.gaps: list[NoSession] = []
        """What is configured and does not stand, sorted; neighbors that have failed left out."""
        for name in sorted(self._speakers):
            self._look(name)
        self._heard: dict[str, frozenset[str]] = {}

    def _look(self, name: str) -> None:
        for address in self._speakers[name].neighbors:
            peer, cut = self._answer(name, address)
            if cut is None:
                self.peers[name][peer] = address
            elif not peer or peer in self._up:
                self.gaps.append(NoSession(name, address, cut, peer))

    def _answer(self, name: str, address: IpAddress) -> tuple[str, SessionCut | None]:
        """Return who has the address, and why there is no session."""
        owners = self._owners.get(address, set())
        if len(owners) != 1:
            return "", SessionCut.AMBIGUOUS if owners else SessionCut.UNKNOWN
        (peer,) = owners
        own, other = self._speakers[name], self._speakers.get(peer)
        if other is None:
            return peer, SessionCut.ONE_SIDED
        back = next((a for a in other.neighbors if self._owners.get(a) == {name}), None)
        if back is None:
            return peer, SessionCut.ONE_SIDED
        if own.as_number != other.as_number:
            return peer, SessionCut.OTHER_AS
        if own.router_id == other.router_id:
            return peer, SessionCut.SAME_ROUTER_ID
        if name not in self._routed(address) or peer not in self._routed(back):
            return peer, SessionCut.UNREACHABLE
        return peer, None

    def heard(self, origin: str) -> frozenset[str]:
        """Return the routers that hear the routes of `origin`, itself left out.

        RFC 4456 section 6: a reflector passes a client's routes on to all, others' to its clients.
        """
        if origin not in self._heard:
            self._heard[origin] = self._spread(origin)
        return self._heard[origin]

    def _spread(self, origin: str) -> frozenset[str]:
        seen: set[tuple[str, bool]] = set()
        queue = deque((peer, origin) for peer in self.peers.get(origin, ()))
        while queue:
            name, before = queue.popleft()
            clients = self._clients(name)
            state = name, before in clients
            if name == origin or state in seen:
                continue
            seen.add(state)
            onward = self.peers[name] if before in clients else clients
            queue += ((peer, name) for peer in onward if peer != before)
        return frozenset(name for name, _ in seen)

    def _clients(self, name: str) -> frozenset[str]:
        clients = self._speakers[name].clients
        return frozenset(p for p, address in self.peers[name].items() if address in clients)

    def addresses(self) -> Mapping[str, IpAddress]:
        """Return router -> the address that its peers know it by, the next hop of its routes."""
        found: dict[str, IpAddress] = {}
        for name in sorted(self.peers):
            for peer, address in sorted(self.peers[name].items()):
                found.setdefault(peer, address)
        return found
