"""A comparison as text: an aligned table for terminals, Markdown for pages.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.compare.model import Comparison
from toolkit.compare.sections import Section, sections
from toolkit.report.quantity import plural, rate


def headline(comparison: Comparison) -> str:
    """Return what was compared, in one line."""
    return (
        f"{comparison.network}: {comparison.delivery} from {comparison.source} to "
        f"{plural(len(comparison.clouds), 'GPU cloud')} over "
        f"{plural(comparison.routers, 'router')} and {plural(comparison.links, 'link')}, "
        f"{rate(comparison.rate)}"
    )


def table(comparison: Comparison) -> str:
    """Return the comparison for a terminal; the last column says where a figure comes from."""
    names = [f.transport for f in comparison.figures]
    shown = sections(comparison)
    labels = [f"  {row.label}" for section in shown for row in section.rows]
    first = max(map(len, labels), default=0)
    widths = [
        max(len(name), *(len(row.cells[n]) for section in shown for row in section.rows))
        for n, name in enumerate(names)
    ]

    def line(label: str, cells: list[str] | tuple[str, ...], tail: str = "") -> str:
        body = "  ".join(cell.rjust(w) for cell, w in zip(cells, widths, strict=True))
        return f"{label.ljust(first)}  {body}  {tail}".rstrip()

    lines = [headline(comparison), "", line("", names)]
    for section in shown:
        lines += ["", f"{section.title} ({section.note})"]
        lines += [line(f"  {row.label}", row.cells, row.source.value) for row in section.rows]
        lines += [f"  {remark}" for remark in section.remarks]
    lines += _refused(comparison)
    return "\n".join(_plain(text) for text in lines)


def markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown tables."""
    lines = [_plain(headline(comparison)), "", f"    {comparison.command}", ""]
    for section in sections(comparison):
        lines += [*_markdown(section, [f.transport for f in comparison.figures]), ""]
    return "\n".join([*lines, *_refused(comparison)]).rstrip()


def _markdown(section: Section, names: list[str]) -> Iterator[str]:
    yield f"**{section.title}** ({_plain(section.note)})"
    yield ""
    yield "| | " + " | ".join(names) + " | |"
    yield "|---|" + "---:|" * len(names) + "---|"
    for row in section.rows:
        yield _plain(f"| {row.label} | {' | '.join(row.cells)} | {row.source.value} |")
    for remark in section.remarks:
        yield ""
        yield f"{remark}."


def _refused(comparison: Comparison) -> list[str]:
    return [
        line
        for refused in comparison.refused
        for line in ["", f"{refused.transport} is not possible here:", *_indented(refused.reasons)]
    ]


def _indented(reasons: tuple[str, ...]) -> list[str]:
    return [f"  {reason}" for reason in reasons]


def _plain(text: str) -> str:
    """Terminals align by characters: no-break and thin spaces become plain ones."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")
