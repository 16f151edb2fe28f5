"""`llmsync bier trace`: the tree that packets take, hop by hop, and where it breaks."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.bier_file import load_program
from toolkit.cli.console import print_data, table
from toolkit.cli.oam_lab import NOBODY, add_arguments, milliseconds, prepare
from toolkit.cli.oam_live import add_live, ask, asking, check_source
from toolkit.cli.oam_names import names_of_laboratory, names_of_program
from toolkit.errors import ExitCode

if TYPE_CHECKING:
    from toolkit.bier.oam_trace import Trace
    from toolkit.bier.oam_tree import Edge, Finding, Hop
    from toolkit.cli.oam_lab import Asking
    from toolkit.cli.oam_names import Names

EXAMPLE = """\
examples:
  llmsync bier trace inventories/demo                           the tree to every BFER
  llmsync bier trace inventories/demo --to cloud-miami          one branch of it
  llmsync bier trace inventories/demo --down par1               with par1 failed
  llmsync bier trace inventories/demo --payloads edited         by configurations edited by hand
  llmsync bier trace --bift bfir.yaml --interface eth1          over real interfaces

Echo requests with TTL 1, 2, ... are BIER packets in the memory laboratory, answered where their
TTL ends (draft-ietf-bier-ping).  What is seen is compared with what the plan says with the same
failures.  Exit code 0: every BFER has answered and nothing is wrong; 1 otherwise."""
HANDLE = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync bier trace`."""
    parser.add_argument(
        "inventory", type=Path, nargs="?", help="inventory: a YAML file or a folder"
    )
    add_arguments(parser)
    add_live(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Trace and print the tree."""
    from toolkit.bier.oam_tree import findings
    from toolkit.lab.oam import OamRun
    from toolkit.planes.oam import expected_edges

    check_source(args)
    expected: dict[int, dict[Edge, int]] = {}
    if args.bift is None:
        lab = prepare(args)
        names = names_of_laboratory(lab)
        traces = _traces(lab, HANDLE)
        OamRun(lab.plan, lab.running, lab.scenario).run(lab.start, traces)
        expected = {
            t.si: expected_edges(
                lab.intended, lab.start, t.scope.key(t.si), t.scope.sets[t.si], t.scope.entropy
            )
            for t in traces
        }
    else:
        program = load_program(args.bift)
        who = asking(args, program)
        names = names_of_program(who, program)
        traces = _traces(who, secrets.randbits(31))
        ask(args, program, who, traces)
    found = {trace.si: findings(trace, expected.get(trace.si)) for trace in traces}
    if args.format == "json":
        print_data(_document(names, traces, found), "json")
    else:
        print(_text(names, traces, found))
    fine = not any(found.values()) and not any(trace.missing for trace in traces)
    return ExitCode.OK if fine else ExitCode.FINDINGS


def _traces(who: Asking, handle: int) -> list[Trace]:
    from toolkit.bier.oam_trace import Trace

    return [Trace(who.scope(other), si) for other, si in enumerate(who.scope(handle).sets, handle)]


def _text(names: Names, traces: list[Trace], found: dict[int, tuple[Finding, ...]]) -> str:
    who = names.who
    lines = [
        f"BIER trace from {who.start} (BFR-id {who.bfir_id}): sub-domain {who.sub_domain}, "
        f"BSL {who.bsl}"
    ]
    header = (
        "hop", "router", "out of", "into", "BIFT-id", "BitString", "rtt ms", "answer",
    )  # fmt: skip
    for trace in traces:
        sent = f"{trace.scope.sets[trace.si]:x}"
        start = (0, who.start, NOBODY, NOBODY, NOBODY, sent, NOBODY, "asks")
        rows = [
            (
                row["hop"], "  " * row["hop"] + row["router"], row["out-interface"] or NOBODY,
                row["in-interface"] or NOBODY, row["bift-id"] or NOBODY,
                f"{int(row['bit-string'], 16):x}", milliseconds(row["rtt"]), _answer(row),
            )
            for row in _hops(names, trace)
        ]  # fmt: skip
        reached = f"{len(trace.reached)} of {len(trace.reached) + len(trace.missing)}"
        lines += [
            "", f"SI {trace.si}", "", table(header, [start, *rows]), "",
            f"{reached} BFERs reached",
            *(f"  {_say(names, trace, finding)}" for finding in found[trace.si]),
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
    names: Names, traces: list[Trace], found: dict[int, tuple[Finding, ...]]
) -> dict[str, Any]:
    return {
        "from": names.who.start,
        "bfir-id": names.who.bfir_id,
        "sub-domain": names.who.sub_domain,
        "bsl": names.who.bsl,
        "sets": [
            {
                "si": trace.si,
                "bit-string": _hex(names, trace.scope.sets[trace.si]),
                "hops": _hops(names, trace),
                "reached": {
                    names.who.targets[i]: hops for i, hops in sorted(trace.reached.items())
                },
                "missing": [names.who.targets[i] for i in trace.missing],
                "findings": [
                    {
                        "kind": str(finding.kind),
                        "at": names.router(finding.at),
                        "other": None if finding.other is None else names.router(finding.other),
                        "bfers": _bfers(names, trace, finding.bits),
                        "text": _say(names, trace, finding),
                    }
                    for finding in found[trace.si]
                ],
            }
            for trace in traces
        ],
    }


def _hops(names: Names, trace: Trace) -> list[dict[str, Any]]:
    """Return the tree in the order of reading: a router, then what is below it."""
    rows: list[dict[str, Any]] = []
    hops = sorted(trace.hops, key=lambda h: (h.depth, int(h.prefix or 0)))
    placed: set[int] = set()

    def put(index: int) -> None:
        placed.add(index)
        rows.append(_row(names, trace, hops[index]))
        for below, other in enumerate(hops):
            under = other.parent == hops[index].prefix and other.depth == hops[index].depth + 1
            if under and below not in placed:
                put(below)

    for index in range(len(hops)):
        if index not in placed:
            put(index)
    return rows


def _row(names: Names, trace: Trace, hop: Hop) -> dict[str, Any]:
    from toolkit.bier.oam import ReturnCode

    known = hop.code in tuple(ReturnCode)
    router = names.router(hop.prefix)
    return {
        "hop": hop.depth,
        "router": router,
        "bfr-prefix": str(hop.prefix),
        "from": names.router(hop.parent) if hop.depth == 1 or hop.parent else None,
        "out-interface": _out(names, trace, hop),
        "in-interface": None if hop.ingress is None else names.port(hop.ingress),
        "bift-id": names.bift_id(router, trace.scope.key(trace.si)),
        "bit-string": _hex(names, hop.incoming),
        "bfr-id": hop.bfr_id,
        "return-code": hop.code,
        "answer": str(ReturnCode(hop.code)) if known else f"return code {hop.code}",
        "rtt": round(hop.rtt, 6),
    }


def _out(names: Names, trace: Trace, hop: Hop) -> str | None:
    """Return the interface by which whoever is above says that it sends the copy."""
    if hop.depth == 1:
        first = names.first(trace.scope.key(trace.si), trace.scope.sets[trace.si])
        return first.get(names.router(hop.prefix))
    for above in trace.hops:
        if above.prefix == hop.parent and above.depth == hop.depth - 1:
            for mapping in above.mappings:
                if mapping.address == hop.prefix:
                    return names.port(mapping.interface)
    return None


def _hex(names: Names, bits: int) -> str:
    return f"{bits:0{names.who.bsl // 4}x}"


def _bfers(names: Names, trace: Trace, bits: int) -> list[str]:
    from toolkit.bier.bitstring import bfr_id_at, positions

    found = (bfr_id_at(trace.si, p, names.who.bsl) for p in positions(bits))
    return [names.who.targets.get(i, f"BFR-id {i}") for i in found]


def _say(names: Names, trace: Trace, finding: Finding) -> str:
    from toolkit.bier.oam import ReturnCode
    from toolkit.bier.oam_tree import Kind

    at, other = names.router(finding.at), names.router(finding.other)
    bfers = ", ".join(_bfers(names, trace, finding.bits))
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
