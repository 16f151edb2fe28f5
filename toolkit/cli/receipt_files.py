"""Receipts as files: JSON for people and machines, its signature beside it, JUnit for CI."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import say
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from toolkit.agent.session import ReceivingSession
    from toolkit.delivery.receipts import Told
    from toolkit.delivery.sender import Sender


def add_receipts(parser: argparse._ActionsContainer) -> None:
    """Add `--receipt` and `--receipt-junit`."""
    parser.add_argument(
        "--receipt", type=Path, metavar="FILE",
        help="write who holds what, by which digests, as JSON; signed in FILE.sig "
        "(llmsync receipt verify)",
    )  # fmt: skip
    parser.add_argument(
        "--receipt-junit", type=Path, metavar="FILE",
        help="write it as JUnit XML, one test case for each receiver",
    )  # fmt: skip


def signature_path(path: Path) -> Path:
    """Where the signed envelope of the receipt in `path` is."""
    return path.with_name(path.name + ".sig")


def keep_receipts(args: argparse.Namespace, sender: Sender, began: datetime) -> None:
    """Write a sender's receipts, signed by the key that signed the manifest."""
    if args.receipt is None and args.receipt_junit is None:
        return
    from toolkit.delivery.receipts import Told, receiver_receipt

    key = sender.session.key
    told = Told(
        role="sender", version=_version(), tsi=sender.session.tsi, manifest=sender.manifest,
        signing_key=key.public_key().public_bytes_raw(), began=_iso(began),
        ended=_iso(datetime.now(UTC)), counters={
            "packets": sender.tally.packets, "repairs": sender.tally.repairs,
            "late": sender.tally.late,
            "bytes-read": sender.bytes_read,
        },
    )  # fmt: skip
    _write(args, told, [receiver_receipt(r) for r in sender.results()], key)


def keep_own_receipt(args: argparse.Namespace, session: ReceivingSession, began: datetime) -> None:
    """Write a receiver's own receipt, signed where it has a key for that."""
    opened, receipt = session.opened, session.receipt
    if (args.receipt is None and args.receipt_junit is None) or opened is None or receipt is None:
        return
    from toolkit.delivery.keys import public_path, sending_key
    from toolkit.delivery.receipts import Told, own_receipt

    key = None
    if args.receipt_key is not None:
        key, made = sending_key(args.receipt_key)
        if made:
            say(f"made a key: {args.receipt_key}; {public_path(args.receipt_key)} proves receipts")
    counters = session.counters
    told = Told(
        role="receiver", version=_version(), manifest=opened.manifest, signing_key=opened.key,
        tsi=0 if session.joined is None else session.joined.tsi, began=_iso(began),
        ended=_iso(datetime.now(UTC)), counters={
            "packets": counters.packets, "bytes": counters.bytes,
            "packets-duplicate": counters.duplicates, "parity-used": counters.repaired,
            "blocks-polluted": counters.polluted, "blocks-evicted": counters.evicted,
            "packets-ignored": sum(counters.ignored.values()),
        },
    )  # fmt: skip
    _write(args, told, [own_receipt(receipt, counters, session.own())], key)


def _write(
    args: argparse.Namespace, told: Told, receivers: Sequence[dict[str, Any]],
    key: Ed25519PrivateKey | None,
) -> None:  # fmt: skip
    from toolkit.delivery.receipts import receipt_document, sign_receipt
    from toolkit.report.junit_receipts import junit_receipts

    document = receipt_document(told, list(receivers))
    if args.receipt is not None:
        _put(args.receipt, document)
        if key is not None:
            _put(signature_path(args.receipt), sign_receipt(document, key))
    if args.receipt_junit is not None:
        text = junit_receipts(told.manifest.name, list(receivers), told.manifest.size)
        _put(args.receipt_junit, text.encode())


def _put(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(
            f"{path}: the receipt cannot be written: {error.strerror}; the delivery itself has "
            "ended as said above (name a file that can be written)"
        ) from None


def _version() -> str:
    from toolkit import __version__

    return __version__


def _iso(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
