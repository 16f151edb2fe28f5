"""Vectors as files for implementers who have nothing of ours.

One JSON file and one pcap file a group, and a table that says which frame of the pcap file is what.
Law: the same vectors give the same octets.  Pure: names and contents come out; whoever asks writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from toolkit.bier.conformance.vector import Receive, Spread, Vector, document
from toolkit.inet import pcap

MICROSECOND = 1000
COLUMNS = ("frame", "vector", "step", "direction", "interface")


class Captured(NamedTuple):
    """One frame of a pcap file."""

    vector: str
    step: int
    """From 1."""
    direction: str
    """`in`, or `out` for what has to leave, or `way-<n>` for what may."""
    interface: str
    frame: bytes


def frames(vector: Vector) -> Iterator[Captured]:
    """Yield all frames of a vector in the order of its steps."""
    for number, step in enumerate(vector.steps, 1):
        if isinstance(step, Receive):
            yield Captured(vector.name, number, "in", step.interface, step.frame)
            for interface, frame in step.out:
                yield Captured(vector.name, number, "out", interface, frame)
        elif isinstance(step, Spread):
            for choice in step.choices:
                yield Captured(vector.name, number, "in", choice.interface, choice.frame)
                for way, copies in enumerate(choice.ways):
                    for interface, frame in copies:
                        yield Captured(vector.name, number, f"way-{way}", interface, frame)


def written(group: str, vectors: Iterable[Vector]) -> tuple[dict[str, str], bytes, int]:
    """Return (texts by file name, the pcap file, number of vectors) of one group.

    A frame's time is its number in microseconds, so that tools keep the order.
    """
    lines: list[str] = []
    rows = ["\t".join(COLUMNS)]
    captured: list[pcap.Frame] = []
    for vector in vectors:
        lines.append(json.dumps(document(vector), separators=(",", ":"), ensure_ascii=False))
        for one in frames(vector):
            number = len(captured) + 1
            captured.append(pcap.Frame(one.frame, number * MICROSECOND))
            rows.append(f"{number}\t{one.vector}\t{one.step}\t{one.direction}\t{one.interface}")
    texts = {
        f"{group}.json": "[\n" + ",\n".join(lines) + "\n]\n",
        f"{group}.tsv": "\n".join(rows) + "\n",
    }
    return texts, pcap.write(captured), len(lines)
