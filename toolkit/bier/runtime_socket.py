"""A BFR on real interfaces: packet sockets, one loop, the host's links, neighbors and routes.

Everything is decided elsewhere: by `toolkit.bier.node` for frames and `toolkit.bier.live` for
tables; this module carries bytes between them and the kernel.  Law: one thread, so that tables
change between two packets; nothing is sent that the node did not say; what the kernel dropped is
counted beside what we dropped.  X: talks to the kernel, asks the clock.
"""

from __future__ import annotations

import os
import selectors
import time
from collections import Counter
from typing import Final

from toolkit.bier.frames import Port, Resolve, Send
from toolkit.bier.live import Live
from toolkit.bier.node import Delivered, Node
from toolkit.bier.oam_responder import IpReply
from toolkit.bier.overlay import ToHost
from toolkit.bier.packet_filter import EVERYTHING, packet_filter, wanted
from toolkit.bier.program import IpAddress, Program
from toolkit.bier.runtime_guard import TunnelGuard
from toolkit.bier.runtime_netlink import Link, LinkGone, Lost, Netlink, Reachable
from toolkit.bier.runtime_oam import ReplySender, host_ports
from toolkit.bier.runtime_packet import PacketSocket
from toolkit.bier.runtime_tun import DEFAULT_NAME, HostInterface
from toolkit.bier.snapshot import InterfaceCounters, Snapshot, add_drops
from toolkit.errors import EnvironmentProblem

BURST: Final = 256
"""Frames taken from one interface before the others, and the kernel's news, have their turn."""
REFRESH: Final = 20.0
"""Seconds between two looks at the MAC addresses of neighbors in use."""
ASK_AGAIN: Final = 1.0
"""Seconds between two questions for the same address."""


