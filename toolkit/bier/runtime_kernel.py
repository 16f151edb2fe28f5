"""A BFR whose BIER is forwarded by the kernel, and everything else by `runtime_socket`.

One node in user space knows all tables, routes, links and neighbors, as it always does; each change
of its tables is made in the kernel too (`runtime_ebpf`).  Frames that the kernel program leaves to
user space go through the node: tables with F-BMs that overlap, neighbors behind tunnels, BIER OAM;
IP multicast that is imposed, and tunnels that end here, come up by packet sockets.  Law: every
frame is forwarded by one of the two and counted once; counters are added up.  X.
"""

from __future__ import annotations

import selectors
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from toolkit.bier.bift import BiftId, BiftKey
from toolkit.bier.engine import Engine
from toolkit.bier.frames import Macs, Port, Send
from toolkit.bier.lookup import Bifts
from toolkit.bier.node import Node, Output
from toolkit.bier.packet_filter import BUT_BIER, packet_filter, wanted
from toolkit.bier.program import IpAddress, Program
from toolkit.bier.runtime_ebpf import HandedUp, KernelPlane
from toolkit.bier.runtime_socket import BURST, SocketRuntime
from toolkit.bier.runtime_tun import DEFAULT_NAME
from toolkit.bier.snapshot import Snapshot, add_drops
from toolkit.bier.wire import Encapsulation

_OWN = frozenset({"handed-up", "not-sent", "delivery-overrun"})
"""Counters of the kernel plane that a node has not."""


class _Engine(Engine):
    """An engine whose tables are the kernel's too; `program` says what is no table."""

    kernel: KernelPlane | None = None
    program: Program

    def load(
        self,
        bifts: Mapping[BiftKey, Bifts],
        bift_ids: Mapping[BiftId, BiftKey],
        *,
        encapsulations: Mapping[tuple[int, int], Encapsulation] | None = None,
        backups: Mapping[str, Mapping[BiftKey, Bifts]] | None = None,
    ) -> None:
        before = dict(vars(self))
        super().load(bifts, bift_ids, encapsulations=encapsulations, backups=backups)
        if self.kernel is not None:
            try:
                self.kernel.load(self.program, bifts, backups or {})
            except BaseException:
                vars(self).update(before)  # both have the old tables
                raise

    def replace(self, key: BiftKey, bifts: Bifts, failed: str | None = None) -> None:
        super().replace(key, bifts, failed)
        if self.kernel is not None:
            self.kernel.replace(key, bifts, failed)

    def switch_over(self, failed: str | None) -> bool:
        found = super().switch_over(failed)
        if found and self.kernel is not None:
            self.kernel.switch_over(failed)
        return found


class _Node(Node):
    """A node that asks the kernel to look again when addresses change."""

    def __init__(
        self, program: Program, ports: Mapping[str, Port], macs: Macs, kernel: KernelPlane
    ) -> None:
        super().__init__(program, ports, macs)
        self._kernel = kernel
        self.engine = engine = _Engine({}, {})
        engine.kernel, engine.program = kernel, program
        self._known: dict[str, Port] = {}
        self._asked: dict[tuple[str, IpAddress], bytes] = {}
        program.reload(engine)

    def load(self, program: Program) -> None:
        assert isinstance(self.engine, _Engine)
        before, self.engine.program = self.engine.program, program
        try:
            super().load(program)
        except BaseException:
            self.engine.program = before
            raise

    def refresh(self) -> None:
        super().refresh()
        ports, macs = dict(self.ports), dict(self.macs)
        if (ports, macs) != (self._known, self._asked):
            self._known, self._asked = ports, macs
            self._kernel.refresh()


class KernelRuntime(SocketRuntime):
    """As `SocketRuntime`.  EnvironmentProblem where the kernel plane cannot be had."""

    def __init__(
        self, program: Program, *, host_interface: str = DEFAULT_NAME, filtered: bool = True
    ) -> None:
        self._kernel: KernelPlane | None = None
        self._counted = 0
        self._seen: dict[str, tuple[int, int]] = {}
        """Frames received and sent that the kernel has told of."""
        self._adding = threading.Lock()
        """Held while `_seen` changes: counters are asked for by other threads too."""
        super().__init__(program, host_interface=host_interface, filtered=filtered)
        self._selector.register(self._plane, selectors.EVENT_READ, self._take_up)

    @property
    def _plane(self) -> KernelPlane:
        if self._kernel is None:
            self._kernel = KernelPlane(self.macs, hands_up=True)
        return self._kernel

    def _make_node(self, program: Program) -> Node:
        return _Node(program, self._ports, self.macs, self._plane)

    def _filter(self, program: Program) -> bytes:
        return packet_filter(wanted(program), bier=False) if self._filtered else BUT_BIER

    def _fit(self, program: Program) -> None:
        super()._fit(program)
        self._plane.look()

    def poll(self, timeout: float | None = None) -> int:
        """As `SocketRuntime.poll`; what the kernel forwards ends no waiting."""
        frames = super().poll(timeout)
        before, self._counted = self._counted, self._plane.counters["received"]
        self._add_up()
        return frames + self._counted - before

    def _add_up(self) -> None:
        """Take the kernel's frames into the account of each interface."""
        with self._adding:
            for name in self.node.program.interfaces:
                received, sent = self._plane.port(name)
                seen = self._seen.get(name, (0, 0))
                self.received[name] += received - seen[0]
                self.sent[name] += sent - seen[1]
                self._seen[name] = (received, sent)

    def _take_up(self, now: float) -> int:
        """Do what the kernel program leaves to us; return how many frames are the node's."""
        frames = 0
        for output in self._plane.outputs(BURST):
            if isinstance(output, HandedUp):
                frames += 1
                for made in self.node.receive(output.interface, output.frame, now):
                    self._do(made, now)
            else:
                self._do(output, now)
        return frames

    def _do(self, output: Output, now: float) -> None:
        if isinstance(output, Send):
            self._send(output)
        else:
            self._other(output, now)

    def drops(self) -> dict[str, int]:
        found = Counter(super().drops())
        for name, count in self._plane.counters.items():
            if count and name.startswith("dropped-"):
                found[name.removeprefix("dropped-")] += count
        return dict(found)

    def snapshot(self) -> Snapshot:
        """Return what both have counted."""
        counters = Counter(self.node.counters)
        kernel = self._plane.counters
        counters.update({name: count for name, count in kernel.items() if name not in _OWN})
        self._add_up()
        lost = Counter({"send-failed": kernel["not-sent"], "delivery": kernel["delivery-overrun"]})
        lost.update(self._refused())
        return replace(super().snapshot(), counters=add_drops(dict(counters), lost))

    def close(self) -> None:
        """Give everything back to the kernel."""
        super().close()
        if self._kernel is not None:
            self._kernel.close()
