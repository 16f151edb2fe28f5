"""`--order` and `--first`: in which order a model is sent."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.delivery.model import Stretch
    from toolkit.delivery.source import FileSource


def add_order(group: argparse._ArgumentGroup) -> None:
    """Add the options."""
    group.add_argument(
        "--order", choices=("layers", "files"), default="layers",
        help="layers: embeddings, layer 0, 1, 2, ... and the head, across safetensors files, where "
        "the names of tensors tell; files: each from its first byte to its last "
        "(default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--first", action="append", default=[], metavar="PATTERN",
        help="send what matches ahead of all else: names of tensors or paths of files, with * ? "
        "and [...]; may be repeated, what comes first is sent first",
    )  # fmt: skip


def orders_of(
    args: argparse.Namespace, sources: Mapping[str, FileSource]
) -> dict[str, tuple[Stretch, ...]]:
    """Return what of each source is sent first, as the options say.

    Raises UsageError naming all patterns that match nothing anywhere.
    """
    from toolkit.delivery.ordering import delivery_order, unmatched

    vain = unmatched([c for source in sources.values() for c in source.contents], args.first)
    if vain:
        what = ", ".join(sorted(sources))
        said = [f"--first {p}: no tensor and no file of {what} has such a name" for p in vain]
        raise UsageError("; ".join(said) + " (quote patterns; * stands for any part of a name)")
    return {
        name: delivery_order(source.contents, args.first, layers=args.order == "layers")
        for name, source in sources.items()
    }
