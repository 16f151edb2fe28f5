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
from toolkit.bier.wire import Encapsulation

_ONLY: Final = records.KEY.pack(0)
_MAPS: Final = (
    "state", "config", "interfaces", "bift_ids", "bfirs", "permitted", "slots", "tables", "rows",
    "counters",
)  # fmt: skip


class Loaded:
    """`counters`: the map of another one, to go on counting in."""

    def __init__(
        self,
        library: Libbpf,
        path: Path,
        program: Program,
        layout: Layout,
        devices: Mapping[str, Device],
        outs: Outs,
        deliver: int,
        counters: Map | None = None,
    ) -> None:
        self.layout = layout
        self._library = library
        self._object = Object(library, path)
        try:
            sizes = {
                "interfaces": len(devices), "bift_ids": len(program.bift_ids),
                "bfirs": len(program.bfirs or ()), "permitted": _listed(program),
                "slots": layout.slots, "tables": layout.tables.size, "rows": layout.rows.size,
            }  # fmt: skip
            for name, entries in sizes.items():
                self._object.size(name, entries)
            if counters is not None:
                self._object.share("counters", counters.fd)
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
            value = records.BIFT.pack(numbers[key], code, key.sub_domain, 0)
            self._maps["bift_ids"].put(records.KEY.pack(number | flag), value)
        for sub_domain, bfir in program.bfirs or ():
            self._maps["bfirs"].put(records.KEY.pack(sub_domain << 16 | bfir), b"\1")
        protos = sum(1 << proto for proto in program.protos)
        settings = (protos, program.salt, len(numbers), deliver, program.bfirs is None)
        self._maps["config"].put(_ONLY, records.CONFIG.pack(*settings))
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
            value = records.INTERFACE.pack(role, interface.permitted is not None, mac, True)
            self._maps["interfaces"].put(records.KEY.pack(found.ifindex), value)

    def change(self, key: BiftKey, masks: tuple[Masks, ...], outs: Outs) -> bool:
        """Give one key other tables, between two packets; False where there is no room at all."""
        for _turn in range(2):
            try:
                self._write(self.layout.changed(key, masks, outs))
            except Full:
                settle()
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

    @property
    def counters(self) -> Map:
        return self._maps["counters"]

    def close(self) -> None:
        self._object.close()

    def _write(self, writes: Writes) -> None:
        self._put("rows", writes.rows)
        self._put("tables", writes.tables)
        self._put("slots", writes.slots)

    def _put(self, name: str, entries: Sequence[tuple[int, bytes]]) -> None:
        keys = [records.KEY.pack(at) for at, _value in entries]
        self._maps[name].put_all(keys, [value for _at, value in entries])


def _listed(program: Program) -> int:
    return sum(len(interface.permitted or ()) for interface in program.interfaces.values())
