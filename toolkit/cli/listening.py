"""How a command serves over HTTP(S): who is let in, and which certificate it shows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.service.server import Settings


def add_listening(parser: argparse._ActionsContainer, *, client: str) -> None:
    """Add who is let in, and how; `client`: what one who calls is named."""
    parser.add_argument(
        "--tokens", type=Path, metavar="FILE",
        help="who may do what there: lines of NAME ROLES sha256:HEX (llmsync sessions token)",
    )  # fmt: skip
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate of the service")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key")
    parser.add_argument(
        "--client-ca", type=Path, metavar="FILE",
        help=f"believe client certificates that it signed; their name is the {client}'s",
    )  # fmt: skip
    parser.add_argument(
        "--insecure-http", action="store_true",
        help="serve without TLS on other addresses than loopback",
    )  # fmt: skip
    parser.add_argument(
        "--service-name", action="append", default=[], metavar="NAME",
        help="a host name that clients call it by, beside those in its certificate",
    )  # fmt: skip


def settings(args: argparse.Namespace, listen: str, port: int, *, flag: str) -> Settings:
    """Return how to serve at `listen`, which `flag` says, at `port` where it names none."""
    from toolkit.service.server import Settings
    from toolkit.service.tokens import read_tokens
    from toolkit.transport.address import resolve

    where = resolve(listen, port=port, flag=flag)
    return Settings(
        host=where.host, port=where.port,
        tokens=read_tokens(args.tokens) if args.tokens is not None else None,
        certificate=args.tls_cert, key=args.tls_key, client_authority=args.client_ca,
        insecure_http=args.insecure_http, names=tuple(args.service_name),
    )  # fmt: skip
