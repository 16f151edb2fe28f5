"""The options of `llmsync receive` for several processes of a host and one window."""

from __future__ import annotations

import argparse
from pathlib import Path

from toolkit.errors import UsageError


def add_share(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    group = parser.add_argument_group("several GPUs of one host, one copy of the stream")
    group.add_argument(
        "--share", type=Path, metavar="SOCKET",
        help="let other processes of this host copy from our window; they attach at this socket",
    )  # fmt: skip
    group.add_argument(
        "--agents", type=int, default=1, metavar="N",
        help="how many; the sender is joined when they are here (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--agent-wait", type=float, default=60.0, metavar="SECONDS",
        help="give up when they are not here after so long (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--agent-patience", type=float, default=30.0, metavar="SECONDS",
        help="cut off an agent that holds memory and gives none back for so long while others "
        "wait for it (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--window-mode", default="0600", metavar="MODE",
        help="who may attach: permissions of the socket; 0660: our group (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--window-of", type=Path, metavar="SOCKET",
        help="be such a process: needs no network; --gpu, --rank and --output are its own",
    )  # fmt: skip


def parse_mode(text: str) -> int:
    """Return permissions written in octal."""
    if len(text) not in (3, 4) or any(digit not in "01234567" for digit in text):
        raise UsageError(f"--window-mode {text}: not permissions in octal (0600, 0660)")
    mode = int(text, 8)
    if mode & ~0o777 or mode & 0o600 != 0o600:
        raise UsageError(f"--window-mode {text}: the owner must be able to use it (0600, 0660)")
    return mode
