"""The fallback validator: libyang's own command line tool, one process for each document.

For machines that the `oopt-gnpy-libyang` wheel is not built for.  yanglint 2.1 (Debian 12) stops
at the first fault, so one problem at a time is reported; and it knows no operational mode, so
state is checked for names and values only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolkit.errors import EnvironmentProblem
from toolkit.yang.engine import Fault, FaultyDataError, Form, Mode
from toolkit.yang.modulefile import find_module

_TYPES = {Mode.CONFIG: "config", Mode.STATE: "get", Mode.FRAGMENT: "get"}
_ERROR = re.compile(
    r"^libyang err\s*: (?P<message>.*?)"
    r'(?: \((?:Schema location "[^"]*")?(?:, )?(?:Data location "(?P<path>.*?)")?'
    r"(?:, )?(?P<line>[Ll]ine number \d+)?\.?\))?$",
    re.MULTILINE,
)
_LIMIT = 60.0
"""Seconds that one document may take."""


def find_yanglint() -> Path | None:
    """Return the program, if this machine has it."""
    found = shutil.which("yanglint")
    return Path(found) if found else None


class YanglintEngine:
    """Modules by file name, given to every process anew."""

    def __init__(
        self,
        program: Path,
        modules: Sequence[str],
        search_path: Sequence[Path],
        features: Mapping[str, Sequence[str]],
    ) -> None:
        self._program = program
        names = [name.partition("@")[0] for name in modules]
        files = [find_module(name, search_path) for name in modules]
        # One -F turns off all features that no other -F names.
        supported = {name: features.get(name, ("*",)) for name in names}
        self._arguments = [
            *("-D", "-i", "-e"),
            *(option for folder in search_path for option in ("-p", str(folder))),
            *(
                option
                for name, chosen in supported.items()
                for option in ("-F", f"{name}:{','.join(chosen)}")
            ),
            *map(str, files),
        ]

    @property
    def name(self) -> str:
        run = subprocess.run(
            [self._program, "--version"], capture_output=True, text=True, check=False
        )
        return run.stdout.strip() or "yanglint"

    def convert(self, text: str, source: Form, target: Form, mode: Mode) -> str:
        with tempfile.TemporaryDirectory(prefix="llmsync-yang-") as folder:
            document = Path(folder) / f"document.{source.value}"
            document.write_text(text, "utf-8")
            try:
                run = subprocess.run(
                    [
                        self._program, "-t", _TYPES[mode], "-f", target.value,
                        *self._arguments, document,
                    ],
                    capture_output=True, text=True, encoding="utf-8", check=False, timeout=_LIMIT,
                )  # fmt: skip
            except (OSError, subprocess.TimeoutExpired) as error:
                raise EnvironmentProblem(f"yanglint cannot be used: {error}") from None
        if run.returncode == 0:
            return run.stdout.strip()
        raise FaultyDataError(
            [
                Fault(found["message"], found["path"] or "", bool(found["line"]))
                for found in _ERROR.finditer(run.stderr)
            ]
            or [Fault(f"yanglint ended with status {run.returncode}")]
        )

    def read(self, text: str, mode: Mode) -> tuple[str, tuple[str, ...]]:
        return self.convert(text, Form.XML, Form.XML, mode), ()
