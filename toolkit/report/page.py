"""The report: one HTML file that needs nothing else, for people.

Reads files (its templates) and touches nothing else.  Its laws: no external resource, no script,
every name escaped; what was not checked is said, and what was computed is not shown as measured.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from toolkit.datafiles import data_folder
from toolkit.report.pictures import topology
from toolkit.report.quantity import count, duration, factor, plural, rate, size
from toolkit.report.record import RunRecord, Verdict, has_it, unchecked, verdict, waited
from toolkit.report.style import COLOURS, PICTURES
from toolkit.report.view import delivery_view, drops, meter
from toolkit.verify.findings import Severity

if TYPE_CHECKING:
    import jinja2

_TONES = {Verdict.DELIVERED: "good", Verdict.INCOMPLETE: "bad"}
_SEVERITY_TONES = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.NOTE: ""}
_SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
_STATUS_TONES = {"passed": "good", "failed": "bad", "not run": "warn"}
_SIGNS = {"passed": "✓ ", "failed": "✕ "}
_PUSH_TONES = {
    "confirmed": "good", "committed": "good", "unchanged": "good", "rolled back": "warn",
    "not tried": "warn", "in doubt": "bad", "unreachable": "bad", "failed": "bad",
}  # fmt: skip

_FIGURES = (
    (
        "First byte, last byte, verified, first tensor, waited", "lab clock",
        "Read from the lab's clock, counted from the start of the delivery. Link delays, "
        "capacities and the rate limit pass on that clock; the speed of this machine does not.",
    ),
    (
        "Link bytes, repository bytes", "counted",
        "Bytes on the wire: Ethernet header included, preamble and gap not. Repairs, manifests "
        "and reports are in them.",
    ),
    (
        "Lost, repaired, needless packets", "counted",
        "By each receiver: packets it missed, repair packets that it used, packets it had already "
        "or did not need.",
    ),
    (
        "Router state and counters", "counted",
        "Rows in each router's tables, and packets it received, forwarded, delivered or dropped, "
        "by reason, in this run.",
    ),
    (
        "Identical", "counted",
        "Every file in place at the cloud was compared with the source, byte for byte, after the "
        "receiver had verified its digest.",
    ),
    (
        "Unicast bytes and times", "computed",
        "Not run. One copy per cloud along the shortest paths over the same links, rate limit and "
        "capacities, without losses.",
    ),
    (
        "Topology, identifiers, roles", "planned",
        "From the plan; the tree upon it is where the main flow was counted.",
    ),
)  # fmt: skip


def page(record: RunRecord) -> str:
    """Return the report of `record` as one self-contained HTML document."""
    from markupsafe import Markup

    several = len(record.results) > 1
    deliveries = [
        delivery_view(record, result, f"d{number}" if several else "d")
        for number, result in enumerate(record.results, start=1)
    ]
    judged = verdict(record)
    order = {severity: rank for rank, severity in enumerate(_SEVERITIES)}
    pushed = Counter(entry.state for entry in record.pushed)
    return environment().get_template("page.html.j2").render(
        record=record,
        deliveries=deliveries,
        created=f"{record.created:%d %B %Y, %H:%M:%S %Z}".strip(),
        colours=Markup(COLOURS),
        picture_style=Markup(PICTURES),
        topology=topology(record),
        tone=_TONES.get(judged, "warn"),
        verdict=judged.value.capitalize(),
        overall=_overall(record),
        scope=_scope(record),
        findings=sorted(record.findings, key=lambda f: (order[f.severity], f.id, f.place)),
        severity_tone=_SEVERITY_TONES,
        alerts=_alerts(record),
        ran=_ran(record),
        check_counts=sorted(Counter(check.status for check in record.checks).items()),
        status_tone=_STATUS_TONES,
        sign=_SIGNS,
        unchecked=unchecked(record),
        push_counts=sorted(pushed.items()),
        push_tone=_PUSH_TONES,
        push_trouble=any(_PUSH_TONES.get(state, "warn") != "good" for state in pushed),
        pushed_words=_pushed_words(record, pushed),
        figures=_FIGURES,
    )  # fmt: skip


@cache
def environment() -> jinja2.Environment:
    """Return the templates of pages, with the filters that they use."""
    import jinja2
    from markupsafe import Markup

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("templates") / "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    templates.filters |= {
        "size": size, "duration": duration, "rate": rate, "factor": factor, "count_": count,
        "plural": plural, "has_it": has_it, "waited": waited, "drops": drops, "meter": meter,
        "picture": Markup,
    }  # fmt: skip
    return templates


def _overall(record: RunRecord) -> str:
    """Say in one sentence what a run with no delivery, or with several, came to."""
    if not record.results:
        return "No model was delivered in this run."
    done = sum(result.complete for result in record.results)
    everyone = len(record.results)
    if done == everyone:
        return f"All {everyone} deliveries reached every GPU cloud."
    return f"{done} of {everyone} deliveries reached every GPU cloud."


def _scope(record: RunRecord) -> str:
    clouds = sum(host.kind == "cloud" for host in record.plan.hosts.values())
    return (
        f"{record.plan.name}: {plural(len(record.plan.routers), 'router')}, "
        f"{plural(clouds, 'GPU cloud')}, {plural(len(record.plan.flows), 'planned flow')}."
    )


def _alerts(record: RunRecord) -> list[tuple[str, str, str]]:
    """Return (tone, words, section) of what a reader of the headline alone must not miss."""
    errors = sum(finding.severity is Severity.ERROR for finding in record.findings)
    warnings = sum(finding.severity is Severity.WARNING for finding in record.findings)
    failed = sum(check.status == "failed" for check in record.checks)
    left_out = len(unchecked(record))
    rows = [
        (errors, "bad", plural(errors, "error"), "findings"),
        (warnings, "warn", plural(warnings, "warning"), "findings"),
        (failed, "bad", plural(failed, "failed check"), "checks"),
        (left_out, "", f"{left_out} not checked", "not-checked"),
    ]
    return [(tone, words, section) for number, tone, words, section in rows if number]


def _ran(record: RunRecord) -> str:
    """Say what stands behind an empty list of findings."""
    passed = sum(check.status == "passed" for check in record.checks)
    return f"{plural(passed, 'check')} passed" if passed else "but no check was run either"


def _pushed_words(record: RunRecord, pushed: Counter[str]) -> str:
    changes = sum(entry.changes for entry in record.pushed)
    states = ", ".join(f"{number} {state}" for state, number in sorted(pushed.items()))
    return f"{plural(len(record.pushed), 'router')} ({states}), {plural(changes, 'change')}"
