"""How packets are marked: `--dscp`."""

from __future__ import annotations

import argparse

from toolkit.errors import UsageError

USUAL = "le"


def add_dscp(parser: argparse._ActionsContainer) -> None:
    """Add `--dscp`."""
    parser.add_argument(
        "--dscp", metavar="NAME|N|off",
        help="DSCP of our packets, control messages included: le gives way to all other traffic "
        f"(RFC 8622), af11, cs1, 0 to 63; off: unmarked (default: {USUAL})",
    )  # fmt: skip


def parse_dscp_option(text: str | None) -> int | None:
    """Return the code point that --dscp names, the usual one where it does not; None: unmarked."""
    from toolkit.inventory.dscp import NONE, parse_dscp
    from toolkit.inventory.refusal import Refusal

    text = USUAL if text is None else text
    word = NONE if text.lower() == "off" else text
    try:
        return parse_dscp(int(word) if word.isascii() and word.isdecimal() else word)
    except Refusal as refusal:
        remedy = refusal.remedy or "0 to 63"
        raise UsageError(f"--dscp {text}: {refusal.reason} ({remedy}, or off)") from None
