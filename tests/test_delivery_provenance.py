"""Bundles of OpenSSF Model Signing, made by the library itself: verified at both ends."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from test_transport_udp import Site

from toolkit.cli.main import main
from toolkit.delivery.provenance import Provenance
from toolkit.errors import DeliveryError, ExitCode, UsageError

model_signing = pytest.importorskip("model_signing", reason="needs the extra `signing`")


def key_pair(folder: Path, name: str) -> Path:
    """Write a P-256 key and its public half; return where the private one is."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / name, folder / f"{name}.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private


def sign(model: Path, bundle: Path, private: Path, *, shards: bool = False) -> None:
    hashing = model_signing.hashing.Config()
    if shards:
        hashing = hashing.use_shard_serialization(shard_size=1000)
    model_signing.signing.Config().use_elliptic_key_signer(private_key=private).set_hashing_config(
        hashing
    ).sign(model, bundle)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site whose model is signed."""
    site = Site(tmp_path)
    sign(site.model, site.model / "model.sig", key_pair(tmp_path, "publisher"))
    return site


def public(site: Site) -> Path:
    return site.folder / "publisher.pub"


@pytest.mark.parametrize("shards", [False, True])
def test_a_signed_model_is_what_was_signed(site: Site, shards: bool) -> None:
    bundle = site.model / "model.sig"
    bundle.unlink()
    sign(site.model, bundle, site.folder / "publisher", shards=shards)
    assert "the model is what" in Provenance(key=public(site)).check(site.model)
    elsewhere = site.folder / "kept-elsewhere.sig"
    bundle.rename(elsewhere)
    assert "is what" in Provenance(elsewhere, public(site)).check(site.model)


def tampered(model: Path) -> None:
    content = bytearray((model / "m.safetensors").read_bytes())
    content[-1] ^= 1
    (model / "m.safetensors").write_bytes(content)


def missing(model: Path) -> None:
    (model / "config.json").unlink()


def extra(model: Path) -> None:
    (model / "pickle.bin").write_bytes(b"cos\nsystem\n")


def payload(model: Path) -> None:
    bundle = json.loads((model / "model.sig").read_text())
    body = bytearray(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    body[-10] ^= 1
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(body).decode()
    (model / "model.sig").write_text(json.dumps(bundle))


@pytest.mark.parametrize("harm", [tampered, missing, extra, payload])
def test_a_model_that_is_not_what_was_signed_is_not_sent(
    site: Site, harm: object, capsys: pytest.CaptureFixture[str]
) -> None:
    harm(site.model)  # type: ignore[operator]
    with pytest.raises(DeliveryError, match="is not what"):
        Provenance(key=public(site)).check(site.model)
    code = main(site.send_command(*site.to("fra"), "--model-key", str(public(site))))
    assert code == ExitCode.ROLLED_BACK
    assert "is not what" in capsys.readouterr().err


def test_what_cannot_be_verified_is_said(site: Site) -> None:
    asked = Provenance()
    assert "is signed, and that is not verified" in asked.check(site.model)
    other = key_pair(site.folder, "other")
    with pytest.raises(DeliveryError, match="is not what"):
        Provenance(key=site.folder / "other.pub").check(site.model)
    with pytest.raises(UsageError, match="neither a public key nor a certificate"):
        Provenance(key=other).check(site.model)
    bundle = site.model / "model.sig"
    document = json.loads(bundle.read_text())
    document["verificationMaterial"] = {"certificate": {"rawBytes": ""}, "tlogEntries": [{}]}
    bundle.write_text(json.dumps(document))
    with pytest.raises(DeliveryError, match="Sigstore made without a key needs the network"):
        Provenance(key=public(site)).check(site.model)
    for nonsense in ("{}", "[]", "no", "[" * 100_000):
        bundle.write_text(nonsense)
        with pytest.raises(DeliveryError, match="is not a bundle"):
            Provenance(key=public(site)).check(site.model)
    bundle.unlink()
    assert asked.check(site.model) == ""
    with pytest.raises(DeliveryError, match="is not there, and --model-key asks for it"):
        Provenance(key=public(site)).check(site.model)


def test_a_receiver_verifies_what_it_is_about_to_place(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.receiving("fra", 0, "--model-key", str(public(site)), "--require-model-signature"):
        assert main(site.send_command(*site.to("fra"))) == 0
    err = capsys.readouterr().err
    assert site.codes["fra"] == 0
    assert "the model is signed, and that is not verified: see --model-key" in err
    assert "model.sig: the model is what" in err
    # A sender that nobody has checked puts in a file of its own.
    extra(site.model)
    with site.receiving("lon", 1, "--model-key", str(public(site))):
        assert main(site.send_command(*site.to("fra", "lon")[2:])) == ExitCode.FINDINGS
    err = capsys.readouterr().err
    assert site.codes["lon"] == ExitCode.ROLLED_BACK
    assert "Extra files found" in err
    assert not (site.folder / "lon").exists()


def test_files_placed_by_a_run_that_died_are_looked_at_too(tmp_path: Path) -> None:
    from net import KEY  # fmt: skip

    from toolkit.delivery.manifest import open_manifest, seal
    from toolkit.delivery.model import Coding
    from toolkit.delivery.sink import FolderSink
    from toolkit.delivery.source import open_source

    site = Site(tmp_path)
    source = open_source(site.model, Coding(symbol=64, block=8))
    envelope = seal(source.manifest, KEY)
    opened = open_manifest(envelope, None)
    seen: list[list[str]] = []

    def check(folder: Path) -> None:
        seen.append(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*")))

    sink = FolderSink(tmp_path / "out", durable=False, check=check)
    sink.open(envelope, opened)
    for number, entry in enumerate(source.manifest.files):
        part = source.manifest.cut(entry.size)
        sink.put_digests(number, source.digests[number])
        for block in range(part.blocks):
            data = source.read_block(number, block)
            sink.write(number, block, part.offset(block), memoryview(data))
    sink.close()
    # As after a kill in the middle of placing.
    (tmp_path / "out").mkdir()
    (sink.staging / "files" / "m.safetensors").rename(tmp_path / "out" / "m.safetensors")
    again = FolderSink(tmp_path / "out", durable=False, check=check)
    again.open(envelope, opened)
    again.place()
    assert seen == [["config.json", "m.safetensors"]]
    assert (tmp_path / "out" / "m.safetensors").read_bytes() == (
        site.model / "m.safetensors"
    ).read_bytes()


def test_a_requirement_without_a_key_is_a_mistake(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(site.send_command(*site.to("fra"), "--require-model-signature")) == 2
    assert "--model-key is missing" in capsys.readouterr().err
