"""Files appear whole, all at once or not at all; a killed run is continued, never trusted."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from net import KEY, MemorySource

from toolkit.delivery.manifest import OpenedManifest, open_manifest, seal
from toolkit.delivery.model import Coding
from toolkit.delivery.sink import MAX_OPEN, FolderSink
from toolkit.errors import DeliveryError, EnvironmentProblem, ExitCode, UsageError

FILES = {"config.json": b"{}", "w/model.bin": bytes(range(256)) * 5, "empty": b""}
SOURCE = MemorySource(FILES, Coding(symbol=64, block=4, parity=4))
ENVELOPE = seal(SOURCE.manifest, KEY)
OPENED: OpenedManifest = open_manifest(ENVELOPE, None)
PARTS = [o.partition for o in SOURCE.manifest.objects() if o.is_data]


def put(sink: FolderSink, file: int, block: int) -> None:
    sink.write(file, block, PARTS[file].offset(block), memoryview(SOURCE.read_block(file, block)))


def receive_all(sink: FolderSink, *, leave: int = 0) -> None:
    """Write all blocks but the last `leave`."""
    todo = [(f, b) for f, part in enumerate(PARTS) for b in range(part.blocks)]
    for file, digests in enumerate(SOURCE.digests):
        sink.put_digests(file, digests)
    for file, block in todo[: len(todo) - leave]:
        put(sink, file, block)


def placed(target: Path) -> dict[str, bytes]:
    return {
        p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()
    }


def fresh(path: Path, **options: object) -> FolderSink:
    sink = FolderSink(path, **options)  # type: ignore[arg-type]
    try:
        sink.open(ENVELOPE, OPENED)
    except DeliveryError:
        sink.close()
        raise
    return sink


def test_files_appear_all_at_once_and_nothing_else_stays(tmp_path: Path) -> None:
    sink = fresh(tmp_path / "model")
    receive_all(sink)
    assert not (tmp_path / "model").exists()
    assert sink.read(1, 10, 4) == FILES["w/model.bin"][10:14]
    sink.place()
    assert placed(tmp_path / "model") == FILES
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_an_empty_folder_is_filled_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sink = fresh(tmp_path / "empty", durable=False)
    receive_all(sink)
    sink.place()
    assert placed(tmp_path / "empty") == FILES
    (tmp_path / "empty" / "mine").write_bytes(b"mine")
    (tmp_path / "empty" / "config.json").write_bytes(b"old")
    sink = fresh(tmp_path / "empty")
    receive_all(sink)
    sink.place()
    assert placed(tmp_path / "empty") == {**FILES, "mine": b"mine"}


def test_a_killed_run_is_continued_block_by_block(tmp_path: Path) -> None:
    sink = fresh(tmp_path / "model")
    receive_all(sink, leave=2)
    sink.close()  # As the system does with the files of a process that was killed.
    again = FolderSink(tmp_path / "model")
    assert again.recall() == ENVELOPE
    landed = again.open(ENVELOPE, OPENED)
    assert [x.digests for x in landed] == list(SOURCE.digests)
    assert landed[0].blocks == b"\1"
    assert landed[1].blocks == b"\1" * (PARTS[1].blocks - 2) + b"\0\0"
    for block in range(PARTS[1].blocks - 2, PARTS[1].blocks):
        put(again, 1, block)
    again.place()
    assert placed(tmp_path / "model") == FILES


def test_a_block_that_the_disk_lost_is_not_believed(tmp_path: Path) -> None:
    sink = fresh(tmp_path / "model")
    receive_all(sink)
    sink.close()
    with (sink.staging / "files" / "w" / "model.bin").open("r+b") as stream:
        stream.seek(300)
        stream.write(b"\xff\xff")
    landed = FolderSink(tmp_path / "model").open(ENVELOPE, OPENED)
    assert landed[1].blocks == b"\1\0" + b"\1" * (PARTS[1].blocks - 2)


def test_what_another_manifest_left_is_thrown_away(tmp_path: Path) -> None:
    sink = fresh(tmp_path / "model")
    receive_all(sink)
    sink.close()
    other = MemorySource({"other": b"x"}, SOURCE.manifest.coding)
    envelope = seal(other.manifest, KEY)
    again = FolderSink(tmp_path / "model")
    landed = again.open(envelope, open_manifest(envelope, None))
    assert [x.blocks for x in landed] == [b"\0"]
    assert not (again.staging / "files" / "w").exists()


@pytest.mark.parametrize("moved", [1, 2, 3])
def test_a_run_that_died_while_placing_is_completed(tmp_path: Path, moved: int) -> None:
    target = tmp_path / "model"
    (target / "w").mkdir(parents=True)
    (target / "mine").write_bytes(b"mine")
    sink = fresh(target)
    receive_all(sink)
    sink.close()
    for path in list(FILES)[:moved]:
        (sink.staging / "files" / path).replace(target / path)
    again = FolderSink(target)
    landed = again.open(ENVELOPE, OPENED)
    assert all(all(x.blocks) for x in landed)
    assert again.read(1, 0, 9) == FILES["w/model.bin"][:9]
    again.place()
    assert placed(target) == {**FILES, "mine": b"mine"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_places_nothing_and_keeps_what_came(tmp_path: Path, number: int) -> None:
    written = 0

    def full(descriptor: int, data: memoryview, offset: int) -> int:
        nonlocal written
        if written > 700:
            raise OSError(number, os.strerror(number))
        written += len(data)
        return os.pwrite(descriptor, data[:100], offset)  # Short writes happen, too.

    target = tmp_path / "model"
    sink = fresh(target, write=full)
    with pytest.raises(DeliveryError) as caught:
        receive_all(sink)
    sink.close()
    assert caught.value.exit_code is ExitCode.ROLLED_BACK
    assert "nothing was placed" in str(caught.value)
    assert "make room" in str(caught.value)
    assert not target.exists()
    assert any(FolderSink(target).open(ENVELOPE, OPENED)[1].blocks)


def test_a_disk_that_is_too_small_is_known_before_anything_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage)
    with pytest.raises(DeliveryError, match=r"needs 1282 more bytes and the disk has 1000"):
        fresh(tmp_path / "model")


class _Usage:
    free = 1000


def test_a_target_that_is_a_file_or_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeliveryError, match="is not a folder"):
        fresh(tmp_path / "file")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w").symlink_to("/tmp")
    with pytest.raises(DeliveryError, match=r"leads out of .* through a symbolic link"):
        fresh(tmp_path / "model")
    (tmp_path / "model" / "w").unlink()
    (tmp_path / "model" / "w").write_bytes(b"a file where a folder must be")
    with pytest.raises(DeliveryError, match="in each other's way"):
        fresh(tmp_path / "model")
    (tmp_path / "model" / "w").unlink()
    (tmp_path / "model" / "config.json").mkdir()
    with pytest.raises(DeliveryError, match="in each other's way"):
        fresh(tmp_path / "model")


def test_two_receivers_do_not_write_to_one_place(tmp_path: Path) -> None:
    first = fresh(tmp_path / "model")
    receive_all(first, leave=1)
    for second in (FolderSink(tmp_path / "model"), FolderSink(tmp_path / "model")):
        with pytest.raises(DeliveryError, match="another receiver is writing there"):
            second.recall()
        with pytest.raises(DeliveryError, match="another receiver is writing there"):
            second.prepare()
        second.close()
    first.close()
    assert FolderSink(tmp_path / "model").recall() == ENVELOPE


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeliveryError, match=r"nothing was placed.*make it writable"):
        fresh(tmp_path / "file" / "below")


def test_few_files_are_open_at_a_time(tmp_path: Path) -> None:
    files = {f"{i:03}": bytes([i]) for i in range(3 * MAX_OPEN)}
    source = MemorySource(files, Coding(symbol=64))
    envelope = seal(source.manifest, KEY)
    sink = FolderSink(tmp_path / "many", durable=False)
    sink.open(envelope, open_manifest(envelope, None))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number, content in enumerate(files.values()):
        sink.write(number, 0, 0, memoryview(content))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2 * MAX_OPEN
    sink.place()
    assert placed(tmp_path / "many") == files


def listing(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_where_nothing_was_verified_nothing_remains(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    before = listing(tmp_path)
    for target in (tmp_path / "model", tmp_path / "no" / "such" / "model", tmp_path / "mine" / "m"):
        never_joined = FolderSink(target)
        never_joined.prepare()
        assert never_joined.recall() is None
        assert not never_joined.kept
        never_joined.close()
        assert listing(tmp_path) == before
        no_block = fresh(target)
        no_block.put_digests(1, SOURCE.digests[1])
        no_block.close()
        assert listing(tmp_path) == before


def test_what_an_earlier_run_verified_remains_when_the_next_one_gets_nothing(
    tmp_path: Path,
) -> None:
    target = tmp_path / "no" / "such" / "model"
    first = fresh(target)
    receive_all(first, leave=2)
    assert first.kept
    first.close()
    before = listing(tmp_path)
    second = FolderSink(target)
    second.prepare()
    assert second.kept
    second.close()
    assert listing(tmp_path) == before
    assert FolderSink(target).recall() == ENVELOPE


def test_a_target_that_could_not_be_written_is_known_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="file: is not a folder"):
        FolderSink(tmp_path / "file").prepare()
    with pytest.raises(EnvironmentProblem, match="below: cannot be written: Not a directory"):
        FolderSink(tmp_path / "file" / "below").prepare()
    with pytest.raises(EnvironmentProblem, match=r"^/proc/x: cannot be written: No such file"):
        FolderSink(Path("/proc/x")).prepare()
    assert listing(tmp_path) == ["file"]


@pytest.mark.parametrize("below", ["r", "r/deeper", "."])
def test_a_folder_of_somebody_else_is_refused_at_once(tmp_path: Path, below: str) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    with as_an_ordinary_user(closed):
        target = closed / below
        with pytest.raises(EnvironmentProblem) as caught:
            FolderSink(target).prepare()
        text = f"{target}: cannot be written: Permission denied (choose another folder)"
        assert str(caught.value) == text
        assert caught.value.exit_code is ExitCode.INVALID
        if below != ".":
            with pytest.raises(DeliveryError) as late:
                FolderSink(target).open(ENVELOPE, OPENED)
            assert "is kept" not in str(late.value)
    assert listing(tmp_path) == ["closed"]


@contextmanager
def as_an_ordinary_user(closed: Path) -> Iterator[None]:
    """Somebody to whom the folder `closed` is closed."""
    closed.chmod(0o500 if os.geteuid() else 0o700)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)
        closed.chmod(0o700)
