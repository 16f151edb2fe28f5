"""Receipts: who holds what, since when, proven by which digests; JSON, and signed.

The names, units and meanings of a receipt's members are those of llmsync-delivery.yang, in which
edge routers tell the same; times are microseconds after the start of whoever tells them.  A
sender's receipt has all its receivers in it, a receiver's own has itself.  Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toolkit.delivery.dsse import open_envelope, seal_envelope
from toolkit.delivery.manifest import Manifest, digest
from toolkit.delivery.model import Counters, Receipt, ReceiverResult, Standing
from toolkit.errors import WireError

FORMAT = "llmsync-receipt"
VERSION = 1
PAYLOAD_TYPE = "application/vnd.llmsync.receipt.v1+json"


def receiver_receipt(result: ReceiverResult) -> dict[str, Any]:
    """What a sender knows of one receiver."""
    receipt = result.receipt
    return {
        "receiver": result.receiver,
        "standing": str(result.standing),
        "complete": result.complete,
        "reason": result.reason,
        "bytes": 0 if receipt is None else receipt.bytes,
        "files": 0 if receipt is None else receipt.files,
        "manifest-digest": None if receipt is None else receipt.manifest.hex(),
        "joined": _micro(result.joined),
        "first-byte": None if receipt is None else _micro(receipt.first_byte),
        "last-byte": None if receipt is None else _micro(receipt.last_byte),
        "verified": None if receipt is None else _micro(receipt.verified),
        "completed": _micro(result.completed),
        "packets": result.packets,
        "packets-repair": result.repairs,
        "packets-lost": result.lost,
        "packets-duplicate": None if receipt is None else receipt.duplicates,
        "parity-used": None if receipt is None else receipt.repaired,
        "blocks-polluted": None if receipt is None else receipt.polluted,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What only a receiver knows of itself; times are seconds after its start, None: never."""

    completed: float
    """All files were in their place."""
    announced: float | None = None
    """It knew where to receive from, and said its first word."""
    joined: float | None = None
    """The manifest was there, and right."""
    first_tensor: float | None = None
    last_tensor: float | None = None
    model_ready: float | None = None
    device: str | None = None
    """`cpu`, or `cuda:0` and what that is; None: disk only."""
    device_bytes: int = 0
    """Bytes of tensors on it."""
    device_checked: int = 0
    """Bytes whose digests were computed over its memory, and were right."""


def own_receipt(receipt: Receipt, counters: Counters, own: Own) -> dict[str, Any]:
    """What a receiver that has everything says of itself."""
    result = ReceiverResult(
        receiver=receipt.receiver, standing=Standing.COMPLETE, receipt=receipt,
        packets=counters.packets, joined=own.joined or 0.0, completed=own.completed,
    )  # fmt: skip
    told = receiver_receipt(result)
    # What only the sender can know is not claimed.
    del told["packets-lost"], told["packets-repair"]
    return {
        **told,
        "announced": _micro(own.announced),
        "first-tensor": _micro(own.first_tensor),
        "last-tensor": _micro(own.last_tensor),
        "model-ready": _micro(own.model_ready),
        "device": own.device,
        "device-bytes": own.device_bytes,
        "device-checked": own.device_checked,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a receipt document is made of, beside its receivers."""

    role: Literal["sender", "receiver"]
    version: str
    """Of llmsync."""
    tsi: int
    manifest: Manifest
    signing_key: bytes
    """That signed the manifest."""
    began: str
    """ISO 8601, UTC; microseconds count from there."""
    ended: str
    counters: dict[str, int]


def receipt_document(told: Told, receivers: list[dict[str, Any]]) -> bytes:
    """Return the receipt as UTF-8 JSON for people and machines; these bytes are what is signed."""
    encoded = told.manifest.encode()
    document = {
        "format": FORMAT,
        "version": VERSION,
        "llmsync": told.version,
        "role": told.role,
        "session": {"name": told.manifest.name, "tsi": told.tsi},
        "manifest": {
            "digest": digest(encoded).hex(),
            "digest-algorithm": "blake3",
            "signing-key": told.signing_key.hex(),
            "bytes": told.manifest.size,
            "files": [
                {"path": f.path, "size": f.size, "root": f.root.hex()} for f in told.manifest.files
            ],
        },
        "timeline": {"began": told.began, "ended": told.ended},
        "counters": told.counters,
        "receipt": receivers,
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def sign_receipt(document: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the DSSE envelope around a receipt document."""
    return seal_envelope(document, PAYLOAD_TYPE, key) + b"\n"


@dataclass(frozen=True, slots=True)
class OpenedReceipt:
    """A receipt whose signature is right."""

    document: dict[str, Any]
    payload: bytes
    key: bytes


def open_receipt(envelope: bytes, trusted: bytes | None) -> OpenedReceipt:
    """Return what a signed receipt says; raises WireError when it cannot be believed."""
    try:
        opened = open_envelope(envelope, PAYLOAD_TYPE, trusted)
    except WireError as error:
        raise WireError(f"receipt: {error} (--trust: is it the author's .pub file?)") from None
    try:
        document = json.loads(opened.payload)
        known = document["format"] == FORMAT and document["version"] == VERSION
    except (ValueError, TypeError, KeyError, RecursionError):
        raise WireError("receipt: its content is not a receipt") from None
    if not known:
        raise WireError("receipt: its format or version is not ours")
    return OpenedReceipt(document, opened.payload, opened.key)


def _micro(seconds: float | None) -> int | None:
    return None if seconds is None else max(round(seconds * 1e6), 0)
