"""What one cloud's receiver said, and when; and the receipt that its edge router shows of it.

Pure.  Times are seconds on the lab's clock.  llmsync-delivery.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.delivery.events import (
    Completed,
    Failed,
    FileVerified,
    FirstByte,
    ReceiverOutput,
    TensorReady,
)
from toolkit.delivery.model import ReceiverResult


@dataclass(slots=True)
class Timeline:
    """Of all incarnations of the receiver."""

    joined: float = 0.0
    first_byte: float | None = None
    last_byte: float | None = None
    verified: float | None = None
    first_tensor: float | None = None
    tensors: set[tuple[str, str]] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    reason: str = ""
    repaired: int = 0
    duplicates: int = 0

    def observe(self, output: ReceiverOutput, now: float) -> None:
        """Note what the receiver says at `now`."""
        match output:
            case FirstByte():
                self.first_byte = now if self.first_byte is None else self.first_byte
            case TensorReady():
                if self.first_tensor is None:
                    self.first_tensor = now
                self.tensors.add((output.path, output.tensor.name))
            case FileVerified(path=path):
                self.files.add(path)
            case Completed(receipt=receipt):
                self.last_byte = now - (receipt.verified - receipt.last_byte)
                self.verified = now
                self.repaired, self.duplicates = receipt.repaired, receipt.duplicates
            case Failed(reason=reason):
                self.reason = reason
            case _:
                pass

    def receipt(self, known: ReceiverResult) -> dict[str, object]:
        """Return the receipt in the shape of llmsync-delivery; `known`: what the sender knows."""
        row: dict[str, object] = {"receiver": known.receiver, "complete": self.verified is not None}
        if known.receipt is not None:
            row["bytes"] = str(known.receipt.bytes)
            row["manifest-digest"] = known.receipt.manifest.hex()
        for leaf, value in (
            ("first-byte", self.first_byte),
            ("last-byte", self.last_byte),
            ("verified", self.verified),
        ):
            if value is not None:
                row[leaf] = str(round(value * 1e6))
        row["packets-lost"] = str(known.lost)
        row["packets-duplicate"] = str(self.duplicates)
        return row
