"""Configurations before and after, as a unified diff of their XML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.netconf.tree import Node


def unified(
    texts: Mapping[str, tuple[Sequence[Node], Sequence[Node]]],
    words: tuple[str, str] = ("running", "planned"),
) -> dict[str, str]:
    """Return device -> the diff of what is ours on it, in the order given."""
    return {
        device: "\n".join(
            difflib.unified_diff(
                _lines(before), _lines(after),
                f"{device} ({words[0]})", f"{device} ({words[1]})", lineterm="",
            )
        )
        for device, (before, after) in texts.items()
    }  # fmt: skip


def _lines(nodes: Sequence[Node]) -> list[str]:
    """Return the elements one a line, each as deep as it stands."""
    from toolkit.netconf.tree import to_xml
    from toolkit.yang import xmltext

    lines = xmltext.wrap(to_xml(nodes)).splitlines() if nodes else []
    return [line.removeprefix("  ") for line in lines[1:-1]]
