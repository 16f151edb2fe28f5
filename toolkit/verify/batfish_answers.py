"""From Batfish's answer tables to findings, against what we expect.

Pure.  Rows are what pybatfish's frames hold, one dict a row; column names are those of Batfish's
question documentation.  Batfish writes host names in lower case, so names are compared that way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from toolkit.state.model import End
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.expectation import Expectation
from toolkit.verify.findings import Finding

Row = Mapping[str, Any]


def parse_findings(rows: Iterable[Row], files: Iterable[str]) -> Iterator[Finding]:
    """`fileParseStatus`: every file of the snapshot is there and PASSED."""
    status = {_column(r, "File_Name", "Filename"): str(r["Status"]) for r in rows}
    for file in files:
        found = status.get(file)
        if found != "PASSED":
            yield finding(
                "batfish-parse",
                places.on(file),
                f"Batfish's parse status of {file} is {found or 'missing'}, not PASSED",
            )


def warning_findings(rows: Iterable[Row]) -> Iterator[Finding]:
    """`parseWarning`: no row."""
    for row in rows:
        file, line = _column(row, "Filename", "File_Name"), row.get("Line")
        yield finding(
            "batfish-warning",
            places.on(file, f"line {line}" if line is not None else ""),
            f"Batfish: {row.get('Comment') or 'warning'}: {row.get('Text') or ''}".rstrip(": "),
        )


def reference_findings(rows: Iterable[Row]) -> Iterator[Finding]:
    """`undefinedReferences`: no row."""
    for row in rows:
        yield finding(
            "batfish-undefined-reference",
            places.on(_column(row, "File_Name", "Filename")),
            f"{row.get('Struct_Type')} {row.get('Ref_Name')} is referred to and not defined",
            evidence=[f"in {row.get('Context')}"],
        )


def edge_findings(rows: Iterable[Row], expectation: Expectation) -> Iterator[Finding]:
    """`isisEdges` or `ospfEdges`: exactly our adjacencies."""
    seen = {(_end(r["Interface"]), _end(r["Remote_Interface"])) for r in rows}
    shown, igp = expectation.shown, expectation.protocol
    ours = {(_shown(a, shown), _shown(b, shown)): (a, b) for a, b in expectation.edges}
    names = {_shown(end, shown): end for end in shown}
    for key in sorted(ours.keys() - seen):
        a, b = ours[key]
        yield finding(
            "batfish-edge-missing",
            places.on(a.node, places.igp_interface(igp, a.port)),
            f"Batfish sees no {igp.spelled} adjacency from {a.node} {a.port} to {b.node} {b.port}",
            subjects=[a.node, b.node],
        )
    for pair in sorted(seen - ours.keys()):
        a, b = (names.get(end, end) for end in pair)
        yield finding(
            "batfish-edge-unexpected",
            places.on(a.node, places.igp_interface(igp, a.port)),
            f"Batfish sees an adjacency of {igp.spelled} from {a.node} {a.port} to {b.node} "
            f"{b.port}, and we do not",
            subjects=[a.node, b.node],
        )


def route_findings(rows: Iterable[Row], expectation: Expectation) -> Iterator[Finding]:
    """`routes`: a route to each prefix that stands for a router, over the same neighbors."""
    owners = {str(address): name for address, name in expectation.owners.items()}
    shown = expectation.shown
    neighbors = {_shown(end, shown): name for end, name in expectation.neighbors.items()}
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        node = str(row["Node"]).lower()
        hops = found.setdefault((node, str(row["Network"])), set())
        address = str(row.get("Next_Hop_IP") or "")
        port = str(row.get("Next_Hop_Interface") or "")
        if hop := owners.get(address) or neighbors.get(End(node, port.lower())):
            hops.add(hop)
    for (router, prefix), wanted in sorted(expectation.next_hops.items(), key=str):
        hops = found.get((router.lower(), str(prefix)), set())
        if hops == wanted:
            continue
        if not hops:
            kind, message = "batfish-route-missing", f"Batfish has no route from {router}"
        else:
            kind = "batfish-route-differs"
            message = f"Batfish routes from {router} over {_names(hops)}, we over {_names(wanted)}"
        yield finding(
            kind,
            places.on(router),
            f"{message} (to {prefix})",
            evidence=[f"Batfish: {_names(hops)}", f"ours: {_names(wanted)}"],
            subjects=[router],
        )


def unreachable_findings(rows: Iterable[Row], what: str) -> Iterator[Finding]:
    """`reachability` of everything but ACCEPTED: no row."""
    for row in rows:
        flow = row["Flow"]
        yield finding(
            "batfish-unreachable",
            places.on(str(flow.ingressNode or "")),
            f"{what} fail: {flow.srcIp} to {flow.dstIp} from {flow.ingressNode}",
            evidence=_traces(row),
            subjects=[str(flow.ingressNode or "")],
        )


def loop_findings(rows: Iterable[Row]) -> Iterator[Finding]:
    """`detectLoops`: no row."""
    for row in rows:
        flow = row["Flow"]
        yield finding(
            "batfish-loop",
            places.on(str(flow.ingressNode or "")),
            f"a packet from {flow.ingressNode} to {flow.dstIp} loops",
            evidence=_traces(row),
            subjects=[str(flow.ingressNode or "")],
        )


def _traces(row: Row) -> list[str]:
    lines = []
    for trace in row.get("Traces") or []:
        path = " > ".join(str(hop.node) for hop in trace.hops)
        lines.append(f"{trace.disposition}: {path}")
    return lines


def _column(row: Row, *names: str) -> str:
    """Return the first of the columns that there is: Batfish spells the file's name in two ways."""
    return next((str(row[n]) for n in names if row.get(n) is not None), "")


def _end(interface: Any) -> End:  # noqa: ANN401 - pybatfish's Interface
    return End(str(interface.hostname).lower(), str(interface.interface).lower())


def _shown(end: End, shown: Mapping[End, str]) -> End:
    """Return an end as Batfish writes it."""
    return End(end.node.lower(), shown.get(end, end.port).lower())


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
