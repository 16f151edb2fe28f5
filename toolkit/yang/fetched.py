"""The folder in which `llmsync yang fetch` keeps the modules of each device.

$XDG_DATA_HOME/llmsync/yang/<device>/ holds a file a module and library.json, all of one fetch or
nothing: a new folder is filled beside the old and takes its place in one step.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from toolkit.errors import EnvironmentProblem
from toolkit.yang.library import Library, NoLibraryError, format_library, parse_library

LIBRARY: Final = "library.json"


def store_folder() -> Path:
    """Return the folder that holds a folder for each device (XDG Base Directory: data)."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "llmsync" / "yang"


def device_folder(device: str) -> Path:
    """Return where the modules of `device` are, or would be."""
    return store_folder() / device


def read_library(device: str) -> Library | None:
    """Return what was fetched from `device`; None: nothing was.

    Raises EnvironmentProblem for a library.json that cannot be read.
    """
    file = device_folder(device) / LIBRARY
    try:
        return parse_library(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, NoLibraryError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise EnvironmentProblem(
            f"{file}: {reason}; fetch the modules of {device} again: llmsync yang fetch"
        ) from None


def store(library: Library, texts: Mapping[tuple[str, str], str], folder: Path) -> Path:
    """Put `texts` ((name, revision) -> module) and library.json into `folder`, all or nothing.

    What was in it before is gone.  Raises EnvironmentProblem where it cannot be written.
    """
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    old = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.old")
    try:
        draft.mkdir(parents=True)
        try:
            for (name, revision), text in texts.items():
                _write(draft / (f"{name}@{revision}.yang" if revision else f"{name}.yang"), text)
            _write(draft / LIBRARY, format_library(library))
            if folder.exists():
                folder.rename(old)
            try:
                draft.rename(folder)
            except OSError:
                if old.exists():
                    old.rename(folder)
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            if folder.exists():
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EnvironmentProblem(f"{folder}: cannot be written: {reason}") from error
    return folder


def _write(file: Path, text: str) -> None:
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
