"""The conformance vectors as tests want them: by name in their file, and a small sample."""

from __future__ import annotations

from collections import defaultdict

from toolkit.bier.conformance.expansion import Case
from toolkit.cli.vector_files import all_cases


def stems() -> dict[str, list[Case]]:
    """Return `<group>/<name in the file>` -> its cases."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in all_cases():
        found[f"{case.group}/{case.stem}"].append(case)
    return found


def sample() -> list[Case]:
    """Return one case of every vector for each encapsulation: 128 bits, set 1, where there is."""
    found: dict[tuple[str, str, str], Case] = {}
    for case in all_cases():
        key = (case.group, case.stem, case.encapsulation)
        if key not in found or f"bsl-128/{case.encapsulation}/si-1" in case.name:
            found[key] = case
    return list(found.values())
