"""The journals of a folder: what was pushed, what has not ended, which may go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.errors import ExitCode, ToolkitError, UsageError
from toolkit.netconf.journal import Entry, Standing, read_journal

KEPT: Final = 50
"""Pushes that have ended and are remembered."""


class UnfinishedError(ToolkitError):
    """An earlier push has not ended on these devices: what they run may not last."""

    exit_code = ExitCode.IN_DOUBT


@dataclass(frozen=True, slots=True)
class Record:
    """One journal."""

    path: Path
    entry: Entry | None
    """None where it cannot be read."""
    reason: str = ""
    """Why it cannot be read."""


def path_of(folder: Path, txid: str) -> Path:
    return folder / f"push-{txid}.jsonl"


def records(folder: Path) -> list[Record]:
    """Return every journal of `folder`, the oldest first; those never begun are left out."""
    return sorted(_records(folder), key=lambda r: (r.entry.began if r.entry else 0.0, r.path))


def _records(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("push-*.jsonl")):
        try:
            if b"\n" not in path.read_bytes():
                continue  # killed while it began: nothing was asked of any device
            yield Record(path, read_journal(path))
        except (OSError, UsageError) as error:
            if path.exists():  # else that push has just ended
                yield Record(path, None, str(error).removeprefix(f"{path}: "))


def find(folder: Path, txid: str) -> Path:
    """Return the journal of the push `txid`, of which any unique beginning will do.

    Raises UsageError.
    """
    exact = path_of(folder, txid)
    if exact in folder.glob("push-*.jsonl"):  # it may be longer than a file's name can be
        return exact
    found = [
        r.path for r in _records(folder)
        if r.entry and txid and r.entry.txid.removeprefix("llmsync-").startswith(
            txid.removeprefix("llmsync-")
        )
    ]  # fmt: skip
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{txid}: {len(found)} transactions begin like this; give more of it")
    raise UsageError(f"{txid}: no such transaction in {folder} (`llmsync status` lists them)")


RECOVERIES: Final = ("resumes", "aborts")
"""What a journal's `about` calls the transaction that it was to finish or to undo."""


def recovered(entry: Entry) -> str:
    """Return the transaction that this one was to finish or to undo; empty: none."""
    return next((entry.about[key] for key in RECOVERIES if key in entry.about), "")


def recoveries(folder: Path, txid: str) -> list[Record]:
    """Return the attempts to finish or to undo `txid` that have not ended themselves."""
    return [
        r for r in records(folder)
        if r.entry and recovered(r.entry) == txid and r.entry.standing is Standing.DOUBT
    ]  # fmt: skip


def to_recover(folder: Path, entry: Entry) -> str:
    """Return the transaction to resume or abort so that `entry`, which has not ended, is settled.

    That is the one that `entry` was to finish or to undo, as long as that has not ended either.
    """
    root = recovered(entry)
    try:
        doubt = root and read_journal(path_of(folder, root)).standing is Standing.DOUBT
    except UsageError:
        doubt = False  # it is gone, or cannot be read
    return root if doubt else entry.txid


def prune(folder: Path, keep: int = KEPT) -> None:
    """Remove all but the last `keep` journals of pushes that have ended."""
    ended = [r.path for r in records(folder) if r.entry and r.entry.standing is not Standing.DOUBT]
    for path in ended[: max(0, len(ended) - keep)]:
        path.unlink(missing_ok=True)


def refuse_unfinished(folder: Path, devices: Iterable[str]) -> None:
    """Raise UnfinishedError when a journal in `folder` is not done with one of `devices`.

    What such a device runs may be provisional, so that a comparison with it means nothing.
    """
    wanted = set(devices)
    refusals: dict[str, None] = {}
    for record in _records(folder):
        entry = record.entry
        if entry is None:
            refusals[
                f"{record.path}: {record.reason}; which routers it concerns is unknown (move it "
                "away when its push is known to have ended)"
            ] = None
        elif entry.standing is Standing.DOUBT and wanted & set(entry.after):
            txid = to_recover(folder, entry)
            refusals[
                f"{txid}: a push of {', '.join(entry.after)} has not ended: finish it with "
                f"`llmsync resume {txid}`, or undo it with `llmsync abort {txid}`"
            ] = None
    if refusals:
        raise UnfinishedError("\n".join(refusals))
