"""SVG as text: elements in, well-formed and escaped markup out.

Pure.  Its law: whatever a name contains, it arrives as text.  Coordinates are rounded to a tenth of
a pixel, so that the same picture is the same bytes.
"""

from __future__ import annotations

import re
from html import escape
from typing import NewType

Svg = NewType("Svg", str)
"""Finished markup."""

NAMESPACE = "http://www.w3.org/2000/svg"

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The characters that XML 1.0 section 2.2 has no way to write.


def text_of(value: str) -> str:
    """Return `value` escaped; what XML cannot carry becomes U+FFFD."""
    return escape(_FORBIDDEN.sub("\ufffd", value), quote=True)


def number(value: float) -> str:
    """Return a coordinate with at most one decimal and no negative zero."""
    text = f"{value:.1f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def element(tag: str, *children: Svg, text: str = "", **attributes: str | float | None) -> Svg:
    """Build one element.

    Attribute names are Python's: `class_` is class, `stroke_width` is stroke-width, `viewBox`
    stays.  None leaves an attribute out.  `text` comes before the children.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    inside = text_of(text) + "".join(children)
    return Svg(f"<{tag}{written}>{inside}</{tag}>" if inside else f"<{tag}{written}/>")


def group(*children: Svg, title: str = "", **attributes: str | float | None) -> Svg:
    """Build a `<g>` whose `title` browsers show on hover and screen readers read."""
    head = (element("title", text=title),) if title else ()
    return element("g", *head, *children, text="", **attributes)


def picture(
    *children: Svg, name: str, title: str, description: str, width: float, height: float
) -> Svg:
    """Build the root element.  `name` makes its ids unique on a page; the words are read aloud."""
    return element(
        "svg",
        element("title", id=f"{name}-title", text=title),
        element("desc", id=f"{name}-desc", text=description),
        *children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=number(width),
        height=number(height),
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_="picture",
    )


def standalone(image: Svg, style: str) -> str:
    """Return `image` as a file of its own: with its namespace and its style sheet."""
    sheet = f"<style>{text_of(style)}</style>"
    head, rest = image.split(">", 1)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head} xmlns="{NAMESPACE}">{sheet}{rest}\n'


def text_width(text: str, font_size: float) -> float:
    """Estimate in pixels how wide `text` will be in a sans-serif face; on the generous side."""
    narrow = sum(1 for c in text if c in "ijlftr.,:;|'!()[] -")
    wide = sum(1 for c in text if c in "mwMW@%" or ord(c) > 0x2E80)
    return font_size * (0.6 * (len(text) - narrow - wide) + 0.36 * narrow + 0.95 * wide)


def shortened(text: str, longest: int) -> str:
    """Return `text` with its middle left out where it is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    head = (longest - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def _attribute(value: str | float) -> str:
    return text_of(value) if isinstance(value, str) else number(value)
