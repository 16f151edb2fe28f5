"""One kind of finding.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.verify.findings import Severity


@dataclass(frozen=True, slots=True)
class Kind:
    id: str
    severity: Severity
    meaning: str
    remedy: str
