"""What a router's configuration is handed to: who may refuse it before, and who makes it run.

Pure.  `Device(check=..., on_commit=...)` takes the two methods.  Law: an `apply` that raises has
left what ran before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from toolkit.errors import ToolkitError

Document = Mapping[str, Any]
"""A configuration, RFC 7951, valid by the router's schema."""


class Applier(Protocol):
    """A part of the data plane that takes configuration."""

    def check(self, document: Document) -> None:
        """Say whether it would run.  Raises SchemaError with all problems, by data path."""

    def apply(self, document: Document) -> None:
        """Make it run.  Raises ToolkitError when it does not; then the old one runs."""


class Chain:
    """Several parts that run a configuration all, or none of them."""

    def __init__(
        self, parts: Sequence[Applier], running: Document, warn: Callable[[str], None]
    ) -> None:
        """`running` is what the parts run at first; `warn` is told what cannot be answered."""
        self._parts, self._running, self._warn = tuple(parts), running, warn

    def check(self, document: Document) -> None:
        """Ask every part."""
        for part in self._parts:
            part.check(document)

    def apply(self, document: Document) -> None:
        """Hand it to all parts in turn; when one refuses, those before it get the old one back."""
        done: list[Applier] = []
        for part in self._parts:
            try:
                part.apply(document)
            except ToolkitError as error:
                for before in reversed(done):
                    self._back(before)
                self._warn(str(error))
                raise
            done.append(part)
        self._running = document

    def _back(self, part: Applier) -> None:
        try:
            part.apply(self._running)
        except ToolkitError as error:
            self._warn(f"the old configuration could not be restored: {error}")
