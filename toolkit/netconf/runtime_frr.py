"""The door to a running FRRouting: `vtysh` and `frr-reload.py` as child processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from toolkit.errors import EnvironmentProblem

RELOAD: Final = Path("/usr/lib/frr/frr-reload.py")
_PATIENCE: Final = 60.0
"""Seconds that one call gets."""
_WRONG: Final = re.compile(r"line (\d+): ?(.*)")
_UNSAVED: Final = re.compile(r"can't|cannot|error|failed|denied|%", re.IGNORECASE)


def missing() -> str:
    """Return what this machine lacks, and which Debian package has it; empty: nothing."""
    if shutil.which("vtysh") is None:
        return "vtysh is not installed (Debian: apt-get install frr)"
    if not RELOAD.exists():
        return f"{RELOAD} is not installed (Debian: apt-get install frr-pythontools)"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vtysh:
    """One FRRouting instance; `toolkit.netconf.backend_frr.Frr`."""

    sockets: Path | None = None
    """Folder of the daemons' sockets, where it is not FRR's default."""
    pathspace: str = ""
    """Name that the instance was started with (`-N`)."""
    folder: Path | None = None
    """Folder of frr.conf and vtysh.conf, where it is not /etc/frr."""
    program: str = field(default_factory=lambda: shutil.which("vtysh") or "vtysh")
    reloader: Path = RELOAD

    def check(self, text: str) -> tuple[tuple[int, str], ...]:
        """`vtysh -C`: daemons are not asked."""
        with tempfile.TemporaryDirectory(prefix="llmsync-frr-") as scratch:
            file = _private(Path(scratch))
            file.write_text(text, "utf-8")
            done = _call([self.program, "--config_dir", scratch, "-C", "-f", str(file)])
        if done.returncode == 0:
            return ()
        said = f"{done.stderr}\n{done.stdout}".splitlines()
        found = [match for line in said if (match := _WRONG.match(line.strip()))]
        if not found:
            raise EnvironmentProblem(f"vtysh -C fails: {_first(done)}")
        return tuple((int(match[1]), _reason(match[2])) for match in found)

    def running(self) -> str:
        """`show running-config`, when it is whole: daemons that come or go leave parts out."""
        before = self.daemons()
        text = self._ask("show running-config no-header")
        if not text.startswith("frr version ") and "\nfrr version " not in text:
            raise EnvironmentProblem("vtysh shows no configuration, not even FRR's version")
        if self.daemons() != before:
            raise EnvironmentProblem("a daemon of FRR has just come or gone (try again)")
        return text

    def daemons(self) -> frozenset[str]:
        """`show daemons`."""
        return frozenset(self._ask("show daemons").split())

    def reload(self, text: str) -> str:
        """frr-reload.py: it finds the difference to what runs, and applies it."""
        with tempfile.TemporaryDirectory(prefix="llmsync-frr-") as scratch:
            file = _private(Path(scratch))
            file.write_text(text, "utf-8")
            # With a folder of our own it takes the file for frr.conf itself and saves nothing.
            words = [
                str(self.reloader), "--reload", "--stdout", "--log-level", "error", "--bindir",
                str(Path(self.program).parent), "--confdir", scratch, "--rundir", scratch,
            ]  # fmt: skip
            words += ["--vty_socket", str(self.sockets)] if self.sockets is not None else []
            words += ["--pathspace", self.pathspace] if self.pathspace else []
            done = _call([*words, str(file)])
        return "" if done.returncode == 0 else _first(done)

    def save(self) -> None:
        """`write memory`: FRR boots with what runs now."""
        said = self._ask("write memory")
        wrong = [line.strip() for line in said.splitlines() if _UNSAVED.search(line)]
        if wrong:
            raise EnvironmentProblem(f"FRR could not save its configuration: {'; '.join(wrong)}")

    def _ask(self, command: str) -> str:
        words = [self.program]
        words += ["--vty_socket", str(self.sockets)] if self.sockets is not None else []
        words += ["-N", self.pathspace] if self.pathspace else []
        words += ["--config_dir", str(self.folder)] if self.folder is not None else []
        done = _call([*words, "-c", command])
        if done.returncode != 0:
            raise EnvironmentProblem(f"vtysh -c {command!r} fails: {_first(done)}")
        return done.stdout


def _private(scratch: Path) -> Path:
    """Return the name of a configuration file in `scratch`, with all that vtysh looks for there."""
    (scratch / "vtysh.conf").touch()
    return scratch / "frr.conf"


def _reason(text: str) -> str:
    """Return why a line is refused, without the line, which FRR repeats."""
    return re.sub(r"(\[\d+\])?:.*", "", text.removeprefix("% ")).strip() or "refused"


def _first(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a program said before it failed, on one line."""
    said = " ".join(f"{done.stderr}\n{done.stdout}".split())
    return re.sub(r"\x1b\[\d+m", "", said)[-400:] or f"exit code {done.returncode}"


def _call(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        return subprocess.run(
            words, check=False, capture_output=True, text=True, timeout=_PATIENCE,
            stdin=subprocess.DEVNULL, env=environment, errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise EnvironmentProblem(f"{words[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise EnvironmentProblem(f"{words[0]} has not ended after {_PATIENCE:g} s") from None
