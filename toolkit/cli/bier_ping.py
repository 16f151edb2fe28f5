"""`llmsync bier ping`: which BFERs answer, how soon, over how many hops."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.bier_file import load_program
from toolkit.cli.console import print_data, table
from toolkit.cli.oam_lab import NOBODY, add_arguments, milliseconds, prepare
from toolkit.cli.oam_live import add_live, ask, asking, check_source
from toolkit.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from toolkit.bier.oam_ping import Ping
    from toolkit.bier.oam_trace import Trace
    from toolkit.cli.oam_lab import Asking

EXAMPLE = """\
examples:
  llmsync bier ping inventories/demo                            every BFER, one request a set
  llmsync bier ping inventories/demo --to cloud-miami mad1      two of them
  llmsync bier ping inventories/demo --down lon1-mad1,par1      with these failures
  llmsync bier ping inventories/demo --count 10 --loss 2%
  llmsync bier ping --bift bfir.yaml --interface eth1           over real interfaces

Echo requests are BIER packets in the memory laboratory, replies come back by UDP
(draft-ietf-bier-ping); times are those of its clock, which links alone take.  Hops are what a trace
finds.  Exit code 0: every BFER has answered, nobody else, and none twice; 1 otherwise."""
HANDLE = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync bier ping`."""
    parser.add_argument(
        "inventory", type=Path, nargs="?", help="inventory: a YAML file or a folder"
    )
    parser.add_argument(
        "--count", type=int, default=1, metavar="N", help="rounds, one second apart (default: 1)"
    )
    add_arguments(parser)
    add_live(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Ping in the laboratory and print the matrix."""
    from toolkit.lab.oam import OamRun

    if not 1 <= args.count <= 1000:
        raise UsageError(f"--count {args.count}: not 1 to 1000")
    check_source(args)
    who: Asking
    if args.bift is None:
        who = lab = prepare(args)
        ping, traces = _probes(who, args.count, HANDLE)
        OamRun(lab.plan, lab.running, lab.scenario).run(lab.start, [ping, *traces])
    else:
        program = load_program(args.bift)
        who = asking(args, program)
        ping, traces = _probes(who, args.count, secrets.randbits(31))
        ask(args, program, who, [ping, *traces])
    if args.format == "json":
        print_data(document(who, ping, traces), "json")
    else:
        print(text(who, ping, traces))
    fine = all(row.reached and not row.duplicates for row in ping.rows.values())
    return ExitCode.OK if fine and not ping.strays else ExitCode.FINDINGS


def _probes(who: Asking, count: int, handle: int) -> tuple[Ping, list[Trace]]:
    from toolkit.bier.oam_ping import Ping
    from toolkit.bier.oam_trace import Trace

    traces = [
        Trace(who.scope(other), si) for other, si in enumerate(who.scope(handle).sets, handle + 1)
    ]
    return Ping(who.scope(handle), count=count), traces


def text(who: Asking, ping: Ping, traces: list[Trace]) -> str:
    """Return the matrix as people read it."""
    rows = []
    for row in _rows(who, ping, traces):
        rtt = row["rtt"]
        rows.append((
            row["bfer"], row["bfr-id"], row["si"], "yes" if row["reached"] else "no",
            f"{row['replies']}/{row['sent']}", row["duplicates"],
            *(milliseconds(rtt[k] if rtt else None) for k in ("min", "mean", "max")),
            row["hops"] or NOBODY,
        ))  # fmt: skip
    header = (
        "BFER", "BFR-id", "SI", "reached", "replies", "duplicates",
        "rtt min ms", "mean", "max", "hops",
    )  # fmt: skip
    reached = sum(row.reached for row in ping.rows.values())
    lines = [
        f"BIER ping from {who.start} (BFR-id {who.bfir_id}): sub-domain {who.sub_domain}, "
        f"BSL {who.bsl}",
        "",
        table(header, rows),
        "",
        f"{reached} of {len(rows)} BFERs reached",
        *(f"{count} x {stray}" for stray, count in sorted(ping.strays.items(), key=str)),
    ]
    return "\n".join(lines)


def document(who: Asking, ping: Ping, traces: list[Trace]) -> dict[str, Any]:
    """Return the matrix as data; times in seconds."""
    return {
        "from": who.start,
        "bfir-id": who.bfir_id,
        "sub-domain": who.sub_domain,
        "bsl": who.bsl,
        "bfers": _rows(who, ping, traces),
        "strays": [
            {
                "bfr-prefix": None if stray.prefix is None else str(stray.prefix),
                "bfr-id": stray.bfr_id,
                "return-code": stray.code,
                "count": count,
            }
            for stray, count in sorted(ping.strays.items(), key=str)
        ],
        "reached": sum(row.reached for row in ping.rows.values()),
    }


def _rows(who: Asking, ping: Ping, traces: list[Trace]) -> list[dict[str, Any]]:
    hops = {bfr_id: n for trace in traces for bfr_id, n in trace.reached.items()}
    return [
        {
            "bfer": who.targets[bfr_id],
            "bfr-id": bfr_id,
            "si": (bfr_id - 1) // who.bsl,
            "reached": row.reached,
            "sent": row.sent,
            "replies": len(row.rtts),
            "duplicates": row.duplicates,
            "rtt": {
                "min": round(min(row.rtts), 6),
                "mean": round(sum(row.rtts) / len(row.rtts), 6),
                "max": round(max(row.rtts), 6),
            }
            if row.rtts
            else None,
            "hops": hops.get(bfr_id),
        }
        for bfr_id, row in ping.rows.items()
    ]
