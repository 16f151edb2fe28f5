"""The repository's journal: JSON lines, each on disk before anything is done about it.

A last line that a crash has cut short is dropped: what it announced was not begun.  On opening,
the journal is written anew without what no longer matters, and keeps the last sessions for people.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from toolkit.errors import EnvironmentProblem
from toolkit.sync.model import Record, Target

KEPT = 1000
"""Sessions whose records survive an opening."""


class Journal:
    """Open for one repository; `earlier` is what was in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.earlier = _last(read_journal(path))
        try:
            fresh = path.with_name(path.name + ".new")
            with fresh.open("wb") as stream:
                stream.writelines(_line(record) for record in self.earlier)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise EnvironmentProblem(
                f"{path}: the journal cannot be written: {error.strerror} (make room, or name "
                "another state folder)"
            ) from None

    def write(self, records: Iterable[Record]) -> None:
        """Append records, and wait until they are on disk."""
        data = b"".join(_line(record) for record in records)
        if not data:
            return
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)
        except OSError as error:
            raise EnvironmentProblem(
                f"{self.path}: the journal cannot be written: {error.strerror} (make room)"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        os.close(self._file)


def read_journal(path: Path) -> list[Record]:
    """Return the records in a journal; none where there is no journal yet."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror}") from None
    records = []
    for line in lines:
        try:
            records.append(_record(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            continue  # Cut short by a crash, or empty.
    return records


def _last(records: list[Record]) -> list[Record]:
    sessions = sorted({r.session for r in records})[-KEPT:]
    first = sessions[0] if sessions else 0
    return [r for r in records if r.session >= first]


def _line(record: Record) -> bytes:
    document: dict[str, Any] = {
        "at": record.at, "event": record.event, "session": record.session,
    }  # fmt: skip
    if record.target is not None:
        target = record.target
        document |= {
            "model": target.model, "version": target.version, "content": target.content,
            "rate": target.rate, "clouds": list(record.clouds),
        }  # fmt: skip
    if record.event == "ended":
        document["outcomes"] = dict(record.outcomes)
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _record(document: Any) -> Record:  # noqa: ANN401 - JSON
    target = None
    if "model" in document:
        target = Target(
            str(document["model"]), str(document["version"]), str(document["content"]),
            int(document["rate"]),
        )  # fmt: skip
    return Record(
        float(document["at"]), str(document["event"]), int(document["session"]), target,
        tuple(map(str, document.get("clouds", ()))),
        {str(k): str(v) for k, v in document.get("outcomes", {}).items()},
    )  # fmt: skip
