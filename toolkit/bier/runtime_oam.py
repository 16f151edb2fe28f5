"""Asks over real interfaces: echo requests out as Ethernet frames, replies in by UDP.

draft-ietf-bier-ping-23 sections 4.3 and 4.6.  A thin runtime around `oam_ping` and `oam_trace`: the
tables of a Program impose, an AF_PACKET socket for each interface sends, one UDP socket bound to
our own BFR-prefix receives.  Law: it decides nothing; whatever the host does not let it do ends it
with an EnvironmentProblem that says what to do.  X: talks to the kernel.
"""

from __future__ import annotations

import errno
import fcntl
import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Final

from toolkit.bier.birt import Neighbor
from toolkit.bier.engine import Forward
from toolkit.bier.oam_initiator import Probe, Request, Scope
from toolkit.bier.oam_responder import IpReply, Port
from toolkit.bier.oam_tlv import AddressType, Interface, IpAddress
from toolkit.bier.program import Program
from toolkit.bier.wire import Encapsulation, Proto
from toolkit.errors import EnvironmentProblem
from toolkit.inet import ethernet

LINGER: Final = 0.2
"""Seconds in which duplicate replies still count once everybody has answered."""
_ETHERTYPE: Final = {
    Encapsulation.MPLS: ethernet.EtherType.MPLS,
    Encapsulation.NON_MPLS: ethernet.EtherType.BIER,
}
_SIOCGIFADDR: Final = 0x8915
_ARP: Final = Path("/proc/net/arp")


class Asker:
    """The BFIR of a program, on this host.  Use it in a `with` block."""

    def __init__(self, program: Program, sub_domain: int, interface: str | None = None) -> None:
        """`interface`: send by this one only; None: by all that the tables lead to.

        Raises EnvironmentProblem where the host does not let us.
        """
        known = program.oam
        if known is None or sub_domain not in known.own:
            raise EnvironmentProblem(f"no BFR-prefix for sub-domain {sub_domain} under oam.own")
        self.unsent: dict[str, int] = {}
        """Interface that was not asked for -> copies that would have left by it."""
        self._engine = program.engine()
        self._only = interface
        self._stack = ExitStack()
        self._links: dict[str, socket.socket] = {}
        self._skew = time.time() - time.monotonic()
        self._replies = self._stack.enter_context(_udp(known.own[sub_domain], known.port))

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, probes: Sequence[Probe]) -> None:
        """Ask until all probes are finished, and a little longer for duplicates."""
        while any(not probe.finished for probe in probes):
            for probe in probes:
                for request in probe.poll(self._now()):
                    self._send(probe.scope, request)
            due = [d for probe in probes if (d := probe.deadline) is not None]
            self._collect(probes, min(due, default=self._now()))
        self._collect(probes, self._now() + LINGER, to_the_end=True)

    def _now(self) -> float:
        """Seconds since 1970 on a clock that nobody sets while we run."""
        return self._skew + time.monotonic()

    def _collect(self, probes: Sequence[Probe], until: float, *, to_the_end: bool = False) -> None:
        """Take replies until then, or until a probe wants to ask again."""
        while (left := until - self._now()) > 0:
            if not select.select([self._replies], [], [], left)[0]:
                return
            payload, source = self._replies.recvfrom(0xFFFF)
            now = self._now()
            handle = int.from_bytes(payload[12:16], "big")
            for probe in probes:
                if probe.scope.handle == handle:
                    probe.receive(payload, ip_address(source[0]), now)
            due = [d for probe in probes if (d := probe.deadline) is not None]
            if not to_the_end and min(due, default=now) <= now:
                return

    def _send(self, scope: Scope, request: Request) -> None:
        outputs = self._engine.impose(
            scope.sub_domain, scope.bsl, {request.si: request.bits}, Proto.OAM, request.payload,
            scope.bfir_id, scope.entropy, request.ttl,
        )  # fmt: skip
        for output in outputs:
            if not isinstance(output, Forward):
                continue
            port = output.neighbor.interface
            if self._only not in (None, port):
                self.unsent[port] = self.unsent.get(port, 0) + 1
                continue
            link = self._link(port)
            front = ethernet.Header(
                _mac(output.neighbor), link.getsockname()[4], _ETHERTYPE[output.encapsulation]
            ).encode()
            try:
                link.send(front + output.packet)
            except OSError as error:
                raise EnvironmentProblem(f"{port}: cannot send: {error.strerror}") from None

    def _link(self, port: str) -> socket.socket:
        if port not in self._links:
            self._links[port] = self._stack.enter_context(_packet(port))
        return self._links[port]


