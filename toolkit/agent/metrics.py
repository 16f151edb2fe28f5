"""A receiver's figures as Prometheus metrics.

Pure: values in, text out.  Every sample has the labels `receiver`, `delivery` (empty before the
manifest is here) and `device` (`none`: disk only).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from toolkit.delivery.model import Counters
from toolkit.service.exposition import Family


class Phase(StrEnum):
    """How a receiver stands."""

    OPENING = "opening"
    """It does not listen yet."""
    JOINING = "joining"
    """No manifest yet."""
    RECEIVING = "receiving"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A receiver now.  Sizes are bytes, None: there is no such thing."""

    receiver: str
    delivery: str = ""
    device: str = "none"
    phase: Phase = Phase.OPENING
    size: int = 0
    """Of all files."""
    verified: int = 0
    """Of them, in verified blocks."""
    fetched: int = 0
    """That came by HTTP ranges."""
    blocks: int = 0
    blocks_verified: int = 0
    window: int = 0
    """May be in open blocks."""
    window_used: int = 0
    window_held: int = 0
    """Of these, in blocks that wait to be stored or copied."""
    tensors: int = 0
    """That are known: in files whose header is here."""
    tensors_ready: int = 0
    device_bytes: int | None = None
    device_checked: int | None = None
    device_free: int | None = None
    device_total: int | None = None
    counters: Counters = field(default_factory=Counters)
    steps: Mapping[str, float] = field(default_factory=dict)
    """Step -> seconds after the start."""


_FIGURES: Final[Sequence[tuple[str, str, str, Callable[[Figures], float | None]]]] = (
    ("size_bytes", "gauge", "Bytes of the files.", lambda f: f.size),
    ("packets_total", "counter", "Packets of data taken.", lambda f: f.counters.packets),
    ("bytes_total", "counter", "Bytes of their payloads.", lambda f: f.counters.bytes),
    ("https_bytes_total", "counter", "Bytes that came by HTTP ranges.", lambda f: f.fetched),
    ("found_bytes_total", "counter", "Bytes that were on this host already.",
     lambda f: f.counters.found),
    ("verified_bytes", "gauge", "Bytes of files in verified blocks.", lambda f: f.verified),
    ("blocks", "gauge", "Blocks of the files.", lambda f: f.blocks),
    ("blocks_verified", "gauge", "Blocks that are verified.", lambda f: f.blocks_verified),
    ("duplicates_total", "counter", "Packets that were not needed.",
     lambda f: f.counters.duplicates),
    ("repaired_total", "counter", "Parity symbols used.", lambda f: f.counters.repaired),
    ("polluted_total", "counter", "Blocks whose digest was wrong.", lambda f: f.counters.polluted),
    ("evicted_total", "counter", "Blocks that had no room in the window.",
     lambda f: f.counters.evicted),
    ("window_limit_bytes", "gauge", "Bytes that open blocks may have.", lambda f: f.window),
    ("window_used_bytes", "gauge", "Bytes that open blocks have.", lambda f: f.window_used),
    ("window_held_bytes", "gauge", "Of these, of blocks that wait to be stored or copied.",
     lambda f: f.window_held),
    ("tensors", "gauge", "Tensors in files whose header is here.", lambda f: f.tensors),
    ("tensors_ready", "gauge", "Tensors that can be used.", lambda f: f.tensors_ready),
    ("device_bytes", "gauge", "Bytes of tensors on the device.", lambda f: f.device_bytes),
    ("device_checked_bytes_total", "counter", "Bytes whose digests were right on the device.",
     lambda f: f.device_checked),
    ("device_memory_free_bytes", "gauge", "Free memory of the device.", lambda f: f.device_free),
    ("device_memory_bytes", "gauge", "Memory of the device.", lambda f: f.device_total),
)  # fmt: skip


def exposition(figures: Figures, version: str) -> str:
    """Return the text of GET /metrics."""
    labels = {
        "receiver": figures.receiver, "delivery": figures.delivery, "device": figures.device
    }  # fmt: skip
    families = [
        Family("llmsync_info", "gauge", "About this receiver.", [({"version": version}, 1)])
    ]
    for name, kind, text, read in _FIGURES:
        value = read(figures)
        if value is not None:
            families.append(Family(f"llmsync_receive_{name}", kind, text, [(labels, value)]))
    families += [
        Family(
            "llmsync_receive_refused_total", "counter", "Datagrams of no use, by kind.",
            [({**labels, "kind": k}, n) for k, n in sorted(dict(figures.counters.refused).items())],
        ),
        Family(
            "llmsync_receive_step_seconds", "gauge", "When a step was reached, after the start.",
            [({**labels, "step": step}, at) for step, at in figures.steps.items()],
        ),
        Family(
            "llmsync_receive_state", "gauge", "1 for how the receiver stands, 0 else.",
            [({**labels, "state": phase}, phase is figures.phase) for phase in Phase],
        ),
    ]  # fmt: skip
    return "\n".join(family.text() for family in families) + "\n"
