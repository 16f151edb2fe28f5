"""One thing that the verification models, or does not.  Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    topic: str
    modelled: bool
    text: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.text}"
