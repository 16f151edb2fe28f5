"""The run in a few lines: plain text for a terminal, Markdown for a pipeline's summary page.

Pure.  Both say first who has the model and who does not; figures are the ones of the JSON document.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.lab.result import CloudResult, DeliveryResult
from toolkit.report.outages import outage_lines
from toolkit.report.quantity import NONE, count, duration, factor, plural, size
from toolkit.report.record import RunRecord, has_it, left_out, slowest, unchecked, verdict, waited
from toolkit.report.svg import shortened
from toolkit.verify.findings import Severity

_HEADER = ("cloud", "status", "first byte", "first tensor", "last byte", "verified", "waited",
           "lost", "repaired")  # fmt: skip
TERMINAL = str.maketrans({"\u00a0": " ", "\u202f": " ", "–": "-", "−": "-", "×": "x", "µ": "u"})
_TEXT_COLUMNS = 2
"""Columns to the left of this are words, the rest are figures."""


def summary_table(record: RunRecord) -> str:
    """Return the run as aligned plain text without a final newline; no-break spaces are plain."""
    blocks = [_plain_delivery(result) for result in record.results]
    if not record.results:
        blocks.append("nothing was delivered in this run")
    return _for_terminal("\n\n".join([*blocks, _plain_checks(record)]))


def markdown(record: RunRecord) -> str:
    """Return the run as GitHub-flavoured Markdown that ends with a newline."""
    blocks = [f"## {_escaped(record.title)}", f"**{verdict(record).value.capitalize()}**"]
    for result in record.results:
        blocks += [_escaped(_overview(result)), _markdown_table(_HEADER, _cloud_rows(result))]
        blocks += [f"- {_escaped(line)}" for line in _reasons(result)]
        blocks.append("\n".join(f"- {_escaped(line)}" for line in _totals(result)))
    if record.findings:
        rows = [
            (f.severity.value, f.id, str(f.place), f.message, f.remedy) for f in record.findings
        ]
        blocks += [
            "### Findings",
            _markdown_table(("severity", "id", "place", "what", "remedy"), rows),
        ]
    if record.checks:
        checks = [(check.status, check.title, check.reason) for check in record.checks]
        blocks += ["### Checks", _markdown_table(("status", "check", "note"), checks)]
    beyond = unchecked(record)
    if beyond:
        blocks += ["### Not checked", _markdown_table(("what", "why"), beyond)]
    blocks.append(f"llmsync {_escaped(record.version)}: {_code(record.command)}")
    return "\n\n".join(blocks) + "\n"


def _plain_delivery(result: DeliveryResult) -> str:
    lines = [_overview(result)]
    if result.clouds:
        lines.append(_aligned(_HEADER, _cloud_rows(result)))
    return "\n".join([*lines, *_reasons(result), *_totals(result)])


def _overview(result: DeliveryResult) -> str:
    return (
        f"{result.delivery}: {result.model}, {size(result.size)} in "
        f"{plural(result.files, 'file')}, {result.source} to "
        f"{plural(len(result.clouds), 'GPU cloud')} over {result.transport}"
    )


def _cloud_rows(result: DeliveryResult) -> list[tuple[str, ...]]:
    return [
        (
            cloud.cloud, _status(cloud), duration(cloud.first_byte), duration(cloud.first_tensor),
            duration(cloud.last_byte), duration(cloud.verified), duration(waited(cloud)),
            count(cloud.lost), count(cloud.repaired),
        )
        for cloud in result.clouds
    ]  # fmt: skip


def _status(cloud: CloudResult) -> str:
    if has_it(cloud):
        return "identical"
    return "DIFFERS" if cloud.complete else "INCOMPLETE"


def _reasons(result: DeliveryResult) -> list[str]:
    return [
        f"{cloud.cloud} does not have it: {cloud.reason or 'no reason is known'}"
        for cloud in result.clouds
        if not has_it(cloud)
    ]


def _totals(result: DeliveryResult) -> list[str]:
    served = sum(map(has_it, result.clouds))
    longest = slowest(result)
    first = f"{served} of {plural(len(result.clouds), 'GPU cloud')} have it, byte for byte"
    if longest is not None:
        first += f"; the slowest, {longest.cloud}, waited {duration(waited(longest))} (lab clock)"
    late = (
        f", {plural(result.late, 'packet')} again for clouds that joined after others"
        if result.late
        else ""
    )
    return [
        first,
        f"{result.source} sent {size(result.egress)} "
        f"({plural(result.packets, 'packet')}, {plural(result.repairs, 'repair')}"
        f"{late}); "
        f"unicast copies: {size(result.unicast_egress)}"
        f"{_times(result.unicast_egress, result.egress)} (computed)",
        f"done after {duration(result.duration)}; unicast copies at that rate, without loss: "
        f"{duration(result.unicast_duration)}"
        f"{_times(result.unicast_duration, result.duration)} (computed)",
        *outage_lines(result),
    ]


def _times(more: float, less: float) -> str:
    ratio = factor(more, less)
    return "" if ratio == NONE or more < less else f", {ratio} as much"


def _plain_checks(record: RunRecord) -> str:
    """Say what was found and looked at, in as many lines as there is something to say."""
    lines = []
    for severity in Severity:
        for finding in record.findings:
            if finding.severity is severity:
                place = f"{finding.place}: " if str(finding.place) else ""
                lines.append(f"{severity.value}: {finding.id}: {place}{finding.message}")
                if finding.remedy:
                    lines.append(f"  remedy: {finding.remedy}")
    states = {status: [c for c in record.checks if c.status == status] for status in
              ("passed", "failed", "not run")}  # fmt: skip
    counts = ", ".join(f"{len(found)} {status}" for status, found in states.items() if found)
    lines.append(f"checks: {counts or 'none was run'}")
    lines += [f"  failed: {check.title}: {check.reason}" for check in states["failed"]]
    lines += [f"  not checked: {what}: {why}" for what, why in left_out(record)]
    if record.limits:
        lines.append(f"  {plural(len(record.limits), 'limit')} of the analysis: see the report")
    return "\n".join(lines)


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns with two spaces between them, figures to the right."""
    cells = [[shortened(cell, 40) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            cell.ljust(width) if i < _TEXT_COLUMNS else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *map(line, cells)])


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escaped(text: str) -> str:
    """Return `text` as Markdown that shows it literally, on one line."""
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split("\n"))


def _code(text: str) -> str:
    """Return `text` as a code span that its own backticks cannot end (CommonMark 6.1)."""
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}"


def _for_terminal(text: str) -> str:
    """Return `text` in characters that any terminal shows; what steers a terminal becomes `?`."""
    plain = text.translate(TERMINAL)
    return "".join(c if c == "\n" or c.isprintable() else "?" for c in plain)
