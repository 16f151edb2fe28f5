"""A BFR in the kernel: loads `bier.bpf.c`, tells it a program, and reads what it counts.

RFC 8279 section 6.5 in the kernel's tc ingress hook (docs/explanation/bier-fast-path.md).  Law: a
packet sees all old or all new tables, none is lost by a change, and counters go on.  Everything
hangs on this process: when it ends, however it ends, the kernel detaches the program.  X.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from types import TracebackType
from typing import NamedTuple

from toolkit.bier.bift import BiftKey, Hop
from toolkit.bier.engine import Deliver
from toolkit.bier.frames import Framer, Macs, NodeReason, Port
from toolkit.bier.kernel import records
from toolkit.bier.kernel.applicable import refuse_inapplicable, too_much
from toolkit.bier.kernel.attachment import Attachment, attach_all
from toolkit.bier.kernel.compiler import compiled
from toolkit.bier.kernel.host import Delivery, Device, Home, device
from toolkit.bier.kernel.layout import Layout, Out, as_masks
from toolkit.bier.kernel.libbpf import Libbpf, test_run
from toolkit.bier.kernel.loaded import Loaded
from toolkit.bier.lookup import Bifts
from toolkit.bier.masks import Masks
from toolkit.bier.node import Delivered, Output
from toolkit.bier.overlay import Overlay
from toolkit.bier.program import Program
from toolkit.bier.reason import Reason
from toolkit.bier.wire import FIXED, WORDS
from toolkit.errors import EnvironmentProblem

_ETHERNET = 14
_MARK = b"\x02BF"
_HANDED_UP = b"\x02BS"
_TURNS = 8
"""Looks at interfaces that do not stay as they are, one after the other."""
_Tables = dict[BiftKey, tuple[Masks, ...]]


class HandedUp(NamedTuple):
    """A frame that is not for the kernel program; its source address is not the sender's."""

    interface: str
    frame: bytes


