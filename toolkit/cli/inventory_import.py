"""`llmsync inventory import`: networks that others wrote down, as an inventory."""

from __future__ import annotations

import argparse
import re
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import add_output, print_data, table
from toolkit.errors import (
    EnvironmentProblem,
    ExitCode,
    Place,
    PlanError,
    Problem,
    ProblemsError,
    UsageError,
)

if TYPE_CHECKING:
    from toolkit.inventory.importers.assemble import Network, Order
    from toolkit.inventory.importers.draft import Draft

FORMATS = {
    "gml": "a GML file, as those of the Internet Topology Zoo",
    "containerlab": "a containerlab topology",
    "ansible": "an Ansible inventory, YAML or INI, with its links",
}
"""Format -> what is read."""
LARGEST_FILE = 64 * 2**20
_NAMES = ("network.yaml", "deliveries.yaml")

EXAMPLE = """\
examples:
  llmsync inventory import gml Geant2012.gml --output geant --farthest 6
  llmsync inventory import containerlab lab.clab.yml --output lab --repository h1 --clouds h2,h3
  llmsync inventory import ansible hosts.yml --output network --links links.yaml"""

EXAMPLES = {
    "gml": """\
examples:
  llmsync inventory import gml Cernet.gml --output cernet
  llmsync inventory import gml Geant2012.gml --output geant --repository NL --clouds PT,GR,FI
  llmsync inventory import gml Kdl.gml --output kdl --farthest 20

Delays follow the distance on the globe, metrics follow delays; a policy is written where the
network can keep one, else the notes name the bridges and the clouds behind them.""",
    "containerlab": """\
examples:
  llmsync inventory import containerlab lab.clab.yml --output lab
  llmsync inventory import containerlab lab.clab.yml --output lab --repository h1 --clouds h2,h3

Labels of nodes that are understood: llmsync-role (repository or cloud, on hosts that hang on one
router), llmsync-region, llmsync-gpus; of links: llmsync-metric, llmsync-delay, llmsync-capacity
(under `labels` or `vars`).""",
    "ansible": """\
examples:
  llmsync inventory import ansible hosts.yml --output network
  llmsync inventory import ansible hosts.ini --output network --links links.yaml --group routers

Links come from the variable llmsync_links ([{peer: NAME, metric: 10, delay: 4ms, capacity: 100G}])
of hosts, or from --links: a YAML list of {a: NAME, b: NAME, ...}. Secrets are never copied.""",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the formats of `llmsync inventory import`."""
    parser.epilog = EXAMPLE
    formats = parser.add_subparsers(dest="source", required=True, metavar="FORMAT")
    for name, what in FORMATS.items():
        sub = formats.add_parser(
            name,
            help=f"read {what}",
            description=f"Make an inventory of {what}.",
            epilog=EXAMPLES[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_arguments(sub, name)


def _add_arguments(sub: argparse.ArgumentParser, source: str) -> None:
    sub.add_argument("file", type=Path, metavar="FILE", help=FORMATS[source])
    sub.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder of the new inventory"
    )
    sub.add_argument(
        "--force", action="store_true", help="replace the inventory that is in DIR already"
    )
    if source == "gml":
        sub.add_argument("--capacity", metavar="RATE", help="of links without one (default: 100G)")
        sub.add_argument(
            "--detour", type=float, metavar="FACTOR",
            help="length of a cable by the length of the great circle (default: 1.5)",
        )  # fmt: skip
    if source == "ansible":
        sub.add_argument("--links", type=Path, metavar="FILE", help="YAML list of links")
        sub.add_argument("--group", metavar="NAME", help="only hosts of this group are routers")
    sub.add_argument(
        "--repository", default="", metavar="NODE",
        help="where models are sent from (default: the most central node)",
    )  # fmt: skip
    clouds = sub.add_mutually_exclusive_group()
    clouds.add_argument("--clouds", default="", metavar="A,B,...", help="GPU clouds at these nodes")
    clouds.add_argument("--region", default="", metavar="A,B,...", help="... in these regions")
    clouds.add_argument(
        "--farthest", type=int, metavar="K",
        help="... at K nodes far from the repository and from each other (default: 8)",
    )  # fmt: skip
    clouds.add_argument("--all", action="store_true", help="... at every other node")
    sub.add_argument(
        "--largest-component", action="store_true", help="drop what is not connected to it"
    )
    sub.add_argument("--model", default="demo", metavar="PATH", help="what to deliver")
    sub.add_argument("--transport", default="bier", metavar="NAME", help="how (default: bier)")
    sub.add_argument(
        "--rate", metavar="RATE", help="sending rate (default: 1G, or what the links carry)"
    )
    add_output(sub)


def run(args: argparse.Namespace) -> int:
    """Import one file."""
    from toolkit.inventory.importers.assemble import assemble
    from toolkit.inventory.importers.text import files_of
    from toolkit.render.folder import write_files

    _refuse_existing(args.output, force=args.force)
    order = _order(args)
    network = assemble(_read(args), order)
    texts = files_of(network, command=_command(args))
    left = _prove(dict(texts), args.file)
    write_files(args.output, texts)
    if args.format == "json":
        print_data(_summary(network, args.output) | {"left": left}, "json")
    else:
        print(_report(network, args.output))
        if left:
            print("\nleft to do, since the platforms ask for it:", *left, sep="\n  ")
    return ExitCode.OK


def _refuse_existing(folder: Path, *, force: bool) -> None:
    try:
        there = sorted(
            p.name for p in folder.iterdir()
            if p.suffix in (".yaml", ".yml") and not p.name.startswith(".")
        ) if folder.is_dir() else []  # fmt: skip
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be read: {error.strerror}") from None
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is not a folder (choose another --output)")
    if there and not force:
        raise UsageError(
            f"{folder}: holds {', '.join(there)} already (choose another --output, or --force)"
        )
    others = [name for name in there if name not in _NAMES]
    if others:
        raise UsageError(
            f"{folder}: {', '.join(others)} would become part of the new inventory, and --force"
            " replaces network.yaml and deliveries.yaml only (choose another --output)"
        )


def _order(args: argparse.Namespace) -> Order:
    from toolkit.inventory.importers.assemble import Order
    from toolkit.inventory.importers.choose import Wishes
    from toolkit.inventory.model import Transport
    from toolkit.inventory.suggestion import suggest

    known = [str(transport) for transport in Transport]
    if args.transport not in known:
        remedy = suggest(args.transport, known)
        raise UsageError(f"--transport: there is no '{args.transport}' ({remedy})")
    for flag in ("clouds", "region"):
        if getattr(args, flag) and not _words(getattr(args, flag)):
            raise UsageError(f"--{flag}: names nothing (write A,B,...)")
    return Order(
        wishes=Wishes(
            repository=args.repository.strip(),
            clouds=_words(args.clouds),
            regions=_words(args.region),
            farthest=args.farthest,
            everyone=args.all,
        ),
        largest_component=args.largest_component,
        transport=Transport(args.transport),
        model=_checked_model(args.model),
        rate=_rate("--rate", args.rate),
    )


def _checked_model(path: str) -> str:
    from toolkit.inventory.identifier import parse_model
    from toolkit.inventory.refusal import Refusal

    try:
        return parse_model(path)
    except Refusal as refusal:
        raise UsageError(f"--model: '{path}' {refusal.reason} ({refusal.remedy})") from None


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _rate(flag: str, text: str | None) -> int | None:
    from toolkit.inventory.quantity import parse_rate
    from toolkit.inventory.refusal import Refusal

    if text is None:
        return None
    try:
        return parse_rate(text)
    except Refusal as refusal:
        remedy = f" ({refusal.remedy})" if refusal.remedy else ""
        raise UsageError(f"{flag}: '{text}' {refusal.reason}{remedy}") from None


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_FILE:
        raise UsageError(f"{path}: is larger than {LARGEST_FILE // 2**20} MiB, no network is")
    return data


def _read(args: argparse.Namespace) -> Draft:
    file = args.file.as_posix()
    if args.source == "gml":
        from toolkit.inventory.importers.draft import CAPACITY
        from toolkit.inventory.importers.geography import DETOUR
        from toolkit.inventory.importers.zoo import read_zoo

        detour = DETOUR if args.detour is None else args.detour
        if not 1 <= detour <= 10:
            raise UsageError(f"--detour: {detour:g} is not between 1 and 10")
        capacity = _rate("--capacity", args.capacity) or CAPACITY
        return read_zoo(_bytes(args.file), file, capacity=capacity, detour=detour)
    if args.source == "containerlab":
        from toolkit.inventory.importers.containerlab import read_containerlab

        return read_containerlab(_bytes(args.file), file)
    from toolkit.inventory.importers.ansible import read_ansible

    links = (args.links.as_posix(), _bytes(args.links)) if args.links else None
    return read_ansible(
        _bytes(args.file),
        file,
        extra=_variables(args.file.parent),
        links=links,
        group=args.group or "",
    )


def _variables(folder: Path) -> dict[tuple[str, str], list[tuple[str, bytes]]]:
    """Return the files of group_vars/ and host_vars/ beside an Ansible inventory."""
    found: dict[tuple[str, str], list[tuple[str, bytes]]] = {}
    for kind in ("group", "host"):
        top = folder / f"{kind}_vars"
        for entry in sorted(top.iterdir()) if top.is_dir() else ():
            files = sorted(entry.iterdir()) if entry.is_dir() else [entry]
            name = entry.name if entry.is_dir() else entry.stem
            for file in files:
                if file.is_file() and file.suffix in (".yml", ".yaml", ".json", ""):
                    found.setdefault((kind, name), []).append((file.as_posix(), _bytes(file)))
    return found


def _command(args: argparse.Namespace) -> str:
    """Return the command without the folders of this machine, to be written into the file."""
    words = ["llmsync", "inventory", "import", args.source, args.file.name]
    for flag in ("capacity", "detour", "group", "repository", "clouds", "region", "farthest"):
        value = getattr(args, flag, None)
        words += [f"--{flag}", str(value)] if value not in (None, "") else []
    if getattr(args, "links", None):
        words += ["--links", args.links.name]
    words += ["--all"] if args.all else []
    words += ["--largest-component"] if args.largest_component else []
    return shlex.join(words)


def _prove(texts: dict[str, str], source: Path) -> list[str]:
    """Load and plan the inventory before it takes its place.

    Raises what is wrong with it: something in `source` which only the whole shows, such as two
    routers with one address.  Returns what its platforms ask for and no such file says: names of
    ports, another overlay.
    """
    from toolkit.inventory.load import load_inventory
    from toolkit.inventory.model import Platform
    from toolkit.plan.expand import make_plan
    from toolkit.plan.lock import EMPTY_LOCK
    from toolkit.render.folder import write_files

    with tempfile.TemporaryDirectory(prefix="llmsync-") as scratch:
        write_files(Path(scratch), texts)
        at = re.escape(Path(scratch).as_posix()) + r"[^: ]*:[0-9]+: "

        def told(problem: Problem, file: str) -> Problem:
            what = re.sub(at, "", problem.what)
            return replace(problem, place=Place(file, 0, problem.place.path), what=what)

        try:
            inventory = load_inventory(Path(scratch))
            plain = {
                n: replace(r, platform=Platform.REFERENCE) for n, r in inventory.routers.items()
            }
            make_plan(replace(inventory, routers=plain), EMPTY_LOCK)
        except ProblemsError as error:
            raise type(error)([told(p, source.as_posix()) for p in error.problems]) from None
        try:
            make_plan(inventory, EMPTY_LOCK)
        except PlanError as error:
            return [str(told(problem, "")) for problem in error.problems]
    return []


def _summary(network: Network, folder: Path) -> dict[str, Any]:
    from toolkit.inventory.importers.assemble import link_name

    draft, found = network.draft, network.survival
    return {
        "name": draft.name,
        "output": folder.as_posix(),
        "files": list(_NAMES),
        "routers": len(draft.routers),
        "links": len(draft.links),
        "repository": {"name": network.repository.name, "router": network.repository.router},
        "clouds": [
            {"name": c.name, "router": c.router, "region": c.region} for c in network.clouds
        ],
        "transport": str(network.transport),
        "rate": network.rate,
        "policy": {"scope": "links", "failures": found.failures} if found.failures else None,
        "bridges": found.bridges,
        "behind_bridges": [
            {"link": link_name(cut.link), "routers": cut.nodes, "clouds": list(cut.clouds)}
            for cut in found.cuts
        ],
        "notes": [
            {"kind": note.kind, "text": note.text, "names": list(note.names)}
            for note in network.notes
        ],
    }


def _report(network: Network, folder: Path) -> str:
    from toolkit.inventory.importers.assemble import behind_bridges, link_name
    from toolkit.inventory.importers.draft import some
    from toolkit.inventory.quantity import format_rate

    draft, found = network.draft, network.survival
    lost, clouds = len(behind_bridges(found, network.clouds)), len(network.clouds)
    who = f"{clouds - lost} of {clouds} clouds survive" if lost else "every cloud survives"
    promise = (
        f"{who} {found.failures} failed link{'s' if found.failures > 1 else ''}"
        if found.failures
        else "none can be kept" if found.cuts else "none"
    )  # fmt: skip
    rows = {
        "routers": str(len(draft.routers)),
        "links": f"{len(draft.links)}, {found.bridges} of them bridges",
        "repository": f"{network.repository.name} at {network.repository.router}",
        "clouds": f"{len(network.clouds)}, at {some([c.router for c in network.clouds], 8)}",
        "rate": format_rate(network.rate),
        "policy": promise,
    }
    lines = [f"{draft.name}: written to {folder}"]
    lines += [f"  {key.ljust(10)}  {value}" for key, value in rows.items()]
    if network.notes:
        lines += ["", "notes:", *(f"  {note.kind}: {note}" for note in network.notes)]
    if found.cuts:
        header = ("bridge", "routers behind it", "clouds behind it")
        behind = [(link_name(c.link), c.nodes, some(c.clouds, 8)) for c in found.cuts]
        lines += ["", table(header, behind)]
    return "\n".join(lines)
