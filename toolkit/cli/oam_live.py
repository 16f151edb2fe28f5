"""`--bift FILE` of ping and trace: who asks over real interfaces, and whom, by a BIFT document."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import say
from toolkit.cli.oam_lab import Asking
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.bier.oam_ping import Ping
    from toolkit.bier.oam_trace import Trace
    from toolkit.bier.program import Program

_LABORATORY = {
    "start": "--from", "payloads": "--payloads", "down": "--down", "seed": "--seed",
}  # fmt: skip


def add_live(parser: argparse.ArgumentParser) -> None:
    """Add what sends over real interfaces."""
    group = parser.add_argument_group("over real interfaces instead of the laboratory")
    group.add_argument(
        "--bift", type=Path, metavar="FILE",
        help="send by this BIFT document, as its BFR (JSON or YAML)",
    )  # fmt: skip
    group.add_argument(
        "--interface", metavar="NAME", help="only what leaves by this interface (default: all)"
    )


def check_source(args: argparse.Namespace) -> None:
    """Raise UsageError unless there is either an inventory or a BIFT document, with its options."""
    problems: list[str] = []
    if (args.inventory is None) == (args.bift is None):
        problems.append("name an inventory, or a BIFT document with --bift")
    if args.bift is None and args.interface is not None:
        problems.append("--interface goes with --bift")
    if args.bift is not None:
        defaults = {"start": None, "payloads": None, "down": "", "seed": 1}
        problems += [
            f"{flag} is of the laboratory: it does not go with --bift"
            for name, flag in _LABORATORY.items()
            if getattr(args, name) != defaults[name]
        ]
        if args.loss != "0":
            problems.append("--loss is of the laboratory: it does not go with --bift")
    if problems:
        raise UsageError("\n".join(problems))


def asking(args: argparse.Namespace, program: Program) -> Asking:
    """Return who asks whom; UsageError with all that is wrong."""
    problems: list[str] = []
    known = program.oam
    able = sorted(program.bfr_ids.keys() & (known.own.keys() if known else set()))
    if known is None or not able:
        raise UsageError(
            f"{args.bift}: to ask it needs a BFR-id (bfr_ids) and the BFR-prefixes of the domain "
            "(oam), see docs/how-to/oam.md"
        )
    sub_domain = able[0]
    own = program.bfr_ids[sub_domain]
    lengths = sorted(key.bsl for key in program.bifts if key.sub_domain == sub_domain)
    if not lengths:
        problems.append(f"{args.bift}: sub-domain {sub_domain} has no table")
    if args.interface is not None and args.interface not in program.interfaces:
        names = ", ".join(sorted(program.interfaces))
        problems.append(f"--interface {args.interface}: not in {args.bift} ({names})")
    if not 0 <= args.entropy < 1 << 20:
        problems.append(f"--entropy {args.entropy}: not 0 to {(1 << 20) - 1}")
    routers = {p: name for (number, name), p in known.routers.items() if number == sub_domain}
    bfers = {
        bfr_id: routers.get(prefix, str(prefix))
        for (number, bfr_id), prefix in known.bfers.items()
        if number == sub_domain and bfr_id != own
    }
    targets = bfers
    if args.to != ["all"]:
        by_name = {name: bfr_id for bfr_id, name in bfers.items()}
        targets = {}
        for word in args.to:
            bfr_id = int(word) if word.isdecimal() else by_name.get(word, 0)
            if bfr_id in bfers:
                targets[bfr_id] = bfers[bfr_id]
            else:
                words = ", ".join(f"{i} ({n})" for i, n in sorted(bfers.items()))
                problems.append(f"--to {word}: no such BFER (known: {words or 'none'})")
    elif not bfers:
        problems.append(f"{args.bift}: oam.bfrs names no BFER to ask")
    if problems:
        raise UsageError("\n".join(problems))
    return Asking(
        start=program.name, sub_domain=sub_domain, bsl=lengths[0], bfir_id=own,
        targets=dict(sorted(targets.items())), entropy=args.entropy,
    )  # fmt: skip


def ask(
    args: argparse.Namespace, program: Program, who: Asking, probes: Sequence[Ping | Trace]
) -> None:
    """Send and wait for replies."""
    from toolkit.bier.runtime_oam import Asker

    with Asker(program, who.sub_domain, args.interface) as asker:
        asker.run(probes)
    for port, copies in sorted(asker.unsent.items()):
        say(f"llmsync: {copies} requests were not sent by {port} (--interface {args.interface})")
