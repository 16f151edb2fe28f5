"""What commands share: output formats and progress.  stdout is data, stderr is everything else."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def add_output(
    parser: argparse._ActionsContainer, *, formats: Sequence[str] = ("table", "json")
) -> None:
    """Add `-o FORMAT`; the first format is the default."""
    parser.add_argument(
        "-o", "--output-format", dest="format", choices=formats, default=formats[0],
        metavar="FORMAT", help=f"format of standard output: {', '.join(formats)}",
    )  # fmt: skip


def print_data(value: Any, form: str) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print `value` (JSON-ready) as json, jsonl or yaml."""
    if form == "yaml":
        import yaml

        print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), end="")
    elif form == "jsonl":
        for item in value:
            print(json.dumps(item, ensure_ascii=False))
    else:
        print(json.dumps(value, indent=2, ensure_ascii=False))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an aligned text table; numbers to the right."""
    cells = [list(map(str, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    numeric = [
        bool(cells) and all(c[i].replace(".", "").replace(",", "").isdigit() for c in cells)
        for i in range(len(header))
    ]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True)
        ).rstrip()

    return "\n".join([line(header), line(["-" * w for w in widths]), *map(line, cells)])


def say(message: str) -> None:
    """Tell the person something: on stderr, never mixed with data."""
    print(message, file=sys.stderr, flush=True)
