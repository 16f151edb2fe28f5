"""Sealed sessions: who is not given the key reads nothing.  AES-128-GCM, per source block.

A block is encrypted before parity is computed of it, so that parity, repairs and forwarding are as
ever.  What travels is ciphertext and a tag of 16 bytes per source block: a *wire* object is longer
than the file by 16 bytes per block, and a block carries 16 bytes of the file less.  `Cut` knows
both.  Digests are over the file's own bytes: what is on disk, resumed, compared or fetched over
HTTPS does not depend on how it travelled.

The session's secret encrypts nothing itself.  The key of the blocks is derived (HKDF, RFC 5869)
from the secret, the TSI and the digest of the manifest, and the nonce is TOI and SBN.  A nonce must
never be used twice under one key for different bytes.  It cannot be: the manifest's digest covers
the digest of every block, so the same key means the same bytes for each (TOI, SBN), also when a
sender is started again or one secret serves many sessions.  A block that is sent again is the same
ciphertext again.

The manifest with its file names is sealed too, under a key of its own (secret and TSI).  It is
known to nobody in advance, so its nonce is made from it, by HMAC under a third key: another
manifest has another nonce.  Before it goes a name of the secret (8 bytes derived from it), which
tells a wrong key from a damaged manifest; one that opens proves that the key is the sender's.

Open to everybody remain: TSI, TOIs, sizes and number of the objects, and when they travel.

Pure.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from toolkit.delivery.fec import Partition
from toolkit.errors import WireError

CIPHER = "aes-128-gcm"
"""As the manifest says it."""
SECRET_SIZE = 16
TAG = 16
"""Bytes of a tag."""
MIN_BLOCK = 3
"""Source symbols of a block at least: a last block of one short symbol could not hold its tag."""

_MAGIC = b"llmsync sealed manifest 1\n"
_NONCE = struct.Struct("!IQ")
_CONTEXT = struct.Struct("!III")


class SealError(WireError):
    """A manifest is sealed and cannot be opened here, or is not sealed and should be."""


@dataclass(frozen=True, slots=True)
class Cut:
    """`length` bytes as source blocks, with `tag` more bytes per block on the wire (16 or 0).

    `offset` and `size` are of the bytes themselves, `wire` is what FEC sees.
    """

    length: int
    wire: Partition
    tag: int

    @property
    def blocks(self) -> int:
        return self.wire.blocks

    def offset(self, sbn: int) -> int:
        """Where the bytes of block `sbn` begin."""
        return self.wire.offset(sbn) - self.tag * sbn

    def size(self, sbn: int) -> int:
        """How many bytes are in block `sbn`."""
        return self.wire.size(sbn) - self.tag

    def block_at(self, offset: int) -> int:
        """The block that byte `offset` is in; there is one."""
        small, larger = divmod(self.wire.symbols, self.wire.blocks)
        long = (small + 1) * self.wire.symbol - self.tag
        if offset < larger * long:
            return offset // long
        return larger + (offset - larger * long) // (small * self.wire.symbol - self.tag)


def cut(length: int, symbol: int, block: int, *, sealed: bool) -> Cut:
    """Return how `length` bytes are cut.

    A sealed object is longer by a tag per block, and its number of blocks follows from its
    length: the smallest number that agrees with itself is taken.
    """
    if not sealed:
        return Cut(length, Partition(length, symbol, block), 0)
    if block < MIN_BLOCK:
        raise ValueError(
            f"{block} source symbols in a block; a sealed session needs {MIN_BLOCK} or more"
        )
    blocks = 0
    while (wire := Partition(length + TAG * blocks, symbol, block)).blocks != blocks:
        blocks = wire.blocks
    return Cut(length, wire, TAG)


class BlockSeal:
    """Seals and opens the blocks of one manifest in one session."""

    def __init__(self, secret: bytes, tsi: int, manifest: bytes) -> None:
        """`manifest`: its digest."""
        self._tsi = tsi
        self._cipher = AESGCM(_derive(secret, b"block", tsi, manifest))

    def seal(self, toi: int, sbn: int, data: bytes | memoryview) -> bytes:
        """Return ciphertext and tag."""
        return self._cipher.encrypt(_NONCE.pack(toi, sbn), data, self._context(toi, sbn))

    def open(self, toi: int, sbn: int, data: bytes | memoryview) -> bytes | None:
        """Return the block's bytes; None: it is not what was sealed."""
        try:
            return self._cipher.decrypt(_NONCE.pack(toi, sbn), data, self._context(toi, sbn))
        except InvalidTag:
            return None

    def _context(self, toi: int, sbn: int) -> bytes:
        return _CONTEXT.pack(self._tsi, toi, sbn)


def seal_manifest(secret: bytes, tsi: int, envelope: bytes) -> bytes:
    """Return what travels as TOI 1 instead of `envelope`."""
    nonce = hmac.digest(_derive(secret, b"manifest nonce", tsi), envelope, "sha256")[:12]
    cipher = AESGCM(_derive(secret, b"manifest", tsi))
    head = _MAGIC + _key_name(secret, tsi)
    return head + nonce + cipher.encrypt(nonce, envelope, head)


class Opener:
    """A receiver's side.  `secret` None: its sessions are not sealed.

    `tsi`: says which session it is in.  It is asked each time, for a receiver may find its session
    only when packets come.
    """

    def __init__(self, secret: bytes | None, tsi: Callable[[], int]) -> None:
        self.secret = secret
        self._tsi = tsi
        self._seals: dict[tuple[int, bytes], BlockSeal] = {}

    def envelope(self, content: bytes) -> bytes:
        """Return the signed envelope in what came as TOI 1.  Raises SealError or WireError."""
        sealed = content.startswith(_MAGIC)
        if self.secret is None:
            if sealed:
                raise SealError(
                    "the delivery is sealed and this receiver has no key for it (give it the "
                    "sender's --seal-key file, or join through the sender's service)"
                )
            return content
        if not sealed:
            raise SealError(
                "the delivery is not sealed and this receiver was given a key (leave out "
                "--seal-key to take what anybody could read)"
            )
        tsi = self._tsi()
        head = _MAGIC + _key_name(self.secret, tsi)
        if content[: len(head)] != head:
            raise SealError(
                "the seal key is not the one of this delivery (fetch the sender's --seal-key "
                "file again)"
            )
        nonce, data = content[len(head) :][: _NONCE.size], content[len(head) + _NONCE.size :]
        try:
            return AESGCM(_derive(self.secret, b"manifest", tsi)).decrypt(nonce, data, head)
        except (InvalidTag, ValueError):
            raise WireError("manifest: it is sealed, and damaged or forged") from None

    def block(self, manifest: bytes, toi: int, sbn: int, data: memoryview) -> bytes | None:
        """Return a block's own bytes; None: it was not sealed by our sender."""
        if self.secret is None:
            return None
        which = self._tsi(), manifest
        seal = self._seals.get(which)
        if seal is None:
            self._seals.clear()
            seal = self._seals[which] = BlockSeal(self.secret, *which)
        return seal.open(toi, sbn, data)


def _key_name(secret: bytes, tsi: int) -> bytes:
    return _derive(secret, b"name", tsi)[:8]


def _derive(secret: bytes, purpose: bytes, tsi: int, manifest: bytes = b"") -> bytes:
    if len(secret) != SECRET_SIZE:
        raise ValueError(f"a seal key has {SECRET_SIZE} bytes, not {len(secret)}")
    info = b"llmsync seal 1 " + purpose + b"\0" + tsi.to_bytes(4) + manifest
    return HKDF(hashes.SHA256(), SECRET_SIZE, salt=None, info=info).derive(secret)
