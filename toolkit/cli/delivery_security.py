"""Options of `send` and `receive` that keep a delivery private, authentic and accounted for."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import say
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.delivery.admission import AuditRecord
    from toolkit.delivery.doorkeeper import Doorkeeper
    from toolkit.delivery.events import SenderOutput
    from toolkit.delivery.model import ReceiverResult
    from toolkit.delivery.provenance import Provenance
    from toolkit.delivery.sender import Sender


def add_send(parser: argparse._ActionsContainer) -> None:
    """Add the options of a sender."""
    _add_both(parser, "made when missing; give it to the receivers")
    parser.add_argument(
        "--audit-log", type=Path, metavar="FILE",
        help="append who joined, was refused and ended how, as lines of JSON",
    )  # fmt: skip


def add_receive(parser: argparse._ActionsContainer) -> None:
    """Add the options of a receiver."""
    _add_both(parser, "the sender's file")
    parser.add_argument(
        "--pin", type=Path, metavar="FILE",
        help="remember the first signer there and take no other, and nothing older than what "
        "was placed; made when missing",
    )  # fmt: skip
    parser.add_argument(
        "--source", action="append", default=[], metavar="HOST[:PORT]",
        help="an address that packets may come from, besides --sender's",
    )  # fmt: skip


def _add_both(parser: argparse._ActionsContainer, seal_key: str) -> None:
    parser.add_argument(
        "--seal-key", type=Path, metavar="FILE",
        help=f"encrypt what travels (AES-128-GCM) with a key from there; {seal_key}",
    )  # fmt: skip
    parser.add_argument(
        "--control-token", type=Path, metavar="FILE",
        help="receivers prove who they are with this secret, the same at both ends",
    )  # fmt: skip
    parser.add_argument(
        "--model-signature", type=Path, metavar="FILE",
        help="bundle of OpenSSF Model Signing (default: model.sig in the model's folder)",
    )  # fmt: skip
    parser.add_argument(
        "--model-key", type=Path, metavar="FILE",
        help="public key or certificate that must have signed the model",
    )  # fmt: skip
    parser.add_argument(
        "--require-model-signature", action="store_true",
        help="refuse a model whose signature is not verified (needs --model-key)",
    )  # fmt: skip


def seal_key(path: Path | None) -> bytes | None:
    """Return the key in a sender's file of --seal-key."""
    from toolkit.delivery import key_files

    if path is None:
        return None
    key, made = key_files.seal_key(path, make=True)
    if made:
        say(f"made a seal key: {path}; give it to the receivers, for their --seal-key")
    return key


def provenance(args: argparse.Namespace) -> Provenance:
    """Return what is asked of the model's own signature."""
    from toolkit.delivery.provenance import Provenance

    if args.require_model_signature and args.model_key is None:
        raise UsageError("--require-model-signature: --model-key is missing, who must have signed?")
    return Provenance(args.model_signature, args.model_key)


def check_model(asked: Provenance, folder: Path) -> None:
    """Check a model's own signature, and tell the person what was found."""
    told = asked.check(folder)
    if told:
        say(told)


def serial() -> int:
    """Return a serial for a new session: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class AuditLog:
    """Appends lines to a file; without one, to nothing."""

    def __init__(self, path: Path | None) -> None:
        self._descriptor: int | None = None
        self._told: set[str] = set()
        if path is not None:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(path, flags, 0o600)
            except OSError as error:
                raise UsageError(
                    f"--audit-log {path}: {error.strerror} (name a file that can be written)"
                ) from None

    def turn(self, records: list[AuditRecord], outputs: list[SenderOutput], tsi: int) -> None:
        """Write what the door has noted, and who has ended."""
        from toolkit.delivery.events import Settled

        results = [o.result for o in outputs if isinstance(o, Settled)]
        self.write(records)
        self._endings(results, tsi)

    def ended(self, sender: Sender) -> None:
        """Write how those ended that never said it, or said it by another way."""
        results = [r for r in sender.results() if r.receiver not in self._told]
        self._endings(results, sender.session.tsi)

    def _endings(self, results: list[ReceiverResult], tsi: int) -> None:
        from toolkit.delivery.admission import AuditRecord

        self._told.update(r.receiver for r in results)
        self.write(
            [
                AuditRecord(
                    event=str(r.standing), who=r.receiver, session=str(tsi),
                    outcome=r.reason or "ok",
                )
                for r in results
            ]
        )  # fmt: skip

    def write(self, records: list[AuditRecord]) -> None:
        """Write all records, and empty the list."""
        if self._descriptor is not None and records:
            now = time.time()
            os.write(self._descriptor, "".join(r.line(now) for r in records).encode())
        records.clear()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def doorkeeper(
    args: argparse.Namespace, names: Sequence[str], known: dict[str, tuple[str, int]], tsi: int
) -> Doorkeeper:
    """Return who looks after control messages."""
    from toolkit.delivery import key_files
    from toolkit.delivery.doorkeeper import Doorkeeper

    token = key_files.token(args.control_token) if args.control_token else None
    return Doorkeeper(names, known, token=token, session=str(tsi))
