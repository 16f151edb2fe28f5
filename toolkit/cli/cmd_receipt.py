"""`llmsync receipt`: is this receipt what its author signed, and what does it say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from toolkit.cli.console import add_output, print_data, say, table
from toolkit.errors import ExitCode, UsageError, WireError

EXAMPLE = """\
examples:
  llmsync send models/llama --to fra=192.0.2.10:4401 --receipt llama.json
  llmsync receipt verify llama.json --trust llmsync.key.pub

Exit 1: it is not believed, or not every receiver holds everything."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync receipt` and what is below it."""
    below = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    line = "Prove that a receipt is what its author has signed, and that all hold everything"
    verify = below.add_parser(
        "verify", help=line, description=line + ".", epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    verify.add_argument(
        "file", type=Path, metavar="FILE", help="the receipt (FILE.sig beside it), or FILE.sig"
    )
    verify.add_argument(
        "--trust", type=Path, required=True, metavar="KEY",
        help="public key that must have signed it (a .pub file)",
    )  # fmt: skip
    add_output(verify)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Verify; return 0 when it is believed and complete."""
    from toolkit.cli.receipt_files import signature_path
    from toolkit.delivery.keys import fingerprint, trusted_key
    from toolkit.delivery.receipts import open_receipt

    trusted = trusted_key(args.trust)
    whole = _read(args.file)
    beside = args.file.suffix != ".sig"
    envelope = _read(signature_path(args.file)) if beside else whole
    opened = open_receipt(envelope, trusted)
    if beside and opened.payload != whole:
        raise WireError(f"{args.file}: it is not what was signed; it was changed afterwards")
    document = opened.document
    if args.format == "json":
        print_data(document, "json")
    else:
        header = ("receiver", "complete", "bytes", "manifest-digest", "verified")
        print(table(header, [[_cell(r.get(n)) for n in header] for r in document["receipt"]]))
    say(f"signed by {fingerprint(opened.key)}, which is trusted")
    problems = _problems(document)
    for problem in problems:
        say(f"llmsync: {problem}")
    return ExitCode.FINDINGS if problems else ExitCode.OK


def _problems(document: dict[str, Any]) -> list[str]:
    """What keeps the delivery from having been whole."""
    manifest = document["manifest"]
    found = []
    for receipt in document["receipt"]:
        name = receipt["receiver"]
        if not receipt["complete"]:
            found.append(f"{name}: {receipt['standing']}: {receipt['reason']}")
        elif receipt["manifest-digest"] != manifest["digest"]:
            found.append(f"{name}: it proved another manifest than the receipt's")
        elif receipt["bytes"] != manifest["bytes"]:
            found.append(f"{name}: it proved {receipt['bytes']} of {manifest['bytes']} bytes")
    return found


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and len(value) == 64:
        return value[:16] + "..."
    return "-" if value is None else value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        remedy = "it lies beside the receipt" if path.suffix == ".sig" else "name a receipt"
        raise UsageError(f"{path}: {error.strerror} ({remedy})") from None
