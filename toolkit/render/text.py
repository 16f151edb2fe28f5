"""Templates to text, through Jinja2.

A name that the template uses and nobody defined is an error, never an empty string.  Every value is
escaped for XML, but in the columns of `_PLAIN`, which are no XML.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import jinja2

from toolkit.datafiles import data_folder
from toolkit.errors import Place, Problem, TemplateError

_PLAIN: Final = ("frr", "nft", "tc")
"""Columns whose templates give text for a program, not XML."""


def bit_string(value: int, bsl: int) -> str:
    """Return a BitString in hexadecimal, as long as its BSL (llmsync-types, bit-string)."""
    return f"{value:0{bsl // 4}x}"


@cache
def _environment(templates: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        autoescape=lambda name: name is None or Path(name).stem not in _PLAIN,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["bit_string"] = bit_string
    return environment


def render_text(
    feature: str, platform: str, variables: Mapping[str, object], templates: Path | None = None
) -> str:
    """Return templates/<feature>/<platform>.j2 filled with `variables`.

    Raises TemplateError, which names the template and the line.
    """
    folder = templates or data_folder("templates")
    name = f"{feature}/{platform}.j2"
    try:
        return _environment(folder).get_template(name).render(variables)
    except jinja2.TemplateNotFound as error:
        place, what = Place(f"templates/{name}"), f"there is no template {error.name}"
    except jinja2.TemplateSyntaxError as error:
        place = Place(f"templates/{error.name or name}", error.lineno)
        what = error.message or "syntax error"
    except Exception as error:  # noqa: BLE001 - a template may call anything; its author must act
        place, what = _place(error, folder, name), f"{error}" or type(error).__name__
    raise TemplateError([Problem(place, what)])


def _place(error: Exception, folder: Path, name: str) -> Place:
    """Return the innermost line of a template that `error` passed.

    Jinja2 rewrites tracebacks so that they show templates.
    """
    place = Place(f"templates/{name}")
    trace = error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.suffix == ".j2" and file.is_relative_to(folder):
            place = Place(f"templates/{file.relative_to(folder).as_posix()}", trace.tb_lineno)
        trace = trace.tb_next
    return place
