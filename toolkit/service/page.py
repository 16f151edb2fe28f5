"""The live page: one HTML file without any other, from a template that ships with the package.

Reads that file and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolkit.datafiles import data_folder
from toolkit.report.style import COLOURS


@dataclass(frozen=True, slots=True)
class Page:
    """The page and the two parts of it that its security policy names."""

    html: str
    script: str
    style: str


def live_page() -> Page:
    """Return the page, in our colours."""
    text = (data_folder("templates") / "service" / "page.html").read_text(encoding="utf-8")
    html = text.replace("/*COLOURS*/", COLOURS)
    return Page(html, _inside(html, "script"), _inside(html, "style"))


def _inside(html: str, tag: str) -> str:
    (found,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    return str(found)
