"""Files that hold secrets and pins.  What others can read is refused: it is no secret any more."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from toolkit.delivery.pins import HEADING, parse_pins
from toolkit.delivery.sealing import SECRET_SIZE
from toolkit.errors import Place, Problem, ProblemsError, UsageError

MIN_TOKEN = 16
"""Bytes of a token at least: it is a key, not a word somebody remembers."""


def seal_key(path: Path, *, make: bool) -> tuple[bytes, bool]:
    """Return the seal key in `path` (32 hexadecimal digits), and whether it had to be made."""
    if make and not path.exists():
        fresh = secrets.token_bytes(SECRET_SIZE)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise UsageError(
                f"{path}: {error.strerror} (name a file that can be written)"
            ) from None
        with os.fdopen(descriptor, "w") as stream:
            stream.write(fresh.hex() + "\n")
        return fresh, True
    text = _private(path, "copy the sender's seal key here")
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != SECRET_SIZE:
        raise UsageError(
            f"{path}: not a seal key, {2 * SECRET_SIZE} hexadecimal digits (name a file that does "
            "not exist to `llmsync send`, and one is made)"
        )
    return key, False


def token(path: Path) -> bytes:
    """Return the token in `path`, without the end of its line."""
    found = _private(
        path, "the sender and its receivers share one: (umask 077; openssl rand -hex 32 > FILE)"
    ).strip()
    if len(found) < MIN_TOKEN:
        raise UsageError(
            f"{path}: a token has {MIN_TOKEN} bytes or more (openssl rand -hex 32 > {path})"
        )
    return found


def _private(path: Path, missing: str) -> bytes:
    """Return the content of a file that its owner alone may read."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if mode & 0o077:
                raise UsageError(
                    f"{path}: others may read it, mode {mode & 0o777:03o} (chmod 600 {path}, and "
                    "make a new one where somebody may have read it)"
                )
            return stream.read(4096)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror} ({missing})") from None


class PinFile:
    """A file of pins; without the file, nobody has been met yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError(f"{path}: cannot be written (name a file for pins that can)")
        try:
            self.pins = parse_pins(path.read_text() if path.exists() else "")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror} (name a file for pins)") from None
        except ValueError as error:
            raise ProblemsError(
                [Problem(Place(file=str(path)), str(error), "correct it or remove the line")]
            ) from None

    def add(self, line: str) -> None:
        """Append a line of `Pins.meet` or `Pins.place`, if it is one."""
        if not line:
            return
        new = not self.path.exists()
        try:
            descriptor = os.open(
                self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
            )
            with os.fdopen(descriptor, "w") as stream:
                stream.write((HEADING if new else "") + line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise UsageError(f"{self.path}: {error.strerror} (make it writable)") from None
