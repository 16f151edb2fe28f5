"""Whether a router shows over NETCONF the multicast table and the counters that it forwarded by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toolkit.pim.engine import MulticastUse, Use
from toolkit.pim.mfib import Entry

Row = tuple[str, str, tuple[str, ...], bool, int, int, int]
"""iif, RPF neighbor, oifs, SPT bit, packets, octets, RPF failures."""


def differing(
    name: str, tree: Mapping[str, object], use: MulticastUse
) -> Iterator[tuple[str, str]]:
    """Yield (data path, what is wrong there) of llmsync-pim on router `name`."""
    from toolkit.yang import bindings_pim

    shown: dict[tuple[str, str], Row] = {
        (row.source, row.group): (
            row.iif or "", row.rpf_neighbor or "", row.oifs, row.spt,
            row.packets, row.octets, row.rpf_failures,
        )
        for row in bindings_pim.mfib_of(tree, name)
    }  # fmt: skip
    used = {
        (_any(entry), str(entry.group)): _row(entry, use.uses.get(key, Use()))
        for key, entry in use.mfib.items()
    }
    for key in sorted({*shown, *used}):
        if shown.get(key) != used.get(key):
            path = f"/llmsync-pim:pim/mfib[source='{key[0]}'][group='{key[1]}']"
            yield path, f"shows {shown.get(key)} where it forwards by {used.get(key)}"
    counters = bindings_pim.pim_counters_of(tree, name)
    told = dict(counters.counted) | {f"dropped-{r}": n for r, n in counters.dropped.items()}
    for leaf in sorted({*told, *use.counters}):
        if told.get(leaf, 0) != use.counters.get(leaf, 0):
            path = f"/llmsync-pim:pim/counters/{leaf}"
            yield path, f"shows {told.get(leaf)}, counted {use.counters.get(leaf)}"


def _any(entry: Entry) -> str:
    return "*" if entry.source is None else str(entry.source)


def _row(entry: Entry, use: Use) -> Row:
    return (
        entry.iif, entry.rpf_neighbor, entry.oifs, entry.spt,
        use.packets, use.octets, use.rpf_failures,
    )  # fmt: skip
