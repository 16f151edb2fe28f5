"""`llmsync bier trace`: the tree that packets take, hop by hop, and where it breaks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import print_data, table
from toolkit.cli.oam_lab import NOBODY, add_arguments, milliseconds, prepare
from toolkit.errors import ExitCode

if TYPE_CHECKING:
    from toolkit.bier.oam_trace import Trace
    from toolkit.bier.oam_tree import Finding, Hop
    from toolkit.cli.oam_lab import Laboratory

EXAMPLE = """\
examples:
  llmsync bier trace inventories/demo                           the tree to every BFER
  llmsync bier trace inventories/demo --to cloud-miami          one branch of it
  llmsync bier trace inventories/demo --down par1               with par1 failed
  llmsync bier trace inventories/demo --payloads edited         by configurations edited by hand

Echo requests with TTL 1, 2, ... are BIER packets in the memory laboratory, answered where their
TTL ends (draft-ietf-bier-ping).  What is seen is compared with what the plan says with the same
failures.  Exit code 0: every BFER has answered and nothing is wrong; 1 otherwise."""
HANDLE = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync bier trace`."""
    parser.add_argument("inventory", type=Path, help="inventory: a YAML file or a folder")
    add_arguments(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Trace in the laboratory and print the tree."""
    from toolkit.bier.oam_trace import Trace
    from toolkit.bier.oam_tree import findings
    from toolkit.lab.oam import OamRun
    from toolkit.planes.oam import expected_edges

    lab = prepare(args)
    traces = [
        Trace(lab.scope(handle), si) for handle, si in enumerate(lab.scope(HANDLE).sets, HANDLE)
    ]
    OamRun(lab.plan, lab.running, lab.scenario).run(lab.start, traces)
    found = {
        trace.si: findings(
            trace,
            expected_edges(
                lab.intended, lab.start, trace.scope.key(trace.si), trace.scope.sets[trace.si]
            ),
        )
        for trace in traces
    }
    if args.format == "json":
        print_data(_document(lab, traces, found), "json")
    else:
        print(_text(lab, traces, found))
    fine = not any(found.values()) and not any(trace.missing for trace in traces)
    return ExitCode.OK if fine else ExitCode.FINDINGS


def _text(lab: Laboratory, traces: list[Trace], found: dict[int, tuple[Finding, ...]]) -> str:
    lines = [
        f"BIER trace from {lab.start} (BFR-id {lab.bfir_id}): sub-domain {lab.sub_domain}, "
        f"BSL {lab.bsl}"
    ]
    header = (
        "hop", "router", "out of", "into", "BIFT-id", "BitString", "rtt ms", "answer",
    )  # fmt: skip
    for trace in traces:
        start = (0, lab.start, NOBODY, NOBODY, NOBODY, f"{trace.scope.sets[trace.si]:x}", NOBODY,
                 "asks")  # fmt: skip
        rows = [
            (
                row["hop"], "  " * row["hop"] + row["router"], row["out-interface"] or NOBODY,
                row["in-interface"] or NOBODY, row["bift-id"] or NOBODY,
                f"{int(row['bit-string'], 16):x}", milliseconds(row["rtt"]), _answer(row),
            )
            for row in _hops(lab, trace)
        ]  # fmt: skip
        reached = f"{len(trace.reached)} of {len(trace.reached) + len(trace.missing)}"
        lines += [
            "", f"SI {trace.si}", "", table(header, [start, *rows]), "",
            f"{reached} BFERs reached",
            *(f"  {_say(lab, trace, finding)}" for finding in found[trace.si]),
        ]  # fmt: skip
    return "\n".join(lines)


def _answer(row: dict[str, Any]) -> str:
    from toolkit.bier.oam import ReturnCode

    words = {
        ReturnCode.ONLY_BFER: f"BFER {row['bfr-id']}",
        ReturnCode.ONE_OF_THE_BFERS: f"BFER {row['bfr-id']}, passes on",
        ReturnCode.FORWARD_SUCCESS: "passes on",
    }
    return words.get(row["return-code"], str(row["answer"]))


def _document(
    lab: Laboratory, traces: list[Trace], found: dict[int, tuple[Finding, ...]]
) -> dict[str, Any]:
    return {
        "from": lab.start,
        "bfir-id": lab.bfir_id,
        "sub-domain": lab.sub_domain,
        "bsl": lab.bsl,
        "sets": [
            {
                "si": trace.si,
                "bit-string": _hex(lab, trace.scope.sets[trace.si]),
                "hops": _hops(lab, trace),
                "reached": {lab.targets[i]: hops for i, hops in sorted(trace.reached.items())},
                "missing": [lab.targets[i] for i in trace.missing],
                "findings": [
                    {
                        "kind": str(finding.kind),
                        "at": _name(lab, finding.at),
                        "other": None if finding.other is None else _name(lab, finding.other),
                        "bfers": _bfers(lab, trace, finding.bits),
                        "text": _say(lab, trace, finding),
                    }
                    for finding in found[trace.si]
                ],
            }
            for trace in traces
        ],
    }


def _hops(lab: Laboratory, trace: Trace) -> list[dict[str, Any]]:
    """Return the tree in the order of reading: a router, then what is below it."""
    rows: list[dict[str, Any]] = []
    hops = sorted(trace.hops, key=lambda h: (h.depth, int(h.prefix or 0)))
    placed: set[int] = set()

    def put(index: int) -> None:
        placed.add(index)
        rows.append(_row(lab, trace, hops[index]))
        for below, other in enumerate(hops):
            under = other.parent == hops[index].prefix and other.depth == hops[index].depth + 1
            if under and below not in placed:
                put(below)

    for index in range(len(hops)):
        if index not in placed:
            put(index)
    return rows


def _row(lab: Laboratory, trace: Trace, hop: Hop) -> dict[str, Any]:
    from toolkit.bier.oam import ReturnCode

    known = hop.code in tuple(ReturnCode)
    router = _name(lab, hop.prefix)
    return {
        "hop": hop.depth,
        "router": router,
        "bfr-prefix": str(hop.prefix),
        "from": _name(lab, hop.parent) if hop.depth == 1 or hop.parent else None,
        "out-interface": _out(lab, trace, hop),
        "in-interface": None if hop.ingress is None else _port(lab, hop.ingress.address),
        "bift-id": _bift_id(lab, trace, router),
        "bit-string": _hex(lab, hop.incoming),
        "bfr-id": hop.bfr_id,
        "return-code": hop.code,
        "answer": str(ReturnCode(hop.code)) if known else f"return code {hop.code}",
        "rtt": round(hop.rtt, 6),
    }


def _out(lab: Laboratory, trace: Trace, hop: Hop) -> str | None:
    """Return the interface by which whoever is above says that it sends the copy."""
    if hop.depth == 1:
        plane = lab.running.plane(lab.start)
        key = trace.scope.key(trace.si)
        copies = plane.forward(key, trace.scope.sets[trace.si]).copies
        router = _name(lab, hop.prefix)
        return next((c.neighbor.interface for c in copies if c.neighbor.router == router), None)
    for above in trace.hops:
        if above.prefix == hop.parent and above.depth == hop.depth - 1:
            for mapping in above.mappings:
                if mapping.address == hop.prefix:
                    return _port(lab, mapping.interface.address)
    return None


def _port(lab: Laboratory, address: object) -> str | None:
    for router in lab.running.state.routers.values():
        for name, interface in router.interfaces.items():
            if any(a.ip == address for a in interface.addresses):
                return name
    return None if address is None else str(address)


def _bift_id(lab: Laboratory, trace: Trace, router: str) -> int | None:
    """Return the BIFT-id that the router has bound to what is traced: the one it was sent."""
    if router not in lab.running.routers:
        return None
    key = trace.scope.key(trace.si)
    ids = lab.running.plane(router).bift_ids
    return next((i.number for i, selected in ids.items() if selected == key), None)


def _name(lab: Laboratory, prefix: Any) -> str:  # noqa: ANN401 - an address or None
    if prefix is None:
        return lab.start
    return lab.names().get(prefix, str(prefix))


def _hex(lab: Laboratory, bits: int) -> str:
    return f"{bits:0{lab.bsl // 4}x}"


def _bfers(lab: Laboratory, trace: Trace, bits: int) -> list[str]:
    from toolkit.bier.bitstring import bfr_id_at, positions

    found = (bfr_id_at(trace.si, p, lab.bsl) for p in positions(bits))
    return [lab.targets.get(i, f"BFR-id {i}") for i in found]


def _say(lab: Laboratory, trace: Trace, finding: Finding) -> str:
    from toolkit.bier.oam import ReturnCode
    from toolkit.bier.oam_tree import Kind

    at, other = _name(lab, finding.at), _name(lab, finding.other)
    bfers = ", ".join(_bfers(lab, trace, finding.bits))
    code = finding.code
    said = str(ReturnCode(code)) if code in tuple(ReturnCode) else f"return code {code}"
    return {
        Kind.LOST: f"lost: {at} has no way for {bfers}",
        Kind.SILENT: f"silent: {at} sends to {other}, which does not answer for {bfers}",
        Kind.VANISHED: f"vanished: nobody has seen packets for {bfers}; {at} has no way?",
        Kind.LOOP: f"loop: packets for {bfers} come back to {at}",
        Kind.DOUBLED: f"doubled: {at} gets one packet for {bfers} more than once",
        Kind.ERROR: f"error: {at} answers: {said}",
        Kind.REWRITTEN: f"rewritten: {at} announced another BitString than came to {other}",
        Kind.UNEXPECTED: f"unexpected: {at} sends to {other} for {bfers}; the plan says otherwise",
        Kind.UNSEEN: f"unseen: {at} should send to {other} for {bfers}",
    }[finding.kind]
