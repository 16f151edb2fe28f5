"""Verification as SARIF 2.1.0 (OASIS), the form that code hosts annotate changes with.

Pure.  Every kind of finding is a rule; a finding in an inventory has a physical location (file and
line), one on a device a logical location (device and YANG path).  Checks that did not run are
notifications of the invocation: silence must not look like success.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from toolkit import __version__
from toolkit.errors import Place
from toolkit.verify.catalogue import KINDS
from toolkit.verify.findings import Check, Finding, Report
from toolkit.verify.kind import Kind

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(report: Report) -> dict[str, Any]:
    """Return `report` as a SARIF log, ready for JSON."""
    used = sorted({f.id for f in report.findings} | {k for c in report.checks for k in c.kinds})
    rules = [_rule(KINDS[kind]) for kind in used if kind in KINDS]
    indices = {rule["id"]: n for n, rule in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "llmsync", "version": __version__, "rules": rules}},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    _notification(c) for c in report.checks if c.status == "not run"
                ],
            }
        ],
        "results": [_result(f, indices) for f in report.findings],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(kind: Kind) -> dict[str, Any]:
    return {
        "id": kind.id,
        "shortDescription": {"text": kind.meaning},
        "help": {"text": kind.remedy},
        "defaultConfiguration": {"level": str(kind.severity)},
    }


def _notification(check: Check) -> dict[str, Any]:
    return {
        "level": "note",
        "message": {"text": f"{check.title}: not run ({check.reason})"},
        "descriptor": {"id": check.id},
    }


def _result(finding: Finding, indices: dict[str, int]) -> dict[str, Any]:
    text = "\n".join([finding.message, *finding.evidence])
    if finding.remedy:
        text += f"\nRemedy: {finding.remedy}"
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "level": str(finding.severity),
        "message": {"text": text},
        "locations": _locations(finding.place),
        # The same finding has the same fingerprint in the next run: lines move, paths do not.
        "partialFingerprints": {
            "llmsync/v1": "|".join([finding.id, *_stable(finding.place), *finding.subjects])
        },
    }
    if finding.id in indices:
        result["ruleIndex"] = indices[finding.id]
    return result


def _stable(place: Place) -> tuple[str, str]:
    return (PurePath(place.file).name if place.line else place.file, place.path)


def _locations(place: Place) -> list[dict[str, Any]]:
    if place.line:
        uri = quote(PurePath(place.file).as_posix())
        physical = {"artifactLocation": {"uri": uri}, "region": {"startLine": place.line}}
        location: dict[str, Any] = {"physicalLocation": physical}
        if place.path:
            location["logicalLocations"] = [{"fullyQualifiedName": place.path}]
        return [location]
    if place.file or place.path:
        name = f"{place.file}:{place.path}" if place.path else place.file
        logical = {"name": place.file, "fullyQualifiedName": name, "kind": "resource"}
        return [{"logicalLocations": [logical]}]
    return []
