"""The option `--transport`, the same in every command that plans."""

from __future__ import annotations

import argparse

from toolkit.inventory.model import Transport


def add_transport(parser: argparse.ArgumentParser) -> None:
    """Add `--transport`, which replaces the transport of every delivery."""
    parser.add_argument(
        "--transport",
        choices=[transport.value for transport in Transport],
        default=None,
        help="carry every delivery over this instead of what the inventory says",
    )
