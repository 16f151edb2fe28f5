"""What the conformance tests of all planes report, in one line each at the end of a test run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

KEY = "bier-vectors"


def note(record_property: object, plane: str, why: Iterable[str]) -> None:
    """Note how a plane's cases fared: for each why it does not apply, empty where it passed."""
    assert callable(record_property)
    for reason, count in Counter(why).items():
        record_property(KEY, (plane, reason, count))


def summary(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return the lines: cases passed and not applicable, with reasons, by plane."""
    counts: Counter[tuple[str, str]] = Counter()
    for report in reports:
        for key, value in report.user_properties:
            if key == KEY and isinstance(value, tuple | list):
                plane, reason, count = value
                counts[plane, reason] += count
    lines = []
    for plane in sorted({plane for plane, _reason in counts}):
        reasons = [f"{n} not applicable ({r})" for (p, r), n in counts.items() if p == plane and r]
        lines.append("; ".join([f"{plane}: {counts[plane, '']} cases passed", *sorted(reasons)]))
    return lines
