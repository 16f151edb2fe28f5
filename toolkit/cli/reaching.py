"""Probing receivers before something is sent to them: for `send` and `doctor`."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import say, table
from toolkit.errors import EnvironmentProblem

if TYPE_CHECKING:
    import socket

    from toolkit.delivery.control import Message
    from toolkit.delivery.doorkeeper import Doorkeeper
    from toolkit.delivery.events import SenderOutput
    from toolkit.delivery.reach import Verdict
    from toolkit.delivery.sender import Sender
    from toolkit.transport.address import Address

ANSWERING = 1.0
"""Seconds that receivers which are there may take to answer, beyond those that absent ones get."""


def probe(
    sock: socket.socket,
    names: Sequence[str],
    addresses: dict[str, tuple[str, int]],
    group: Address | None,
    payload: int,
    rate: int,
    *,
    patience: float,
    nobody: float,
    take: Callable[[bytes, tuple[str, int], float], Message | None] | None = None,
    each: Callable[[], bool] = lambda: False,
) -> tuple[list[Verdict], list[Message]]:
    """Return a verdict on each receiver, and what each has said meanwhile.

    It takes a few round trips where all is well, and `patience` seconds at most once somebody is
    heard; anybody is waited for `nobody` seconds.  `take`, `each`: as of `run_probing`.
    """
    from toolkit.delivery.probe import Probing
    from toolkit.transport.probing import run_probing

    probing = Probing(
        tsi=int.from_bytes(os.urandom(4)), probe_id=int.from_bytes(os.urandom(4)), names=names,
        payload=payload, group=group is not None, rate=rate,
        patience=patience + ANSWERING, absent=patience, nobody=nobody,
        addressed=set(addresses),
    )  # fmt: skip
    heard: dict[tuple[str, type], Message] = {}
    verdicts = run_probing(probing, sock, addresses, group, take, heard, each)
    return verdicts, list(heard.values())


@dataclass(frozen=True, slots=True)
class Reached:
    """How each receiver is reached, as its probes said."""

    verdicts: Sequence[Verdict]
    grouped: bool

    @property
    def apart(self) -> frozenset[str]:
        """Those that the group does not reach."""
        return apart(self.verdicts, group=self.grouped)

    def reach(self, name: str) -> str | None:
        """What its probes said; None: it was not probed."""
        return next((str(v.reach) for v in self.verdicts if v.receiver == name), None)

    def by(self, name: str) -> str:
        """By which way it got what all need."""
        return "group" if self.grouped and name not in self.apart else "unicast"


def first(
    args: argparse.Namespace,
    sock: socket.socket,
    names: Sequence[str],
    known: dict[str, tuple[str, int]],
    group: Address | None,
    rate: int,
    door: Doorkeeper,
    watch: Callable[[list[SenderOutput]], None],
    sender: Sender,
) -> Reached:
    """Before `send` sends: see how each receiver is reached, and say what is amiss."""
    from toolkit.delivery.reach import Reach

    grouped = group is not None

    def take(data: bytes, source: tuple[str, int], now: float) -> Message | None:
        return door.admit(data, source, now, 0)

    def each() -> bool:
        watch([])
        return sender.failure is not None

    if args.no_probe:
        return Reached((), grouped)
    verdicts, said = probe(
        sock, names, known, group, args.payload, rate,
        patience=min(max(sender.session.gather, 0.5), 5.0), nobody=args.timeout, take=take,
        each=each,
    )  # fmt: skip
    there = [v for v in verdicts if v.reach is not Reach.NONE]  # Others may be started later.
    tell(there, group=grouped)
    if there and all(v.reach is Reach.SMALL for v in there):
        longest = min(max(v.group_size, v.unicast_size) for v in there)
        raise EnvironmentProblem(
            f"packets of {args.payload} bytes of payload reach nobody (give --payload {longest}, "
            "or raise the MTU on the path; llmsync doctor --to ... shows more)"
        )
    for message in said:
        watch(sender.hear(message, time.monotonic()))
    return Reached(verdicts, grouped)


def well(verdict: Verdict, *, group: bool) -> bool:
    """Whether a receiver is reached as it was asked."""
    from toolkit.delivery.reach import Reach

    return verdict.reach is (Reach.MULTICAST if group else Reach.UNICAST)


def apart(verdicts: Sequence[Verdict], *, group: bool) -> frozenset[str]:
    """Receivers that answer probes and that full-size packets to the group do not reach."""
    from toolkit.delivery.reach import Reach

    known = (Reach.UNICAST, Reach.SMALL)
    return frozenset(v.receiver for v in verdicts if group and v.reach in known)


def documents(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts as data."""
    return [
        {
            "receiver": v.receiver, "reach": str(v.reach),
            "rtt": None if v.rtt is None else round(v.rtt, 6), "group_payload": v.group_size,
            "unicast_payload": v.unicast_size, "hops": v.hops, "what": v.what,
            "remedy": v.remedy,
        }
        for v in verdicts
    ]  # fmt: skip


def tabled(verdicts: Sequence[Verdict]) -> str:
    """Verdicts as a table."""
    rows = [
        [
            v.receiver, str(v.reach), "-" if v.rtt is None else f"{v.rtt * 1000:.1f} ms",
            v.group_size or "-", v.unicast_size or "-", v.hops or "-",
        ]
        for v in verdicts
    ]  # fmt: skip
    return table(("receiver", "reached by", "rtt", "group", "unicast", "hops"), rows)


def tell(verdicts: Sequence[Verdict], *, group: bool) -> None:
    """Say what is not as it was asked, and what changes it."""
    for verdict in verdicts:
        if not well(verdict, group=group):
            served = (
                "; it is served by unicast" if verdict.receiver in apart([verdict], group=group)
                else ""
            )  # fmt: skip
            say(f"{verdict.receiver}: {verdict.what}{served} ({verdict.remedy})")
