"""Packets lost on purpose: `--loss` and `--seed`."""

from __future__ import annotations

import argparse

from toolkit.errors import UsageError


def add_loss(parser: argparse.ArgumentParser) -> None:
    """Add what `send` and `receive` have for trying."""
    group = parser.add_argument_group("to try it")
    group.add_argument(
        "--loss",
        default="0",
        metavar="P",
        help="lose this share of packets, to try it: 1%% or 0.01",
    )
    group.add_argument("--seed", type=int, default=0, help="which packets --loss loses")


def parse_share(text: str) -> float:
    """Return the share that `1%` or `0.01` is."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UsageError(f"--loss {text}: not a share below 1 (1%, 0.01)")
    return share
