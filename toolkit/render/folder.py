"""A folder of files, written whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from toolkit.errors import EnvironmentProblem


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write file name -> text into `folder`, which is made where it does not exist.

    Every file is complete on the same disk before the first one takes its name, so a full disk or a
    lost permission leaves what was there.  Raises EnvironmentProblem.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".llmsync-") as scratch:
            for name, text in texts.items():
                (Path(scratch) / name).write_text(text, "utf-8")
            for name in texts:
                (Path(scratch) / name).replace(folder / name)
    except OSError as error:
        at = error.filename or folder
        raise EnvironmentProblem(f"{at}: cannot be written: {error.strerror}") from None