class SocketRuntime:
    """`poll` until enough; `close`.  EnvironmentProblem where the host does not offer what it
    takes: the interfaces of the program, packet sockets, netlink."""

    def __init__(
        self, program: Program, *, host_interface: str = DEFAULT_NAME, filtered: bool = True
    ) -> None:
        """`host_interface`: name of the device by which the host gets packets of its own, made
        where the program asks for it.  Not `filtered`: every frame comes up, so that what the
        kernel's filter would keep from us is counted too."""
        self.received: Counter[str] = Counter()
        """Frames by interface."""
        self.sent: Counter[str] = Counter()
        self.to_host = 0
        self.delivered: list[Delivered] | None = None
        """Set it to a list to see what the overlay gets."""
        self.heard = False
        """The kernel had news in the last `poll`."""
        self._host_name, self._filtered = host_interface, filtered
        self._host: HostInterface | None = None
        self._sockets: dict[str, PacketSocket] = {}
        self._retired: Counter[str] = Counter()
        """Frames that were not sent, by sockets that are closed or not there, by reason."""
        self._kernel_dropped = 0
        """Of sockets that are closed."""
        self._guard = TunnelGuard()
        self._replies = ReplySender()
        self._asked: dict[tuple[str, IpAddress], float] = {}
        self._refresh_at = 0.0
        self._ports: dict[str, Port] = {}
        self.macs: dict[tuple[str, IpAddress], bytes] = {}
        """MAC addresses of neighbors, as far as the kernel knows them."""
        self._links: dict[str, Link] = {}
        self._selector = selectors.DefaultSelector()
        self._wakes, self.waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        """Whatever is written to `waker` ends a `poll` that waits."""
        try:
            self._netlink = Netlink()
        except BaseException:
            self._close_loop()
            raise
        try:
            self.live = Live(self._make_node(program))
            self._start(program)
        except BaseException:
            self.close()
            raise

    @property
    def node(self) -> Node:
        return self.live.node

    def _make_node(self, program: Program) -> Node:
        return Node(program, self._ports, self.macs)

    def _filter(self, program: Program) -> bytes:
        """What the kernel lets come up."""
        return packet_filter(wanted(program)) if self._filtered else EVERYTHING

    def _start(self, program: Program) -> None:
        self._selector.register(self._netlink, selectors.EVENT_READ)
        self._selector.register(self._wakes, selectors.EVENT_READ)
        self._links = self._netlink.links()
        check_interfaces(program, self._links)
        self._read_all()
        self._fit(program)
        self._answer_oam(program)

    def close(self) -> None:
        """Give everything back to the kernel."""
        for name in list(self._sockets):
            self._close(name)
        if self._host is not None:
            self._host.close()
            self._host = None
        self._netlink.close()
        self._replies.close()
        self._guard.close()
        self._close_loop()

    def _close_loop(self) -> None:
        self._selector.close()
        os.close(self._wakes)
        os.close(self.waker)

    def load(self, program: Program) -> None:
        """Be another BFR from now on; counters go on.  EnvironmentProblem, and everything is as it
        was, where the host lacks an interface or a device of the program."""
        check_interfaces(program, self._links)
        try:
            self._fit(program)
            self.live.reload(program)
        except EnvironmentProblem:
            self._fit(self.node.program)
            raise
        self._look(program)
        self._answer_oam(program)

    def is_up(self, interface: str) -> bool:
        """Say whether the host has an interface with a link that works."""
        link = self._links.get(interface)
        return link is not None and link.up

    def _fit(self, program: Program) -> None:
        """Have a socket for each interface of the program and none else, and what it needs."""
        what = wanted(program)
        self._guard.open(what.tunnels)
        filtered = self._filter(program)
        for name, interface in program.interfaces.items():
            link = self._links.get(name)
            if link is None:
                continue
            promiscuous = interface.mac not in (None, link.port.mac)
            try:
                self._open(link, filtered, multicast=bool(what.multicast), everything=promiscuous)
            except EnvironmentProblem:
                if link.is_there():
                    raise  # else it has gone this very moment, and netlink says so next
        host = any(flow.host for flow in program.egress.values())
        if host and self._host is None:
            device = self._host = HostInterface(self._host_name)
            self._netlink.set_up(self._netlink.links()[self._host_name].ifindex)
            self._selector.register(device, selectors.EVENT_READ)
        for name in self._sockets.keys() - program.interfaces.keys():
            self._close(name)
        self._refresh_at = 0.0

    def _open(self, link: Link, filtered: bytes, *, multicast: bool, everything: bool) -> None:
        opened = self._sockets.get(link.name)
        if opened is None:
            opened = self._sockets[link.name] = PacketSocket(link.name, filtered)
            self._selector.register(opened, selectors.EVENT_READ)
        else:
            opened.filter(filtered)
        opened.join(link.ifindex, multicast=multicast, everything=everything)

    def _answer_oam(self, program: Program) -> None:
        if program.oam is not None:
            self.node.oam_ports.update(host_ports(list(program.interfaces)))
            self.node.epoch = time.time() - time.monotonic()
            for own in program.oam.own.values():
                self._replies.open(own.version)

    def _close(self, name: str) -> None:
        opened = self._sockets.pop(name)
        self._selector.unregister(opened)
        self._kernel_dropped += opened.count_kernel_drops()
        self._retired.update(opened.failures)
        opened.close()

    def _read_all(self) -> None:
        """Read links, neighbors and routes as a whole."""
        self._links = self._netlink.links()
        self.macs.clear()
        self.macs.update(self._netlink.neighbors())
        self._look(self.node.program)

    def _look(self, program: Program) -> None:
        """Tell node and tables of the links that are there, and of all routes."""
        for name in program.interfaces:
            link = self._links.get(name)
            if link is not None:
                self._ports[name] = link.port
            self.live.link(name, up=link is not None and link.up)
        for name in self.live.down - program.interfaces.keys():
            self.live.link(name, up=True)  # no interface of ours any more
        self.node.refresh()
        if self.live.follows:
            self.live.route(self._netlink.routes())

    def poll(self, timeout: float | None = None) -> int:
        """Wait `timeout` seconds at most (None: as long as it takes) for something to happen, do
        it, and return how many frames came in."""
        frames, self.heard = 0, False
        events = self._selector.select(0)
        while not events and self.live.settle():  # nothing else to do: time for the backups
            events = self._selector.select(0)
        if not events:
            events = self._selector.select(timeout)
        now = time.monotonic()
        if now >= self._refresh_at:
            self._refresh(now)
        # What the kernel knows goes first: a link that is down takes no more copies.
        for key, _mask in events:
            if key.fileobj is self._netlink:
                self.heard = True
                self._listen()
        for key, _mask in events:
            if isinstance(key.fileobj, PacketSocket):
                frames += self._drain(key.fileobj, now)
            elif isinstance(key.fileobj, HostInterface):
                key.fileobj.discard()
            elif key.data is not None:  # of a runtime that is more than this one
                frames += key.data(now)
            elif key.fileobj == self._wakes:
                os.read(self._wakes, 4096)
        return frames

    def _drain(self, opened: PacketSocket, now: float) -> int:
        name, node = opened.interface, self.live.node
        for count in range(BURST):
            frame = opened.receive()
            if frame is None:
                self.received[name] += count
                return count
            for output in node.receive(name, frame, now):
                if isinstance(output, Send):
                    self._send(output)
                else:
                    self._other(output, now)
        self.received[name] += BURST
        return BURST

    def _send(self, output: Send) -> None:
        interface, front, packet = output
        opened = self._sockets.get(interface)
        if opened is None:
            self._retired["interface-down"] += 1
        elif opened.send(front, packet):
            self.sent[interface] += 1

    def _other(self, output: ToHost | Delivered | Resolve | IpReply, now: float) -> None:
        if isinstance(output, Resolve):
            self._ask(output.interface, output.address, now)
        elif isinstance(output, IpReply):
            if not self._replies.send(output):
                self._retired["oam-reply-not-sent"] += 1
        elif isinstance(output, ToHost):
            if self._host is not None:
                self._host.send(output.packet)
                self.to_host += 1
        elif self.delivered is not None:
            self.delivered.append(output)

    def _ask(self, interface: str, address: IpAddress, now: float) -> None:
        if now - self._asked.get((interface, address), -ASK_AGAIN) >= ASK_AGAIN:
            self._asked[interface, address] = now
            link = self._links.get(interface)
            if link is not None:
                self._netlink.ask_for(link.ifindex, address)

    def _refresh(self, now: float) -> None:
        """Have the kernel look whether the neighbors in use are still where they were."""
        self._refresh_at = now + REFRESH
        self._asked.clear()
        for routes in self.live.routes.values():
            for ways in routes.ways.values():
                for hop in ways.hops + ways.backup:
                    neighbor = hop.neighbor
                    if neighbor.address is not None and neighbor.mac is None:
                        self._ask(neighbor.interface, neighbor.address, now)

    def _listen(self) -> None:
        """Take in what the kernel says; links first act, then all routes are read again."""
        again = False
        changed = False
        for heard in self._netlink.heard():
            if isinstance(heard, Reachable):
                changed |= self._reachable(heard)
            elif isinstance(heard, Link):
                again |= self._link(heard)
            elif isinstance(heard, LinkGone):
                again |= self._gone(heard)
            elif isinstance(heard, Lost) or not self.live.route(heard):
                again = True
        if again:
            self._read_all()
        elif changed:
            self.node.refresh()

    def _reachable(self, heard: Reachable) -> bool:
        key = (heard.interface, heard.address)
        if heard.mac == self.macs.get(key):
            return False
        if heard.mac is None:
            del self.macs[key]
        else:
            self.macs[key] = heard.mac
        return True

    def _link(self, link: Link) -> bool:
        """Note a link; True where something about one of ours has changed."""
        before = self._links.get(link.name)
        self._links[link.name] = link
        if link.name not in self.node.program.interfaces or before == link:
            return False
        self.live.link(link.name, up=link.up)
        self._ports[link.name] = link.port
        if before is None or before.ifindex != link.ifindex:
            if link.name in self._sockets:
                self._close(link.name)
            self._fit(self.node.program)
            self._answer_oam(self.node.program)
        return True

    def _gone(self, heard: LinkGone) -> bool:
        known = self._links.get(heard.name)
        if known is None or known.ifindex != heard.ifindex:
            return False
        del self._links[heard.name]
        if heard.name not in self.node.program.interfaces:
            return False
        self.live.link(heard.name, up=False)
        if heard.name in self._sockets:
            self._close(heard.name)
        return True

    def drops(self) -> dict[str, int]:
        """Return what went nowhere, by reason; cheaper than a snapshot."""
        found = self._refused()
        found.update(self.node.drops)
        found.update({str(r): n for r, n in self.node.engine.drops.items() if n})
        return found

    def _refused(self) -> Counter[str]:
        """What the kernel did not take from us, by reason."""
        found = Counter(self._retired)
        for opened in list(self._sockets.values()):
            if opened.failures:
                found.update(opened.failures)
        if self._host is not None and self._host.failed:
            found["host-refused"] += self._host.failed
        return found

    def snapshot(self) -> Snapshot:
        """Return what has been counted until now."""
        program, down = self.node.program, self.live.down
        interfaces = {}
        for name in program.interfaces:
            opened_now = self._sockets.get(name)
            interfaces[name] = InterfaceCounters(
                received=self.received[name],
                sent=self.sent[name],
                kernel_dropped=0 if opened_now is None else opened_now.count_kernel_drops(),
                up=name not in down,
            )
        return Snapshot(
            name=program.name,
            counters=add_drops(self.node.counters, self._refused()),
            interfaces=interfaces,
            kernel_dropped_before=self._kernel_dropped,
            to_host=self.to_host,
            not_bier=self.node.seen,
            tables_replaced=self.live.reprogrammed,
        )


def check_interfaces(program: Program, links: dict[str, Link]) -> None:
    """Raise EnvironmentProblem naming every interface that this host does not have."""
    missing = [name for name in program.interfaces if name not in links]
    if missing:
        has = ", ".join(sorted(links))
        raise EnvironmentProblem(
            "\n".join(f"no interface {name} here; there are {has}" for name in missing)
        )
