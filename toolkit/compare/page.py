"""A comparison as one HTML file that needs nothing else.

Reads files (its template) and touches nothing else.  Its laws are those of `toolkit.report.page`:
no external resource, no script, every name escaped; what was computed is not shown as measured.
"""

from __future__ import annotations

from toolkit import __version__
from toolkit.compare.model import Comparison
from toolkit.compare.pictures import bars, completion
from toolkit.compare.sections import sections
from toolkit.compare.summary import headline
from toolkit.report.page import environment
from toolkit.report.style import COLOURS, PICTURES

NAMES = {"bier": "BIER", "sr-p2mp": "SR-P2MP", "pim-ssm": "PIM-SSM", "pim-sm": "PIM-SM"}
STYLE = """\
.bar.computed{fill:var(--tree-soft);stroke:var(--bar);stroke-width:1}
.picture .bar-name{fill:var(--surface);font-weight:600}
td.cell{text-align:right;white-space:nowrap}
p.muted{margin-top:10px;font-size:13px}
table.compared{table-layout:fixed;min-width:760px}
.compared th:first-child{width:34%}
.compared th:last-child{width:104px}
"""


def page(comparison: Comparison) -> str:
    """Return the comparison as one self-contained HTML document."""
    return environment().get_template("compare.html.j2").render(
        comparison=comparison,
        version=__version__,
        headline=headline(comparison),
        names=[f.transport for f in comparison.figures],
        title=", ".join(NAMES.get(f.transport, f.transport) for f in comparison.figures),
        sections=sections(comparison),
        bars=bars(comparison),
        completion=completion(comparison),
        colours=COLOURS,
        picture_style=PICTURES + STYLE,
    )  # fmt: skip
