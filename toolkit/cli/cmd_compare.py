"""`llmsync compare`: PIM, SR-P2MP and BIER side by side on one's own network."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import add_output, print_data, say
from toolkit.errors import EnvironmentProblem, ExitCode, PlanError, UsageError
from toolkit.inventory.model import Transport

if TYPE_CHECKING:
    from toolkit.compare.events import Study
    from toolkit.compare.model import Comparison, TransportFigures
    from toolkit.compare.trial import Trial
    from toolkit.inventory.model import Inventory

EXAMPLE = """\
examples:
  llmsync compare inventories/demo
  llmsync compare inventories/demo --loss 1% --output out/compare     with the page compare.html
  llmsync compare inventories/demo --model-only                       nothing is run in the lab
  llmsync compare inventories/demo --transports bier,pim-ssm -o json

State and events are computed from the planned configuration of every router; traffic and times
are measured in the memory lab, where a file of --size stands for the model.  Every figure says
which."""

SIZE = "32M"


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync compare`."""
    parser.epilog = EXAMPLE
    parser.add_argument("inventory", type=Path, help="file or folder; `demo` is the packaged one")
    parser.add_argument(
        "--delivery", default="", metavar="NAME", help="which delivery (default: the first)"
    )
    parser.add_argument(
        "--transports",
        default=",".join(t.value for t in Transport),
        metavar="NAME,...",
        help="which transports, in this order (default: all)",
    )
    parser.add_argument(
        "--model-only", action="store_true", help="compute state and events, run nothing"
    )
    parser.add_argument("--model", metavar="PATH", help="deliver this file or folder in the lab")
    parser.add_argument(
        "--size",
        default=SIZE,
        metavar="BYTES",
        help=f"size of the generated file that is delivered without --model (default {SIZE})",
    )
    parser.add_argument(
        "--loss", default="1%", metavar="P",
        help="loss on every cloud's access link, each way: 1%% or 0.01 (default 1%%)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of all that is left to chance")
    parser.add_argument(
        "--output", type=Path, default=None, metavar="DIR",
        help="write compare.html and compare.json to this folder",
    )  # fmt: skip
    add_output(parser, formats=("table", "json", "md"))


def run(args: argparse.Namespace) -> int:
    """Compare, print, and write the page."""
    from toolkit.compare.model import document
    from toolkit.compare.summary import markdown, table

    if args.output is not None:
        _make(args.output)  # before anything is computed for it
    comparison = _compare(args)
    if args.output is not None:
        _write(args.output, comparison)
    if args.format == "json":
        print_data(document(comparison), "json")
    else:
        print(markdown(comparison) if args.format == "md" else table(comparison))
    incomplete = any(f.traffic is not None and not f.traffic.complete for f in comparison.figures)
    return ExitCode.FINDINGS if incomplete or comparison.refused else ExitCode.OK


def _compare(args: argparse.Namespace) -> Comparison:
    from toolkit.cli.faults import parse_share
    from toolkit.cli.loading import inventory_path
    from toolkit.compare.events import Study
    from toolkit.compare.model import Comparison, Refused
    from toolkit.inventory.load import load_inventory

    transports = _transports(args.transports)
    loss, size = parse_share(args.loss), _bytes(args.size)
    path = inventory_path(args.inventory)
    inventory = load_inventory(path)
    delivery = _delivery(args, inventory)
    figures: list[TransportFigures] = []
    refused: list[Refused] = []
    with tempfile.TemporaryDirectory(prefix="llmsync-compare-") as scratch:
        work = Path(scratch)
        for transport in transports:
            try:
                study = Study(inventory, delivery, transport)
            except PlanError as error:
                refused.append(
                    Refused(transport=transport.value, reasons=tuple(map(str, error.problems)))
                )
                continue
            trial = None if args.model_only else _trial(args, study, path, work, loss, size)
            figures.append(_figures(study, trial))
    if not figures:
        reasons = "\n".join(f"{r.transport}: {reason}" for r in refused for reason in r.reasons)
        raise UsageError(f"none of the transports is possible on {args.inventory}:\n{reasons}")
    wanted = inventory.deliveries[delivery]
    return Comparison(
        network=inventory.name,
        delivery=delivery,
        source=wanted.source,
        clouds=wanted.to,
        routers=len(inventory.routers),
        links=len(inventory.links),
        rate=wanted.rate,
        command=shlex.join(["llmsync", *sys.argv[1:]]),
        figures=tuple(figures),
        refused=tuple(refused),
    )


def _figures(study: Study, trial: Trial | None) -> TransportFigures:
    from toolkit.compare.figures import event_figures, state_figures
    from toolkit.compare.model import TransportFigures

    say(f"llmsync: {study.transport}: state and events")
    state, events = state_figures(study), event_figures(study)
    traffic = None
    if trial is not None:
        from toolkit.compare.trial import measure

        say(f"llmsync: {study.transport}: delivered in the lab")
        traffic = measure(study, trial)
    return TransportFigures(
        transport=study.transport.value, state=state, events=events, traffic=traffic
    )


def _trial(
    args: argparse.Namespace, study: Study, path: Path, work: Path, loss: float, size: int
) -> Trial:
    from toolkit.compare.trial import Trial, stand_in
    from toolkit.lab.deliver import scan
    from toolkit.lab.model import find_model

    if args.model is None:
        model, label = stand_in(work / "source", size), f"a file of {args.size}"
    else:
        found = find_model(args.model, path if path.is_dir() else path.parent, work / "source")
        model, label = found.path, found.label
    return Trial(source=scan(model, study.flow), label=label, loss=loss, seed=args.seed, work=work)


def _transports(text: str) -> Sequence[Transport]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [t.value for t in Transport]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(
            f"--transports {text}: {', '.join(unknown) or 'nothing'} is no transport "
            f"({', '.join(known)})"
        )
    return [Transport(name) for name in dict.fromkeys(names)]


def _bytes(text: str) -> int:
    """Return a decimal size: `16M` is 16,000,000 bytes."""
    units = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
    number = text.rstrip("kMG")
    unit = text[len(number) :]
    if not number.isdecimal() or unit not in units or not int(number):
        raise UsageError(f"--size {text}: not a size in bytes; write it like 16M")
    return int(number) * units[unit]


def _delivery(args: argparse.Namespace, inventory: Inventory) -> str:
    if not inventory.deliveries:
        raise UsageError(f"{args.inventory}: there is no delivery (declare one under deliveries:)")
    name: str = args.delivery or next(iter(inventory.deliveries))
    if name not in inventory.deliveries:
        raise UsageError(
            f"--delivery {name}: not in the inventory ({', '.join(inventory.deliveries)})"
        )
    return name


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be made: {error.strerror}") from None


def _write(folder: Path, comparison: Comparison) -> None:
    import json

    from toolkit.compare.model import document
    from toolkit.compare.page import page
    from toolkit.render.folder import write_files

    text = json.dumps(document(comparison), indent=2, ensure_ascii=False) + "\n"
    write_files(folder, {"compare.html": page(comparison), "compare.json": text})
    say(f"→ {folder / 'compare.html'}")
