"""Bursts as Ethernet frames of one interface, with BIER imposed by this host (RFC 8296 section 3).

X: a packet socket.  What stands before the UDP payload is the same for all packets of one length to
the same receivers, so it is made once for each mask: Ethernet, BIER, IP and UDP headers in one
piece (`Fronts`).  The kernel is handed batches (sendmmsg); it neither routes nor checks them.

UDP checksums: over IPv4 data has none (RFC 768; RFC 8085 section 3.4: every block is proven by its
digest), polls have one; over IPv6 each is computed (RFC 8200 section 8.1).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from toolkit.delivery.burst import Burst
from toolkit.errors import EnvironmentProblem
from toolkit.inet import ethernet, ip, udp
from toolkit.transport import links, mmsg

Fronts = Callable[[int], Sequence[bytes]]
"""Mask of receivers -> what goes before the IP packet, one for every copy that leaves (one for each
set of BFR-ids): Ethernet and BIER headers."""

_MASKS = 4096
"""Masks whose headers are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpFlow:
    """The IP and UDP headers of all packets."""

    source: ip.IpAddress
    source_port: int
    group: ip.IpAddress
    port: int
    ttl: int = ip.DEFAULT_TTL
    dscp: int = 0

    def template(self) -> udp.Template:
        """Packets of this flow; with a checksum over IPv6 only."""
        return udp.Template(
            self.source, self.source_port, self.group, self.port, ttl=self.ttl, dscp=self.dscp,
            checked=self.source.version == 6,
        )  # fmt: skip


class PacketCarrier:
    """Puts bursts onto `interface`.  Needs CAP_NET_RAW."""

    def __init__(self, interface: str, flow: UdpFlow, fronts: Fronts) -> None:
        self.frames = 0
        self.refused = 0
        """Frames that found the interface's queue full."""
        self._flow, self._fronts = flow, fronts
        self._interface = interface
        self._made: dict[int, tuple[bytes, ...]] = {}
        self._heads: dict[tuple[int, int, int], list[npt.NDArray[np.uint8]]] = {}
        """(mask, ALC header, symbol) -> headers for each copy; the ALC header is to be set."""
        self._sums = flow.source.version == 6
        template = flow.template()
        self._template, self._overhead = template, template.overhead
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError:
            raise EnvironmentProblem(
                f"{interface}: a packet socket needs CAP_NET_RAW (run as root, or "
                "setcap cap_net_raw+ep)"
            ) from None
        try:
            self._socket.bind((interface, 0))
        except OSError as error:
            self._socket.close()
            raise EnvironmentProblem(
                f"{interface}: {error.strerror} (name an interface of this host)"
            ) from None
        self._outbox = mmsg.Outbox(self._socket.fileno())

    def close(self) -> None:
        self._socket.close()

    def check(self, payload: int, mask: int) -> None:
        """Raise EnvironmentProblem where UDP payloads of `payload` bytes are too long for us."""
        front = max(map(len, self._fronts(mask)), default=ethernet.HEADER)
        needed = front - ethernet.HEADER + self._overhead + payload
        mtu = next((x.mtu for x in links.read() if x.name == self._interface), needed)
        if needed > mtu:
            raise EnvironmentProblem(
                f"{self._interface}: its MTU is {mtu} bytes, and packets of this delivery need "
                f"{needed} (ip link set {self._interface} mtu {needed}, or "
                f"--payload {payload - (needed - mtu)})"
            )

    def send(self, burst: Burst) -> None:
        """Send a burst to the receivers in its mask."""
        if not burst.symbols:
            self._send(burst.mask, np.frombuffer(burst.prefix, np.uint8)[None], memoryview(b""), 0)
            return
        headers, size = burst.headers(), burst.symbol
        last = len(burst.payload) - (burst.symbols - 1) * size
        whole = burst.symbols if last == size else burst.symbols - 1
        if whole:
            self._send(burst.mask, headers[:whole], burst.payload[: whole * size], size)
        if whole < burst.symbols:  # The last symbol of an object: a packet of another length.
            self._send(burst.mask, headers[whole:], burst.payload[whole * size :], last)

    def _send(
        self, mask: int, headers: npt.NDArray[np.uint8], payload: memoryview, symbol: int
    ) -> None:
        count, inner = headers.shape
        for table in self._tables(mask, inner, symbol):
            rows = table[:count]
            rows[:, -inner:] = headers
            if self._sums or not symbol:
                self._set_checksums(rows, payload, inner, symbol)
            try:
                sent = self._outbox.send(rows, payload, symbol, b"")
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    raise EnvironmentProblem(
                        f"{self._interface}: a frame of {rows.shape[1] + symbol} bytes is longer "
                        "than its MTU allows (raise the MTU, or give a smaller --payload)"
                    ) from None
                if error.errno not in (errno.ENETDOWN, errno.ENOBUFS):
                    raise
                sent = 0
            self.frames += sent
            self.refused += count - sent

    def _tables(self, mask: int, inner: int, symbol: int) -> list[npt.NDArray[np.uint8]]:
        """The header tables for UDP payloads of `inner` bytes of header and a symbol."""
        found = self._heads.get((mask, inner, symbol))
        if found is None:
            if len(self._heads) >= _MASKS:
                self._heads.clear()
            packet = self._template.packet(bytes(inner + symbol))[: self._overhead]
            found = self._heads[mask, inner, symbol] = [
                np.tile(np.frombuffer(front + packet + bytes(inner), np.uint8), (mmsg.MAX, 1))
                for front in self._fronts(mask)
            ]
        return found

    def _set_checksums(
        self, rows: npt.NDArray[np.uint8], payload: memoryview, inner: int, symbol: int
    ) -> None:
        """UDP checksums for a batch: the one's complement sum does not mind the byte order."""
        count, end = len(rows), rows.shape[1] - inner
        total = _sums(np.ascontiguousarray(rows[:, -inner:]))
        if symbol:
            content = np.frombuffer(payload, np.uint8).reshape(count, symbol)
            total += _sums(content if symbol % 2 == 0 else np.pad(content, ((0, 0), (0, 1))))
        flow, length = self._flow, udp.HEADER + inner + symbol
        pseudo = flow.source.packed + flow.group.packed + length.to_bytes(4) + bytes((0, 0, 0, 17))
        ports = flow.source_port.to_bytes(2) + flow.port.to_bytes(2) + length.to_bytes(2)
        total += _sums(np.frombuffer(pseudo + ports, np.uint8)[None])
        for _ in range(4):
            total = (total & 0xFFFF) + (total >> 16)
        check = (0xFFFF - total).astype("<u2")
        check[check == 0] = 0xFFFF
        rows[:, end - 2 : end] = check.view(np.uint8).reshape(count, 2)


def _sums(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Sum of the 16-bit words of each row, in this machine's (little-endian) order."""
    found: npt.NDArray[np.uint64] = rows.view("<u2").sum(axis=1, dtype=np.uint64)
    return found
