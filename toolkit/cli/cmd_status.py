"""`llmsync status`: the transactions that are remembered, and how each router stands."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli import pushing
from toolkit.cli.console import add_output, print_data, say, table
from toolkit.errors import ExitCode

if TYPE_CHECKING:
    from toolkit.netconf.journal import Entry
    from toolkit.netconf.records import Record

EXAMPLE = """\
examples:
  llmsync status                                    every transaction, the last one last
  llmsync status TXID                               each router of one
  llmsync status -o json

Reads journals alone; no router is asked.  Exit 6: a transaction has not ended (llmsync resume,
llmsync abort)."""

_WORDS = {"NEW": "done", "OLD": "given up", "DOUBT": "in doubt"}
_ACTS = {"resumes": "resume of", "aborts": "abort of", "undoes": "rollback of", "stage": "stage"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync status`."""
    parser.add_argument(
        "txid", nargs="?", metavar="TXID", help="one transaction, or how its name begins"
    )
    pushing.add_journal(parser)
    add_output(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Show the transactions of the folder, or the routers of one."""
    from toolkit.netconf.records import Record, find, records

    folder = pushing.journal_folder(args)
    if args.txid is None:
        found = records(folder)
    else:
        from toolkit.netconf.journal import read_journal

        path = find(folder, args.txid)
        found = [Record(path, read_journal(path))]
    if args.format == "json":
        print_data([_document(record) for record in found], "json")
    elif args.txid is not None and found[0].entry is not None:
        print(_one(found[0].entry))
    elif found:
        print(_all(found))
    else:
        say(f"llmsync: nothing was pushed yet, as far as {folder} knows")
    open_ends = [r for r in found if _word(r) not in ("done", "given up")]
    for remark in dict.fromkeys(_remark(folder, record) for record in open_ends):
        say(f"llmsync: {remark}")
    return ExitCode.IN_DOUBT if open_ends else ExitCode.OK


def _word(record: Record) -> str:
    return _WORDS[record.entry.standing.name] if record.entry is not None else "unreadable"


def _remark(folder: Path, record: Record) -> str:
    if record.entry is None:
        return f"{record.path}: {record.reason}"
    from toolkit.netconf.records import to_recover

    txid = to_recover(folder, record.entry)
    return f"{txid}: finish it with `llmsync resume {txid}`, or undo it with `llmsync abort {txid}`"


def _when(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.began, UTC).isoformat(" ", "seconds").removesuffix("+00:00")


def _what(entry: Entry) -> str:
    acts = [f"{words} {entry.about[key]}" for key, words in _ACTS.items() if key in entry.about]
    return ", ".join(acts) or "push"


def _all(found: list[Record]) -> str:
    rows = []
    for record in found:
        entry = record.entry
        if entry is None:
            rows.append((record.path.name, "", _word(record), "", ""))
        else:
            count = str(len(entry.after))
            rows.append((entry.txid, _when(entry), _word(record), count, _what(entry)))
    return table(("transaction", "began (UTC)", "state", "routers", "what"), rows)


def _one(entry: Entry) -> str:
    rows = [
        (
            device,
            entry.states[device].value if device in entry.states else "untouched",
            entry.platforms.get(device, ""),
            entry.ways.get(device, ""),
        )
        for device in entry.after
    ]
    return table(("router", "state", "platform", "commit"), rows)


def _document(record: Record) -> dict[str, Any]:
    entry = record.entry
    if entry is None:
        return {"journal": str(record.path), "state": _word(record), "reason": record.reason}
    return {
        "txid": entry.txid,
        "state": _word(record),
        "began": datetime.fromtimestamp(entry.began, UTC).isoformat(timespec="seconds"),
        "what": _what(entry),
        "about": dict(entry.about),
        "routers": [
            {
                "name": device,
                "state": entry.states[device].value if device in entry.states else "untouched",
                "platform": entry.platforms.get(device, ""),
                "commit": entry.ways.get(device, ""),
            }
            for device in entry.after
        ],
        "journal": str(record.path),
    }
