"""The manifest: safe paths, an honest signature, and where its objects are."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from toolkit.delivery.fdt import MANIFEST_LOCATION, format_fdt, object_fti, parse_fdt, session_files
from toolkit.delivery.manifest import (
    Manifest,
    UntrustedError,
    digest,
    open_manifest,
    path_problem,
    seal,
)
from toolkit.delivery.model import Coding, FileEntry, Stretch
from toolkit.errors import WireError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()
CODING = Coding(symbol=64, block=4, parity=4)


def manifest(*paths: str, size: int = 1000) -> Manifest:
    files = tuple(FileEntry(path=p, size=size, root=digest(b"")) for p in paths)
    return Manifest(name="m", coding=CODING, files=files)


def test_a_sealed_manifest_opens_as_itself() -> None:
    original = manifest("config.json", "w/ä.safetensors")
    opened = open_manifest(seal(original, KEY), PUBLIC)
    assert opened.manifest == original
    assert opened.key == PUBLIC
    assert opened.digest == digest(original.encode())


def test_the_manifest_is_canonical_json_with_a_version() -> None:
    text = manifest("a").encode()
    assert (
        text
        == json.dumps(
            json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    )
    assert json.loads(text)["version"] == 1


def test_a_changed_manifest_does_not_open() -> None:
    envelope = json.loads(seal(manifest("a"), KEY))
    payload = base64.b64decode(envelope["payload"]).replace(b'"size":1000', b'"size":1001')
    envelope["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(WireError, match="the signature is wrong"):
        open_manifest(json.dumps(envelope).encode(), None)


def test_a_manifest_of_somebody_else_is_not_trusted() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    with pytest.raises(UntrustedError, match="not signed by the trusted key"):
        open_manifest(seal(manifest("a"), other), PUBLIC)
    assert open_manifest(seal(manifest("a"), other), None).key != PUBLIC


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "empty"), ("/etc/passwd", "absolute"), ("../x", "'..'"), ("a/../../x", "'..'"),
        ("a//b", "empty part"), ("./a", "'.'"), ("a/", "empty part"), ("a\\b", "backslash"),
        ("C:evil", "drive"), ("a\nb", "cannot be printed"), ("x" * 300, "too long"),
        ("a\udc80", "cannot be printed"),
    ],
)  # fmt: skip
def test_a_path_that_could_leave_its_folder_is_no_path(path: str, reason: str) -> None:
    assert reason in path_problem(path)
    with pytest.raises(ValueError, match="path"):
        manifest("ok", path)


@pytest.mark.parametrize("path", ["config.json", "1_Pooling/config.json", ".gitattributes", "ä b"])
def test_ordinary_paths_are_paths(path: str) -> None:
    assert path_problem(path) == ""


def test_all_problems_of_the_paths_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"listed twice.*both a file and a folder"):
        manifest("a", "a", "a/b")


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        open_manifest(data, None)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"}, {"version": 2}, {"digest": "md5"}, {"name": 5}, {"files": [{}]},
        {"files": None}, {"coding": {"symbol": 1, "block": 1, "parity": 1}},
        {"coding": {"symbol": 64, "block": 250, "parity": 1}},
        {"files": [{"path": "../x", "root": "00" * 32, "size": 1}]},
        {"files": [{"path": "x", "root": "00" * 31, "size": 1}]},
        {"files": [{"path": "x", "root": "00" * 32, "size": -1}]},
        {"files": [{"path": "x", "root": "00" * 32, "size": True}]},
        {"sealed": "rot13"}, {"serial": -1}, {"serial": 1 << 63}, {"serial": "1"},
        {"order": 5}, {"order": [5]}, {"order": [[0, 0]]}, {"order": [[0, 0, 1, 1]]},
        {"order": [[0, 0, "1"]]}, {"order": [[0, 0, True]]}, {"order": [[0, 0, 0]]},
        {"order": [[1, 0, 1]]}, {"order": [[-1, 0, 1]]}, {"order": [[0, -1, 1]]},
        {"order": [[0, 0, 1 << 40]]}, {"order": [[0, 0, 1], [0, 0, 1]]},
        {"order": [[0, 0, 1]] * 5000},
    ],
)  # fmt: skip
def test_a_signature_does_not_excuse_a_malformed_manifest(change: dict[str, object]) -> None:
    class Forged(Manifest):
        def encode(self, serial: int = 0, order: Sequence[Stretch] = ()) -> bytes:
            return json.dumps(json.loads(Manifest.encode(self)) | change).encode()

    forged = Forged(name="m", coding=CODING, files=manifest("a").files)
    with pytest.raises(WireError, match="manifest: "):
        open_manifest(seal(forged, KEY), PUBLIC)


def test_objects_follow_the_files() -> None:
    objects = manifest("a", "b").objects()
    assert [(o.toi, o.file, o.is_data) for o in objects] == [
        (2, 0, False), (3, 0, True), (4, 1, False), (5, 1, True),
    ]  # fmt: skip
    # 1000 bytes are 16 symbols of 64, 4 blocks of 4, 4 digests of 32 bytes.
    assert [o.partition.length for o in objects] == [128, 1000, 128, 1000]


def test_the_fdt_lists_every_object_with_its_fec_oti() -> None:
    source = manifest("config.json", "w/ä.bin")
    envelope = object_fti(CODING, 777)
    files = session_files(source, envelope)
    text = format_fdt(files)
    assert parse_fdt(text).files == tuple(files)
    assert (files[0].toi, files[0].location, files[0].fti) == (1, MANIFEST_LOCATION, envelope)
    assert [f.toi for f in files] == [1, 2, 3, 4, 5]
    assert files[4].location == "file:///w/%C3%A4.bin"
    assert files[4].fti.max_n == 8
    assert b'Expires="4294967295"' in text


def test_a_session_without_parity_says_fec_encoding_id_0() -> None:
    coding = Coding(symbol=64, block=4, parity=0)
    text = format_fdt(session_files(manifest("a"), object_fti(coding, 5)))
    assert parse_fdt(text).files[0].fti.fec_id == 0


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_fdt_or_envelope_is_read_or_refused(at: int, value: int) -> None:
    source = manifest("config.json", "w/b.bin")
    fdt = bytearray(format_fdt(session_files(source, object_fti(CODING, 777))))
    fdt[at % len(fdt)] = value
    with contextlib.suppress(WireError):
        parse_fdt(bytes(fdt))
    envelope = bytearray(seal(source, KEY))
    envelope[at % len(envelope)] = value
    with contextlib.suppress(WireError):
        assert open_manifest(bytes(envelope), PUBLIC).manifest == source


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not well formed"),
        (b"<?xml version='1.0' encoding='utf-z'?><FDT-Instance/>", "unknown encoding"),
        (b"<a/>", "root element"),
        (b"<!DOCTYPE x><FDT-Instance/>", "document type"),
        (b"<!-- <!ENTITY a 'b'> --><FDT-Instance/>", "entity"),
        (b"<FDT-Instance><File TOI='1'/></FDT-Instance>", "not well formed"),
        (b"\xff\xfe", "not well formed"),
    ],
)
def test_a_malformed_fdt_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        parse_fdt(text)
