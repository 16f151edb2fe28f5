"""The frames that a vector file describes field by field.

What is not said of a packet follows from the expansion (BSL field, nibble), from RFC 8296's
defaults, or, of a copy, from the packet that came in: what a BFR may not change is taken over, TTL
is one less.  Law: only `toolkit.bier.conformance.packing` makes octets.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import ip_address
from typing import Any, Final

from toolkit.bier.conformance import packing
from toolkit.bier.conformance.template import Symbols, numbers, ranges

Fields = dict[str, Any]
"""One object of a vector file, expanded."""
PAYLOAD: Final = "c0ffee00"
OUTSIDE_MAC: Final = "02:00:00:ff:ff:ff"
"""Who sends a frame where no one is named."""
TUNNEL_TTL: Final = 64
LABEL_TTL: Final = 255
BIER_FIELDS: Final = frozenset(name for name, _width in packing.LAYOUT)


@dataclass(slots=True)
class Packet:
    """A BIER packet: what to write, and the fields it was written from."""

    encapsulation: str
    fields: dict[str, int]
    positions: list[int]
    bits: int
    payload: bytes
    octets: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.octets = packing.bier(self.fields, self.positions, self.bits) + self.payload

    def header(self) -> Fields:
        return {**self.fields, "bits": ranges(self.positions)}


def fresh(said: Fields, symbols: Symbols, encapsulation: str) -> Packet:
    """Return the packet that `bier` and `payload` describe."""
    bits = int(said.get("length", symbols["BSL"]))
    fields = {
        "tc": 0,
        "s": 1,
        "ttl": 64,
        "nibble": 5 if encapsulation == "mpls" else 0,
        "ver": 0,
        "bsl": packing.CODES[bits],
        "entropy": 0,
        "oam": 0,
        "rsv": 0,
        "dscp": 0,
        "proto": 4,
        "bfir_id": 3,
    }
    _take_over(fields, said)
    rest = payload(said.get("payload", PAYLOAD))
    return Packet(encapsulation, fields, numbers(said["bits"]), bits, rest)


def copy(of: Packet, said: Fields) -> Packet:
    """Return what leaves for a packet that came in: all fields the same but BIFT-id, TTL, bits.

    Without MPLS, TC and the nibble are sent as 0 and S as 1, whatever came in (RFC 8296 sections
    2.2.1, 2.2.2).
    """
    fields = {**of.fields, "ttl": of.fields["ttl"] - 1}
    if of.encapsulation != "mpls":
        fields |= {"tc": 0, "s": 1, "nibble": 0}
    _take_over(fields, said)
    rest = payload(said["payload"]) if "payload" in said else of.payload
    return Packet(of.encapsulation, fields, numbers(said["bits"]), of.bits, rest)


def _take_over(fields: dict[str, int], said: Fields) -> None:
    for name in BIER_FIELDS & said.keys():
        value = said[name]
        fields[name] = _flow_entropy(value) if name == "entropy" else int(value)
    if "bift_id" not in fields:
        raise ValueError("a packet needs its bift_id")


def _flow_entropy(said: object) -> int:
    """Return a number, or that of a flow: `"10.0.0.1 232.1.1.1"` (as toolkit.bier.entropy)."""
    if not isinstance(said, str):
        return int(str(said))
    left, right = (ip_address(text) for text in said.split())
    data = bytes((left.version, right.version)) + left.packed + right.packed + bytes(4)
    return int.from_bytes(blake2b(data, digest_size=4).digest(), "big") >> 12


def payload(said: object) -> bytes:
    """Return the payload that is hexadecimal, `{"octets": n}` or `{"ip": {...}}`."""
    if isinstance(said, str):
        return bytes.fromhex(said)
    if isinstance(said, dict) and "octets" in said:
        return bytes((7 * n + 3) % 256 for n in range(int(said["octets"])))
    if isinstance(said, dict) and "ip" in said:
        return datagram(said["ip"])
    raise ValueError(f"{said!r} is no payload")


def datagram(said: Fields) -> bytes:
    """Return a UDP datagram over IP to a group: `source`, `group`, `ttl`, `octets`, `dscp`."""
    source, group = str(said["source"]), str(said["group"])
    inner = payload({"octets": said.get("octets", 32)})
    rest = packing.udp(source, 4000, group, 5000, inner, checked=True)
    ttl, dscp = int(said.get("ttl", 64)), int(said.get("dscp", 0))
    return packing.ip(source, group, packing.UDP, rest, ttl, dscp)


def native(said: Fields, source_mac: bytes) -> bytes:
    """Return the Ethernet frame of an IP multicast packet."""
    group = str(said["group"])
    kind = 0x86DD if ":" in group else 0x0800
    return packing.ethernet(packing.group_mac(group), source_mac, kind) + datagram(said)


class Addresses:
    """MAC addresses and tunnels, as a program's document says them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._interfaces: Mapping[str, Any] = document.get("interfaces", {})
        self._neighbors: Mapping[str, Any] = document.get("neighbors", {})

    def own(self, interface: str) -> bytes:
        """Return our own address on an interface; a made up one where it is not ours."""
        known = self._interfaces.get(interface, {})
        return packing.mac(known.get("mac", OUTSIDE_MAC))

    def to(self, neighbor: str, packet: Packet) -> tuple[str, bytes]:
        """Return the interface and frame with which a copy leaves to a neighbor."""
        there = self._neighbors[neighbor]
        interface = str(there["interface"])
        ends = (packing.mac(there["mac"]), self.own(interface))
        return interface, _framed(packet, ends, there.get("tunnel"))

    def by(self, interface: str, packet: bytes, kind: int, said: Fields) -> bytes:
        """Return a frame that comes in by an interface, from whoever `said` names."""
        ends = (
            packing.mac(said["to_mac"]) if "to_mac" in said else self.own(interface),
            packing.mac(said.get("from_mac", OUTSIDE_MAC)),
        )
        return packing.ethernet(*ends, int(said.get("ethertype", kind))) + packet

    def through(self, packet: Packet, interface: str, tunnel: Fields) -> bytes:
        """Return the frame of a packet that comes to us through a tunnel."""
        return _framed(packet, (self.own(interface), packing.mac(OUTSIDE_MAC)), tunnel)


def _framed(packet: Packet, ends: tuple[bytes, bytes], tunnel: Fields | None) -> bytes:
    kind, octets = packing.ETHERTYPES[packet.encapsulation], packet.octets
    if tunnel is None:
        return packing.ethernet(*ends, kind) + octets
    how = tunnel.get("kind", "gre")
    if how == "sr-mpls":
        stack = b"".join(packing.label(n, ttl=LABEL_TTL) for n in numbers(tunnel["labels"]))
        return packing.ethernet(*ends, kind) + stack + octets
    local, remote = str(tunnel["local"]), str(tunnel["remote"])
    six = ":" in local
    if how == "gre":
        protocol, inside = packing.GRE, packing.gre(kind) + octets
    else:
        protocol = packing.UDP
        frame = packing.ethernet(b"\xff" * 6, ends[1], kind) + octets
        port = 0xC000 | packet.fields["entropy"] & 0x3FFF
        inside = packing.udp(
            local, port, remote, packing.VXLAN_PORT,
            packing.vxlan(int(tunnel.get("vni", 0))) + frame, checked=six,
        )  # fmt: skip
    outer = packing.ip(local, remote, protocol, inside, TUNNEL_TTL, 0)
    return packing.ethernet(*ends, 0x86DD if six else 0x0800) + outer
