"""What a push has done so far, on disk, so that a killed one can be finished or undone.

A file of JSON lines, each written through to the disk before the request that it announces goes
out: the first line says what is to be done (devices, configurations before and after), the others
which state each device entered.  Holds configurations, never secrets; readable by its owner alone.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

from toolkit.errors import UsageError
from toolkit.netconf.transaction import State

VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A journal as it was read."""

    txid: str
    """Also the persist-id of the confirmed commits."""
    before: Mapping[str, str]
    """Device -> XML of our containers as they ran before."""
    after: Mapping[str, str]
    """Device -> XML of our containers as they are to run."""
    waves: tuple[tuple[str, ...], ...]
    """Order of commits."""
    states: Mapping[str, State] = field(default_factory=dict)
    """Device -> the last state that it entered."""


class Journal:
    """Open for one push; deletes itself when told that nothing is left to do."""

    def __init__(self, path: Path, entry: Entry) -> None:
        """Begin the file.  Raises UsageError where it cannot be written."""
        self.path = path
        self._lock = threading.Lock()
        self._states: dict[str, State] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise UsageError(f"{path}: cannot write the journal: {error.strerror}") from None
        self._file: TextIO = os.fdopen(descriptor, "w", encoding="utf-8")
        self._write(
            {
                "version": VERSION,
                "txid": entry.txid,
                "waves": entry.waves,
                "before": entry.before,
                "after": entry.after,
            }
        )

    def record(self, device: str, state: State) -> None:
        """Note that `device` enters `state`.  May be called from several threads."""
        self._states[device] = state
        self._write({"device": device, "state": state.value})

    def _write(self, line: Mapping[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Nothing is left to do: the file goes."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._file.close()
        if error is not None and set(self._states.values()) <= {State.ROLLED_BACK}:
            self.finish()  # interrupted, and every device that was touched is as it was


def read_journal(path: Path) -> Entry:
    """Return what a journal says.  Raises UsageError for what is none.

    A last line that was cut off by the kill is left out: its request had not gone out.
    """
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot read the journal: {error}") from None
    whole = [line for line in lines if line.endswith("\n")]
    try:
        head, *rest = [json.loads(line) for line in whole]
        if head["version"] != VERSION:
            raise UsageError(f"{path}: a journal of version {head['version']}, not {VERSION}")
        return Entry(
            txid=head["txid"],
            before=head["before"],
            after=head["after"],
            waves=tuple(tuple(wave) for wave in head["waves"]),
            states={line["device"]: State(line["state"]) for line in rest},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: no journal of a push ({type(error).__name__})") from None
