"""What a wrong option would only show after minutes is looked at before the model is read."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.transport.address import Address


def check_sending(args: argparse.Namespace, control: Address, group: Address | None) -> None:
    """Raise what `send` would end with later: nothing is made or kept here."""
    from toolkit.cli.serving import check_service
    from toolkit.delivery import key_files, keys
    from toolkit.transport import address

    if args.key.exists():
        keys.sending_key(args.key)
    else:
        _writable("--key", args.key)
    if args.control_token is not None:
        key_files.token(args.control_token)
    check_files(args)
    if args.audit_log is not None:
        _writable("--audit-log", args.audit_log)
    with address.bind(control) as sock:
        if group is not None:
            address.send_from(sock, group, args.interface)
    check_service(args)


def check_files(args: argparse.Namespace) -> None:
    """Raise UsageError where a receipt could not be written at the end."""
    for flag, path in (("--receipt", args.receipt), ("--receipt-junit", args.receipt_junit)):
        if path is not None:
            _writable(flag, path)


def _writable(flag: str, path: Path) -> None:
    reason = ""
    if path.is_dir():
        reason = "is a folder"
    elif not path.parent.is_dir():
        reason = f"there is no folder {path.parent}"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        reason = "cannot be written"
    if reason:
        raise UsageError(f"{flag} {path}: {reason} (name a file that can be written)")
