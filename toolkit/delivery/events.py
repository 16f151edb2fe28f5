"""What the engines answer, beside packets: small values for a runtime's `match`.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.delivery.manifest import OpenedManifest
from toolkit.delivery.model import Receipt, ReceiverResult
from toolkit.delivery.refusal import Refusal
from toolkit.delivery.safetensors import TensorEntry
from toolkit.errors import ToolkitError


@dataclass(frozen=True, slots=True)
class Feedback:
    """Send this to the sender."""

    message: bytes


@dataclass(frozen=True, slots=True)
class FirstByte:
    """The first payload of a file, or of its digests, is here."""


@dataclass(frozen=True, slots=True)
class ManifestVerified:
    """The signature is right; `opened.key` made it."""

    opened: OpenedManifest


@dataclass(frozen=True, slots=True)
class FileVerified:
    """Every block of a file is verified; it appears when all files are."""

    path: str


@dataclass(frozen=True, slots=True)
class TensorReady:
    """All bytes of a tensor are verified."""

    path: str
    """File of the tensor."""
    tensor: TensorEntry


@dataclass(frozen=True, slots=True)
class Completed:
    """Every file is verified and placed."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot go on; nothing was placed."""

    reason: str
    error: ToolkitError


@dataclass(frozen=True, slots=True)
class Ignored:
    """A datagram was of no use."""

    reason: str
    kind: Refusal = Refusal.MALFORMED


ReceiverOutput = (
    Feedback | FirstByte | ManifestVerified | FileVerified | TensorReady | Completed | Failed
    | Ignored
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Joined:
    """A receiver is here."""

    receiver: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A receiver has everything, or has said why it will not."""

    result: ReceiverResult


SenderOutput = Joined | Settled | Ignored
