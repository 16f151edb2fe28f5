"""What a lint says, and what a lint is.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from toolkit.state.branch import Branch


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that a lint found."""

    path: str
    """Data path."""
    what: str
    remedy: str
    source: str
    """Where the limit is written: a module, an RFC, a vendor's document."""
    error: bool = True
    """False: it works, but a person should know."""


Lint = Callable[[Branch], Iterator[Remark]]
