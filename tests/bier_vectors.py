"""Reads tests/vectors/bier_*.json (see the README beside them) for every forwarder's tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toolkit.bier.bift import Bift, BiftKey, Entry
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.wire import Encapsulation, Header

FOLDER = Path(__file__).parent / "vectors"
Vector = dict[str, Any]


def vectors(*names: str) -> list[Vector]:
    """Return the vectors of the files `bier_<name>.json`."""
    return [v for name in names for v in json.loads((FOLDER / f"bier_{name}.json").read_text())]


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def bits(spec: str | list[int]) -> list[int]:
    if isinstance(spec, list):
        return spec
    low, high = spec.split("-")
    return list(range(int(low), int(high) + 1))


def value(spec: str | list[int]) -> int:
    return sum(1 << bit - 1 for bit in bits(spec))


def key(table: Vector) -> BiftKey:
    return BiftKey(table["sub_domain"], table["bsl"], table["si"])


def bift(table: Vector) -> Bift:
    entries: dict[int, Entry] = {}
    for row in table["rows"]:
        neighbor = Neighbor(row["to"], f"to-{row['to']}") if "to" in row else None
        for bit in bits(row["bits"]):
            if row.get("local"):
                entries[bit] = Entry(1 << bit - 1, local=True)
            else:
                f_bm = value(row.get("f_bm", row["bits"]))
                entries[bit] = Entry(f_bm, neighbor, row.get("bift_id"))
    return Bift(Bsl.of_bits(table["bsl"]), entries)


def lengths(vector: Vector) -> dict[int, Bsl]:
    """Return what the BIFT-ids of the packet's own encapsulation say."""
    return {
        t["bift_id"]: Bsl.of_bits(t["bsl"])
        for t in vector["program"]
        if t["encapsulation"] == vector["encapsulation"]
    }


def header(vector: Vector) -> Header:
    fields = dict(vector["header"])
    bsl = lengths(vector)[fields["bift_id"]]
    fields["bits"] = BitString.of(bsl, bits(fields["bits"]))
    return Header(encapsulation=Encapsulation(vector["encapsulation"]), **fields)
