"""What a running BFR has counted: as JSON, in Prometheus' text format, as YANG state.

RFC 7951 (JSON of YANG, module llmsync-bier), Prometheus exposition format 0.0.4.  Law: every frame
and copy that went nowhere is in one counter by its reason; counters only rise.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from toolkit.bier.bift import Bift, BiftId, BiftKey, Entry
from toolkit.bier.bitstring import BitString, bfr_id_at

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
DROPPED = "dropped-"
PREFIX = "llmsync_bier"


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceCounters:
    """Frames of one interface."""

    received: int = 0
    sent: int = 0
    kernel_dropped: int = 0
    """Dropped by the kernel since we were too slow."""
    up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All counters at one moment."""

    name: str
    counters: Mapping[str, int]
    """As `Engine.counters`: `received`, ..., and `dropped-<reason>`."""
    interfaces: Mapping[str, InterfaceCounters] = field(default_factory=dict)
    kernel_dropped_before: int = 0
    """As `InterfaceCounters.kernel_dropped`, on interfaces that have gone."""
    to_host: int = 0
    """Packets handed to this host's own IP stack."""
    not_bier: int = 0
    """IP packets that came up and were the host's own business."""
    tables_replaced: int = 0
    """BIFTs replaced since routes or links changed."""

    @property
    def dropped(self) -> dict[str, int]:
        """Reason -> how many, those that happened."""
        return {
            name.removeprefix(DROPPED): count
            for name, count in sorted(self.counters.items())
            if name.startswith(DROPPED) and count
        }

    def document(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "name": self.name,
            "counters": {n: c for n, c in self.counters.items() if not n.startswith(DROPPED)},
            "dropped": dict(self.dropped.items()),
            "interfaces": {name: asdict(i) for name, i in self.interfaces.items()},
            "kernel_dropped_before": self.kernel_dropped_before,
            "to_host": self.to_host,
            "not_bier": self.not_bier,
            "tables_replaced": self.tables_replaced,
        }

    def prometheus(self) -> str:
        """Return it in the text format that Prometheus scrapes."""
        router = ("router", self.name)
        packets = [
            ((router, ("event", name)), count)
            for name, count in self.counters.items()
            if not name.startswith(DROPPED)
        ]
        reasons = [
            ((router, ("reason", name.removeprefix(DROPPED))), count)
            for name, count in sorted(self.counters.items())
            if name.startswith(DROPPED)
        ]
        frames = [
            ((router, ("interface", name), ("direction", direction)), count)
            for name, i in self.interfaces.items()
            for direction, count in (("received", i.received), ("sent", i.sent))
        ]
        kernel = [
            ((router, ("interface", n)), i.kernel_dropped) for n, i in self.interfaces.items()
        ]
        up = [((router, ("interface", n)), int(i.up)) for n, i in self.interfaces.items()]
        own = (router,)
        return "".join((
            *_family("packets_total", "BIER packets by what became of them.", packets),
            *_family("dropped_total", "Packets, bits or copies that went nowhere.", reasons),
            *_family("frames_total", "Frames by interface.", frames),
            *_family("kernel_dropped_total", "Frames that the kernel dropped for us.", kernel),
            *_family("to_host_total", "Packets for this host.", [(own, self.to_host)]),
            *_family("not_bier_total", "IP that is the host's own.", [(own, self.not_bier)]),
            *_family("tables_replaced_total", "BIFTs replaced.", [(own, self.tables_replaced)]),
            *_family("interface_up", "1 where the link is up.", up, kind="gauge"),
        ))  # fmt: skip

    def state(
        self, tables: Mapping[BiftKey, Bift], bift_ids: Mapping[BiftId, BiftKey]
    ) -> dict[str, Json]:
        """Return it, and the tables in use, as config false nodes of llmsync-bier (RFC 7951)."""
        selects = {key: bift_id.number for bift_id, key in bift_ids.items()}
        return {
            "llmsync-bier:bier": {
                "bift": [
                    bift_tree(key, bift, selects.get(key)) for key, bift in sorted(tables.items())
                ],
                "counters": counters_tree(self.counters),
            }
        }


def add_drops(counters: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Return counters with further drops, by reason, added."""
    found = dict(counters)
    for reason, count in more.items():
        found[f"{DROPPED}{reason}"] = found.get(f"{DROPPED}{reason}", 0) + count
    return found


def counters_tree(counters: Mapping[str, int]) -> Json:
    """Return a container `counters`; a counter64 is a string in JSON (RFC 7951 section 6.1)."""
    tree: dict[str, Json] = {
        name: str(counters.get(name, 0))
        for name in ("received", "forwarded", "delivered", "imposed")
    }
    tree["dropped"] = [
        {"reason": name.removeprefix(DROPPED), "packets": str(count)}
        for name, count in sorted(counters.items())
        if name.startswith(DROPPED)
    ]
    return tree


def bift_tree(key: BiftKey, bift: Bift, bift_id: int | None) -> dict[str, Json]:
    """Return an entry of the list `bift`."""
    tree: dict[str, Json] = {"sub-domain": key.sub_domain, "bsl": key.bsl, "si": key.si}
    if bift_id is not None:
        tree["bift-id"] = bift_id
    tree["entry"] = [
        _entry_tree(bfr_id_at(key.si, position, key.bsl), bift, entry)
        for position, entry in sorted(bift.entries.items())
    ]
    return tree


def _entry_tree(bfr_id: int, bift: Bift, entry: Entry) -> Json:
    tree: dict[str, Json] = {"bfr-id": bfr_id, "f-bm": BitString(bift.bsl, entry.f_bm).hex()}
    if entry.neighbor is not None:
        tree["neighbor"] = entry.neighbor.router
        tree["out-interface"] = entry.neighbor.interface
        tree["out-bift-id"] = entry.out_bift_id
        tree["tunnel"] = entry.neighbor.tunnel is not None
    return tree


_Sample = tuple[tuple[tuple[str, str], ...], int]


def _family(
    name: str, told: str, samples: Iterable[_Sample], *, kind: str = "counter"
) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {told}\n# TYPE {PREFIX}_{name} {kind}\n"
    for labels, value in samples:
        text = ",".join(f'{label}="{_escaped(said)}"' for label, said in labels)
        yield f"{PREFIX}_{name}{{{text}}} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
