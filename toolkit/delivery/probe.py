"""Probes before a session: which way, and with which packets, is each receiver reached?

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------+---------------+-------------------------------+
    |   HET = 100   |    HEL = 4    |      Size of the datagram     |
    +---------------+---------------+-------------------------------+
    |                            Probe id                           |
    +---------------------------------------------------------------+
    |                             Number                            |
    +---------------------------------------------------------------+
    |                             Serial                            |
    +---------------------------------------------------------------+

EXT_PROBE, a header extension of LCT packets with a TSI of their own and zeros behind the header up
to the size that is tried, sent with DF set.  A receiver of ours tells which numbers have come
(control message PROBED); any other ALC receiver sees a session that is not its own.

The numbers are those of a list that only the sender knows: a size, a TTL, and whether it goes to
the group.  The serial tells packets of one number apart.  Answers are gathered for a moment, so
that a receiver says little however much it is sent, and only to the sender that it was told of.
Pure.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from toolkit.delivery import control
from toolkit.delivery.control import Probed
from toolkit.delivery.pacing import Pacer
from toolkit.delivery.reach import Verdict, judge
from toolkit.delivery.wire import Extension, Header
from toolkit.errors import WireError

EXT_PROBE = 100
PROBE_TOI = 0
SMALL = 128
"""UDP payload of probes that try reach and not size."""
SIZES = (8800, 4000, 1472, 1452, 1400, 1252, 548)
"""UDP payloads that are tried below the session's own: what MTUs of 9000, 4 KB, 1500 (IPv4, IPv6
and tunnels), 1280 and 576 leave."""
TTLS = (1, 2, 4, 8, 16)
PAUSES = (0.1, 0.2, 0.3)
"""Seconds after which what has not been answered is sent again; the last one ever again."""
SOON = 0.03
"""The same when a receiver is heard for the first time; others may follow it."""
GATHER = 0.02
"""Seconds for which a receiver gathers what comes before it answers."""
MAX_NUMBERS = 64

_EXT = struct.Struct("!HIII")


@dataclass(frozen=True, slots=True)
class Shot:
    """One probe to send."""

    receiver: str | None
    """None: to the group."""
    datagram: bytes
    ttl: int | None
    """None: the usual one."""
    number: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What the packets of one number try."""

    group: bool
    size: int
    ttl: int | None = None


def trials(payload: int, *, group: bool) -> tuple[Trial, ...]:
    """What is tried for a session with `payload` bytes in each packet, by number."""
    sizes = [payload, *(s for s in SIZES if SMALL < s < payload), SMALL]
    ways = (True, False) if group else (False,)
    found = [Trial(way, size) for way in ways for size in sizes]
    if group:
        found += [Trial(True, SMALL, ttl) for ttl in TTLS]
    return tuple(found)


def encode(tsi: int, probe_id: int, number: int, size: int, serial: int) -> bytes:
    """Return a probe of `size` bytes."""
    content = _EXT.pack(size, probe_id, number, serial)
    header = Header(tsi=tsi, toi=PROBE_TOI, extensions=(Extension(EXT_PROBE, content),)).encode()
    return header.ljust(size, b"\0")


class Probe(NamedTuple):
    """What EXT_PROBE says."""

    size: int
    probe_id: int
    number: int
    serial: int


def parse(header: Header) -> Probe | None:
    """Return what the probe says that `header` belongs to, None when it is no probe's."""
    found = header.extension(EXT_PROBE)
    if found is None:
        return None
    if len(found.content) != _EXT.size:
        raise WireError(f"EXT_PROBE: {len(found.content)} bytes of content, 14 expected")
    return Probe(*_EXT.unpack(found.content))


