"""Ed25519 keys on disk: the sender's own, and the one that a receiver trusts.  PEM, PKCS #8."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from toolkit.errors import UsageError


def sending_key(path: Path) -> tuple[Ed25519PrivateKey, bool]:
    """Return the private key in `path`, and whether it had to be made.

    A new key is readable by its owner alone; its public half is written beside it, as `.pub`.
    """
    try:
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
            if not isinstance(key, Ed25519PrivateKey):
                raise UsageError(f"{path}: not an Ed25519 key (name another file; one is made)")
            return key, False
        fresh = Ed25519PrivateKey.generate()
        private = fresh.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(private)
        public_path(path).write_bytes(
            fresh.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror} (name a file that can be written)") from None
    except (ValueError, TypeError):
        raise UsageError(
            f"{path}: not an unencrypted private key in PEM (name a file that does not exist, and "
            "one is made)"
        ) from None
    return fresh, True


def public_path(path: Path) -> Path:
    """Where the public half of the key in `path` is."""
    return path.with_name(path.name + ".pub")


def trusted_key(path: Path) -> bytes:
    """Return the 32 bytes of the public key in `path`."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror} (copy the sender's .pub file here)") from None
    except ValueError:
        raise UsageError(f"{path}: not a public key in PEM (the sender's .pub file)") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path}: not an Ed25519 public key (the sender's .pub file)")
    return key.public_bytes_raw()


def fingerprint(public: bytes) -> str:
    """A public key as people compare it."""
    return public.hex()
