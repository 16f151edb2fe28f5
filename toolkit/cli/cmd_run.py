"""`llmsync run`: the whole loop in the memory lab, from an inventory to a proven model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from toolkit.cli.arithmetic import announce_arithmetic
from toolkit.cli.console import add_output, print_data, say
from toolkit.cli.ordered import add_order
from toolkit.cli.transport import add_transport

EPILOG = """\
examples:
  llmsync run inventories/demo --loss 1%
  llmsync run inventories/demo --break lon1-mad1,par1-mad1
  llmsync run inventories/demo --fail-at fra1-par1=0.4:2
  llmsync run inventories/demo --late cloud-miami=1.5 --kill cloud-warsaw=1.3:2.5
  llmsync run inventories/demo --model /models/llama --output out/llama
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("inventory", type=Path, help="file or folder; `demo` is the packaged one")
    parser.add_argument(
        "--delivery",
        action="append",
        default=[],
        metavar="NAME",
        help="only this delivery; may be repeated (default: all)",
    )
    parser.add_argument("--model", metavar="PATH", help="deliver this file or folder instead")
    add_order(parser.add_argument_group("what is sent first"))
    parser.add_argument(
        "--payloads", type=Path, metavar="DIR", help="push DIR/NAME.xml instead of rendering"
    )
    faults = parser.add_argument_group("faults")
    faults.add_argument(
        "--loss",
        default="0",
        metavar="P",
        help="loss on every cloud's access link, each way: 1%% or 0.01",
    )
    faults.add_argument(
        "--loss-on",
        choices=("access", "all"),
        default="access",
        help="`all`: on every link of the network",
    )
    faults.add_argument("--seed", type=int, default=1, help="of all that is left to chance")
    faults.add_argument(
        "--break",
        dest="down",
        default="",
        metavar="LINK,...|NODE,...",
        help="links (a-b) and routers that have failed",
    )
    faults.add_argument(
        "--fail-at",
        action="append",
        default=[],
        metavar="LINK|NODE=SECONDS[:SECONDS]",
        help="this link or router fails on the way, and is back at the second time",
    )
    faults.add_argument(
        "--detect",
        default="0.05",
        metavar="SECONDS",
        help="until the ends of a link know that it is dead, and reroute (default: 0.05)",
    )
    faults.add_argument(
        "--converge",
        default="0.5",
        metavar="SECONDS",
        help="from a failure until all routers have new tables (default: 0.5)",
    )
    faults.add_argument(
        "--late",
        action="append",
        default=[],
        metavar="CLOUD=SECONDS",
        help="this receiver starts later",
    )
    faults.add_argument(
        "--kill",
        action="append",
        default=[],
        metavar="CLOUD=SECONDS[:SECONDS]",
        help="this receiver is killed, and restarted at the second time",
    )
    parser.add_argument(
        "--gpu", metavar="cpu|N", help="hand tensors out through torch as they are verified"
    )
    parser.add_argument("--batfish", metavar="HOST", help="check the underlay with this service")
    parser.add_argument(
        "--output",
        type=Path,
        default=None,
        metavar="DIR",
        help="where report.html, report.json and receipts go (default: out/<name>)",
    )
    parser.add_argument(
        "--stand-in",
        action="store_true",
        help="reference routers in the place of those that cannot be emulated, named in the report",
    )
    parser.add_argument("--keep", action="store_true", help="keep what the clouds received")
    add_transport(parser)
    add_output(parser, formats=("table", "json", "md"))


def run(args: argparse.Namespace) -> int:
    from toolkit.cli.loop import Loop
    from toolkit.report.record import document
    from toolkit.report.summary import markdown, summary_table

    announce_arithmetic()
    loop = Loop(args, say if sys.stderr.isatty() or args.format == "table" else _quiet)
    record, code = loop.run()
    if args.format == "json":
        print_data(document(record), "json")
    else:
        print(markdown(record) if args.format == "md" else summary_table(record))
    return code


def _quiet(_: str) -> None:
    pass
