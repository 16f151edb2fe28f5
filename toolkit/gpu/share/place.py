"""The socket file where a host waits for agents: made, guarded, found, removed."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import EnvironmentProblem, UnreachableError, UsageError

LONGEST = 107
"""Bytes of a socket's path, on Linux."""
MODE = 0o600
BACKLOG = 64


class Place:
    """A listening socket at `path`, which `mode` says who may use."""

    def __init__(self, path: Path, mode: int = MODE) -> None:
        self.path = path
        self.shared = bool(mode & 0o077)
        """Other users may come."""
        _check(path, "--share")
        if mode & ~0o777 or mode & 0o600 != 0o600:
            raise UsageError(f"--window-mode {mode:o}: the owner must be able to use it (0600)")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _alone(path):
                _clear(path)
                # So it is nobody else's for no moment.
                os.fchmod(self.socket.fileno(), MODE)
                self.socket.bind(str(path))
                path.chmod(mode)
                self.socket.listen(BACKLOG)
                self._inode = path.stat().st_ino
        except OSError as error:
            self.socket.close()
            raise EnvironmentProblem(
                f"--share {path}: {error.strerror or error} (name a socket in a folder that is "
                "there and that we may write, such as /run/llmsync/window)"
            ) from None
        except BaseException:
            self.socket.close()
            raise
        self.socket.setblocking(False)

    def accept(self) -> socket.socket | None:
        """Return somebody who has come; None: nobody."""
        try:
            return self.socket.accept()[0]
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return None
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                return None
            raise

    def close(self) -> None:
        """Nobody comes any more, and the file is gone, unless it is somebody else's by now."""
        self.socket.close()
        try:
            with _alone(self.path):
                if self.path.lstat().st_ino == self._inode:
                    self.path.unlink()
        except OSError:
            pass  # It was removed, or the folder was.


def connect(path: Path) -> socket.socket:
    """Return a connection to the host at `path`."""
    _check(path, "--window-of")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(str(path))
    except OSError as error:
        sock.close()
        if error.errno in (errno.EACCES, errno.EPERM):
            raise EnvironmentProblem(
                f"--window-of {path}: permission denied (run as the host's user, or start the host "
                "with --window-mode 0660 and share its group)"
            ) from None
        why = {
            errno.ENOENT: "no host is there",
            errno.ECONNREFUSED: "the host that was there has ended",
            errno.ENOTSOCK: "it is not a socket",
        }.get(error.errno or 0, error.strerror or str(error))
        raise UnreachableError(
            f"--window-of {path}", why, "start `llmsync receive --share` with this path first"
        ) from None
    return sock


def _check(path: Path, flag: str) -> None:
    length = len(os.fsencode(path))
    if length > LONGEST:
        raise UsageError(
            f"{flag} {path}: {length} bytes are too long for a socket, {LONGEST} are possible "
            "(name a shorter path, such as /run/llmsync/window)"
        )


def _clear(path: Path) -> None:
    """Remove what a host that was killed has left; raise UsageError where it is not that."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise UsageError(f"--share {path}: is there and is not a socket (choose another path)")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # So many wait there that there is no room: somebody listens.
    raise UsageError(
        f"--share {path}: another receiver shares its window there (choose another path, or be "
        "an agent of it: --window-of)"
    )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other host makes or removes a socket in this folder meanwhile."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
