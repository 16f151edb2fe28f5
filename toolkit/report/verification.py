"""A verification as text for a terminal, as Markdown for a pipeline, and as JSON.

Pure.  All three are written from the same `Verification`, so they cannot disagree.  A check that
did not run is shown as such, with its reason, and what is not modelled at all stands below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from toolkit.plan.model import Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.state.model import Source
from toolkit.verify.findings import Check, Finding, Report, Severity
from toolkit.verify.statement import Statement

SCHEMA = "llmsync-verify/1"
SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
MARKS = {"passed": "✓", "warned": "!", "failed": "✗", "not run": "–"}
ASCII_MARKS = {"passed": "ok", "warned": "!!", "failed": "XX", "not run": "--"}
_SOURCES = {
    Source.PLAN: "the plan",
    Source.RENDERED: "the rendered configurations",
    Source.RUNNING: "the running configurations",
}
_EVIDENCE = 6
"""Lines of evidence that a person is shown for one finding; JSON has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One verification, whole."""

    plan: Plan
    report: Report
    source: Source
    what: str = ""
    """What was judged, where `source` does not say it well: a folder of payloads."""
    down: Failures = NO_FAILURES
    not_modelled: tuple[Statement, ...] = ()
    unproven: tuple[str, ...] = ()
    """Lines about configurations that no schema has judged."""
    planned: tuple[tuple[str, str], ...] = ()
    """(what, why) of what was taken from the plan, as no configuration says it."""

    @property
    def failed(self) -> bool:
        """True where a pipeline must stop."""
        checks = any(check.status == "failed" for check in self.report.checks)
        return checks or bool(self.report.errors)


def text(verification: Verification, *, ascii_only: bool = False) -> str:
    """Return the verification for a person, without a final newline."""
    marks = ASCII_MARKS if ascii_only else MARKS
    report = verification.report
    blocks = [_heading(verification), "\n".join(_check_lines(report, marks))]
    if unchecked := _unchecked_lines(verification):
        blocks.append("\n".join(unchecked))
    if report.findings:
        blocks.append("\n\n".join(_finding_lines(f) for f in _ordered(report.findings)))
    if verification.not_modelled:
        said = {what for what, _ in verification.planned}
        topics = ", ".join(s.topic for s in verification.not_modelled if s.topic not in said)
        blocks.append(textwrap.fill(f"Not modelled (-o json or md says more): {topics}", 96))
    blocks.append(_verdict(verification))
    joined = "\n\n".join(blocks)
    return joined.encode("ascii", "replace").decode() if ascii_only else joined


def markdown(verification: Verification) -> str:
    """Return the verification as GitHub-flavoured Markdown that ends with a newline."""
    report = verification.report
    blocks = [f"## {_heading(verification)}", f"**{_verdict(verification)}**"]
    rows = [(MARKS[_state(c, report)], _cell(c.title), _cell(c.reason)) for c in report.checks]
    blocks.append(_table(("", "check", "note"), rows))
    if report.findings:
        found = [
            (f.severity.value, f"`{f.id}`", _cell(str(f.place)), _cell(f.message), _cell(f.remedy))
            for f in _ordered(report.findings)
        ]
        blocks += ["### Findings", _table(("severity", "id", "place", "what", "remedy"), found)]
    if unchecked := _unchecked_lines(verification):
        blocks += ["### Not proven, not checked", "\n".join(f"- {line}" for line in unchecked)]
    if verification.not_modelled:
        lines = "\n".join(f"- {statement}" for statement in verification.not_modelled)
        blocks += ["### Not modelled", lines]
    return "\n\n".join(blocks) + "\n"


def document(verification: Verification) -> dict[str, Any]:
    """Return the verification as JSON-ready values under `schema: llmsync-verify/1`."""
    plan, report, down = verification.plan, verification.report, verification.down
    return {
        "schema": SCHEMA,
        "network": plan.name,
        "judged": verification.what or _SOURCES[verification.source],
        "verdict": "failed" if verification.failed else "passed",
        "down": {"links": sorted(down.links), "nodes": sorted(down.nodes)},
        "counts": _counts(report),
        "checks": [check_document(check) for check in report.checks],
        "findings": [finding_document(finding) for finding in _ordered(report.findings)],
        "not_schema_proven": list(verification.unproven),
        "not_checked": [{"what": what, "why": why} for what, why in verification.planned],
        "not_modelled": [str(statement) for statement in verification.not_modelled],
    }


def lines(verification: Verification) -> Iterator[dict[str, Any]]:
    """Yield one JSON-ready object for each check and each finding."""
    for check in verification.report.checks:
        yield {"type": "check"} | check_document(check)
    for finding in _ordered(verification.report.findings):
        yield {"type": "finding"} | finding_document(finding)


def check_document(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "title": check.title,
        "status": check.status,
        "reason": check.reason,
        "kinds": list(check.kinds),
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    place = finding.place
    return {
        "id": finding.id,
        "severity": finding.severity.value,
        "place": {"file": place.file, "line": place.line, "path": place.path},
        "message": finding.message,
        "evidence": list(finding.evidence),
        "remedy": finding.remedy,
        "subjects": list(finding.subjects),
    }


def _unchecked_lines(verification: Verification) -> list[str]:
    taken = (f"not checked: {what}: {why}" for what, why in verification.planned)
    return [*verification.unproven, *taken]


def _heading(verification: Verification) -> str:
    plan = verification.plan
    hosts = sum(host.kind == "cloud" for host in plan.hosts.values())
    judged = verification.what or _SOURCES[verification.source]
    broken = sorted(verification.down.links | verification.down.nodes)
    line = (
        f"{plan.name}: {_many(len(plan.routers), 'router')}, {_many(hosts, 'GPU cloud')}, "
        f"{_many(len(plan.flows), 'delivery', 'deliveries')}; judged: {judged}"
    )
    return line + (f"; with and without {', '.join(broken)}" if broken else "")


def _check_lines(report: Report, marks: dict[str, str]) -> Iterator[str]:
    """Checks in a row that did not run for one reason are one line."""
    for reason, group in groupby(
        report.checks, key=lambda c: c.reason if c.status == "not run" else c.id
    ):
        checks = list(group)
        mark = marks[_state(checks[0], report)]
        if checks[0].status == "not run":
            what = checks[0].title if len(checks) == 1 else f"{len(checks)} checks"
            yield f"{mark} {what}: not run ({reason})"
        else:
            note = f" ({checks[0].reason})" if checks[0].reason else ""
            yield f"{mark} {checks[0].title}{note}"


def _state(check: Check, report: Report) -> str:
    if check.status != "passed":
        return check.status
    warned = any(f.id in check.kinds and f.severity is Severity.WARNING for f in report.findings)
    return "warned" if warned else "passed"


def _finding_lines(finding: Finding) -> str:
    rows = [f"{finding.severity}  {finding.id}", f"  {finding.message}"]
    if str(finding.place):
        rows.append(f"    at {finding.place}")
    shown = [line for line in finding.evidence if not _said(line, finding.message)]
    rows += [f"    | {line}" for line in shown[:_EVIDENCE]]
    if len(shown) > _EVIDENCE:
        rows.append(f"    | and {len(shown) - _EVIDENCE} more (-o json)")
    if finding.remedy and finding.severity is not Severity.NOTE:
        rows.append(f"    > {finding.remedy}")
    return "\n".join(rows)


def _said(line: str, message: str) -> bool:
    """True where `line`, or what stands after its colon, is in the message already."""
    value = line.partition(": ")[2]
    return line in message or (bool(value) and value in message)


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Return errors first, otherwise in the order in which they were found."""
    return sorted(findings, key=lambda f: SEVERITIES.index(f.severity))


def _counts(report: Report) -> dict[str, int]:
    counts = {f"{s.value}s": sum(f.severity is s for f in report.findings) for s in SEVERITIES}
    for status in ("passed", "failed", "not run"):
        counts[status.replace(" ", "_")] = sum(c.status == status for c in report.checks)
    return counts


def _verdict(verification: Verification) -> str:
    counts = _counts(verification.report)
    found = ", ".join(
        _many(counts[f"{s.value}s"], s.value) for s in SEVERITIES if counts[f"{s.value}s"]
    )
    checks = ", ".join(
        f"{counts[key]} {key.replace('_', ' ')}"
        for key in ("passed", "failed", "not_run")
        if counts[key]
    )
    word = "FAILED" if verification.failed else "passed"
    return f"{word}: {found or 'no findings'}; checks: {checks}"


def _many(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    rule = "|" + "---|" * len(header)
    body = [f"| {' | '.join(row)} |" for row in (header, *rows)]
    return "\n".join([body[0], rule, *body[1:]])


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
