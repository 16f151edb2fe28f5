"""Blocks by HTTP ranges: what to ask for next, and what to make of an answer.

For a receiver that packets do not reach.  What comes this way is held against the same digests and
goes the same way to the same Sink, so that an unfinished delivery can go on by packets and the
other way round.  Nothing that a server says is believed: an answer that is not exactly what was
asked for is counted by its reason and thrown away, and a block with another digest is never
written.  After a failure there is a pause that doubles; an answer that is right ends it.

Pure: `toolkit.transport.ranges` asks the server.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice

from toolkit.delivery.events import ReceiverOutput as Output
from toolkit.delivery.manifest import DIGEST_SIZE, OpenedManifest
from toolkit.delivery.model import Stretch
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.reception import State
from toolkit.delivery.stretches import sequence
from toolkit.errors import DeliveryError, WireError

LONGEST = 4 * 2**20
"""Bytes of one request at most, one block at least."""
PARALLEL = 4
MAX_MANIFEST = 64 * 2**20
FIRST_PAUSE, LAST_PAUSE = 0.2, 15.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Kind(Enum):
    """What is asked for."""

    MANIFEST = auto()
    DIGESTS = auto()
    BLOCKS = auto()


@dataclass(frozen=True, slots=True)
class Want:
    """One request."""

    kind: Kind
    path: str = ""
    file: int = 0
    first: int = 0
    """Number of the first block."""
    count: int = 0
    offset: int = 0
    length: int = 0
    """Bytes; of a manifest at most."""
    size: int = 0
    """Of the whole file."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    status: int = 0
    content_range: str = ""
    etag: str = ""
    body: bytes = b""
    error: str = ""
    """Why there is no answer, or no whole one."""


