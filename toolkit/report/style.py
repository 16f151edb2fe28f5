"""The colours of pictures and pages, light and dark, as CSS.

Pure.  Blue and vermilion carry meaning (after Okabe and Ito), so that readers who see no difference
between red and green lose nothing; a state always has a shape or a word beside its colour.
"""

from __future__ import annotations

_LIGHT = {
    "page": "#f7f8fa", "surface": "#ffffff", "sunken": "#f1f3f6", "ink": "#12171f",
    "muted": "#5a6473", "faint": "#8a94a3", "rule": "#e2e6ec", "region": "#f4f6f9",
    "wire": "#aeb7c4", "tree": "#0b63ce", "tree-soft": "#d9e8fb", "good": "#0a7a5a",
    "good-soft": "#dcf3ea", "bad": "#c43c12", "bad-soft": "#fde8e1", "warn": "#8f6200",
    "warn-soft": "#fbf0d3", "bar": "#0b63ce", "ghost": "#d3dae4",
}  # fmt: skip
_DARK = {
    "page": "#0c1015", "surface": "#141920", "sunken": "#1a2029", "ink": "#e7ebf0",
    "muted": "#9ba6b4", "faint": "#717d8d", "rule": "#262e39", "region": "#191f28",
    "wire": "#55606f", "tree": "#5fa8ff", "tree-soft": "#16304f", "good": "#3fc192",
    "good-soft": "#10352a", "bad": "#ff8262", "bad-soft": "#43201a", "warn": "#e3b04b",
    "warn-soft": "#3a2e12", "bar": "#5fa8ff", "ghost": "#36404d",
}  # fmt: skip

FONT = (
    'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, '
    "sans-serif"
)
MONO = 'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, monospace'


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


COLOURS = f"""\
:root{{color-scheme:light dark;{_variables(_LIGHT)}--font:{FONT};--mono:{MONO}}}
@media screen and (prefers-color-scheme:dark){{:root{{{_variables(_DARK)}}}}}
"""
"""Variables; dark on screens that ask for it, always light on paper."""

PICTURES = """\
.picture{font-family:var(--font);font-variant-numeric:tabular-nums}
.picture text{fill:var(--ink);font-size:12px}
.picture .small{font-size:10.5px}
.picture .tiny{font-size:9.5px}
.picture .strong{font-weight:600}
.picture .muted{fill:var(--muted)}
.picture .faint{fill:var(--faint)}
.picture .good-text{fill:var(--good)}
.picture .bad-text{fill:var(--bad)}
.picture .tree-text{fill:var(--tree)}
.picture .right{text-anchor:end}
.picture .middle{text-anchor:middle}
.region{fill:var(--region);stroke:var(--rule)}
.region-name{letter-spacing:.08em;font-weight:600;text-transform:uppercase}
.wire{fill:none;stroke:var(--wire);stroke-width:1.5}
.halo{fill:none;stroke:var(--surface);stroke-linecap:butt}
.target{fill:none;stroke:transparent;stroke-width:14}
.tree{fill:none;stroke:var(--tree);stroke-linecap:round}
.arrow{fill:var(--tree);stroke:var(--surface);stroke-width:1;stroke-linejoin:round}
.broken{fill:none;stroke:var(--bad);stroke-width:1.8;stroke-dasharray:5 4}
.cross-back{fill:var(--surface);stroke:var(--bad);stroke-width:1.5}
.cross{fill:none;stroke:var(--bad);stroke-width:2;stroke-linecap:round}
.box{fill:var(--surface);stroke:var(--wire);stroke-width:1.3}
.box.on{stroke:var(--tree);stroke-width:1.6}
.box.plain{stroke-dasharray:4 3}
.box.source{fill:var(--tree-soft);stroke:var(--tree);stroke-width:1.6}
.box.served{fill:var(--good-soft);stroke:var(--good);stroke-width:1.4}
.box.unserved{fill:var(--bad-soft);stroke:var(--bad);stroke-width:1.4}
.box.failed{fill:var(--bad-soft);stroke:var(--bad);stroke-dasharray:4 3}
.icon{fill:none;stroke:var(--muted);stroke-width:1.3;stroke-linejoin:round;stroke-linecap:round}
.icon.source{stroke:var(--tree)}
.icon.served{stroke:var(--good)}
.icon.unserved{stroke:var(--bad)}
.badge{fill:var(--faint)}
.badge.served{fill:var(--good)}
.badge.source{fill:var(--tree)}
.badge.unserved{fill:var(--bad)}
.tick{fill:none;stroke:var(--surface);stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
.grid{stroke:var(--rule);stroke-width:1;fill:none}
.axis{stroke:var(--wire);stroke-width:1;fill:none}
.wait{stroke:var(--faint);stroke-width:1.5;fill:none;stroke-dasharray:1.5 3.5;stroke-linecap:round}
.receive{fill:var(--bar)}
.check-phase{fill:var(--bar);opacity:.35}
.receive.lost{fill:var(--bad);opacity:.75}
.sign{fill:none;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.sign.good{stroke:var(--good)}
.sign.bad{stroke:var(--bad)}
.mark{fill:var(--surface);stroke:var(--ink);stroke-width:1.5}
.mark.verified{fill:var(--good);stroke:var(--good)}
.bar{fill:var(--bar)}
.ghost{fill:var(--ghost)}
.row-line{stroke:var(--rule);stroke-width:1}
"""
