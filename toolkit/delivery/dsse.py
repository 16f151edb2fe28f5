"""DSSE envelopes: bytes, what they are, and an Ed25519 signature over both.

Pure.  `open_envelope` raises WireError, also for a signature that is wrong or not trusted.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from toolkit.errors import WireError

MAX_PARTS = 1024
"""Brackets and commas of an envelope at most; its payload has none.  Nobody signs the envelope:
what is made of it in memory is bounded."""


class UnknownSignerError(WireError):
    """Somebody signed it, and not the one who is trusted."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload whose signature is right."""

    payload: bytes
    key: bytes
    """Public key (32 bytes) that signed it."""


def pre_authentication(payload: bytes, kind: str) -> bytes:
    """DSSE protocol, version 1: what the signature is over."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def seal_envelope(payload: bytes, kind: str, key: Ed25519PrivateKey) -> bytes:
    """Return the signed envelope, as canonical JSON."""
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [
            {
                "keyid": key.public_key().public_bytes_raw().hex(),
                "sig": base64.b64encode(key.sign(pre_authentication(payload, kind))).decode(),
            }
        ],
    }
    return json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()


def open_envelope(envelope: bytes, kind: str, trusted: bytes | None) -> Opened:
    """Return the payload once its signature is proven; `trusted`: the only key that may sign."""
    if sum(map(envelope.count, (b"[", b"{", b","))) > MAX_PARTS:
        raise WireError("the envelope has more parts than any signature needs")
    try:
        outer = json.loads(envelope)
        payload = base64.b64decode(outer["payload"], validate=True)
        said = outer["payloadType"]
        signatures = [
            (bytes.fromhex(s["keyid"]), base64.b64decode(s["sig"], validate=True))
            for s in outer["signatures"]
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise WireError("the envelope is not DSSE") from None
    if said != kind:
        raise WireError(f"payload type {said!r} is not {kind}")
    for key, signature in signatures:
        if trusted is not None and key != trusted:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(
                signature, pre_authentication(payload, kind)
            )
        except (InvalidSignature, ValueError):
            raise WireError("the signature is wrong") from None
        return Opened(payload, key)
    raise UnknownSignerError("it is not signed by the trusted key")
