"""Verification as JUnit XML, the form that every CI server shows: one test case per check.

Pure.  A check that failed is a failure, one that did not run is skipped with its reason; warnings
and notes are in `system-out`, so they are seen and break nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from toolkit.verify.findings import Check, Finding, Report, Severity

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def junit(report: Report, *, suite: str = "llmsync verify") -> str:
    """Return `report` as a JUnit XML document."""
    root = ElementTree.Element("testsuites")
    cases = ElementTree.SubElement(root, "testsuite", name=clean(suite))
    failures = skipped = 0
    claimed: set[str] = set()
    for check in report.checks:
        own = [f for f in report.findings if f.id in check.kinds]
        claimed |= {f.id for f in own}
        failed, not_run = _case(cases, check, own)
        failures += failed
        skipped += not_run
    # A finding whose check is not listed must still break the build.
    orphans = [f for f in report.findings if f.id not in claimed]
    if orphans:
        errors = any(f.severity is Severity.ERROR for f in orphans)
        other = Check(id="other", title="Other findings", status="failed" if errors else "passed")
        failures += _case(cases, other, orphans)[0]
    cases.set("tests", str(len(cases)))
    cases.set("failures", str(failures))
    cases.set("errors", "0")
    cases.set("skipped", str(skipped))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(
    parent: ElementTree.Element, check: Check, findings: Iterable[Finding]
) -> tuple[bool, bool]:
    case = ElementTree.SubElement(
        parent, "testcase", classname="llmsync.verify", name=clean(f"{check.id}: {check.title}")
    )
    errors = [f for f in findings if f.severity is Severity.ERROR]
    others = [f for f in findings if f.severity is not Severity.ERROR]
    failed = bool(errors) or check.status == "failed"
    not_run = check.status == "not run"
    if not_run:
        ElementTree.SubElement(case, "skipped", message=clean(check.reason))
    if failed:
        message = errors[0].message if errors else check.reason
        failure = ElementTree.SubElement(
            case, "failure", message=clean(message), type=errors[0].id if errors else check.id
        )
        failure.text = clean("\n\n".join(map(finding_text, errors)))
    lines = [] if not_run or not check.reason else [check.reason]
    lines += map(finding_text, others)
    if lines:
        ElementTree.SubElement(case, "system-out").text = clean("\n\n".join(lines))
    return failed, not_run


def finding_text(finding: Finding) -> str:
    """Return one finding as plain text of several lines."""
    place = f"{finding.place}: " if str(finding.place) else ""
    lines = [f"{finding.severity} {finding.id}: {place}{finding.message}"]
    lines += [f"  {line}" for line in finding.evidence]
    if finding.remedy:
        lines.append(f"  remedy: {finding.remedy}")
    return "\n".join(lines)


def clean(text: str) -> str:
    """Return `text` without what XML cannot hold."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
