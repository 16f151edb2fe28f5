"""What the routers show after a delivery, read over NETCONF and held against what was used.

The state comes through <get>, is validated against our YANG modules and turned into typed values by
the pyangbind bindings (extra `bindings`).  Forwarding tables are compared with the planes that
forwarded, counters with the engines', receipts with what the clouds reported.  A disagreement is a
finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from toolkit.bier.bift import Bift
from toolkit.bier.bitstring import bfr_id_at
from toolkit.errors import Place
from toolkit.lab import readback_sr
from toolkit.lab.deliver import Delivered
from toolkit.lab.memory import MemoryLab
from toolkit.lab.platforms import shows_state
from toolkit.lab.readback_pim import differing
from toolkit.netconf.runtime_ncclient import Connection, Target
from toolkit.netconf.tree import to_xml
from toolkit.plan.model import FlowPlan
from toolkit.planes.plane import Plane
from toolkit.planes.srtree import split
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Check, Finding, Report
from toolkit.yang.schema import reference_schema

if TYPE_CHECKING:
    from toolkit.yang.bindings import BiftEntry

TIMEOUT = 30.0
"""Seconds that a router may take to answer."""
ASKED = 12
"""Edge routers asked at most: typed values of large tables take pyangbind seconds a router."""
FILTER = (
    '<bier xmlns="urn:llmsync:bier"><bift/><protection/><counters/></bier>'
    '<pim xmlns="urn:llmsync:pim"><mfib/><counters/></pim>'
    '<deliveries xmlns="urn:llmsync:delivery"/>' + readback_sr.FILTER
)
"""RFC 6241 section 6: forwarding tables, counters, sessions with their receipts."""
SHOWN = ("received", "forwarded", "delivered", "imposed")
Row = tuple[int, int, str, str, int, bool]
"""BFR-id, F-BM, neighbor, interface, BIFT-id, tunnel."""


def read_back(lab: MemoryLab, flow: FlowPlan, delivered: Delivered) -> Report:
    """Return where the edge routers of `flow` show something else than what happened.

    Raises EnvironmentProblem when the bindings are not installed, UnreachableError or DeviceError
    when a router does not answer.
    """
    plan = lab.plan
    edges = {flow.bfir} | {plan.hosts[cloud].router for cloud in flow.clouds}
    up = sorted(edges & delivered.planes.keys(), key=lambda name: (name != flow.bfir, name))
    silent = [name for name in up if not shows_state(plan.routers[name].platform)]
    up = [name for name in up if name not in silent]
    routers = up if len(up) <= ASKED else [up[i * len(up) // ASKED] for i in range(ASKED)]
    findings: list[Finding] = []
    for name in routers:
        tree = reference_schema().parse_xml(_get(lab, name), name, state=True)
        findings += _tables(name, tree, delivered.planes[name])
        findings += beside(name, tree, delivered.planes[name])
        plane, counted = delivered.planes[name], delivered.counters[name]
        if plane.bfr:
            findings += _counters(name, tree, split(counted)[1])
        if plane.replication is not None:
            for path, text in (
                *readback_sr.trees(name, tree, plane),
                *readback_sr.counters(name, tree, counted, plane),
            ):
                findings.append(_finding(name, path, text))
        if name in delivered.multicast:
            found = differing(name, tree, delivered.multicast[name])
            findings += (_finding(name, path, said) for path, said in found)
        mine = {
            cloud: row
            for cloud, row in delivered.receipts.items()
            if plan.hosts[cloud].router == name
        }
        findings += _receipts(name, tree, flow.delivery, mine)
    planes = [delivered.planes[name] for name in routers]
    compared = {
        "BIFT rows": sum(len(bift.entries) for plane in planes for bift in plane.bifts.values()),
        "replication segments": sum(map(readback_sr.rows, planes)),
        "MFIB rows": sum(len(u.mfib) for name, u in delivered.multicast.items() if name in routers),
    }
    words = " and ".join(f"{n} {what}" for what, n in compared.items() if n) or "no rows"
    check = Check(
        id="state-read-back",
        title="Edge routers show their tables, counters and receipts over NETCONF",
        status="failed" if findings else "passed" if up else "not run",
        reason=f"{len(routers)} of {len(up)} edge routers asked, {words} compared"
        + (f"; {len(silent)} of other platforms show none of our modules" if silent else ""),
    )
    return Report(findings=tuple(findings), checks=(check,))


def _tables(name: str, tree: Mapping[str, object], plane: Plane) -> Iterator[Finding]:
    from toolkit.yang import bindings

    shown = {
        (table.sub_domain, table.bsl, table.si): [_row(entry) for entry in table.entries]
        for table in bindings.bift_of(tree, name)
    }
    used = {
        (key.sub_domain, key.bsl, key.si): list(_rows(key.si, key.bsl, bift))
        for key, bift in plane.bifts.items()
    }
    for key in sorted({*shown, *used}):
        if shown.get(key) != used.get(key):
            sub_domain, bsl, si = key
            path = f"/llmsync-bier:bier/bift[sub-domain='{sub_domain}'][bsl='{bsl}'][si='{si}']"
            yield _finding(
                name, path, f"shows {shown.get(key)} where it forwards by {used.get(key)}"
            )


def beside(name: str, tree: Mapping[str, Any], plane: Plane) -> Iterator[Finding]:
    """Compare what a router shows beside its rows with a plane: other ways, backups, and how much
    these cover."""
    if plane.ways is None:
        return
    mine: Mapping[str, Any] = plane.state_tree()
    shown, used = tree.get("llmsync-bier:bier", {}), mine.get("llmsync-bier:bier", {})
    if shown.get("protection") != used.get("protection"):
        path = "/llmsync-bier:bier/protection"
        text = f"shows {shown.get('protection')} where it has {used.get('protection')}"
        yield _finding(name, path, text)
    ours, theirs = _more(shown), _more(used)
    for bfr_id in sorted(ours.keys() | theirs.keys()):
        if ours.get(bfr_id) != theirs.get(bfr_id):
            sub_domain, bsl, si, number = bfr_id
            path = (
                f"/llmsync-bier:bier/bift[sub-domain='{sub_domain}'][bsl='{bsl}'][si='{si}']"
                f"/entry[bfr-id='{number}']"
            )
            text = f"shows {ours.get(bfr_id)} where it forwards by {theirs.get(bfr_id)}"
            yield _finding(name, path, text)


def _more(bier: Mapping[str, Any]) -> dict[tuple[int, int, int, int], tuple[Any, Any]]:
    """Return (sub-domain, BSL, SI, BFR-id) -> other ways and backups."""
    return {
        (table["sub-domain"], table["bsl"], table["si"], entry["bfr-id"]): (
            entry.get("other-way"), entry.get("backup"),
        )
        for table in bier.get("bift", ())
        for entry in table.get("entry", ())
    }  # fmt: skip


def _row(entry: BiftEntry) -> Row:
    hop = (entry.neighbor or "", entry.out_interface or "", entry.out_bift_id or 0, entry.tunnel)
    return (entry.bfr_id, entry.f_bm, *hop)


def _rows(si: int, bsl: int, bift: Bift) -> Iterator[Row]:
    for position, entry in sorted(bift.entries.items()):
        hop = entry.neighbor
        yield (
            bfr_id_at(si, position, bsl),
            entry.f_bm,
            hop.router if hop else "",
            hop.interface if hop else "",
            (entry.out_bift_id or 0) if hop else 0,
            hop is not None and hop.tunnel is not None,
        )


def _counters(
    name: str, tree: Mapping[str, object], counted: Mapping[str, int]
) -> Iterator[Finding]:
    from toolkit.yang import bindings

    counters = bindings.counters_of(tree, name)
    shown = {leaf: getattr(counters, leaf) for leaf in SHOWN}
    shown |= {f"dropped-{reason}": packets for reason, packets in counters.dropped.items()}
    own = {leaf for leaf in counted if not leaf.startswith(("pim-", "dropped-pim-"))}
    for leaf in sorted({*shown, *own}):
        if shown.get(leaf, 0) != counted.get(leaf, 0):
            path = f"/llmsync-bier:bier/counters/{leaf}"
            yield _finding(name, path, f"shows {shown.get(leaf)}, counted {counted.get(leaf)}")


def _receipts(
    name: str, tree: Mapping[str, object], delivery: str, expected: Mapping[str, object]
) -> Iterator[Finding]:
    from toolkit.yang import bindings

    shown = {r.receiver: r for r in bindings.receipts_of(tree, name) if r.session == delivery}
    for cloud, row in expected.items():
        path = (
            f"/llmsync-delivery:deliveries/session[name='{delivery}']/receipt[receiver='{cloud}']"
        )
        receipt = shown.get(cloud)
        if receipt is None:
            yield _finding(name, path, f"shows no receipt of {cloud}")
            continue
        said = (receipt.complete, str(receipt.bytes_placed), receipt.manifest_digest)
        told = row if isinstance(row, Mapping) else {}
        meant = (
            told.get("complete"),
            told.get("bytes", "0"),
            told.get("manifest-digest"),
        )
        if said != meant:
            yield _finding(name, path, f"shows {said}, {cloud} reported {meant}")


def _get(lab: MemoryLab, name: str) -> str:
    host, port = lab.addresses[name]
    target = Target(
        device=name, host=host, port=port, username=lab.username, password=lab.password,
        host_key=lab.host_keys[name],
    )  # fmt: skip
    connection = Connection(target, timeout=TIMEOUT)
    try:
        reply = connection.request(f"<get><filter type='subtree'>{FILTER}</filter></get>")
        data = reply.content[0] if reply.content else None
        return to_xml(data.children) if data is not None else ""
    finally:
        connection.leave()


def _finding(device: str, path: str, message: str) -> Finding:
    place = Place(file=device, path=path)
    return finding("state-differs", place, f"{device} {message}", subjects=[device])
