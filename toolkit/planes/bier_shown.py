"""How a router shows its BIFTs: the config false nodes of llmsync-bier in the JSON of RFC 7951.

Pure.  An entry is that of the first table; beside it stand the other ways that entropy may choose
(RFC 8279 section 6.7.2) and the backups for interfaces that may fail (draft-ietf-bier-frr).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toolkit.bier.bift import Bift, BiftId, BiftKey, Hop
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.snapshot import bift_tree
from toolkit.planes.jsonvalue import Json
from toolkit.planes.ways import Ways


def bifts_tree(
    bifts: Mapping[BiftKey, Bift], bift_ids: Mapping[BiftId, BiftKey], ways: Ways | None
) -> Json:
    """Return the list `bift`."""
    selects = {key: bift_id.number for bift_id, key in bift_ids.items()}
    shown: list[Json] = []
    for key, bift in sorted(bifts.items()):
        tree = bift_tree(key, bift, selects.get(key))
        if ways is not None and isinstance(entries := tree["entry"], list):
            for position, entry in zip(sorted(bift.entries), entries, strict=True):
                if isinstance(entry, dict) and "neighbor" in entry:
                    entry |= _more(key, position, ways)
        shown.append(tree)
    return shown


def _more(key: BiftKey, position: int, ways: Ways) -> dict[str, Json]:
    """Return what stands beside the way of the first table."""
    more: dict[str, Json] = {}
    if others := list(_others(key, position, ways)):
        more["other-way"] = others
    if backups := list(_backups(key, position, ways)):
        more["backup"] = backups
    return more


def _hop_tree(hop: Hop) -> dict[str, Json]:
    return {
        "neighbor": hop.neighbor.router,
        "out-interface": hop.neighbor.interface,
        "out-bift-id": hop.bift_id,
        "tunnel": hop.neighbor.tunnel is not None,
    }


def _others(key: BiftKey, position: int, ways: Ways) -> Iterator[Json]:
    hops = ways.hops[key][position]
    for number, table in enumerate(ways.tables[key]):
        hop = hops[number % len(hops)]
        if hop != hops[0]:
            f_bm = BitString(Bsl.of_bits(key.bsl), table.hops[hop]).hex()
            yield {"table": number, "f-bm": f_bm, **_hop_tree(hop)}


def _backups(key: BiftKey, position: int, ways: Ways) -> Iterator[Json]:
    for failed, by_key in sorted(ways.repairs.items()):
        if position not in by_key.get(key, {}):
            continue
        tree: dict[str, Json] = {"failed": failed}
        repair = by_key[key][position]
        if repair is not None:
            (hop, *_), table = repair.hops, ways.backups[failed][key][0]
            tree["kind"] = repair.kind.value
            tree["f-bm"] = BitString(Bsl.of_bits(key.bsl), table.hops[hop]).hex()
            tree |= _hop_tree(hop)
        yield tree


def protection_tree(ways: Ways) -> Json:
    """Return the list `protection`."""
    return [
        {"kind": kind, "pairs": pairs, "around-router": around}
        for kind, (pairs, around) in ways.protection.items()
    ]
