"""Bundles of OpenSSF Model Signing: is this folder what the model's publisher signed?

A bundle (`model.sig`) lists the digest of every file.  It is verified with the publisher's public
key or certificate, offline.  Bundles that Sigstore made without a key (keyless) need the network
to be verified, and that is not done here: they are announced as not verified.

Reads files, through the library `model-signing` (extra `signing`).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import DeliveryError, EnvironmentProblem, UsageError

BUNDLE = "model.sig"
"""Its usual name, in the model's folder."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is asked of a model.

    `signature`: where the bundle is; None: `model.sig` in the model's folder, if there is one.
    `key`: PEM file of a public key or certificate; with one a model must have a bundle that it
    verifies, or whoever takes the bundle away would have taken the check away too.
    """

    signature: Path | None = None
    key: Path | None = None

    def check(self, folder: Path) -> str:
        """Verify the model in `folder`; return what to tell a person, or nothing.

        Raises DeliveryError where it is not what was signed.
        """
        bundle = self.signature or folder / BUNDLE
        if not bundle.is_file():
            if self.key is None:
                return ""
            raise DeliveryError(
                f"{bundle}: is not there, and --model-key asks for it; nothing was placed or sent "
                "(fetch the model with its bundle, name it by --model-signature, or leave out "
                "--model-key)"
            )
        if self.key is None:
            return f"{bundle.name}: the model is signed, and that is not verified: see --model-key"
        verify(folder, bundle, self.key)
        return f"{bundle.name}: the model is what {self.key} signed"


def verify(folder: Path, bundle: Path, key: Path) -> None:
    """Raise DeliveryError unless `key` signed exactly the files in `folder`, beside the bundle."""
    try:
        from model_signing import verifying
    except ImportError as error:
        raise EnvironmentProblem(
            f"--model-key needs the library model-signing: {error} (pip install 'llmsync[signing]')"
        ) from None
    certificate = _is_certificate(key)
    document = _read(bundle)
    _suits(bundle, document, certificate=certificate)
    config = verifying.Config()  # type: ignore[no-untyped-call]
    try:
        if certificate:
            config = config.use_certificate_verifier(certificate_chain=[key])
        else:
            config = config.use_elliptic_key_verifier(public_key=key)
        config = config.set_hashing_config(_hashing(document, folder, bundle))
        config.verify(folder, bundle)
    except Exception as error:  # noqa: BLE001 - the library raises many kinds, all mean the same
        raise DeliveryError(
            f"{bundle}: the model is not what {key} signed: {error or type(error).__name__}; "
            "nothing was placed or sent (fetch the model again, or the right key)"
        ) from None


def _is_certificate(key: Path) -> bool:
    try:
        text = key.read_bytes()
    except OSError as error:
        raise UsageError(f"{key}: {error.strerror} (the publisher's public key, PEM)") from None
    if b"-----BEGIN CERTIFICATE-----" in text:
        return True
    if b"-----BEGIN PUBLIC KEY-----" in text:
        return False
    raise UsageError(f"{key}: neither a public key nor a certificate in PEM")


def _read(bundle: Path) -> dict[str, Any]:
    try:
        found = json.loads(bundle.read_bytes())
        if isinstance(found, dict) and isinstance(found["verificationMaterial"], dict):
            return found
    except OSError as error:
        raise UsageError(f"{bundle}: {error.strerror} (name the model's bundle)") from None
    except (ValueError, KeyError, RecursionError):
        pass
    raise DeliveryError(
        f"{bundle}: is not a bundle of OpenSSF Model Signing; nothing was placed or sent"
    )


def _suits(bundle: Path, document: dict[str, Any], *, certificate: bool) -> None:
    material = document["verificationMaterial"]
    keyed = "publicKey" in material
    if keyed != certificate:
        return
    how = "with a key, and --model-key is a certificate"
    if not keyed:
        how = (
            "with a certificate, and --model-key is a public key (name the certificate of its "
            "authority"
        )
        how += (
            "; a bundle that Sigstore made without a key needs the network: `model_signing "
            "verify sigstore` does that, llmsync does not)"
            if material.get("tlogEntries")
            else ")"
        )
    raise DeliveryError(f"{bundle}: it was signed {how}; nothing was placed or sent")


def _hashing(document: dict[str, Any], folder: Path, bundle: Path) -> Any:  # noqa: ANN401
    """How the signer hashed, the bundle left out where it lies in the folder."""
    from model_signing import hashing

    statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    how = statement["predicate"]["serialization"]
    ignored = [bundle.relative_to(folder)] if bundle.is_relative_to(folder) else []
    config: Any = hashing.Config()  # type: ignore[no-untyped-call]
    if how["method"] == "shards":
        config = config.use_shard_serialization(
            hashing_algorithm=how["hash_type"],
            shard_size=int(how["shard_size"]),
            allow_symlinks=True,
        )
    else:
        config = config.use_file_serialization(
            hashing_algorithm=how["hash_type"], allow_symlinks=True
        )
    return config.set_ignored_paths(paths=ignored)
