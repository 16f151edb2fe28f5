"""One program of a BFR in the kernel: an object with its maps filled.

Law: it is complete before any packet reaches it, and changed only as `layout.Layout` says.  X.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from toolkit.bier.bift import BiftKey
from toolkit.bier.engine import Arrived
from toolkit.bier.kernel import records
from toolkit.bier.kernel.host import Device
from toolkit.bier.kernel.layout import Full, Layout, Outs, Writes
from toolkit.bier.kernel.libbpf import Libbpf, Map, Object, settle
from toolkit.bier.masks import Masks
from toolkit.bier.program import Program
from toolkit.bier.wire import Encapsulation, Proto
from toolkit.errors import EnvironmentProblem

_ONLY: Final = records.KEY.pack(0)
_MAPS: Final = (
    "state", "config", "interfaces", "bift_ids", "bfirs", "permitted", "slots", "tables", "rows",
    "counters", "ports",
)  # fmt: skip
_COUNTING: Final = ("counters", "ports")


class Loaded:
    """`ports`: where interfaces are counted; `shared`: another one, to go on counting in.

    What `layout` has no tables for is left to user space.
    """

    def __init__(
        self,
        library: Libbpf,
        path: Path,
        program: Program,
        layout: Layout,
        devices: Mapping[str, Device],
        outs: Outs,
        deliver: int,
        ports: Mapping[str, int],
        shared: Loaded | None = None,
    ) -> None:
        self.layout = layout
        self._ports = ports
        self._library = library
        self._object = Object(library, path)
        self._maps: dict[str, Map] = {}
        try:
            sizes = {
                "interfaces": len(devices),
                "bift_ids": len(program.bift_ids) + len(popped(program)),
                "bfirs": len(program.bfirs or ()), "permitted": _listed(program),
                "slots": layout.slots, "tables": layout.tables.size, "rows": layout.rows.size,
            }  # fmt: skip
            for name, entries in sizes.items():
                self._object.size(name, entries)
            if shared is not None:
                for name in _COUNTING:
                    self._object.share(name, shared._maps[name].fd)
            self._object.load()
            self._maps = {name: self._object.map(name) for name in _MAPS}
            self.program = self._object.program("bier_tc")
            self._write(layout.everything(outs))
            self._describe(program, devices, deliver)
        except BaseException:
            self.close()
            raise

    def _describe(self, program: Program, devices: Mapping[str, Device], deliver: int) -> None:
        numbers = self.layout.numbers
        for (space, number), raw in program.bift_ids.items():
            key = BiftKey(*raw)
            flag = 0 if space is Encapsulation.MPLS else records.NON_MPLS
            code = key.bsl.bit_length() - 6
            slow = key not in numbers
            value = records.BIFT.pack(numbers.get(key, 0), code, key.sub_domain, slow)
            self._maps["bift_ids"].put(records.KEY.pack(number | flag), value)
        for sub_domain, bfir in program.bfirs or ():
            self._maps["bfirs"].put(records.KEY.pack(sub_domain << 16 | bfir), b"\1")
        for label in popped(program):
            value = records.BIFT.pack(0, 1, 0, True)
            self._maps["bift_ids"].put(records.KEY.pack(label), value)
        protos = sum(1 << proto for proto in program.taken)
        settings = records.CONFIG.pack(
            protos, program.salt, len(numbers), deliver, program.bfirs is None,
            Proto.OAM in program.taken, 0,
        )  # fmt: skip
        self._maps["config"].put(_ONLY, settings)
        for name, found in devices.items():
            interface = program.interfaces[name]
            for raw, bits in (interface.permitted or {}).items():
                key = BiftKey(*raw)
                if key in numbers:
                    at, row = self.layout.mask(bits, key.bsl // 8)
                    self._maps["rows"].put(records.KEY.pack(at), row)
                    place = records.WIDE_KEY.pack(found.ifindex << 32 | numbers[key])
                    self._maps["permitted"].put(place, records.KEY.pack(at))
            role = records.EDGE if interface.arrived is Arrived.EDGE else records.CORE
            mac = found.mac if interface.mac is None else interface.mac
            listed, port = interface.permitted is not None, self._ports[name]
            value = records.INTERFACE.pack(role, listed, mac, True, port)
            self._maps["interfaces"].put(records.KEY.pack(found.ifindex), value)

    def change(
        self, key: BiftKey, masks: tuple[Masks, ...], outs: Outs, failed: str | None = None
    ) -> bool:
        """Give one key other tables, between two packets; False where there is no room at all."""
        for _turn in range(2):
            try:
                self._write(self.layout.changed(key, masks, outs, failed))
            except Full:
                try:
                    settle()
                except EnvironmentProblem:
                    return False  # CPUs without a tick (nohz_full) have no membarrier
                self.layout.settle()
            else:
                return True
        return False

    def switch_over(self, failure: int) -> None:
        """Use the tables for a failure, or the normal ones (0): one store."""
        self._maps["state"].put(_ONLY, records.WIDE_KEY.pack(failure))

    def counts(self) -> list[int]:
        """Return all counters, those of all CPUs added up."""
        size = records.COUNTS.size
        data = self._maps["counters"].get(_ONLY, size * self._library.cpus)
        return [sum(of) for of in zip(*records.COUNTS.iter_unpack(data), strict=True)]

    def port(self, number: int) -> tuple[int, int]:
        """Return how many frames an interface has received and sent."""
        size = records.PORT.size
        data = self._maps["ports"].get(records.KEY.pack(number), size * self._library.cpus)
        received, sent = zip(*records.PORT.iter_unpack(data), strict=True)
        return sum(received), sum(sent)

    def close(self) -> None:
        self._object.close()

    def _write(self, writes: Writes) -> None:
        self._put("rows", writes.rows)
        self._put("tables", writes.tables)
        self._put("slots", writes.slots)

    def _put(self, name: str, entries: Sequence[tuple[int, bytes]]) -> None:
        keys = [records.KEY.pack(at) for at, _value in entries]
        self._maps[name].put_all(keys, [value for _at, value in entries])


def popped(program: Program) -> frozenset[int]:
    """Return our own SIDs: labels above a BIER label, which user space takes off."""
    return frozenset(label for end in program.terminations for label in end.labels)


def _listed(program: Program) -> int:
    return sum(len(interface.permitted or ()) for interface in program.interfaces.values())
