"""Compiles `bier.bpf.c` when it is first needed; afterwards the object of the cache is enough.

Law: the name of an object in the cache is a digest of everything that it is made of, so it is never
out of date, and a machine without clang runs what another one (or the same one, before) compiled.
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
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "llmsync" / "bpf"


def compiled(source: Path = SOURCE, folder: Path | None = None) -> Path:
    """Return the object file of a BPF program, compiling it where the cache has none.

    EnvironmentProblem where clang or its headers are missing, or the cache cannot be written.
    """
    flags = (*FLAGS, *_headers())
    header = source.with_suffix(".h")
    parts = [path.read_text(encoding="utf-8") for path in (source, header) if path.exists()]
    digest = sha256("\0".join((*flags, *parts)).encode()).hexdigest()
    kept = (cache() if folder is None else folder) / f"{source.stem}-{digest[:32]}.o"
    if kept.exists():
        return kept
    clang = which("clang")
    if clang is None:
        raise EnvironmentProblem(
            f"the kernel plane has to be compiled once, and there is no clang here; install it "
            f"(Debian: apt-get install {PACKAGES}), or copy {kept.name} of a machine that has it "
            f"to {kept.parent}"
        )
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _compile(clang, flags, source, kept)
    except subprocess.TimeoutExpired:
        raise EnvironmentProblem(f"clang did not compile {source.name} in {LIMIT} s") from None
    except OSError as error:
        raise EnvironmentProblem(
            f"the compiled kernel plane cannot be kept in {kept.parent}: {error.strerror}; "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return kept


def _compile(clang: str, flags: tuple[str, ...], source: Path, kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".compiling-") as folder:
        made = Path(folder) / kept.name
        run = subprocess.run(
            [clang, *flags, "-c", str(source), "-o", str(made)],
            capture_output=True, text=True, timeout=LIMIT, check=False,
        )  # fmt: skip
        if run.returncode:
            said = next((line for line in run.stderr.splitlines() if "error:" in line), run.stderr)
            raise EnvironmentProblem(
                f"clang does not compile {source.name}: {said.strip()}; the headers come with "
                f"Debian's {PACKAGES}"
            )
        made.replace(kept)  # in one go: another process may look for it


def _headers() -> tuple[str, ...]:
    """Return where Debian has <asm/types.h>, which clang does not look for with this target."""
    folder = f"/usr/include/{platform.machine()}-linux-gnu"
    return (f"-I{folder}",)
