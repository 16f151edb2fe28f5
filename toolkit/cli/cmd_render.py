"""`llmsync render`: each router's configuration, valid before it is shown or written."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import say
from toolkit.cli.transport import add_transport
from toolkit.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolkit.render.payload import Payload

EXAMPLE = """\
examples:
  llmsync render inventories/demo -o payloads       payloads/<router>.xml, ready for edit-config
  llmsync render inventories/demo --router ams1     one router's, to standard output
  llmsync render inventories/demo --format json     all routers, RFC 7951, one JSON object

Every payload is validated first, against the router's YANG modules where they are at hand; nothing
is written unless all of them are valid.  Files that render has no payload for are left alone.
Beside the payload of an `frr` router stands what its host gets: <router>.frr.conf, and where
needed .nft, .tc and .bift.yaml."""

FORMATS = ("xml", "json")
OTHER_FORMATS = ("table", "text", "jsonl", "yaml", "junit", "sarif", "md")
"""What `-o` may say to other commands."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync render`."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="inventory: a YAML file or a folder"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="write one file for each router to this folder; without it: standard output",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=FORMATS, default="xml", metavar="FORMAT",
        help="xml (NETCONF <config>) or json (RFC 7951); default xml",
    )  # fmt: skip
    parser.add_argument(
        "--router", action="append", default=[], metavar="NAME",
        help="only this router; may be given again",
    )  # fmt: skip
    add_transport(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Render, then print or write."""
    from toolkit.cli.loading import load_plan
    from toolkit.errors import UsageError
    from toolkit.render.payload import render_plan

    if str(args.output) in (*FORMATS, *OTHER_FORMATS) and not args.output.is_dir():
        raise UsageError(_no_folder(str(args.output)))
    _, plan, _ = load_plan(args.path, args.transport)
    if unknown := [name for name in args.router if name not in plan.routers]:
        raise UsageError(
            f"no router {', '.join(unknown)} in {args.path}; there are {', '.join(plan.routers)}"
        )
    payloads = render_plan(plan)
    chosen = {name: payloads[name] for name in dict.fromkeys(args.router)} or payloads
    for warning in dict.fromkeys(w for payload in chosen.values() for w in payload.warnings):
        say(f"llmsync: warning: {warning}")
    if args.output is None:
        print(_document(chosen, args.format), end="")
        return ExitCode.OK
    from toolkit.render.beside import beside
    from toolkit.render.folder import write_files

    texts = {f"{name}.{args.format}": _text(p, args.format) for name, p in chosen.items()}
    write_files(args.output, texts | beside(plan, chosen.values()))
    count = f"{len(texts)} payload{'s' if len(texts) != 1 else ''}"
    say(f"llmsync: {args.output}: {count}, {_proof(chosen.values())}")
    return ExitCode.OK


def _proof(payloads: Iterable[Payload]) -> str:
    """Return which of the payloads a schema has judged, in words."""
    reasons = [payload.unproven for payload in payloads]
    doubtful = [reason for reason in reasons if reason]
    if not doubtful:
        return "every one valid"
    others = f"{len(reasons) - len(doubtful)} valid, " if len(doubtful) < len(reasons) else ""
    return f"{others}{len(doubtful)} not schema-proven: {'; '.join(dict.fromkeys(doubtful))}"


def _no_folder(name: str) -> str:
    """Return what to say to somebody whose `-o` is a format, as it is with other commands."""
    remedy = f"for {name}: --format {name}" if name in FORMATS else f"{name} is no format of render"
    return f"-o {name}: render's -o names a folder; {remedy} (for a folder {name}: make it first)"


def _text(payload: Payload, form: str) -> str:
    if form == "xml":
        return payload.xml
    return json.dumps(payload.tree, indent=2, ensure_ascii=False) + "\n"


def _document(payloads: dict[str, Payload], form: str) -> str:
    """Return all payloads as one text: XML in a row below routers' names, JSON as one object."""
    if form == "xml":
        if len(payloads) == 1:
            return "".join(payload.xml for payload in payloads.values())
        return "".join(f"<!-- {name} -->\n{payload.xml}" for name, payload in payloads.items())
    trees = {name: payload.tree for name, payload in payloads.items()}
    return json.dumps(trees, indent=2, ensure_ascii=False) + "\n"
