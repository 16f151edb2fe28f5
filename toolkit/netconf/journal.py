"""What a push has done so far, on disk, so that a killed one can be finished or undone.

A file of JSON lines, each written through to the disk before the request that it announces goes
out: the first line says what is to be done (devices, configurations before and after), the others
which state each device entered.  Holds configurations, never secrets; readable by its owner alone.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

from toolkit.errors import ExitCode, ToolkitError, UsageError
from toolkit.netconf.transaction import State

VERSION: Final = 1

_HARMLESS: Final = frozenset(
    {
        State.IDLE,
        State.LOCKING,
        State.EDITING,
        State.VALIDATING,
        State.CHECKING,
        State.PREPARED,
        State.DISCARDING,
        State.ROLLED_BACK,
    }
)
"""States in which nothing of the change runs and nothing will: no commit went out or stayed."""


class Standing(Enum):
    """What a push has made of the network as a whole."""

    OLD = "every device runs what it ran before"
    NEW = "every device has the new configuration for good"
    DOUBT = "neither is certain"


def standing(states: Mapping[str, State], devices: Collection[str]) -> Standing:
    """Return how the network stands when `devices` take part and have entered `states` at last."""
    if all(state in _HARMLESS for state in states.values()):
        return Standing.OLD
    if all(states.get(device) is State.COMMITTED for device in devices):
        return Standing.NEW
    return Standing.DOUBT


class UnfinishedError(ToolkitError):
    """An earlier push has not ended on these devices: what they run may not last."""

    exit_code = ExitCode.IN_DOUBT


class InterruptedPush(KeyboardInterrupt):
    """The interrupt of a push, and how the network stands after it."""

    def __init__(self, standing: Standing, count: int, journal: Path | None = None) -> None:
        """`count` devices were to change; `journal` is what is left to resume or abort."""
        super().__init__()
        self.standing, self.count, self.journal = standing, count, journal


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

    @property
    def standing(self) -> Standing:
        return standing(self.states, self.after)


class Journal:
    """Open for one push; deletes itself at its end when nothing is left to do."""

    def __init__(self, path: Path, entry: Entry) -> None:
        """Begin the file.  Raises UsageError where it cannot be written."""
        self.path = path
        self._lock = threading.Lock()
        self._states: dict[str, State] = {}
        self._devices = frozenset(entry.after)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise UsageError(f"{path}: cannot write the journal: {error.strerror}") from None
        self._file: TextIO = os.fdopen(descriptor, "w", encoding="utf-8")
        try:
            self._write(
                {
                    "version": VERSION,
                    "txid": entry.txid,
                    "waves": entry.waves,
                    "before": entry.before,
                    "after": entry.after,
                }
            )
        except BaseException as error:  # interrupted, or no room: nothing was asked of any device
            path.unlink(missing_ok=True)
            with suppress(OSError):
                self._file.close()
            if isinstance(error, OSError):
                raise UsageError(f"{path}: cannot write the journal: {error.strerror}") from None
            raise

    @property
    def standing(self) -> Standing:
        return standing(self._states, self._devices)

    def record(self, device: str, state: State) -> None:
        """Note that `device` enters `state`.  May be called from several threads."""
        self._states[device] = state
        self._write({"device": device, "state": state.value})

    def _write(self, line: Mapping[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        with self._lock:  # what is not in the file is not asked of a device any more
            self._file.close()
        if self.standing is not Standing.DOUBT:
            self.path.unlink(missing_ok=True)


def read_journal(path: Path) -> Entry:
    """Return what a journal says.  Raises UsageError for what is none.

    A last line that was cut off by the kill is left out: its request had not gone out.
    """
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: there is no such journal (a push that needs one says where it is)"
        ) from None
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


def refuse_unfinished(folder: Path, devices: Iterable[str]) -> None:
    """Raise UnfinishedError when a journal in `folder` is not done with one of `devices`.

    What such a device runs may be provisional, so that a comparison with it means nothing.
    Journals of pushes that ended, and those that were killed before their first line, do not count.
    """
    wanted = set(devices)
    refusals = []
    for path in sorted(folder.glob("push-*.jsonl")):
        try:
            if b"\n" not in path.read_bytes():
                continue  # killed while it began: nothing was asked of any device
            entry = read_journal(path)
        except (OSError, UsageError) as error:
            if not path.exists():
                continue  # that push has just ended
            reason = str(error).removeprefix(f"{path}: ")
            refusals.append(
                f"{path}: {reason}; which routers it concerns is unknown (move it away when its "
                "push is known to have ended)"
            )
            continue
        if entry.standing is Standing.DOUBT and wanted & set(entry.after):
            refusals.append(
                f"{path}: a push of {', '.join(entry.after)} has not ended: "
                f"finish it with --resume {path}, or undo it with --abort {path}"
            )
    if refusals:
        raise UnfinishedError("\n".join(refusals))
