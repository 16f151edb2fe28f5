"""How a router shows its BIFTs: the config false nodes of llmsync-bier in the JSON of RFC 7951.

Pure.  An entry is that of the first table; beside it stand the other ways that entropy may choose
(RFC 8279 section 6.7.2) and the backups for interfaces that may fail (draft-ietf-bier-frr).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toolkit.bier.bift import Bift, BiftId, BiftKey, Entry, Hop
from toolkit.bier.bitstring import BitString, Bsl, bfr_id_at
from toolkit.planes.jsonvalue import Json
from toolkit.planes.ways import Ways


def bifts_tree(
    bifts: Mapping[BiftKey, Bift], bift_ids: Mapping[BiftId, BiftKey], ways: Ways | None
) -> Json:
    """Return the list `bift`."""
    selects = {key: bift_id.number for bift_id, key in bift_ids.items()}
    return [_bift_tree(key, bift, selects.get(key), ways) for key, bift in sorted(bifts.items())]


def _bift_tree(key: BiftKey, bift: Bift, bift_id: int | None, ways: Ways | None) -> Json:
    tree: dict[str, Json] = {"sub-domain": key.sub_domain, "bsl": key.bsl, "si": key.si}
    if bift_id is not None:
        tree["bift-id"] = bift_id
    tree["entry"] = [
        _entry_tree(key, position, bift, entry, ways)
        for position, entry in sorted(bift.entries.items())
    ]
    return tree


def _entry_tree(
    key: BiftKey, position: int, bift: Bift, entry: Entry, ways: Ways | None
) -> dict[str, Json]:
    tree: dict[str, Json] = {
        "bfr-id": bfr_id_at(key.si, position, key.bsl),
        "f-bm": BitString(bift.bsl, entry.f_bm).hex(),
    }
    if entry.neighbor is None or entry.out_bift_id is None:
        return tree
    tree |= _hop_tree(Hop(entry.neighbor, entry.out_bift_id))
    if ways is not None:
        if others := list(_others(key, position, ways)):
            tree["other-way"] = others
        if backups := list(_backups(key, position, ways)):
            tree["backup"] = backups
    return tree


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
