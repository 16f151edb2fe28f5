"""What a manifest must prove before a receiver believes it.

It is opened where the session is sealed, its signature is verified, its signer is the trusted one,
it is no older than the one before it, and whoever runs the receiver has a last word (pins).  Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from toolkit.delivery.manifest import OpenedManifest, UntrustedError, open_manifest
from toolkit.delivery.refusal import Refusal
from toolkit.delivery.sealing import Opener, SealError
from toolkit.errors import WireError


class ReplayError(WireError):
    """It was signed by the right one, for an earlier session."""


Admit = Callable[[OpenedManifest], None]
"""Raises UntrustedError or ReplayError where a manifest is refused although it is signed right."""


def admit_all(_: OpenedManifest) -> None:
    """Refuse nothing."""


class Trust:
    """`key`: public key (32 bytes) that must have signed; None: any."""

    def __init__(self, key: bytes | None, opener: Opener, admit: Admit) -> None:
        self.opener = opener
        self._key = key
        self._admit = admit
        self._serial = 0
        """Of the last manifest that was believed."""

    def open(self, content: bytes) -> tuple[OpenedManifest, bytes]:
        """Return the manifest in what came as TOI 1, and its signed envelope.

        Raises WireError: UntrustedError and SealError where asking again is of no use.
        """
        envelope = self.opener.envelope(content)
        opened = open_manifest(envelope, self._key)
        if opened.manifest.sealed != (self.opener.secret is not None):
            raise SealError("manifest: it does not say of its delivery that it is sealed")
        if opened.serial < self._serial:
            raise ReplayError("manifest: an older session of this sender is played again")
        self._admit(opened)
        self._serial = opened.serial
        return opened, envelope

    def recall(self, envelope: bytes) -> OpenedManifest | None:
        """Return a manifest that was stored.

        None: a sealed session is joined afresh, for its manifest as it travels proves the key.
        """
        if self.opener.secret is not None:
            return None
        opened = open_manifest(envelope, self._key)
        self._admit(opened)
        return None if opened.manifest.sealed else opened


def kind_of(error: WireError) -> Refusal:
    """How a manifest or FDT Instance that was refused is counted."""
    if isinstance(error, ReplayError):
        return Refusal.REPLAYED
    if isinstance(error, UntrustedError | SealError):
        return Refusal.UNTRUSTED
    return Refusal.DAMAGED