def _packet(port: str) -> socket.socket:
    try:
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # 0: it receives nothing
        link.bind((port, 0))
    except PermissionError:
        raise EnvironmentProblem(
            f"{port}: sending frames is not permitted (run as root, or with CAP_NET_RAW)"
        ) from None
    except OSError as error:
        raise EnvironmentProblem(f"{port}: cannot be sent by: {error.strerror}") from None
    return link


def _udp(own: IpAddress, port: int) -> socket.socket:
    family = socket.AF_INET if own.version == 4 else socket.AF_INET6
    replies = socket.socket(family, socket.SOCK_DGRAM)
    try:
        replies.bind((str(own), port))
    except OSError as error:
        replies.close()
        remedy = (
            "give it to the loopback interface"
            if error.errno == errno.EADDRNOTAVAIL
            else "replies are sent there"
        )
        raise EnvironmentProblem(
            f"our BFR-prefix {own}, port {port}: {error.strerror} ({remedy})"
        ) from None
    return replies


def _mac(neighbor: Neighbor) -> bytes:
    """Return the neighbor's MAC address: told, or known to the kernel."""
    if neighbor.tunnel is not None:
        raise EnvironmentProblem(
            f"neighbor {neighbor.router} is behind a tunnel; asking by one is not supported"
        )
    found = neighbor.mac or _arp(neighbor)
    if found is None:
        raise EnvironmentProblem(
            f"neighbor {neighbor.router}: its MAC address is not known (give `mac`, or an "
            "`address` that the kernel has in its ARP table)"
        )
    return found


def _arp(neighbor: Neighbor) -> bytes | None:
    for line in _ARP.read_text(encoding="ascii").splitlines()[1:]:
        address, _, flags, mac, _, port = line.split()
        if (address, port) == (str(neighbor.address), neighbor.interface) and flags != "0x0":
            return bytes.fromhex(mac.replace(":", ""))
    return None


def host_ports(names: Sequence[str]) -> dict[str, Port]:
    """Return what this host says of its interfaces, for `responder_of`; unknown ones are left out.

    The IPv4 address where there is one, else the interface index.
    """
    found: dict[str, Port] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name in names:
            try:
                index = socket.if_nametoindex(name)
                mtu = int(Path(f"/sys/class/net/{name}/mtu").read_text(encoding="ascii"))
            except OSError:
                continue
            try:
                wanted = struct.pack("256s", name.encode()[:15])
                octets = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, wanted)[20:24]
            except OSError:
                interface = Interface(AddressType.IPV4_UNNUMBERED, index=index)
            else:
                interface = Interface(AddressType.IPV4, IPv4Address(octets))
            found[name] = Port(interface, min(mtu, 0xFFFF))
    return found


class ReplySender:
    """Hands whole IP packets to the host's own stack to route.  Needs CAP_NET_RAW."""

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}

    def open(self, version: int) -> None:
        """Be able to send packets of an IP version, in the network namespace that we are in.

        EnvironmentProblem where that is not permitted.
        """
        if version in self._sockets:
            return
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        try:
            self._sockets[version] = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except OSError as error:
            raise EnvironmentProblem(
                f"replies to OAM cannot be sent: {error.strerror} (run as root, or with "
                "CAP_NET_RAW)"
            ) from None

    def send(self, reply: IpReply) -> bool:
        """Send; False where there is no route, or the version was not opened."""
        raw = self._sockets.get(reply.destination.version)
        if raw is None:
            return False
        try:
            raw.sendto(reply.packet, (str(reply.destination), 0))
        except OSError:
            return False
        return True

    def close(self) -> None:
        for raw in self._sockets.values():
            raw.close()
        self._sockets.clear()
