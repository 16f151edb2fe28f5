"""The process of one session: `python -m toolkit.sync.session`, a Job on its standard input.

X: sends.  It tells what happens on standard output (`toolkit.sync.job`) and ends by itself when its
input ends: a repository that is killed leaves no sender behind.  Sessions have a process each, so
that one does not wait for another's turn of the interpreter.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path

from toolkit.delivery.doorkeeper import Doorkeeper
from toolkit.delivery.events import Joined, SenderOutput, Settled
from toolkit.delivery.keys import sending_key
from toolkit.delivery.manifest import digest
from toolkit.delivery.model import Coding, Session
from toolkit.delivery.ordering import delivery_order
from toolkit.delivery.sender import Sender
from toolkit.errors import DeliveryError, EnvironmentProblem, ToolkitError
from toolkit.sync.digests import DigestCache
from toolkit.sync.job import DSCP, Job, line
from toolkit.sync.repository import content_of, open_version
from toolkit.transport import address, udp

PROGRESS_EVERY = 1.0
ENDED, FAILED, STOPPED = 0, 1, 3


class _Stopped(Exception):  # noqa: N818 - nobody has done anything wrong
    """The repository has gone, or wants this session to end."""


def main() -> int:
    """Run the session that standard input describes."""
    job = Job.decode(sys.stdin.buffer.readline())
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(stopped,), daemon=True).start()
    try:
        _run(job, stopped)
    except _Stopped:
        return STOPPED
    except ToolkitError as error:
        _tell(line("failed", why=str(error)))
        return FAILED
    return ENDED


def _listen(stopped: threading.Event) -> None:
    sys.stdin.buffer.read()
    stopped.set()


def _tell(text: str) -> None:
    try:
        print(text, flush=True)  # noqa: T201 - this is how it is told
    except BrokenPipeError:
        raise _Stopped from None


def _run(job: Job, stopped: threading.Event) -> None:
    coding = Coding(symbol=job.symbol)
    cache = DigestCache(Path(job.digests))
    seal_key = None if job.seal_key is None else bytes.fromhex(job.seal_key)
    source = open_version(Path(job.path), coding, job.name, cache, sealed=seal_key is not None)
    if content_of(source, cache) != job.content:
        raise DeliveryError(f"{job.path}: is not what it was when the session was decided on")
    key, _ = sending_key(Path(job.key))
    session = Session(
        name=job.name, tsi=job.tsi, key=key, rate=job.rate, gather=job.gather,
        timeout=job.timeout, seal_key=seal_key, serial=time.time_ns() // 1_000_000,
        order=delivery_order(source.contents, layers=True),
    )  # fmt: skip
    sender = Sender(session, source, job.clouds)
    group = None if job.group is None else address.resolve(job.group)
    with _bind(job) as sock:
        address.mark(sock, DSCP)
        if group is not None:
            address.send_from(sock, group, job.interface)
        manifest = digest(source.manifest.encode()).hex()
        _tell(line("listening", port=sock.getsockname()[1], manifest=manifest))
        begin = last = time.monotonic()

        def watch(outputs: list[SenderOutput]) -> None:
            nonlocal last
            if stopped.is_set():
                raise _Stopped
            for output in outputs:
                match output:
                    case Joined(receiver=name):
                        _tell(line("joined", cloud=name))
                    case Settled(result=result):
                        _tell(line("settled", cloud=result.receiver, standing=result.standing))
            if time.monotonic() - last >= PROGRESS_EVERY:
                last = time.monotonic()
                _tell_progress(sender, last)

        addresses: dict[str, tuple[str, int]] = {}
        door = Doorkeeper(job.clouds, addresses, token=bytes.fromhex(job.token))
        udp.run_sender(sender, job.clouds, udp.SocketWire(sock), addresses, group, watch, door=door)
    tally = sender.tally
    packets = tally.packets + tally.repairs + tally.late
    why = {r.receiver: "" if r.complete else r.reason or str(r.standing) for r in sender.results()}
    if sender.failure is not None:
        why = {cloud: said and str(sender.failure) for cloud, said in why.items()}
    _tell(
        line(
            "ended", outcomes=why, sent=packets * job.symbol, size=source.manifest.size,
            seconds=round(time.monotonic() - begin, 3), refused=dict(door.refused),
        )
    )  # fmt: skip


def _tell_progress(sender: Sender, now: float) -> None:
    progress = sender.progress(now)
    receivers = {r.receiver: {"standing": r.standing, "held": r.held} for r in progress.receivers}
    _tell(line("progress", sending=round(progress.sending), receivers=receivers))


def _bind(job: Job) -> socket.socket:
    low, high = job.ports or (0, 0)
    problem: EnvironmentProblem | None = None
    for port in range(low, high + 1):
        try:
            return address.bind(address.resolve(job.host, port=port))
        except EnvironmentProblem as error:
            problem = error
    assert problem is not None
    raise problem


if __name__ == "__main__":
    sys.exit(main())
