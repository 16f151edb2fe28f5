"""What a YANG validator does for us, whichever program it is.

An engine turns a document of one encoding into the other and refuses what the modules forbid,
naming every fault that it sees.  Engines know nothing of devices, wrappers or remedies:
`toolkit.yang.schema` and `toolkit.yang.causes` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Form(Enum):
    """Encodings of instance data."""

    XML = "xml"
    """RFC 7950; several top-level elements in a row, no wrapper."""
    JSON = "json"
    """RFC 7951."""


class Mode(Enum):
    """What is demanded of a document."""

    CONFIG = "config"
    """Configuration alone, complete and valid (RFC 7950 section 8.1)."""
    STATE = "state"
    """Configuration and state as an operational datastore shows them (RFC 8342 section 5.3)."""
    FRAGMENT = "fragment"
    """Known nodes with legal values; anything may be missing (a filtered reply)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that the engine found wrong."""

    message: str
    path: str = ""
    """Data path with list keys, as far as the engine came; empty when it cannot tell."""
    reading: bool = False
    """Found while the document was read (syntax, types, names), not when it was validated."""


class FaultyDataError(Exception):
    """The document was refused.  Never leaves this package: the door makes a SchemaError of it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


class Engine(Protocol):
    """One validator with its modules loaded; may be used by many threads."""

    @property
    def name(self) -> str:
        """Program and version, for people."""

    def convert(self, text: str, source: Form, target: Form, mode: Mode) -> str:
        """Return the canonical `target` form of `text`, empty without data.

        Raises FaultyDataError with every fault found.
        """

    def read(self, text: str, mode: Mode) -> tuple[str, tuple[str, ...]]:
        """Return XML in canonical form and the data paths of its nodes, one of each kind.

        No paths where the engine shows none.  Raises FaultyDataError.
        """
