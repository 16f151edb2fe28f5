"""`llmsync receive`: take part in a delivery over UDP."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from toolkit.cli.arithmetic import announce_arithmetic
from toolkit.cli.console import print_data, say, table
from toolkit.cli.interruption import terminable
from toolkit.cli.receipt_files import keep_own_receipt
from toolkit.cli.receive_options import add_options, read_settings
from toolkit.cli.terminal import Display, Rate, receiving_line
from toolkit.errors import ExitCode

if TYPE_CHECKING:
    from toolkit.agent.session import ReceivingSession
    from toolkit.delivery.events import ReceiverOutput


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments."""
    add_options(parser)
    parser.epilog = (
        "example: llmsync receive --name fra --listen 0.0.0.0:4401 --sender 192.0.2.1 "
        "--output models/llama --trust llmsync.key.pub"
    )


def run(args: argparse.Namespace) -> int:
    """Receive; return 0 when every file is verified and placed."""
    with terminable():
        return _receive(args)


def _receive(args: argparse.Namespace) -> int:
    settings = read_settings(args)
    from toolkit.agent.session import open_session
    from toolkit.agent.settings import EASY_WINDOW

    announce_arithmetic()
    display = Display(auto=args.progress == "auto")
    began = datetime.now(UTC)
    session = open_session(settings, display.say)
    if settings.window < EASY_WINDOW:
        say(
            f"--window {args.window}: where packets get lost, what does not fit is sent again "
            "(64M is enough)"
        )
    if settings.device == "cpu":
        say("--gpu cpu: tensors are handed out in this machine's memory; no GPU is used")
    if (device := session.keeping.device) is not None:
        for trouble in device.digest_troubles():
            say(f"blocks are hashed on the device by {device.digest_kind}, slowly; {trouble}")
    teller = _Teller(session, display)
    try:
        with session:
            session.run(teller)
    except KeyboardInterrupt:
        if not session.prepared:
            raise
        display.end()
        say(f"llmsync: interrupted; {session.kept}")
        return ExitCode.INTERRUPTED
    finally:
        display.end()
    return _finish(args, session, began)


class _Teller:
    """Tells the person what happens."""

    def __init__(self, session: ReceivingSession, display: Display) -> None:
        self._session = session
        self._display = display
        self._rate = Rate(time.monotonic())
        self._faults: set[str] = set()
        """Kinds of trouble with --fallback that were told."""

    def __call__(self, outputs: list[ReceiverOutput]) -> None:
        from toolkit.delivery import events

        for output in outputs:
            match output:
                case events.ManifestVerified():
                    self._display.say(self._manifest())
                case events.FileVerified(path=path):
                    self._display.say(f"{path}: verified")
                case _:
                    pass
        now = time.monotonic()
        self._tell_faults()
        session = self._session
        if session.opened is not None and session.receipt is None and self._display.due(now):
            counters, manifest = session.counters, session.opened.manifest
            rate = self._rate.of(counters.bytes, now)
            line = receiving_line(manifest.name, manifest.size, counters, rate)
            self._display.show(now, line, lambda: [line])

    def _manifest(self) -> str:
        from toolkit.delivery.keys import fingerprint

        opened = self._session.opened
        assert opened is not None
        proof = "is trusted" if self._session.checked else "is not checked, see --trust and --pin"
        return (
            f"{opened.manifest.name}: {len(opened.manifest.files)} files, "
            f"{opened.manifest.size} bytes; signed by {fingerprint(opened.key)}, which {proof}"
        )

    def _tell_faults(self) -> None:
        from toolkit.agent.falling_back import trouble

        fetching = self._session.fetching
        kinds = set() if fetching is None else set(fetching.fetcher.faults)
        if kinds - self._faults:
            self._display.say(trouble(fetching))
            self._faults |= kinds


def _finish(args: argparse.Namespace, session: ReceivingSession, began: datetime) -> int:
    """Print the outcome and keep the receipt; raise what went wrong."""
    for sentence in () if session.drops is None else session.drops.sentences():
        say(f"llmsync: {sentence}")
    if session.error is not None:
        raise session.error
    if session.receipt is None:
        return ExitCode.FINDINGS
    document = session.document()
    if args.format == "json":
        print_data(document, "json")
    else:
        _print_tables(document)
    keep_own_receipt(args, session, began)
    return ExitCode.OK


def _print_tables(document: dict[str, Any]) -> None:
    timeline = document.pop("timeline")
    document["refused"] = sum(document["refused"].values())
    if "https_faults" in document:
        document["https_faults"] = _listed(document["https_faults"]) or 0
    if document["kernel_drops"] is not None:
        document["kernel_drops"] = _listed(document["kernel_drops"])
    print(table(("figure", "value"), [(k, v) for k, v in document.items() if v is not None]))
    rows = [
        (step.replace("_", " "), f"{s['at']:.3f}", f"{s['seconds']:.3f}", f"{s['share']:.0%}")
        for step, s in timeline.items()
    ]
    print()
    print(table(("step", "after s", "took s", "share"), rows))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{k} {v}" for k, v in counts.items())
