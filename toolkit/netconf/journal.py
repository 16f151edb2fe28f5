"""What a push has done so far, on disk, so that a killed one can be finished or undone.

A file of JSON lines, each written before the request that it announces goes out, and through to
the disk wherever a crash of the machine in between would make a difference: the first line says
what is to be done (devices, configurations before and after, the way that each device takes), the
others which state each device entered.  It stays when the push has ended, so that the push can be
looked at and undone.  Holds configurations, never secrets; readable by its owner alone.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from toolkit.errors import UsageError
from toolkit.netconf.rollout import JournalError
from toolkit.netconf.transaction import State

VERSION: Final = 2

_LATEST: Final = 253402300800
"""The year 10000 in Unix time."""
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
    """Device -> XML of what is ours as it ran before."""
    after: Mapping[str, str]
    """Device -> XML of what is ours as it is to run."""
    waves: tuple[tuple[str, ...], ...]
    """Order of commits."""
    platforms: Mapping[str, str] = field(default_factory=dict)
    """Device -> platform; `reference` where it is not named."""
    ways: Mapping[str, str] = field(default_factory=dict)
    """Device -> how it takes the change (`toolkit.netconf.commits.Way`)."""
    began: float = 0.0
    """Unix time."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What the push was asked for: inventory, management and the like."""
    states: Mapping[str, State] = field(default_factory=dict)
    """Device -> the last state that it entered."""
    settled: Standing | None = None
    """How a later push has left the network: NEW (resumed) or OLD (aborted)."""

    @property
    def standing(self) -> Standing:
        return self.settled or standing(self.states, self.after)


class Journal:
    """Open for one push."""

    def __init__(self, path: Path, entry: Entry) -> None:
        """Begin the file.  Raises UsageError where it cannot be written."""
        self.path = path
        self._lock = threading.Lock()
        self._disk = threading.Lock()
        self._states: dict[str, State] = {}
        self._devices = frozenset(entry.after)
        self._broken = False
        self._closed = False
        self._end = 0
        self._safe = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise UsageError(f"{path}: cannot write the journal: {error.strerror}") from None
        try:
            self._write(
                {
                    "version": VERSION,
                    "txid": entry.txid,
                    "began": entry.began,
                    "about": dict(entry.about),
                    "waves": entry.waves,
                    "platforms": dict(entry.platforms),
                    "ways": dict(entry.ways),
                    "before": dict(entry.before),
                    "after": dict(entry.after),
                }
            )
            _sync_folder(path.parent)
        except BaseException as error:  # interrupted, or no room: nothing was asked of any device
            path.unlink(missing_ok=True)
            self._close()
            if isinstance(error, OSError):
                raise UsageError(
                    f"{path}: cannot write the journal: {error.strerror} (nothing was changed)"
                ) from None
            raise

    @property
    def standing(self) -> Standing:
        return standing(self._states, self._devices)

    def record(self, device: str, state: State) -> None:
        """Note that `device` enters `state`.  May be called from several threads.

        Raises JournalError when it cannot be written down.
        """
        self._states[device] = state
        try:
            # As long as nothing of the change runs, the last line that is on the disk says all.
            self._write({"device": device, "state": state.value}, sync=state not in _HARMLESS)
        except OSError as error:
            self._broken = True
            raise JournalError(
                f"{self.path}: cannot write the journal: {error.strerror}; "
                f"{device} is not asked for what comes next"
            ) from None

    def _write(self, line: Mapping[str, Any], *, sync: bool = True) -> None:
        """Append a line, with `sync` through to the disk; one that does not fit is taken back.

        One that is written and not seen on the disk stays: what it announces is not asked for, and
        a journal that says more than was done leads to a question too many, not to one too few.
        """
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        with self._lock:
            if self._closed:
                raise OSError(None, "it is closed")
            try:
                _append(self._file, data)
                self._end += len(data)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file, self._end)
                    os.lseek(self._file, self._end, os.SEEK_SET)
                raise
            end = self._end
        if sync:
            self._through(end)

    def _through(self, end: int) -> None:
        """See the file on the disk up to `end`; one call does it for all that wait meanwhile."""
        with self._disk:
            if self._safe >= end:
                return
            if self._closed:
                raise OSError(None, "it is closed")
            reached = self._end
            os.fsync(self._file)
            self._safe = reached

    def _close(self) -> None:
        with self._disk, self._lock, suppress(OSError):
            self._closed = True
            os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        useless = not self._states  # interrupted before anything was asked
        if self._broken and self.standing is not Standing.DOUBT:
            # The file says less than is known.  Without room for more it must not be left.
            try:
                self._write({"settled": self.standing.name})
            except OSError:
                useless = True
        self._close()  # what is not in the file is not asked of a device any more
        if useless:
            self.path.unlink(missing_ok=True)
            _sync_folder(self.path.parent)


def _append(file: int, data: bytes) -> None:
    """Write all of `data`."""
    written = 0
    while written < len(data):
        written += os.write(file, data[written:])


def settle(path: Path, outcome: Standing) -> None:
    """Note in the journal of a push that a later one has brought the network to `outcome`.

    Where that cannot be written, the journal goes: nothing is left to do.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"settled": outcome.name}) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Have the folder's own entry for a file on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_journal(path: Path) -> Entry:
    """Return what a journal says.  Raises UsageError for what is none.

    A last line that was cut off by the kill is left out: its request had not gone out.
    """
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such journal") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot read the journal: {error}") from None
    whole = [line for line in lines if line.endswith("\n")]
    try:
        head, *rest = [json.loads(line) for line in whole]
        if head["version"] != VERSION:
            raise UsageError(f"{path}: a journal of version {head['version']}, not {VERSION}")
        settled = [Standing[line["settled"]] for line in rest if "settled" in line]
        entry = Entry(
            txid=head["txid"],
            before=head["before"],
            after=head["after"],
            waves=tuple(tuple(wave) for wave in head["waves"]),
            platforms=head["platforms"],
            ways=head["ways"],
            began=head["began"],
            about=head["about"],
            states={line["device"]: State(line["state"]) for line in rest if "device" in line},
            settled=settled[-1] if settled else None,
        )
        _check(entry)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: no journal of a push ({type(error).__name__})") from None
    return entry


def _check(entry: Entry) -> None:
    """Raise ValueError for what no push of ours has written."""
    tables = (entry.before, entry.after, entry.platforms, entry.ways, entry.about)
    for table in tables:
        if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
            raise ValueError("no table of texts")
    began = entry.began
    if isinstance(began, bool) or not isinstance(began, int | float) or not 0 <= began < _LATEST:
        raise ValueError("no time")
    if not isinstance(entry.txid, str) or not entry.txid:
        raise ValueError("no name")
    devices = [device for wave in entry.waves for device in wave]
    if set(entry.before) != set(entry.after) or not {*devices, *entry.states} <= set(entry.after):
        raise ValueError("devices that take no part")