class KernelPlane:
    """`load` a program, and the kernel forwards by it until `close`.

    `macs`: <interface, address of a neighbor> -> MAC address, for neighbors whose program gives
    none; it may change, followed by `refresh`.  `hands_up`: frames that ask for what the kernel
    does not do come out of `outputs`; else a program that has such things is refused.
    EnvironmentProblem where the machine lacks what this needs.
    """

    def __init__(self, macs: Macs | None = None, *, hands_up: bool = False) -> None:
        self.macs: Macs = {} if macs is None else macs
        self._hands_up, self._closed = hands_up, False
        self._ports: dict[str, int] = {}
        self._reading = threading.Lock()
        """Held while a thread reads counters of `_loaded`, and while that is closed."""
        self.failed: str | None = None
        """What the backups in use are for."""
        self._path = compiled()
        self._library = Libbpf()
        self._home = Home()
        try:
            self._delivery = Delivery()
        except BaseException:
            self._home.close()
            raise
        self._overrun = 0
        self.drops: Counter[str] = Counter()
        """What was delivered and went no further, by reason."""
        self._use(Program(), {})
        self._attached: dict[str, Attachment] = {}
        self._loaded: Loaded | None = None
        self._slow: set[BiftKey] = set()
        """Tables that are user space's."""
        self._tables: _Tables = {}
        self._backups: dict[str, _Tables] = {}

    def __enter__(self) -> KernelPlane:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def load(
        self,
        program: Program,
        tables: Mapping[BiftKey, Bifts] | None = None,
        backups: Mapping[str, Mapping[BiftKey, Bifts]] | None = None,
    ) -> None:
        """Forward by a program from now on; nothing has failed, and counters go on.

        `tables`, `backups`: in place of the program's own.  Each interface changes over between two
        packets.  ProblemsError for what this plane does not do, EnvironmentProblem where an
        interface is missing or the kernel refuses; then the old tables stay in use.
        """
        normal: Mapping[BiftKey, Bifts] = program.bifts if tables is None else tables
        standby: Mapping[str, Mapping[BiftKey, Bifts]]
        standby = program.backups if backups is None else backups
        if not self._hands_up:
            refuse_inapplicable(program, normal)
        devices = self._there(program)
        before = (self._program, self._devices, self._slow, self._tables, self._backups)
        slow = {
            BiftKey(*key)
            for tables in (normal, *standby.values())
            for key, bifts in tables.items()
            if any(too_much(bifts, program))
        }
        try:
            self._use(program, devices)
            self._slow, self._tables = slow, _held(normal, slow)
            self._backups = {name: _held(of, slow) for name, of in standby.items()}
            self._reload(None)
        except BaseException:
            self._use(*before[:2])
            _program, _devices, self._slow, self._tables, self._backups = before
            raise

    def _use(self, program: Program, devices: Mapping[str, Device]) -> None:
        self._program, self._devices = program, dict(devices)
        for name in devices:
            self._ports.setdefault(name, len(self._ports) % records.PORTS)
        ports = {name: Port(found.mac, found.mtu) for name, found in devices.items()}
        self._framer = Framer(program.interfaces, ports, self.macs)
        self._overlay = Overlay(program)

    def _reload(self, failed: str | None) -> None:
        """Put a new object in the place of the old one, interface by interface."""
        old, program = self._loaded, self._program
        lists = sum(len(i.permitted or ()) for i in program.interfaces.values())
        more = len(program.interfaces.keys() - self._backups.keys())
        layout = Layout(self._tables, self._backups, lists, more)
        loaded = Loaded(
            self._library, self._path, program, layout, self._devices, self._out,
            self._delivery.ifindex, self._ports, old,
        )  # fmt: skip
        try:
            loaded.switch_over(layout.failures.get(failed or "", 0))
            interfaces = {name: found.ifindex for name, found in self._devices.items()}
            with self._home.entered():
                self._attached = attach_all(
                    self._library, loaded.program, interfaces, self._attached,
                    -1 if old is None else old.program,
                )  # fmt: skip
        except BaseException:
            loaded.close()
            raise
        with self._reading:
            self._loaded, self.failed = loaded, failed
            if old is not None:
                old.close()

    def replace(self, key: BiftKey, bifts: Bifts, failed: str | None = None) -> None:
        """Replace the tables of one key between two packets; see `Engine.replace`.

        KeyError without such a key, ValueError for tables that the kernel cannot hold or of another
        length; with `hands_up` user space has those from then on.
        """
        if key in self._slow:
            return  # user space's until the next `load`
        if key not in self._tables:
            raise KeyError(key)
        if self._hands_up and any(too_much(bifts, self._program)):
            self._slow.add(key)
            for tables in (self._tables, *self._backups.values()):
                tables.pop(key, None)
            self.refresh()
            return
        masks = as_masks(bifts)
        if any(table.bsl.bits != key.bsl for table in masks):
            raise ValueError(f"BIFT {tuple(key)}: its tables have {key.bsl} bits")
        if failed is None:
            self._tables[key] = masks
        else:
            self._backups.setdefault(failed, dict(self._tables))[key] = masks
        if not self._running().change(key, masks, self._out, failed):
            self.refresh()

    def switch_over(self, failed: str | None) -> bool:
        """Forward by the backups for what has failed, or by the normal tables (None): one store.

        False where there is no backup for it; then nothing changes.
        """
        number = 0 if failed is None else self._running().layout.failures.get(failed, -1)
        if number < 0:
            return False
        self._running().switch_over(number)
        self.failed = failed
        return True

    def refresh(self) -> None:
        """Look at `macs` and at the host's interfaces again."""
        for turn in range(_TURNS):
            self._use(self._program, self._there(self._program))
            try:
                self._reload(self.failed)
            except EnvironmentProblem:
                if turn == _TURNS - 1 or self._there(self._program) == self._devices:
                    raise  # else an interface has gone while we looked: look again
            else:
                return

    def look(self) -> None:
        """`refresh` where an interface of the program has come, gone, or changed."""
        if self._loaded is not None and self._there(self._program) != self._devices:
            self.refresh()

    def _there(self, program: Program) -> dict[str, Device]:
        """Ask the host for the interfaces of a program; with `hands_up` some may be missing."""
        with self._home.entered():
            found = {name: device(name) for name in program.interfaces}
        missing = [name for name, there in found.items() if there is None]
        if missing and not self._hands_up:
            raise EnvironmentProblem(
                f"no interface {', '.join(missing)} in this network namespace; the program's "
                "interfaces have to exist before the kernel plane starts"
            )
        return {name: there for name, there in found.items() if there is not None}

    @property
    def counters(self) -> dict[str, int]:
        """As `Node.counters`, as far as the kernel counts; all since this plane was made."""
        with self._reading:
            loaded = self._loaded
            counts = [0] * len(records.COUNTERS) if loaded is None else loaded.counts()
        counted = dict(zip(records.COUNTERS, counts, strict=True))
        for reason in {str(reason) for reason in (*Reason, *NodeReason)}:  # they share a name
            name = f"dropped-{reason}"
            counted[name] = counted.get(name, 0) + self.drops[reason]
        if not self._closed:
            with self._home.entered():
                self._overrun = self._delivery.lost
        counted["delivery-overrun"] = self._overrun
        return counted

    def fileno(self) -> int:
        """Readable where `outputs` has something."""
        return self._delivery.fileno()

    def outputs(self, most: int = sys.maxsize) -> Iterator[Output | HandedUp]:
        """Yield what is there for this BFER, and what becomes of it (`Node.receive` likewise).

        Of `most` frames: more may come all the time, and others have their turn.
        """
        for _turn in range(most):
            frame = self._delivery.read()
            if frame is None:
                return
            if frame[:3] == _HANDED_UP:
                handed = self._handed(frame)
                if handed is not None:
                    yield handed
                continue
            if frame[:3] != _MARK:
                continue  # the host's own: it believes that this is a network
            deliver = _delivered(frame)
            yield Delivered(*deliver)
            for leg in self._overlay.dispose(deliver, self._framer):
                if isinstance(leg, NodeReason):
                    self.drops[leg] += 1
                else:
                    yield leg

    def _handed(self, frame: bytes) -> HandedUp | None:
        ifindex = int.from_bytes(frame[4:8], sys.byteorder)
        for name, found in self._devices.items():
            if found.ifindex == ifindex:
                said = self._program.interfaces[name].mac
                return HandedUp(name, (found.mac if said is None else said) + frame[6:])
        return None  # it has gone meanwhile

    def port(self, interface: str) -> tuple[int, int]:
        """Return how many BIER frames the kernel program has received and sent there."""
        number = self._ports.get(interface)
        with self._reading:
            loaded = self._loaded
            return (0, 0) if number is None or loaded is None else loaded.port(number)

    def test_run(self, interface: str, frame: bytes) -> tuple[int, bytes]:
        """Give the program a frame (BPF_PROG_TEST_RUN); return its verdict and what is left."""
        ifindex = self._devices[interface].ifindex
        return test_run(self._library, self._running().program, frame, ifindex)

    def close(self) -> None:
        """Detach, and give everything back; counters end."""
        if self._closed:
            return
        with self._reading:
            self._closed = True
        with self._home.entered():
            for attached in self._attached.values():
                attached.close()
        self._attached.clear()
        with self._reading:
            if self._loaded is not None:
                self._loaded.close()
                self._loaded = None
        self._delivery.close()
        self._home.close()

    def _out(self, hop: Hop) -> Out:
        """Return what the host, and whoever resolves addresses, say of the way to a neighbor."""
        neighbor = hop.neighbor
        found, said = self._devices.get(neighbor.interface), self._program.interfaces
        if found is None:
            return Out(0, 0, b"", None)
        own, far = said[neighbor.interface].mac, neighbor.mac
        if far is None and neighbor.address is not None:
            far = self.macs.get((neighbor.interface, neighbor.address))
        mtu, port = min(found.mtu, 0xFFFF), self._ports[neighbor.interface]
        return Out(found.ifindex, mtu, found.mac if own is None else own, far, port)

    def _running(self) -> Loaded:
        if self._loaded is None:
            raise ValueError("no program was loaded")
        return self._loaded


def _held(tables: Mapping[BiftKey, Bifts], slow: Collection[BiftKey]) -> _Tables:
    """Return the tables that are the kernel's."""
    return {BiftKey(*key): as_masks(bifts) for key, bifts in tables.items() if key not in slow}


def _delivered(frame: bytes) -> Deliver:
    """Read the frame as the kernel program marked it: sub-domain and BSL code in the address."""
    sub_domain, code = frame[3], frame[4]
    third = WORDS.unpack_from(frame, _ETHERNET)[2]
    payload = frame[_ETHERNET + FIXED + (4 << code) :]
    return Deliver(third >> 16 & 0x3F, third & 0xFFFF, sub_domain, payload)
