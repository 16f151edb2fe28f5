"""Where `llmsync device` listens, which key it shows, and who may log in."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.netconf.device import User


def add_access_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--listen", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on (default: %(default)s; 0.0.0.0 or :: for all)",
    )  # fmt: skip
    parser.add_argument(
        "--host-key", type=Path, metavar="FILE",
        help="private SSH host key of the one router, OpenSSH form; without it one is made each "
        "time",
    )  # fmt: skip
    parser.add_argument(
        "--authorized-keys", type=Path, metavar="FILE",
        help="public keys that may log in, one a line, as in OpenSSH; then no password may",
    )  # fmt: skip


def host_keys(args: argparse.Namespace, names: Sequence[str]) -> Mapping[str, str]:
    """Return the private host key of the router that --host-key is for.  Raises UsageError."""
    from toolkit.netconf.device import key_problem

    if args.host_key is None:
        return {}
    if len(names) != 1:
        raise UsageError(f"--host-key is that of one router, not of {len(names)} (--router NAME)")
    text = _text("--host-key", args.host_key)
    if problem := key_problem(host_key=text):
        raise UsageError(f"--host-key {args.host_key}: {problem}")
    return {names[0]: text}


def users(args: argparse.Namespace) -> Mapping[str, User]:
    """Return who may log in.  Raises UsageError."""
    import secrets

    from toolkit.netconf.device import DEFAULT_USER, User, key_problem

    if args.authorized_keys is None:
        user = User(password=secrets.token_urlsafe(18))
    else:
        lines = _text("--authorized-keys", args.authorized_keys).splitlines()
        keys = "\n".join(k for line in lines if (k := line.strip()) and not k.startswith("#"))
        if not keys:
            raise UsageError(f"--authorized-keys {args.authorized_keys}: holds no key")
        if problem := key_problem(authorized_keys=keys):
            raise UsageError(f"--authorized-keys {args.authorized_keys}: {problem}")
        user = User(authorized_keys=keys)
    return dict.fromkeys((DEFAULT_USER, *args.read_only_user), user)


def _text(flag: str, file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{flag} {file}: is no text") from None
    except OSError as error:
        raise UsageError(f"{flag} {file}: cannot be read: {error.strerror}") from None
