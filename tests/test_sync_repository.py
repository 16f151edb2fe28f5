"""A version is taken when it is whole and quiet; what was read once is not read again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from toolkit.delivery.model import Coding
from toolkit.errors import DeliveryError
from toolkit.sync.digests import DigestCache
from toolkit.sync.journal import Journal, read_journal
from toolkit.sync.layout import natural
from toolkit.sync.model import Record, Target, is_model, is_version
from toolkit.sync.repository import Repository, open_version

CODING = Coding(symbol=64, block=8, parity=8)
WEIGHTS = save({"layer": np.arange(500, dtype=np.float32)})
COMMIT, OTHER = "a" * 40, "b" * 40


def put(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def opened(tmp_path: Path, *models: str) -> Repository:
    return Repository(tmp_path / "root", models, tmp_path / "state", CODING, settle=10)


def version_of(repository: Repository, model: str, wanted: str = "latest") -> str | None:
    found, _ = repository.resolve(model, wanted)
    return found[0] if found else None


def test_a_version_is_taken_once_it_is_quiet(tmp_path: Path) -> None:
    put(tmp_path / "root/llama/v1", {"w.safetensors": WEIGHTS, "config.json": b"{}"})
    repository = opened(tmp_path, "llama")
    assert not repository.look(0)
    assert version_of(repository, "llama") is None
    put(tmp_path / "root/llama/v1", {"more": b"x"})
    assert not repository.look(9)
    assert not repository.look(18), "the new file has been there for 9 s only"
    assert repository.look(19)
    assert version_of(repository, "llama") == version_of(repository, "llama", "v1") == "v1"
    assert repository.problems == {}
    assert repository.path("llama", "v1") == tmp_path / "root/llama/v1"
    assert not repository.look(20)


def test_latest_is_the_greatest_name_or_what_a_link_says(tmp_path: Path) -> None:
    root = tmp_path / "root/llama"
    for version in ("v9", "v10"):
        put(root / version, {"f": version.encode()})
    repository = opened(tmp_path, "llama")
    repository.look(0)
    repository.look(10)
    assert version_of(repository, "llama") == "v10"
    (root / "latest").symlink_to("v9")
    repository.look(11)
    assert version_of(repository, "llama") == "v9"
    assert natural("v10") > natural("v9-rc") > natural("v9")


def test_latest_never_falls_back_while_what_it_meant_changes(tmp_path: Path) -> None:
    root = tmp_path / "root/llama"
    for version in ("v1", "v2"):
        put(root / version, {"f": version.encode()})
    repository = opened(tmp_path, "llama")
    repository.look(0)
    repository.look(10)
    before = repository.resolve("llama", "latest")[0]
    put(root / "v2", {"f": b"another"})
    put(root / "v3", {"f": b"coming", "g.incomplete": b""})
    repository.look(20)
    assert version_of(repository, "llama") is None, "not v1, although that is whole"
    assert "v3" in repository.resolve("llama", "latest")[1]
    repository.look(30)
    after = repository.resolve("llama", "latest")[0]
    assert before
    assert after
    assert (after[0], before[0]) == ("v2", "v2")
    assert after[1].content != before[1].content
    (root / "v3/g.incomplete").unlink()
    repository.look(40)
    repository.look(50)
    assert version_of(repository, "llama") == "v3"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"m.safetensors": WEIGHTS[:-4]}, "not a whole safetensors file"),
        ({"f": b"", "f.lock": b""}, "f.lock: is not finished"),
        ({"f.part": b"half"}, "f.part: is not finished"),
        (
            {"m.safetensors.index.json": json.dumps({"weight_map": {"t": "m-1.safetensors"}})
             .encode()},
            "m-1.safetensors: is missing",
        ),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_not_taken_and_said(
    tmp_path: Path, files: dict[str, bytes], why: str
) -> None:
    put(tmp_path / "root/llama/v1", files)
    repository = opened(tmp_path, "llama", "other")
    repository.look(0)
    repository.look(10)
    assert version_of(repository, "llama") is None
    assert why in repository.problems["llama@v1"]
    assert "no such folder" in repository.problems["other"]
    assert why in repository.resolve("llama", "v1")[1]
    assert "has no version v7" in repository.resolve("llama", "v7")[1]


def hub(tmp_path: Path, commit: str, files: dict[str, bytes]) -> Path:
    """Lay files down as huggingface_hub does."""
    cache = tmp_path / "root/models--org--mini"
    for path, content in files.items():
        blob = cache / "blobs" / f"{hash(content) & 0xFFFFFFFF:x}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link = cache / "snapshots" / commit / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (cache / "refs").mkdir(exist_ok=True)
    (cache / "refs/main").write_text(commit)
    return cache


def test_the_cache_of_hugging_face(tmp_path: Path) -> None:
    cache = hub(tmp_path, COMMIT, {"m.safetensors": WEIGHTS, "sub/config.json": b"{}"})
    repository = opened(tmp_path, "org/mini")
    repository.look(0)
    repository.look(10)
    assert (
        version_of(repository, "org/mini") == version_of(repository, "org/mini", "main") == COMMIT
    )
    found = repository.resolve("org/mini", "latest")[0]
    assert found
    assert found[1].size == len(WEIGHTS) + 2
    # Another commit is being downloaded: `main` names it already.
    hub(tmp_path, OTHER, {"sub/config.json": b"{ }"})
    (cache / "blobs/1234.incomplete").write_bytes(b"half")
    (cache / "refs/v1.0").write_text(COMMIT)
    repository.look(20)
    repository.look(40)
    assert version_of(repository, "org/mini") == COMMIT
    assert "1234.incomplete" in repository.resolve("org/mini", "latest")[1]
    (cache / "blobs/1234.incomplete").unlink()
    repository.look(50)
    assert version_of(repository, "org/mini") == OTHER
    assert version_of(repository, "org/mini", "v1.0") == COMMIT
    source = open_version(repository.path("org/mini", COMMIT), CODING, "x", repository.cache)
    assert [f.path for f in source.manifest.files] == ["sub/config.json", "m.safetensors"]
    (cache / "blobs").rename(cache / "gone")
    repository.look(60)
    assert version_of(repository, "org/mini") is None
    assert "leads nowhere yet" in repository.problems[f"org/mini@{OTHER}"]


def test_a_restart_reads_nothing_again_and_waits_for_nothing(tmp_path: Path) -> None:
    put(tmp_path / "root/llama/v1", {"w": b"x" * 5000, "c": b"{}"})
    first = opened(tmp_path, "llama")
    first.look(0)
    first.look(10)
    first.remember()
    assert first.cache.hashed == 5002
    again = opened(tmp_path, "llama")
    assert not again.look(0)
    assert again.resolve("llama", "latest") == first.resolve("llama", "latest")
    put(tmp_path / "root/llama/v2", {"w": b"x" * 5000, "c": b"{ }"})
    again.look(20)
    again.look(30)
    assert version_of(again, "llama") == "v2"
    assert again.cache.hashed == 5003, "only what is new"
    (tmp_path / "state/versions.json").write_text("{")
    third = opened(tmp_path, "llama")
    third.look(0)
    third.look(10)
    assert third.cache.hashed == 0
    assert len(list((tmp_path / "state/digests").iterdir())) == 4


def test_the_same_files_have_the_same_content_wherever_they_lie(tmp_path: Path) -> None:
    files = {"m.safetensors": WEIGHTS, "sub/config.json": b"{}"}
    hub(tmp_path, COMMIT, files)
    put(tmp_path / "root/llama/v1", files)
    put(tmp_path / "root/llama/v2", {**files, "sub/config.json": b"[]"})
    repository = opened(tmp_path, "llama", "org/mini")
    repository.look(0)
    repository.look(10)
    wanted = [("llama", "v1"), ("org/mini", COMMIT), ("llama", "v2")]
    same, also, differs = (repository.resolve(*w)[0] for w in wanted)
    assert same
    assert also
    assert differs
    assert same[1].content == also[1].content != differs[1].content


def test_a_cached_digest_is_checked_when_its_block_is_sent(tmp_path: Path) -> None:
    put(tmp_path / "m", {"w": b"x" * 1000})
    path = tmp_path / "m/w"
    cache = DigestCache(tmp_path / "state")
    open_version(tmp_path / "m", CODING, "m", cache)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(b"y" * 1000)
    os.utime(path, ns=times)
    source = open_version(tmp_path / "m", CODING, "m", cache)
    assert cache.hashed == 1000, "size, time and inode are the same"
    with pytest.raises(DeliveryError, match="differs from what was scanned"):
        source.read_block(0, 0)


def test_the_journal_survives_a_line_that_was_cut_short(tmp_path: Path) -> None:
    target = Target("llama", "v1", "c1", 5)
    records = [
        Record(1.5, "started", 1, target, ("fra", "lon")),
        Record(2.5, "ended", 1, outcomes={"fra": "", "lon": "full"}),
        Record(3.5, "started", 2, target, ("lon",)),
    ]
    path = tmp_path / "journal"
    with Journal(path) as journal:
        assert journal.earlier == []
        journal.write(records)
    whole = path.read_bytes()
    for cut in range(whole.rindex(b"\n", 0, -1) + 1, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with Journal(path) as journal:
            assert journal.earlier == records[:2]
            journal.write(records[2:])
        assert read_journal(path) == records


@pytest.mark.parametrize("name", ["", "a b", "../x", "a//b", "a/b/c", "a--b/c", "-x", ".x", "a\n"])
def test_names_that_could_lead_elsewhere_are_none(name: str) -> None:
    assert not is_model(name)
    assert not is_version(name) or name == "a--b/c"


def test_names() -> None:
    assert is_model("org/Model-1.5_b")
    assert is_version("v1.0-rc_2")
    assert not is_version("latest")
