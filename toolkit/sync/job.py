"""What a session's process is told, and what it tells: one JSON object a line.

Pure values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from toolkit.inventory.dscp import parse_dscp

DSCP = parse_dscp("le")
"""Of all packets, as `send` and `receive` mark theirs (RFC 8622)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A session to run."""

    path: str
    """Folder of the version."""
    name: str
    """MODEL@VERSION: the manifest's name."""
    content: str
    """What is to be in it."""
    digests: str
    """Folder of the digest cache."""
    key: str
    """File of the private key."""
    tsi: int
    seal_key: str | None
    """Hexadecimal; None: what travels is not encrypted."""
    token: str
    """Hexadecimal secret from which the keys of the clouds' control messages are derived."""
    clouds: tuple[str, ...]
    symbol: int
    rate: int
    gather: float
    timeout: float
    host: str
    """Address to listen at."""
    ports: tuple[int, int] | None
    """The first that is free; None: any."""
    group: str | None
    interface: str

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Job:
        document: Any = json.loads(line)
        document["clouds"] = tuple(document["clouds"])
        ports = document["ports"]
        document["ports"] = None if ports is None else (ports[0], ports[1])
        return cls(**document)


def line(event: str, **told: object) -> str:
    """Return an event as it is told."""
    return json.dumps({"event": event, **told})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended."""

    why: Mapping[str, str]
    """Cloud -> why it has not got everything; empty: it has."""
    sent: int = 0
    """Bytes of payload."""
    size: int = 0
    """Bytes of the version."""
    seconds: float = 0.0
    refused: Mapping[str, int] = field(default_factory=dict)
    """Control messages that were refused, by reason."""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Outcome:
        """From an `ended` event."""
        return cls(
            {str(k): str(v) for k, v in document["outcomes"].items()},
            int(document["sent"]), int(document["size"]), float(document["seconds"]),
            {str(k): int(v) for k, v in document["refused"].items()},
        )  # fmt: skip
