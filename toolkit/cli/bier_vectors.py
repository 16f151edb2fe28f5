"""`llmsync bier vectors`: the conformance suite, listed, exported, run."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.bier_planes import PLANES, opened
from toolkit.cli.console import add_output, print_data, say, table
from toolkit.errors import EnvironmentProblem, ExitCode, ProblemsError, UsageError

if TYPE_CHECKING:
    from toolkit.bier.conformance.expansion import Case
    from toolkit.bier.conformance.plane import Plane

EXAMPLE = """\
examples:
  llmsync bier vectors run
  llmsync bier vectors list --only 'refused/*'
  llmsync bier vectors export out/vectors
  llmsync bier vectors export out/vectors --all --only '*/bsl-1024/*'
  llmsync bier vectors run --only 'ecmp/*' -o json

A vector's name is GROUP/NAME/bsl-B/ENCAPSULATION/si-S; globs match all of it. See
docs/reference/bier-vectors.md."""
EXPORTED_BITS = 256
"""The longest BitString that `export` writes without --all."""
SHOWN_FAULTS = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync bier vectors`."""
    parser.epilog = EXAMPLE
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    raw = argparse.RawDescriptionHelpFormatter
    listing = actions.add_parser(
        "list", help="name the vectors and what they show", formatter_class=raw
    )
    listing.set_defaults(run_vectors=_list)
    export = actions.add_parser(
        "export",
        help="write them as JSON and pcap, complete in themselves, for any implementation",
        formatter_class=raw,
    )
    export.add_argument("folder", type=Path, metavar="DIR", help="where to")
    export.add_argument(
        "--all", action="store_true",
        help="all seven BitString lengths (some 200 MB); otherwise 64, 128 and 256 bits",
    )  # fmt: skip
    export.set_defaults(run_vectors=_export)
    running = actions.add_parser(
        "run",
        help="run them on a data plane; exit code 1 where one fails",
        formatter_class=raw,
    )
    running.set_defaults(run_vectors=_run)
    listing.epilog = "examples:\n  llmsync bier vectors list --only 'frr/*'"
    export.epilog = "examples:\n  llmsync bier vectors export vectors --plane ebpf"
    running.epilog = "examples:\n  llmsync bier vectors run --plane socket --only 'frr/*'"
    for sub in (listing, export, running):
        sub.add_argument("--only", default="*", metavar="GLOB", help="vectors of these names")
    for sub in (export, running):
        sub.add_argument(
            "--plane", choices=tuple(PLANES), default="reference" if sub is running else None,
            help="which data plane" if sub is running else "those that apply to a plane of ours",
        )  # fmt: skip
    for sub in (listing, running):
        add_output(sub)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(args.run_vectors(args))


def _chosen(only: str) -> list[Case]:
    from toolkit.cli.vector_files import all_cases

    found = [case for case in all_cases() if fnmatchcase(f"{case.group}/{case.name}", only)]
    if not found:
        raise UsageError(f"--only {only}: no vector has such a name (llmsync bier vectors list)")
    return found


def _list(args: argparse.Namespace) -> int:
    rows = []
    for (group, stem), grouped in groupby(_chosen(args.only), key=lambda c: (c.group, c.stem)):
        cases = list(grouped)
        rows.append(
            {
                "vector": f"{group}/{stem}",
                "cases": len(cases),
                "source": cases[0].source,
                "meaning": cases[0].meaning,
            }
        )
    if args.format == "json":
        print_data(rows, "json")
    else:
        print(table(("vector", "cases", "source"), [list(r.values())[:3] for r in rows]))
        print(f"\n{len(rows)} vectors, {sum(int(str(r['cases'])) for r in rows)} cases")
    return ExitCode.OK


def _export(args: argparse.Namespace) -> int:
    from toolkit.bier.conformance.export import written
    from toolkit.bier.conformance.judge import lacks_of
    from toolkit.datafiles import data_folder
    from toolkit.render.folder import write_files

    cases = [c for c in _chosen(args.only) if args.all or c.bsl <= EXPORTED_BITS]
    if not cases:
        raise UsageError(f"--only {args.only}: these are longer than {EXPORTED_BITS} bits; --all")
    lacks = {}
    if args.plane:
        with opened(args.plane) as plane:
            lacks = dict(plane.lacks)
    total = left_out = 0
    for group, grouped in groupby(cases, key=lambda case: case.group):
        vectors = [case.vector() for case in grouped]
        kept = [vector for vector in vectors if not lacks_of(lacks, vector)]
        left_out += len(vectors) - len(kept)
        texts, capture, count = written(group, kept)
        write_files(args.folder, texts)
        _write(args.folder / f"{group}.pcap", capture)
        total += count
        say(f"{group}: {count} vectors")
    readme = (data_folder("tests/vectors") / "EXPORT.md").read_text("utf-8")
    write_files(args.folder, {"README.md": readme})
    say(f"{args.folder}: {total} vectors" + (f", {left_out} not applicable" if left_out else ""))
    return ExitCode.OK


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be written: {error.strerror}") from None


def _run(args: argparse.Namespace) -> int:
    results: list[tuple[str, str, str, list[str]]] = []
    with opened(args.plane) as plane:
        for group, grouped in groupby(_chosen(args.only), key=lambda case: case.group):
            before = len(results)
            results += _results(plane, grouped)
            say(f"{group}: {len(results) - before} cases")
    reasons = Counter(why for _g, _n, why, _f in results if why)
    failed = {f"{group}/{name}": faults for group, name, _why, faults in results if faults}
    groups = []
    for group, of_group in groupby(results, key=lambda result: result[0]):
        found = list(of_group)
        not_applicable = sum(bool(why) for _g, _n, why, _f in found)
        bad = sum(bool(faults) for _g, _n, _w, faults in found)
        groups.append((group, len(found) - not_applicable - bad, bad, not_applicable))
    total = tuple(sum(column) for column in zip(*(g[1:] for g in groups), strict=True))
    if args.format == "json":
        print_data(
            {
                "plane": args.plane,
                "passed": total[0],
                "failed": failed,
                "not_applicable": dict(reasons),
            },
            "json",
        )
    else:
        for name, faults in failed.items():
            print(f"FAILED {name}")
            for fault in faults[:SHOWN_FAULTS]:
                print(f"  {fault}")
            if len(faults) > SHOWN_FAULTS:
                print(f"  and {len(faults) - SHOWN_FAULTS} more")
        header = ("group", "passed", "failed", "not applicable")
        print(table(header, [*groups, ("all", *total)]))
        for why, count in sorted(reasons.items()):
            print(f"not applicable, {count}: {why}")
    return ExitCode.FINDINGS if failed else ExitCode.OK


def _results(plane: Plane, cases: Iterator[Case]) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield (group, name, why it does not apply, faults)."""
    from toolkit.bier.conformance.judge import faults, lacking

    for case in cases:
        vector = case.vector()
        why = lacking(plane, vector)
        if why:
            yield case.group, case.name, why, []
            continue
        try:
            found = faults(plane, vector)
        except ProblemsError as error:  # a program that the plane cannot hold
            found = [f"refused: {problem}" for problem in error.problems]
        yield case.group, case.name, "", found
