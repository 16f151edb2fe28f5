"""Memory that a host writes and its agents only read, and the socket where they find it."""

from __future__ import annotations

import errno
import mmap
import os
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from toolkit.delivery.memory import Slabs
from toolkit.errors import (
    DeliveryError,
    EnvironmentProblem,
    ExitCode,
    UnreachableError,
    UsageError,
    WireError,
)
from toolkit.gpu.share.place import LONGEST, Place, connect
from toolkit.gpu.share.window import HUGE, Annex, Mapping, Window, address

HERE = Path(__file__).parent.parent


@pytest.fixture
def window() -> Iterator[Window]:
    made = Window()
    yield made
    made.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


# ----- memory


def test_an_agent_sees_what_the_host_writes_where_it_was_told(window: Window) -> None:
    slabs = Slabs(window.allocate)
    buffers = [slabs.take(size) for size in (100, 70_000, HUGE, 5 * HUGE // 2, 7)]
    mapping = Mapping()
    for slab, size in enumerate(window.sizes):
        mapping.add(slab, size, os.dup(window.descriptor(slab)))
    for number, buffer in enumerate(buffers):
        buffer.view[:] = bytes([number + 1]) * buffer.size
    for number, buffer in enumerate(buffers):
        found = window.find(buffer.view)
        assert found is not None
        view = mapping.view(*found, buffer.size)
        assert bytes(view) == bytes([number + 1]) * buffer.size
        assert address(view) != buffer.address
    assert mapping.size == window.size
    assert window.size % HUGE == 0


def test_memory_that_is_not_the_windows_is_not_found(window: Window) -> None:
    inside = window.allocate(HUGE)
    assert window.find(memoryview(bytearray(10))) is None
    assert window.find(inside[5:9].data) == (0, 5)
    assert window.find(memoryview(inside)) == (0, 0)


def test_nobody_but_the_host_can_write_or_shrink_it(window: Window) -> None:
    window.allocate(HUGE)[:4] = 7
    given = window.descriptor(0)
    with pytest.raises(PermissionError):
        mmap.mmap(given, HUGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(given, b"x", 0)
    with pytest.raises(OSError, match=r"Invalid|permitted"):
        os.ftruncate(given, 0)
    # Opening it anew gives a descriptor that could write; the seals do not let it.
    again = os.open(f"/proc/self/fd/{given}", os.O_RDWR)
    try:
        with pytest.raises(PermissionError):
            mmap.mmap(again, HUGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        with pytest.raises(PermissionError):
            os.pwrite(again, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(again, 0)
    finally:
        os.close(again)


def test_a_mapping_takes_only_what_it_was_told_of(window: Window) -> None:
    window.allocate(HUGE)
    for slab, size in ((1, HUGE), (0, HUGE - 1)):
        with pytest.raises(WireError, match="slab"):
            Mapping().add(slab, size, os.dup(window.descriptor(0)))
    mapping = Mapping()
    view = mapping.add(0, HUGE, os.dup(window.descriptor(0)))
    assert view.readonly
    for slab, at, size in ((1, 0, 1), (0, HUGE, 1), (0, HUGE - 5, 6)):
        with pytest.raises(WireError, match="is not there"):
            mapping.view(slab, at, size)


def test_memory_that_runs_out_is_an_error_and_no_signal(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(DeliveryError, match=r"no memory is left; nothing .*smaller --window"):
        window.allocate(HUGE)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("missing", ["the call", "the permission"])
def test_without_memfd_it_says_what_to_do(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "the call":
        monkeypatch.delattr(os, "memfd_create")
    else:

        def forbidden(name: str, flags: int) -> int:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "memfd_create", forbidden)
    with pytest.raises(EnvironmentProblem, match="start one receiver per GPU instead") as caught:
        Window()
    assert caught.value.exit_code is ExitCode.INVALID


def test_an_annex_uses_its_room_again(window: Window) -> None:
    annex = Annex(window)
    first = annex.put(memoryview(b"abc"))
    assert bytes(first.view) == b"abc"
    assert annex.used == 3
    annex.free(first)
    again = annex.put(memoryview(b"xyz"))
    assert again.address == first.address
    assert window.find(again.view) is not None
    assert np.array_equal(again.array, np.frombuffer(b"xyz", np.uint8))


# ----- the socket


def test_a_socket_is_its_owners_until_it_is_said_otherwise(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        for mode in (0o600, 0o660):
            place = Place(tmp_path / "w", mode)
            assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == mode
            assert place.shared is (mode != 0o600)
            place.close()
    finally:
        os.umask(old)
    assert not (tmp_path / "w").exists()


def test_agents_find_a_host_and_nobody_waits_afterwards(tmp_path: Path) -> None:
    place = Place(tmp_path / "w")
    assert place.accept() is None
    with connect(tmp_path / "w") as sock:
        accepted = place.accept()
        assert accepted is not None
        accepted.close()
        assert sock.recv(1) == b""
    place.close()
    with pytest.raises(UnreachableError, match="no host is there") as caught:
        connect(tmp_path / "w")
    assert caught.value.exit_code is ExitCode.UNREACHABLE


def test_a_socket_that_a_dead_host_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "w"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(UnreachableError, match="the host that was there has ended"):
        connect(path)
    place = Place(path)
    connect(path).close()
    place.close()


def test_a_living_host_is_not_replaced(tmp_path: Path, stack: ExitStack) -> None:
    place = Place(tmp_path / "w")
    stack.callback(place.close)
    with pytest.raises(UsageError, match="another receiver shares its window there"):
        Place(tmp_path / "w")
    connect(tmp_path / "w").close()


def test_a_host_does_not_remove_the_socket_of_another(tmp_path: Path, stack: ExitStack) -> None:
    first = Place(tmp_path / "w")
    (tmp_path / "w").unlink()
    second = Place(tmp_path / "w")
    stack.callback(second.close)
    first.close()
    connect(tmp_path / "w").close()


def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    file = tmp_path / "w"
    file.write_text("mine")
    with pytest.raises(UsageError, match="is not a socket"):
        Place(file)
    with pytest.raises(UnreachableError, match=r"has ended|is not a socket"):
        connect(file)
    assert file.read_text() == "mine"


def test_a_path_that_is_too_long_is_told_with_its_length(tmp_path: Path) -> None:
    path = tmp_path / ("x" * LONGEST)
    for make in (Place, connect):
        with pytest.raises(UsageError, match=f"{len(str(path))} bytes are too long"):
            make(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="No such file"):
        Place(tmp_path / "no" / "w")


def test_a_mode_that_shuts_out_the_owner_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the owner must be able"):
        Place(tmp_path / "w", 0o060)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_another_user_is_told_that_permission_is_denied(tmp_path: Path, stack: ExitStack) -> None:
    tmp_path.chmod(0o711)
    for folder in tmp_path.parents:
        if folder.owner() == "root" and folder.name.startswith("pytest"):
            folder.chmod(0o711)
    place = Place(tmp_path / "w")
    stack.callback(place.close)
    code = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from toolkit.errors import EnvironmentProblem
        from toolkit.gpu.share.place import connect
        os.setgid(65534), os.setuid(65534)
        try:
            connect(Path(sys.argv[1]))
        except EnvironmentProblem as error:
            print(error)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w")], capture_output=True, text=True,
        check=True, env={**os.environ, "PYTHONPATH": str(HERE)},
    )  # fmt: skip
    assert "permission denied (run as the host's user, or start the host with" in done.stdout
