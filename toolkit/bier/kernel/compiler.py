"""Compiles `bier.bpf.c` when it is first needed; afterwards the object of the cache is enough.

Law: the name of an object in the cache is a digest of everything that it is made of, so it is never
out of date, and a machine without clang runs what another one (or the same one, before) compiled.
What is loaded into the kernel, only we or root can have put there: no object that is somebody
else's, or that others may write, as in a cache that `sudo` kept the environment of a user for.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path
from shutil import which
from typing import Final

from toolkit.errors import EnvironmentProblem

SOURCE: Final = Path(__file__).parent.parent / "bier.bpf.c"
FLAGS: Final = ("-target", "bpf", "-O2", "-g", "-Wall", "-Werror")
PACKAGES: Final = "clang libbpf-dev linux-libc-dev"
LIMIT: Final = 120
"""Seconds that clang may take."""


def cache() -> Path:
    """Return the folder of compiled objects."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        return base.expanduser() / "llmsync" / "bpf"
    except RuntimeError as error:
        raise EnvironmentProblem(
            "there is no home directory to keep the compiled kernel plane in; "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from error


def compiled(source: Path = SOURCE, folder: Path | None = None) -> Path:
    """Return the object file of a BPF program, compiling it where the cache has none.

    EnvironmentProblem where clang or its headers are missing, or the cache cannot be written.
    """
    flags = (*FLAGS, *_headers())
    header = source.with_suffix(".h")
    parts = [path.read_text(encoding="utf-8") for path in (source, header) if path.exists()]
    digest = sha256("\0".join((*flags, *parts)).encode()).hexdigest()
    kept = (cache() if folder is None else folder) / f"{source.stem}-{digest[:32]}.o"
    try:
        if _ours(kept):
            return kept
    except OSError as error:
        raise _unkept(kept, error) from error
    clang = which("clang")
    if clang is None:
        raise EnvironmentProblem(
            f"the kernel plane has to be compiled once, and there is no clang here; install it "
            f"(Debian: apt-get install {PACKAGES}), or copy {kept.name} of a machine that has it "
            f"to {kept.parent}"
        )
    try:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _compile(clang, flags, source, kept)
        _ours(kept)
    except OSError as error:
        raise _unkept(kept, error) from error
    return kept


def _ours(kept: Path) -> bool:
    """Say whether an object is there; EnvironmentProblem where others may have put it there."""
    try:
        about = kept.stat()
    except FileNotFoundError:
        return False
    for path, found in ((kept.parent, kept.parent.stat()), (kept, about)):
        if found.st_uid not in (0, os.geteuid()):
            wrong = "belongs to somebody else"
        elif found.st_mode & 0o022:
            wrong = f"may be written by others (chmod go-w {path})"
        else:
            continue
        raise EnvironmentProblem(
            f"{path} {wrong}: what is in it is not loaded into the kernel; set XDG_CACHE_HOME to a "
            "folder of your own"
        )
    return True


def _unkept(kept: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the compiled kernel plane cannot be kept in {kept.parent}: {error.strerror}; "
        "set XDG_CACHE_HOME to a folder that can be written"
    )


def _compile(clang: str, flags: tuple[str, ...], source: Path, kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".compiling-") as folder:
        made = Path(folder) / kept.name
        try:
            run = subprocess.run(
                [clang, *flags, "-c", str(source), "-o", str(made)],
                capture_output=True, text=True, timeout=LIMIT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise EnvironmentProblem(
                f"clang does not compile {source.name} within {LIMIT} s; try again when this "
                "machine has less to do"
            ) from error
        if run.returncode:
            said = next((line for line in run.stderr.splitlines() if "error:" in line), run.stderr)
            raise EnvironmentProblem(
                f"clang does not compile {source.name}: {said.strip()}; the headers come with "
                f"Debian's {PACKAGES}"
            )
        made.chmod(0o644)  # whatever the umask is
        made.replace(kept)  # in one go: another process may look for it


def _headers() -> tuple[str, ...]:
    """Return where Debian has <asm/types.h>, which clang does not look for with this target."""
    folder = f"/usr/include/{platform.machine()}-linux-gnu"
    return (f"-I{folder}",)
