"""The packets that come in in the conformance vectors, from the BIFT-id on, with their fields."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from bier_cases import sample

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.conformance.expansion import Case
from toolkit.bier.conformance.template import numbers
from toolkit.bier.conformance.vector import Load, Receive
from toolkit.bier.decode import Known
from toolkit.bier.wire import Encapsulation, Header

ETHERNET = 14
ETHERTYPES = {b"\x88\x47": Encapsulation.MPLS, b"\xab\x37": Encapsulation.NON_MPLS}


class Packet(NamedTuple):
    """One packet."""

    name: str
    frame: bytes
    encapsulation: Encapsulation
    tables: dict[tuple[Encapsulation, int], Known]
    """What the router knows of BIFT-ids, in either space."""
    fields: dict[str, object]
    dropped: dict[str, int]

    @property
    def octets(self) -> bytes:
        return self.frame[ETHERNET:]

    @property
    def known(self) -> dict[int, Known]:
        """What the router knows of BIFT-ids in this packet's space."""
        return {
            n: known for (space, n), known in self.tables.items() if space is self.encapsulation
        }

    @property
    def lengths(self) -> dict[int, Bsl]:
        return {number: known.bsl for number, known in self.known.items()}

    @property
    def ordinary(self) -> bool:
        """Fields as a sender writes them, and that no receiver overlooks."""
        f, nibble = self.fields, self.encapsulation.nibble
        plain = (f["ver"], f["s"], f["rsv"], f["nibble"]) == (0, 1, 0, nibble)
        return plain and (f["tc"] == 0 or self.encapsulation is Encapsulation.MPLS)

    def header(self) -> Header:
        """Return the header of an ordinary packet."""
        assert self.ordinary
        said = {k: v for k, v in self.fields.items() if k not in ("ver", "s", "rsv", "nibble")}
        positions, bsl = numbers(said.pop("bits")), Bsl(said.pop("bsl"))
        bits = BitString.of(bsl, positions)
        return Header(encapsulation=self.encapsulation, bits=bits, **said)  # type: ignore[arg-type]


def packets_of(cases: Iterable[Case], most: int | None = None) -> list[Packet]:
    """Return the BIER packets of cases, of each the first ones only where `most` says so."""
    return [packet for case in cases for packet in islice(_packets(case), most)]


def packets(*groups: str, most: int | None = None) -> list[Packet]:
    """Return the BIER packets of a sample of some groups."""
    return packets_of((case for case in sample() if case.group in groups), most)


def _packets(case: Case) -> Iterable[Packet]:
    tables: dict[tuple[Encapsulation, int], Known] = {}
    for number, step in enumerate(case.vector().steps, 1):
        if isinstance(step, Load):
            tables = {
                (space, bift_id): Known(Bsl.of_bits(key.bsl), key.si)
                for (space, bift_id), key in step.program.bift_ids.items()
            }
        elif isinstance(step, Receive) and step.header and step.frame[12:14] in ETHERTYPES:
            space = ETHERTYPES[step.frame[12:14]]
            name = f"{case.group}/{case.name} step {number}"
            fields, dropped = dict(step.header), dict(step.dropped)
            yield Packet(name, step.frame, space, tables, fields, dropped)
