"""`llmsync bier forward`: be a BFR on real interfaces, by a BIFT document."""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from toolkit.cli.bier_file import load_program
from toolkit.cli.console import print_data, say
from toolkit.errors import EnvironmentProblem, ExitCode, ToolkitError, UsageError

if TYPE_CHECKING:
    from toolkit.bier.program import Program
    from toolkit.bier.runtime_socket import SocketRuntime

PLANES = ("socket", "ebpf")
LOOPBACK = "127.0.0.1"
IDLE = 1.0
"""Seconds after which a loop without news looks at its bounds."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments."""
    parser.add_argument("file", type=Path, help="BIFT document, JSON or YAML")
    parser.add_argument("--check", action="store_true", help="only read FILE and say what it is")
    parser.add_argument("--plane", choices=PLANES, default="socket", help="what forwards")
    parser.add_argument("--count", type=int, metavar="N", help="stop after N frames came in")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after S seconds")
    parser.add_argument(
        "--metrics",
        metavar="[HOST:]PORT",
        help=f"serve counters for Prometheus at /metrics (HOST by default: {LOOPBACK})",
    )
    parser.add_argument(
        "--stats", type=Path, metavar="FILE",
        help="write counters there, as JSON, at the end and on SIGUSR1 (default: standard output)",
    )  # fmt: skip
    parser.add_argument(
        "--state", type=Path, metavar="FILE",
        help="write tables and counters there at the same times, as JSON of the YANG module "
        "llmsync-bier (RFC 7951)",
    )  # fmt: skip
    parser.add_argument(
        "--host-interface", default="bier0", metavar="NAME",
        help="device by which this host gets packets of its own (default: %(default)s)",
    )  # fmt: skip
    parser.epilog = (
        "SIGHUP reads FILE again: if anything is wrong in it, the tables stay as they are.\n"
        "SIGINT and SIGTERM end it; counters are written then.\n\n"
        "examples:\n"
        "  llmsync bier forward r1.yaml --check\n"
        "  llmsync bier forward r1.yaml --metrics 127.0.0.1:9101"
    )


def run(args: argparse.Namespace) -> int:
    """Forward until told to stop."""
    if args.count is not None and args.count < 1:
        raise UsageError(f"--count {args.count}: must be positive")
    if args.seconds is not None and not 0 < args.seconds < 1e9:
        raise UsageError(f"--seconds {args.seconds:g}: must be positive")
    metrics = _host_port(args.metrics) if args.metrics else None
    if not 0 < len(args.host_interface.encode()) < 16:
        raise UsageError(f"--host-interface {args.host_interface}: 1 to 15 characters")
    for path in filter(None, (args.stats, args.state)):
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(f"{path}: cannot be written: not a file in a folder that exists")
    program = load_program(args.file)
    if args.check:
        print(_summary(args.file, program))
        return ExitCode.OK
    with ExitStack() as stack:
        # Until there is a loop that takes signals: what was made for a start is given back.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        stack.callback(signal.signal, signal.SIGTERM, before)
        runtime = _runtime(program, args.host_interface, args.plane)
        stack.callback(runtime.close)
        forwarder = _Forwarder(runtime, args)
        if metrics is not None:
            from toolkit.bier.runtime_metrics import MetricsServer

            server = MetricsServer(*metrics, lambda: runtime.snapshot().prometheus())
            stack.callback(server.close)
            say(f"llmsync: counters at http://{server.address}/metrics")
        stack.enter_context(forwarder.listening())
        say(
            f"llmsync: {program.name} forwards BIER on {', '.join(program.interfaces) or 'nothing'}"
        )
        finished = forwarder.forward()
        forwarder.write(last=True)
    bounded = args.count is not None or args.seconds is not None
    return ExitCode.INTERRUPTED if bounded and not finished else ExitCode.OK


def _runtime(program: Program, host_interface: str, plane: str) -> SocketRuntime:
    try:
        if plane == "ebpf":
            from toolkit.bier.runtime_kernel import KernelRuntime

            return KernelRuntime(program, host_interface=host_interface)
        from toolkit.bier.runtime_socket import SocketRuntime
    except ImportError as error:
        if error.name is None or not error.name.startswith("pyroute2"):
            raise
        raise EnvironmentProblem("pyroute2 is missing: pip install 'llmsync[forward]'") from None
    return SocketRuntime(program, host_interface=host_interface)


def _host_port(text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--metrics {text}: is not [HOST:]PORT")
    return host.strip("[]") or LOOPBACK, int(port)


def _summary(file: Path, program: Program) -> str:
    tables = len(program.routes) + len(program.rows)
    follows = (
        "" if program.following is None else f", {len(program.following.tables)} of them follow"
    )
    return (
        f"{file}: {program.name}: {len(program.interfaces)} interfaces, {tables} tables{follows}, "
        f"{len(program.ingress)} ingress and {len(program.egress)} egress flows; nothing is wrong"
    )


class _Forwarder:
    """One run: the loop, its bounds, and the signals that it listens to."""

    def __init__(self, runtime: SocketRuntime, args: argparse.Namespace) -> None:
        self._runtime, self._args = runtime, args
        self._signals: list[int] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals meanwhile; each wakes the loop."""
        taken = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
        before = {number: signal.signal(number, self._note) for number in taken}
        waker = signal.set_wakeup_fd(self._runtime.waker, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(waker)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def forward(self) -> bool:
        """Return True where a bound ended it, False where a signal did."""
        args, runtime = self._args, self._runtime
        started, frames = time.monotonic(), 0
        while True:
            while self._signals:
                number = self._signals.pop(0)
                if number == signal.SIGHUP:
                    self._reload()
                elif number == signal.SIGUSR1:
                    self._write_meanwhile()
                else:
                    return False
            left = IDLE
            if args.seconds is not None:
                left = min(IDLE, started + args.seconds - time.monotonic())
                if left <= 0:
                    return True
            frames += runtime.poll(left)
            if args.count is not None and frames >= args.count:
                return True

    def _reload(self) -> None:
        file = self._args.file
        try:
            program = load_program(file)
            self._runtime.load(program)
        except ToolkitError as error:
            for line in str(error).splitlines():
                say(f"llmsync: {line}")
            say(f"llmsync: {file} is not used; forwarding goes on by the tables as they were")
        else:
            say(f"llmsync: {file} is in use")

    def _write_meanwhile(self) -> None:
        """A full disk is no reason to stop forwarding."""
        try:
            self.write()
        except EnvironmentProblem as error:
            say(f"llmsync: {error}; forwarding goes on")

    def write(self, *, last: bool = False) -> None:
        """Write counters and state to where they are wanted."""
        snapshot, node = self._runtime.snapshot(), self._runtime.node
        document = snapshot.document()
        if self._args.stats is not None:
            _replace(self._args.stats, document)
        elif last:
            print_data(document, "json")
        if self._args.state is not None:
            _replace(self._args.state, snapshot.state(node.engine.bifts, node.program.bift_ids))


def _replace(path: Path, value: object) -> None:
    """Write a file in one step: who reads it finds the old one or the new one, whole."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise EnvironmentProblem(f"{path}: cannot be written: {error.strerror or error}") from error
