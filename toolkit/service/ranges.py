"""Which bytes an HTTP request asks for (RFC 9110 section 14).

Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_TAG = re.compile(r'\*|(?:W/)?"[^"]*"')


class UnsatisfiableError(ValueError):
    """The range has no byte in the file: 416."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes first..last of a file, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def parse_range(header: str | None, size: int) -> Span | None:
    """Return the span that a Range header asks for; None: the whole file.

    What is not understood is ignored, as section 14.2 says, and so are several ranges at once.
    """
    matched = _RANGE.fullmatch(header) if header else None
    if matched is None or matched[1] == matched[2] == "" or len(header or "") > 100:
        return None
    if not matched[1]:
        suffix = int(matched[2])
        if suffix == 0 or size == 0:
            raise UnsatisfiableError
        return Span(max(size - suffix, 0), size - 1)
    first = int(matched[1])
    last = int(matched[2]) if matched[2] else size - 1
    if matched[2] and last < first:
        return None
    if first >= size:
        raise UnsatisfiableError
    return Span(first, min(last, size - 1))


def tags(header: str) -> list[str]:
    """The entity tags of If-Match or If-None-Match."""
    return _TAG.findall(header)