class Fetcher:
    """Fetches for one receiver.  `chance`: numbers in [0, 1).

    `offers_all`: the server has the manifest and the digests, not only files.
    """

    def __init__(
        self, chance: Callable[[], float], *, offers_all: bool, parallel: int = PARALLEL
    ) -> None:
        self.bytes = 0
        """Of blocks that were right and that nothing else had brought."""
        self.requests = 0
        self.faults: Counter[str] = Counter()
        """Answers that were thrown away, by reason."""
        self.problem = ""
        """The last of them, in full."""
        self.since: float | None = None
        """When something was right last, or fetching began; None: it has not begun."""
        self.due = 0.0
        """Until then it pauses."""
        self._chance = chance
        self._offers_all = offers_all
        self._parallel = parallel
        self._under_way: set[Want] = set()
        self._failures = 0
        self._etags: dict[str, str] = {}
        self._of: OpenedManifest | None = None
        self._order: list[Stretch] = []
        """What is delivered, in its order, and the manifest that says it."""

    @property
    def idle(self) -> bool:
        """No request is under way."""
        return not self._under_way

    def seek(self, receiver: Receiver, now: float) -> tuple[list[Output], bool]:
        """Take what this host has of what would be asked for next (other versions, say); whether
        that was anything, so that more may be."""
        found = receiver.counters.found
        outputs: list[Output] = []
        for want in list(islice(self._lacking(receiver), self._parallel)):
            if want.kind is Kind.BLOCKS:
                outputs += receiver.seek(want.file, want.first, want.count, now)
        if receiver.counters.found == found:
            return outputs, False
        self.since = now
        return outputs, True

    def wants(self, receiver: Receiver, now: float) -> list[Want]:
        """What to ask for now."""
        if self.since is None:
            self.since = now
        room = self._parallel - len(self._under_way)
        if now < self.due or room <= 0:
            return []
        # After a failure one request tries whether it is any better.
        room = min(room, 1 - len(self._under_way)) if self._failures else room
        found: list[Want] = []
        for want in self._lacking(receiver):
            if len(found) >= room:
                break
            found.append(want)
        self._under_way.update(found)
        self.requests += len(found)
        return found

    def answered(self, receiver: Receiver, want: Want, answer: Answer, now: float) -> list[Output]:
        """Take what came of `want`."""
        self._under_way.discard(want)
        reason = self._amiss(want, answer)
        if reason:
            return self._failed(reason[0], f"{_name(want)}: {reason[1]}", now)
        try:
            if want.kind is Kind.MANIFEST:
                outputs = receiver.hand_manifest(answer.body, now)
            elif want.kind is Kind.DIGESTS:
                found = receiver.hand_digests(want.file, answer.body, now)
                if found is None:
                    return self._failed("digests", f"{_name(want)}: not those of the file", now)
                outputs = found
            else:
                return self._blocks(receiver, want, answer.body, now)
        except WireError as error:
            return self._failed("manifest", str(error), now)
        self._right(now)
        return outputs

    def _blocks(self, receiver: Receiver, want: Want, body: bytes, now: float) -> list[Output]:
        catalog = receiver.catalog
        if catalog is None:
            return []
        part, view, at = catalog.cut(want.file), memoryview(body), 0
        outputs: list[Output] = []
        wrong = 0
        for block in range(want.first, want.first + want.count):
            size = part.size(block)
            lacked = not catalog.has(want.file, block)
            found = receiver.hand(want.file, block, view[at : at + size], now)
            fresh = lacked and catalog.has(want.file, block)
            at += size
            if found is None:
                wrong += 1
            else:
                self.bytes += size * fresh
                outputs += found
            if receiver.catalog is None:  # It has ended, by a full disk for one.
                return outputs
        if wrong:
            said = f"{_name(want)}: {wrong} of {want.count} blocks have another digest"
            return outputs + self._failed("wrong bytes", said, now)
        self._right(now)
        return outputs

    def _amiss(self, want: Want, answer: Answer) -> tuple[str, str] | None:
        """Why an answer cannot be used: as it is counted, and in full."""
        if answer.error:
            return "no answer", answer.error
        ranged = want.kind is Kind.BLOCKS
        whole = not ranged or (want.offset == 0 and want.length == want.size)
        if answer.status == 200 and not whole:
            return "no ranges", "it answered 200 to a range: it has no ranges, or another file"
        if answer.status not in ((200, 206) if ranged else (200,)):
            return f"HTTP {answer.status}", f"HTTP {answer.status}"
        if answer.status == 206 and not _fits(answer.content_range, want):
            return "wrong range", f"Content-Range {answer.content_range!r} was not asked for"
        if want.kind is not Kind.MANIFEST and len(answer.body) != want.length:
            return "wrong length", f"{len(answer.body)} bytes came, {want.length} were asked for"
        if ranged and answer.etag:
            self._compare_etag(want, answer.etag)
        return None

    def _compare_etag(self, want: Want, etag: str) -> None:
        """Another ETag is counted; whether the bytes are others is for the digests to say."""
        known = self._etags.get(want.path, etag)
        self._etags[want.path] = etag
        if known != etag:
            self.faults["changed"] += 1
            self.problem = f"{_name(want)}: its ETag changed from {known} to {etag}"

    def _right(self, now: float) -> None:
        self._failures, self.due, self.since = 0, 0.0, now

    def _failed(self, kind: str, said: str, now: float) -> list[Output]:
        self.faults[kind] += 1
        self.problem = said
        pause = min(FIRST_PAUSE * 2**self._failures, LAST_PAUSE)
        self._failures = min(self._failures + 1, 16)
        self.due = now + pause * (0.5 + self._chance() / 2)
        return []

    def _lacking(self, receiver: Receiver) -> Iterator[Want]:
        """What is lacking and not under way, in the order of delivery."""
        listed: set[int] = set()
        catalog = receiver.catalog
        if catalog is None:
            want = Want(Kind.MANIFEST, length=MAX_MANIFEST)
            joining = receiver.state is State.JOINING
            if joining and self._offers_all and want not in self._under_way:
                yield want
            return
        busy = {(w.file, b) for w in self._under_way for b in range(w.first, w.first + w.count)}
        opened = catalog.opened
        if self._of is not opened:
            self._of, self._order = opened, sequence(opened.order, opened.manifest.blocks)
        for file, first, count in self._order:
            entry, part, end = opened.manifest.files[file], catalog.cut(file), first + count
            if not catalog.knows(file):
                length = part.blocks * DIGEST_SIZE
                want = Want(Kind.DIGESTS, entry.path, file, length=length, size=length)
                asked = file in listed or want in self._under_way
                listed.add(file)
                if self._offers_all and not asked:
                    yield want
                continue
            block = first
            while 0 <= (block := catalog.next_lack(file, block)) < end:
                first, length = block, 0
                while (
                    block < end
                    and catalog.admits(file, block)
                    and not catalog.has(file, block)
                    and (file, block) not in busy
                    and (not length or length + part.size(block) <= LONGEST)
                ):
                    length += part.size(block)
                    block += 1
                if block == first:
                    block += 1
                    continue
                yield Want(
                    Kind.BLOCKS, entry.path, file, first, block - first, part.offset(first),
                    length, entry.size,
                )  # fmt: skip


def hopeless(fetcher: Fetcher, timeout: float, now: float) -> DeliveryError | None:
    """Why to give up: nothing was right for `timeout` seconds."""
    if fetcher.since is None or now < fetcher.since + timeout:
        return None
    reason = fetcher.problem or "there is no answer"
    return DeliveryError(
        f"nothing that could be used has come by HTTP for {timeout:g} s; nothing was placed, what "
        f"was received is kept (last: {reason})"
    )


def next_due(fetcher: Fetcher) -> float:
    """When to look again; infinity while answers are awaited."""
    return fetcher.due if fetcher.idle and fetcher.due else math.inf


def _name(want: Want) -> str:
    match want.kind:
        case Kind.MANIFEST:
            return "manifest"
        case Kind.DIGESTS:
            return f"digests of {want.path}"
        case _:
            return f"{want.path}, bytes {want.offset} to {want.offset + want.length - 1}"


def _fits(content_range: str, want: Want) -> bool:
    matched = _CONTENT_RANGE.fullmatch(content_range)
    if matched is None:
        return False
    first, last, size = matched.groups()
    return (int(first), int(last)) == (want.offset, want.offset + want.length - 1) and (
        size in ("*", str(want.size))
    )
