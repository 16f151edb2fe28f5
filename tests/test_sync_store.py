"""The store of versions: `current` is always a whole version, whatever is killed when."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from net import KEY, MemorySource

from toolkit.delivery.manifest import digest, open_manifest, seal
from toolkit.delivery.model import Coding
from toolkit.delivery.sink import FolderSink
from toolkit.errors import UsageError
from toolkit.sync.store import Store

MODEL = "org/mini"


def content_of(version: str) -> str:
    return digest(version.encode()).hex()


def files_of(version: str) -> dict[str, bytes]:
    return {"config.json": version.encode(), "sub/w": version.encode() * 1000}


def deliver(store: Store, version: str) -> None:
    """Let a version arrive as an agent does."""
    store.announce(MODEL, version, content_of(version))
    source = MemorySource(files_of(version), Coding(symbol=64, block=8, parity=0), version)
    sink = FolderSink(store.path(MODEL, version), keep=store.records(MODEL, version))
    envelope = seal(source.manifest, KEY)
    sink.open(envelope, open_manifest(envelope, None))
    for item in source.manifest.objects():
        if item.is_data:
            sink.put_digests(item.file, source.digests[item.file])
            for block in range(item.partition.blocks):
                data = memoryview(source.read_block(item.file, block))
                sink.write(item.file, block, item.partition.offset(block), data)
    sink.place()


def assert_whole(store: Store, version: str) -> None:
    root = store.root / "org--mini" / "current"
    assert {p.relative_to(root).as_posix(): p.read_bytes()
            for p in root.rglob("*") if p.is_file()} == files_of(version)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "store")
    found.take()
    return found


def test_versions_are_switched_and_rolled_back(store: Store) -> None:
    assert (store.current(MODEL), store.previous(MODEL), store.models()) == (None, None, [])
    for version in ("v1", "v2", "v3"):
        deliver(store, version)
        assert store.activate(MODEL, version)
        assert_whole(store, version)
    assert [s.version for s in store.versions(MODEL)] == ["v1", "v2", "v3"]
    assert store.rollback(MODEL) == "v2"
    assert_whole(store, "v2")
    assert not store.activate(MODEL, "v3"), "the operator has decided"
    assert store.rollback(MODEL, "v1") == "v1"
    store.unpin(MODEL)
    assert store.activate(MODEL, "v3")
    assert [v for v, _ in store.history(MODEL)] == ["v1", "v2", "v3", "v2", "v1", "v3"]
    assert store.models() == [MODEL]


def test_rollback_says_what_there_is(store: Store) -> None:
    with pytest.raises(UsageError, match="nothing of it is in"):
        store.rollback(MODEL)
    deliver(store, "v1")
    store.activate(MODEL, "v1")
    with pytest.raises(UsageError, match="no earlier version"):
        store.rollback(MODEL)
    with pytest.raises(UsageError, match=r"no version v7 here \(there are: v1\)"):
        store.rollback(MODEL, "v7")
    assert not store.pinned(MODEL)


def test_another_content_of_the_same_version_has_a_folder_of_its_own(store: Store) -> None:
    deliver(store, "v1")
    assert store.name_for(MODEL, "v1", content_of("v1")) == "v1"
    other = store.name_for(MODEL, "v1", content_of("else"))
    assert other == "v1+" + content_of("else")[:8]
    deliver(store, other)
    assert store.activate(MODEL, other)
    assert {s.version for s in store.versions(MODEL)} == {"v1", other}


def test_collection_spares_what_is_used_wanted_leased_and_the_one_before(store: Store) -> None:
    for version in ("v1", "v2", "v3", "v4", "v5"):
        deliver(store, version)
        store.activate(MODEL, version)
    store.rollback(MODEL, "v3")
    with store.lease(MODEL, "v1") as path:
        assert path.is_dir()
        assert store.collect(MODEL, 2, wanted=["v4"]) == ["v2"]
        assert {s.version for s in store.versions(MODEL)} == {"v1", "v3", "v4", "v5"}
    assert store.collect(MODEL, 1, wanted=[]) == ["v1", "v4", "v5"]
    assert_whole(store, "v3")
    assert not store.records(MODEL, "v5").exists()
    with pytest.raises(UsageError), store.lease(MODEL, "v5"):
        pass


def test_a_lease_of_another_process_counts(store: Store) -> None:
    for version in ("v1", "v2"):
        deliver(store, version)
        store.activate(MODEL, version)
    lease = store.records(MODEL, "v1") / "lease"
    holder = subprocess.Popen(
        ["flock", "--shared", str(lease), sys.executable, "-c",
         "print('held', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert store.collect(MODEL, 1, wanted=[]) == []
    holder.communicate(b"\n", timeout=30)
    assert store.collect(MODEL, 1, wanted=[]) == ["v1"]


def test_one_agent_at_a_time(store: Store) -> None:
    with pytest.raises(UsageError, match="another agent"):
        Store(store.root).take()
    store.release()
    Store(store.root).take()


def test_what_nobody_wants_any_more_is_swept(store: Store) -> None:
    for version in ("v1", "v2"):
        store.announce(MODEL, version, content_of(version))
        staging = store.path(MODEL, version).parent / f".{version}.llmsync"
        (staging / "blocks").mkdir(parents=True)
    store.sweep(MODEL, wanted=["v2"])
    left = sorted(p.name for p in (store.root / "org--mini" / "versions").iterdir())
    assert left == [".v2.llmsync"]
    assert not store.records(MODEL, "v1").exists()
    assert store.versions(MODEL) == []


STEPS = {
    "switch": ["old link removed", "link made", "switched", "synced", "remembered"],
    "rollback": ["pinned", "old link removed", "link made", "switched", "synced", "remembered"],
    "collect": ["gone", "forgotten"],
}
KILLER = """
import os, signal, sys
from pathlib import Path
from toolkit.sync.store import Store
root, what, step = sys.argv[1:]
def fault(reached):
    if reached == step:
        os.kill(os.getpid(), signal.SIGKILL)
