"""What can be sent, what cannot and why, and a source that changes under the sender's hands."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from toolkit.delivery.manifest import DIGEST_SIZE, digest
from toolkit.delivery.model import Coding
from toolkit.delivery.source import WEIGHTS_FROM, open_source
from toolkit.errors import DeliveryError, ExitCode, ProblemsError

CODING = Coding(symbol=64, block=4, parity=4)
MODEL = save({"w": np.arange(100, dtype=np.float32)})


def fill(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_small_files_come_first_then_weights_in_order(tmp_path: Path) -> None:
    fill(tmp_path, **{
        "z.json": b"{}", "model-2.safetensors": MODEL, "model-1.safetensors": MODEL,
        ".hidden": b"x", "sub__a.txt": b"y", "big.bin": bytes(WEIGHTS_FROM),
    })  # fmt: skip
    source = open_source(tmp_path, CODING)
    assert [f.path for f in source.manifest.files] == [
        ".hidden", "sub/a.txt", "z.json", "big.bin", "model-1.safetensors", "model-2.safetensors",
    ]  # fmt: skip
    assert source.manifest.name == tmp_path.name


def test_one_file_is_a_delivery_too(tmp_path: Path) -> None:
    fill(tmp_path, **{"m.safetensors": MODEL})
    source = open_source(tmp_path / "m.safetensors", CODING, "llama")
    assert [f.path for f in source.manifest.files] == ["m.safetensors"]
    assert source.manifest.name == "llama"


def test_blocks_are_what_their_digests_say(tmp_path: Path) -> None:
    content = os.urandom(1000)
    fill(tmp_path, data=content, empty=b"")
    source = open_source(tmp_path, CODING)
    data, listed = source.manifest.files[0], source.digests[0]
    assert data.root == digest(listed)
    blocks = [source.read_block(0, b) for b in range(len(listed) // DIGEST_SIZE)]
    assert b"".join(blocks) == content
    assert source.manifest.files[1].size == 0
    assert source.digests[1] == b""


def test_a_link_to_a_file_is_sent_as_the_file(tmp_path: Path) -> None:
    fill(tmp_path, blobs__1=b"weights")
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "model.bin").symlink_to(tmp_path / "blobs" / "1")
    source = open_source(snapshot, CODING)
    assert source.read_block(0, 0) == b"weights"


def test_everything_that_cannot_be_sent_is_named_at_once(tmp_path: Path) -> None:
    fill(tmp_path, **{"ok.json": b"{}", "cut.safetensors": MODEL[:-9], "not.safetensors": b"hello"})
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "line\nbreak").write_bytes(b"")
    with pytest.raises(ProblemsError) as caught:
        open_source(tmp_path, CODING)
    text = str(caught.value).replace(str(tmp_path), "M")
    assert caught.value.exit_code is ExitCode.INVALID
    for line in (
        "M/cut.safetensors: not a whole safetensors file: it is truncated: ",
        "M/not.safetensors: not a whole safetensors file: 5 bytes are too few",
        "M/dangling: cannot be read: No such file or directory",
        "M/loop: is a symbolic link to a folder",
        "M/pipe: is neither a file nor a folder",
        "M: path 'line\\nbreak' has",
    ):
        assert line in text
    assert "ok.json" not in text


def test_a_path_that_is_not_there_or_empty_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="missing: cannot be read: No such file"):
        open_source(tmp_path / "missing", CODING)
    with pytest.raises(ProblemsError, match="has no file in it"):
        open_source(tmp_path, CODING)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    fill(tmp_path, secret=b"x")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(ProblemsError, match="secret: cannot be read: Permission denied"):
        open_source(tmp_path, CODING)


@pytest.mark.parametrize("how", ["written", "shorter", "gone"])
def test_a_source_that_changes_is_noticed_before_a_wrong_byte_leaves(
    tmp_path: Path, how: str
) -> None:
    path = fill(tmp_path, data=bytes(1000)) / "data"
    source = open_source(tmp_path, CODING)
    source.read_block(0, 3)
    if how == "written":
        path.write_bytes(bytes(999) + b"x")
    elif how == "shorter":
        path.write_bytes(bytes(900))
    else:
        path.unlink()
    with pytest.raises(DeliveryError, match="data: changed while it was being sent") as caught:
        source.read_block(0, 3)
    assert caught.value.exit_code is ExitCode.ROLLED_BACK
    assert "send again" in str(caught.value)


def test_impossible_codings_cannot_be_made() -> None:
    for wrong in ({"symbol": 8}, {"block": 201}, {"block": 0}, {"parity": 200}):
        with pytest.raises(ValueError, match="possible"):
            Coding(**{"symbol": 64, **wrong})
