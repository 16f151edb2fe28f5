"""How YANG shows a router's multicast: the config false parts of llmsync-pim, in the JSON of RFC
7951.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.pim.engine import MulticastUse, Use
from toolkit.pim.mfib import Entry, Key
from toolkit.planes.jsonvalue import Json
from toolkit.planes.pim import PimPlane
from toolkit.state.model import IpAddress

COUNTED = (
    "received", "forwarded", "registered", "decapsulated", "joins-sent", "register-stops-sent",
)  # fmt: skip
"""Leaves of the container `counters`."""


def pim_tree(pim: PimPlane, use: MulticastUse | None = None) -> dict[str, Json]:
    """Return neighbors and, with `use`, table, counters and members."""
    tree: dict[str, Json] = {
        "neighbor": [
            {"interface": port.name, "router": port.neighbor}
            for port in sorted(pim.ports.values(), key=lambda p: p.name)
            if port.neighbor
        ]
    }
    if use is None:
        return {"llmsync-pim:pim": tree}
    tree["mfib"] = [_entry(entry, use.uses) for entry in use.mfib.values()]
    tree["counters"] = _counters(use.counters)
    members: list[Json] = [
        {"interface": port, "group": str(group), "source": _any(source)}
        for port, joined in sorted(use.members.items())
        for source, group in joined
    ]
    return {"llmsync-pim:pim": tree, "llmsync-pim:membership": {"member": members}}


def _any(source: IpAddress | None) -> str:
    return "*" if source is None else str(source)


def _entry(entry: Entry, uses: Mapping[Key, Use]) -> Json:
    tree: dict[str, Json] = {"source": _any(entry.source), "group": str(entry.group)}
    if entry.rp is not None:
        tree["rp"] = str(entry.rp)
    if entry.iif:
        tree["iif"] = entry.iif
    if entry.rpf_neighbor:
        tree["rpf-neighbor"] = entry.rpf_neighbor
    tree["oif"] = list(entry.oifs)
    tree["spt"], tree["rpt-pruned"] = entry.spt, entry.rpt_pruned
    tree["register"] = entry.register
    use = uses.get((entry.source, entry.group), Use())
    # a counter64 is a string in JSON (RFC 7951 section 6.1)
    tree["packets"], tree["octets"] = str(use.packets), str(use.octets)
    tree["rpf-failures"] = str(use.rpf_failures)
    return tree


def _counters(counters: Mapping[str, int]) -> Json:
    tree: dict[str, Json] = {name: str(counters.get(name, 0)) for name in COUNTED}
    tree["dropped"] = [
        {"reason": name.removeprefix("dropped-"), "packets": str(count)}
        for name, count in sorted(counters.items())
        if name.startswith("dropped-")
    ]
    return tree
