"""How commands call a service: its address, the token or certificate, whom to believe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.service.client import Client, Credentials


def add_credentials(parser: argparse._ActionsContainer) -> None:
    """Add what a client proves who it is with."""
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="our token, alone in a file"
    )
    parser.add_argument(
        "--ca", type=Path, metavar="FILE",
        help="authority of the service's certificate (default: the system's)",
    )  # fmt: skip
    parser.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="our certificate, instead of a token"
    )
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key")


def credentials(args: argparse.Namespace) -> Credentials:
    """Return what we prove who we are with."""
    from toolkit.service.client import Credentials
    from toolkit.service.tokens import read_token

    token = read_token(args.token_file) if args.token_file is not None else None
    return Credentials(token=token, authority=args.ca, certificate=args.tls_cert, key=args.tls_key)


def client(args: argparse.Namespace, url: str) -> Client:
    """Return a client of the service at `url`."""
    from toolkit.service.client import Client

    return Client(url.rstrip("/"), credentials(args))
