"""`llmsync send` and `receive` are told to end: they say what is kept, and it is gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_transport_udp import FILES, Site

from toolkit.errors import ExitCode


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "toolkit.cli", *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def wait_for(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def last_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = process.stderr.read().splitlines()
    assert process.wait(20) == ExitCode.INTERRUPTED
    assert not [line for line in said if "Traceback" in line]
    return said[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sender_that_is_told_to_end_says_so(site: Site, number: int) -> None:
    with started(site.send_command(*site.to("fra"))) as sender:
        assert sender.stderr is not None
        while "waiting for fra" not in sender.stderr.readline():
            assert sender.poll() is None
        sender.send_signal(number)
        assert last_line(sender) == "llmsync: interrupted"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_receiver_that_got_nothing_leaves_nothing(site: Site, number: int) -> None:
    staging = site.folder / ".fra.llmsync"
    with started(site.receive_command("fra", site.ports[0])) as receiver:
        wait_for((staging / "lock").exists)
        # The lock is taken before the socket is bound; from there on it only waits.
        wait_for(lambda: f":{site.ports[0]:04X} " in Path("/proc/net/udp").read_text())
        receiver.send_signal(number)
        assert last_line(receiver) == "llmsync: interrupted; nothing had been received"
    assert not list(site.folder.glob("*fra*"))


def test_a_receiver_that_is_told_to_end_keeps_what_it_has_and_goes_on_with_it(site: Site) -> None:
    staging = site.folder / ".fra.llmsync"
    slowly = ["--payload", "300", "--rate", "1M", "--gather", "0"]

    def verified() -> int:
        return sum(p.read_bytes().count(1) for p in staging.glob("blocks/*"))

    with started(site.send_command(*site.to("fra"), *slowly)) as sender:
        with started(site.receive_command("fra", site.ports[0])) as receiver:
            wait_for(lambda: verified() > 1)
            receiver.terminate()
            said = last_line(receiver)
        assert said.startswith(f"llmsync: interrupted; what was received is kept in {staging} (")
        assert verified() > 1
        assert not (site.folder / "fra").exists()
        with site.receiving("fra", 0):
            pass
        assert sender.wait(20) == ExitCode.OK
    assert site.codes == {"fra": ExitCode.OK}
    assert site.placed("fra") == FILES
    assert not staging.exists()