store = Store(Path(root), fault)
store.take()
match what:
    case "switch": store.activate("org/mini", "v3")
    case "rollback": store.rollback("org/mini", "v1")
    case "collect": store.collect("org/mini", 1, [])
print("survived")
"""


@pytest.mark.parametrize(("what", "step"), [(w, s) for w, steps in STEPS.items() for s in steps])
def test_killed_at_any_step_current_is_a_whole_version(
    tmp_path: Path, what: str, step: str
) -> None:
    store = Store(tmp_path / "store")
    store.take()
    for version in ("v1", "v2", "v3"):
        deliver(store, version)
    store.activate(MODEL, "v1")
    store.activate(MODEL, "v2")
    store.release()
    killed = subprocess.run(
        [sys.executable, "-c", KILLER, str(store.root), what, step],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    new = {"switch": "v3", "rollback": "v1", "collect": "v2"}[what]
    current = store.current(MODEL)
    switched = STEPS[what].index(step) >= STEPS[what].index("switched") if what != "collect" else 1
    assert current == (new if switched else "v2")
    assert_whole(store, current or "")
    # The next agent puts the rest right and goes on.
    again = Store(store.root)
    again.take()
    folder = store.root / "org--mini"
    assert not list(folder.glob(".current*"))
    assert not list(folder.glob(".trash*"))
    assert again.history(MODEL)[-1][0] == current
    for stored in again.versions(MODEL):
        assert (again.path(MODEL, stored.version) / "sub" / "w").is_file()
    if what == "rollback":
        assert again.pinned(MODEL)
    elif what == "switch":
        assert again.activate(MODEL, "v3")
        assert_whole(again, "v3")


def test_a_switch_waits_for_another_process_that_switches(store: Store) -> None:
    deliver(store, "v1")
    lock = os.open(store.root / "org--mini" / "switching", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    command = [
        sys.executable, "-c",
        "import sys; from pathlib import Path; from toolkit.sync.store import Store\n"
        "print(Store(Path(sys.argv[1])).activate('org/mini', 'v1'))", str(store.root),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1)
        assert store.current(MODEL) is None
        os.close(lock)
        assert other.communicate(timeout=30)[0] == "True\n"
    assert_whole(store, "v1")