class ProbeAnswers:
    """A receiver's side: what has come, and when to tell of it."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self.due = math.inf
        """When `answer` wants to be called."""
        self._chance = chance
        self._id = 0
        self._numbers: set[int] = set()
        self._last = 0, 0.0
        """Serial of the one that came last, and when."""

    def take(self, probe: Probe, length: int, now: float) -> str:
        """A probe is here, in a datagram of `length` bytes; return why it is of no use, or ''."""
        size, probe_id, number, serial = probe
        if size != length:
            return "a probe that was cut short"
        if number >= MAX_NUMBERS:
            return "a probe with a number that is too high"
        if probe_id != self._id:
            self._id = probe_id
            self._numbers.clear()
        self._numbers.add(number)
        self._last = serial, now
        if self.due == math.inf:
            self.due = now + GATHER * (1 + self._chance())
        return ""

    def answer(self, now: float) -> Probed:
        """What has come of the latest probing."""
        self.due = math.inf
        mask = sum(1 << number for number in self._numbers)
        last, when = self._last
        held = min(round((now - when) * 1e6), 0xFFFFFFFF)
        return Probed(probe_id=self._id, mask=mask, last=last, held=held)


@dataclass(slots=True)
class _Target:
    """What is known of one receiver meanwhile."""

    name: str
    heard: bool = False
    answered: bool = False
    mask: int = 0
    refused: int = 0
    """Numbers that our own host would not send: longer than the way allows, as it knows."""
    rtt: float | None = None


@dataclass
class Probing:
    """The sender's side: probes `names`, then has a verdict on each.

    `addressed`: those whose unicast address is known; `address` adds to them.
    """

    tsi: int
    probe_id: int
    names: Sequence[str]
    payload: int
    group: bool
    rate: int
    patience: float = 2.0
    """Seconds that it takes at most once somebody has been heard."""
    absent: float = 2.0
    """Seconds, from then on, after which receivers that were not heard are not waited for."""
    nobody: float = 2.0
    """Seconds that anybody is waited for."""
    addressed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._trials = trials(self.payload, group=self.group)
        self._wanted = sum(1 << n for n, t in enumerate(self._trials) if t.size == self.payload)
        self._targets = {name: _Target(name) for name in self.names}
        self._pacer = Pacer(self.rate)
        self._queue: deque[tuple[str | None, int]] = deque()
        self._again = 0.0
        """When what is not answered is sent again."""
        self._round = 0
        self._started: float | None = None
        self._first: float | None = None
        """When somebody was heard for the first time."""
        self._now = 0.0
        self._shots: list[float] = []
        """When each was sent, by serial."""

    @property
    def finished(self) -> bool:
        """Everybody has told of everything that can be hoped for, or patience has run out."""
        if self._started is None:
            return False
        if self._first is None:
            return self._now >= self._started + self.nobody
        if self._now >= self._first + self.patience:
            return True
        late = self._now >= self._first + self.absent
        return all(self._satisfied(t) or (late and not t.heard) for t in self._targets.values())

    @property
    def deadline(self) -> float | None:
        """When to call `poll` again."""
        if self._started is None:
            return 0.0
        if self.finished:
            return None
        if self._first is None:
            due = self._started + self.nobody
        else:
            absent = self._first + self.absent
            due = absent if self._now < absent else self._first + self.patience
        if self._queue:
            due = min(due, self._pacer.next)
        return due if self._first is None and self._round else min(due, self._again)

    def poll(self, now: float, budget: int = 16) -> list[Shot]:
        """What to send now."""
        self._now = now
        if self._started is None:
            self._started = now
        if self.finished:
            return []
        # Until somebody is heard, one round is enough: a receiver that starts speaks first.
        if now >= self._again and not (self._first is None and self._round):
            self._again = now + PAUSES[min(self._round, len(PAUSES) - 1)]
            self._round += 1
            self._load()
        until = self._pacer.until(now)
        out: list[Shot] = []
        while self._queue and len(out) < budget and self._pacer.next <= until:
            receiver, number = self._queue.popleft()
            trial = self._trials[number]
            datagram = encode(self.tsi, self.probe_id, number, trial.size, len(self._shots))
            self._pacer.spend(len(datagram))
            self._shots.append(now)
            out.append(Shot(receiver, datagram, trial.ttl, number))
        return out

    def refused(self, shot: Shot) -> None:
        """Our own host would not send it: it is too long for the interface, or for the path."""
        targets = self._targets.values() if shot.receiver is None else (self._of(shot.receiver),)
        for target in targets:
            target.refused |= 1 << shot.number

    def address(self, name: str) -> None:
        """A receiver's address has become known."""
        if name not in self.addressed and name in self._targets:
            self.addressed.add(name)
            self._queue.extend((name, n) for n in self._unicast())

    def receive(self, message: control.Message, now: float) -> None:
        """A control message has come: an answer, or another sign of life."""
        self._now = max(self._now, now)
        target = self._targets.get(message.name)
        if target is None:
            return
        if not target.heard:
            target.heard = True
            self._first = now if self._first is None else self._first
            self._again, self._round = min(self._again, now + SOON), 0
        body = message.body
        if not isinstance(body, Probed) or body.probe_id != self.probe_id:
            return
        target.answered = True
        target.mask |= body.mask
        if body.last < len(self._shots):
            rtt = max(now - self._shots[body.last] - body.held / 1e6, 0.0)
            target.rtt = rtt if target.rtt is None else min(target.rtt, rtt)

    def verdicts(self) -> list[Verdict]:
        """What is known, receiver by receiver."""
        return [self._verdict(target) for target in self._targets.values()]

    def _of(self, name: str) -> _Target:
        return self._targets[name]

    def _unicast(self) -> list[int]:
        return [n for n, t in enumerate(self._trials) if not t.group]

    def _load(self) -> None:
        """Queue what somebody has not answered."""
        self._queue.clear()
        open_targets = [t for t in self._targets.values() if not self._satisfied(t)]
        for number, trial in enumerate(self._trials):
            if trial.group:
                if any(not t.mask >> number & 1 for t in open_targets):
                    self._queue.append((None, number))
            else:
                self._queue.extend(
                    (t.name, number)
                    for t in open_targets
                    if t.name in self.addressed and not t.mask >> number & 1
                )

    def _satisfied(self, target: _Target) -> bool:
        """Nothing more needs to be known: the longest packets come by every way that there is."""
        return target.mask & self._wanted == self._wanted

    def _longest(self, target: _Target, *, group: bool) -> int:
        return max(
            (t.size for n, t in enumerate(self._trials)
             if t.group is group and target.mask >> n & 1),
            default=0,
        )  # fmt: skip

    def _verdict(self, target: _Target) -> Verdict:
        by_group = self._longest(target, group=True)
        by_unicast = self._longest(target, group=False)
        reaching = [
            t.ttl for n, t in enumerate(self._trials)
            if t.ttl is not None and target.mask >> n & 1
        ]  # fmt: skip
        reach, what, remedy = judge(
            target.name, by_group, by_unicast, self.payload, group=self.group,
            heard=target.heard, answered=target.answered,
        )  # fmt: skip
        return Verdict(
            receiver=target.name, reach=reach, rtt=target.rtt, group_size=by_group,
            unicast_size=by_unicast, hops=min(reaching, default=None), what=what, remedy=remedy,
        )  # fmt: skip
