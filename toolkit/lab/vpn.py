"""A VPN in an edge router of a laboratory: packets of hosts inside packets of the core.

RFC 4364 (the VRF's own routes), RFC 4797 (GRE between edge routers), RFC 6513 section 12.1 (GRE on
source trees).  There is one VPN, so the label that would tell several apart is left out.  Who has
joined what is the network's state (`toolkit.planes.mvpn`): BGP runs without messages.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from toolkit.errors import WireError
from toolkit.inet import gre, ip
from toolkit.inet.ethernet import EtherType
from toolkit.lab.wires import Emission
from toolkit.planes.mvpn import VpnPart

Unicast = Callable[[ip.IpAddress, bytes], Iterable[Emission]]
"""Sends an IP packet by the core's table."""
Hand = Callable[[str, ip.IpAddress, bytes], Iterable[Emission]]
"""Sends an IP packet out of an edge port, to a host that answers for the address there."""
_PAYLOADS = (EtherType.IPV4, EtherType.IPV6)


class VpnSwitch:
    """The VRF of one router."""

    def __init__(self, part: VpnPart, out: Unicast, hand: Hand) -> None:
        self._part, self._out, self._hand = part, out, hand
        self.ports = part.ports
        self.wanted = part.wanted if part.tunnel is not None else frozenset()
        """Flows of our hosts that go on our own source tree of the core."""
        self._templates: dict[ip.IpAddress, ip.Template] = {}

    def unicast(self, port: str, outer: ip.Header, packet: bytes) -> Iterable[Emission] | str:
        """Take a unicast packet of a host; return why it goes no further, or where."""
        route = self._part.route(port, outer.destination)
        if route is None:
            return "no-vpn-route"
        forwarded = ip.forwarded(packet[: outer.end])
        if forwarded is None:
            return "ttl"
        if route.address is None:
            return self._hand(route.port, outer.destination, forwarded)
        return self._out(route.address, self._wrapped(route.address, forwarded))

    def _wrapped(self, to: ip.IpAddress, packet: bytes) -> bytes:
        template, own = self._templates.get(to), self._part.local
        if template is None:
            if own is None:
                raise ValueError(f"{self._part.router} has no address in BGP")
            template = self._templates[to] = ip.Template(own, to, gre.PROTOCOL)
        kind = EtherType.IPV4 if packet[:1] < b"\x50" else EtherType.IPV6
        return template.packet(gre.header(kind) + packet)

    def on_tree(self, packet: bytes) -> bytes:
        """Return a packet of a host as it goes on our source tree of the core."""
        tunnel = self._part.tunnel
        if tunnel is None:
            raise ValueError(f"{self._part.router} has no source tree for its VPN")
        return self._wrapped(tunnel.group, packet)

    def arrived(self, outer: ip.Header, packet: bytes) -> Iterable[Emission] | str:
        """Take a packet from another edge router, out of its GRE; return why it goes no further."""
        if outer.source not in self._part.remote:
            return "vpn-source"
        try:
            inner, _ = ip.parse(packet)
        except WireError:
            return "malformed"
        route = self._part.arriving(inner.destination)
        if route is None:
            return "no-vpn-route"
        forwarded = ip.forwarded(packet[: inner.end])
        return "ttl" if forwarded is None else self._hand(route.port, inner.destination, forwarded)


def inside(outer: ip.Header, payload: bytes) -> bytes | None:
    """Return the IP packet in GRE; None: there is none, or something else is in it."""
    if outer.protocol != gre.PROTOCOL:
        return None
    try:
        kind, start = gre.parse(payload)
    except WireError:
        return None
    return payload[start:] if kind in _PAYLOADS else None
