"""The objects that a manifest announces, at the receiver: what is there, what is verified.

Pure, apart from the Sink that it is given.  A block of data waits in memory until the list of its
file's digests is there (with `headers_first` also the file's header, see `headers`), is verified,
and only then written.  A block or a list with a wrong digest is dropped whole (nobody knows which
symbol was forged) and asked for again.
"""

from __future__ import annotations

from itertools import chain

from toolkit.delivery.assembly import Assembly
from toolkit.delivery.buffers import Buffers
from toolkit.delivery.control import HAVE_ALL, HAVE_NOTHING, HAVE_PART, Have
from toolkit.delivery.events import FileVerified, TensorReady
from toolkit.delivery.headers import Headers
from toolkit.delivery.manifest import DIGEST_SIZE, FIRST_TOI, OpenedManifest, digest
from toolkit.delivery.memory import Slabs
from toolkit.delivery.model import Counters
from toolkit.delivery.ports import Basis, InPlace, Landed, Sink
from toolkit.delivery.sealing import Cut, Opener
from toolkit.delivery.storing import Desk, Job
from toolkit.errors import DeliveryError, WireError

HAVE_CHUNK = 1024
"""Objects that one HAVE tells of."""
_LEVELS = 3
"""Block 0, the rest of a header, all others: each may wait for the one before it."""


class Catalog:
    """All files of one manifest."""

    def __init__(
        self,
        opened: OpenedManifest,
        landed: list[Landed],
        sink: Sink,
        counters: Counters,
        memory: int,
        opener: Opener,
        basis: Basis | None = None,
        desk: Desk | None = None,
        slabs: Slabs | None = None,
        *,
        headers_first: bool = False,
    ) -> None:
        self.opened = opened
        self.assemblies: dict[int, Assembly] = {}
        """By TOI."""
        self.asks_again = False
        """Blocks were dropped that had been reported as complete: say anew what is there."""
        self._opener = opener
        self._cuts: dict[int, Cut] = {}
        """By TOI."""
        self._sink = sink
        self._basis = basis
        self._desk = desk
        self._looked: dict[int, bytearray] = {}
        """TOI -> 1 per block that was looked for in the basis."""
        self._counters = counters
        self.buffers = Buffers(memory, slabs)
        """The memory of all open blocks."""
        self._digests: dict[int, bytes] = {}
        self._lists: dict[int, bytearray] = {}
        self._waiting: dict[int, list[int]] = {}
        """File -> whole blocks that wait for the list of their digests, or for its header."""
        self._headers = Headers(opened.manifest, sink.read, first=headers_first)
        self._landed = landed
        for item in opened.manifest.objects():
            assembly = Assembly(item.toi, item.partition, self.buffers)
            assembly.bars = opened.manifest.coding.parity > 0
            assembly.awaits = self._headers.awaited(item)
            there = landed[item.file]
            if item.is_data:
                assembly.done[:] = there.blocks
            elif there.digests is not None:
                assembly.done[:] = b"\1" * len(assembly.done)
                self._digests[item.file] = there.digests
            assembly.remaining = assembly.done.count(0)
            self.assemblies[item.toi] = assembly
            self._cuts[item.toi] = item.cut
        self._remaining = sum(a.remaining > 0 for a in self.assemblies.values())
        if basis is not None:
            basis.open(opened.manifest)
            for item in opened.manifest.objects():
                if item.is_data and basis.may_hold(item.file):
                    self._looked[item.toi] = bytearray(item.partition.blocks)

    @property
    def complete(self) -> bool:
        return self._remaining == 0

    @property
    def kept(self) -> bool:
        """Whether a block of a file is stored, by this run or by an earlier one."""
        data = [a for toi, a in self.assemblies.items() if (toi - FIRST_TOI) % 2]
        return any(1 in a.done for a in data)

    def recalled(self) -> list[FileVerified | TensorReady]:
        """What an earlier run had done already, and files without a byte."""
        out: list[FileVerified | TensorReady] = []
        for file, entry in enumerate(self.opened.manifest.files):
            assembly = self.assemblies[FIRST_TOI + 2 * file + 1]
            for sbn, there in enumerate(self._landed[file].blocks):
                if there:
                    out += self._tensors(file, assembly, sbn)[0]
            if assembly.remaining == 0:
                out.append(FileVerified(entry.path))
        return out

    def haves(self) -> list[Have]:
        """What is held of every object, as messages that fit a packet each."""
        states = bytes(
            HAVE_ALL
            if assembly.remaining == 0
            else HAVE_PART
            if assembly.blocks or assembly.remaining < len(assembly.done) or toi in self._looked
            else HAVE_NOTHING
            for toi, assembly in self.assemblies.items()
        )
        return [
            Have(
                manifest=self.opened.digest, total=len(states), first=first,
                states=states[first : first + HAVE_CHUNK],
            )
            for first in range(0, len(states), HAVE_CHUNK)
        ]  # fmt: skip

    def whole(self, toi: int, sbn: int) -> list[FileVerified | TensorReady]:
        """Block `sbn` of an object has all it needs.  Raises DeliveryError from the sink."""
        assembly = self.assemblies[toi]
        self._counters.evicted = self.buffers.evicted
        file, is_data = divmod(toi - FIRST_TOI, 2)
        if not is_data:
            return self._whole_digests(assembly, file, sbn)
        if file not in self._digests or not self.admits(file, sbn):
            self._waiting.setdefault(file, []).append(sbn)
            return []
        return self._whole_data(assembly, file, sbn)

    def look(self, toi: int, first: int, count: int) -> list[FileVerified | TensorReady]:
        """Take those of the blocks that the basis has; each is looked for once, when its digest
        is known.  Raises DeliveryError from the sink."""
        looked = self._looked.get(toi)
        file = (toi - FIRST_TOI) // 2
        out: list[FileVerified | TensorReady] = []
        if looked is None or file not in self._digests:
            return out
        assembly = self.assemblies[toi]
        asked = range(first, min(first + count, len(looked)))
        for sbn in chain(self._headers.blocks(file, self.cut(file)), asked):
            if looked[sbn] or assembly.busy(sbn):
                continue
            found = self._find(file, sbn) if self._promises(assembly, file, sbn) else None
            looked[sbn] = 1
            if found is not None and self.admits(file, sbn):
                out += self._found(assembly, file, sbn, found) or ()
            elif found is not None:
                assembly.promised.add(sbn)
        return out

    def _promises(self, assembly: Assembly, file: int, sbn: int) -> bool:
        """Whether a block of the basis would be taken, or may be promised: all that is promised is
        read at once when the header is there, which must not take long."""
        if self.admits(file, sbn):
            return True
        return (len(assembly.promised) + 1) * self.cut(file).size(0) <= self.buffers.limit

    def _find(self, file: int, sbn: int) -> bytes | InPlace | None:
        """A block, as the basis has it."""
        part = self.cut(file)
        wanted = self._digests[file][sbn * DIGEST_SIZE : (sbn + 1) * DIGEST_SIZE]
        if self._basis is None:
            return None
        return self._basis.find(file, part.offset(sbn), part.size(sbn), wanted)

    def _found(
        self, assembly: Assembly, file: int, sbn: int, found: bytes | InPlace
    ) -> list[FileVerified | TensorReady] | None:
        """The basis has a block; None: it has not, after all."""
        part = self.cut(file)
        if not isinstance(found, InPlace):
            self._sink.write(file, sbn, part.offset(sbn), memoryview(found))
        elif not found.keep():
            return None
        self._counters.found += part.size(sbn)
        assembly.supply(sbn)
        return self._verified(assembly, file, sbn)

    # ----- blocks that come whole, by another way than packets

    def cut(self, file: int) -> Cut:
        """How a file is cut into blocks."""
        return self._cuts[FIRST_TOI + 2 * file + 1]

    def knows(self, file: int) -> bool:
        """Whether the digests of a file's blocks are here."""
        return file in self._digests or not self.cut(file).blocks

    def has(self, file: int, block: int) -> bool:
        """Whether a block is here and verified."""
        return bool(self.assemblies[FIRST_TOI + 2 * file + 1].done[block])

    def admits(self, file: int, block: int) -> bool:
        """Whether a block may be stored now: with `headers_first` the header comes first."""
        return self._headers.admits(file, self.cut(file).offset(block))

    def next_lack(self, file: int, block: int) -> int:
        """The next block from `block` on that is not here; -1: all are."""
        return self.assemblies[FIRST_TOI + 2 * file + 1].done.find(0, block)

    def hand(self, file: int, block: int, data: memoryview) -> list[FileVerified | TensorReady]:
        """Take a block's own bytes; one that is not admitted is not taken, and to be handed again.
        Raises WireError where the digest is another, DeliveryError from the sink."""
        assembly = self.assemblies[FIRST_TOI + 2 * file + 1]
        if assembly.busy(block):
            return []
        wanted = self._digests[file][block * DIGEST_SIZE : (block + 1) * DIGEST_SIZE]
        if digest(data) != wanted:
            self._counters.polluted += 1
            raise WireError(f"block {block} has another digest")
        if not self.admits(file, block):
            return []
        self._sink.write(file, block, self.cut(file).offset(block), data)
        assembly.supply(block)
        return self._verified(assembly, file, block)

    def hand_digests(self, file: int, digests: bytes) -> list[FileVerified | TensorReady]:
        """Take the digests of a file's blocks.  Raises WireError where they are others."""
        if digest(digests) != self.opened.manifest.files[file].root:
            self._counters.polluted += 1
            raise WireError("other digests than those of the manifest")
        assembly = self.assemblies[FIRST_TOI + 2 * file]
        if self.knows(file):
            return []
        self._lists.pop(file, None)
        assembly.close()
        assembly.done[:] = b"\1" * len(assembly.done)
        assembly.remaining = 0
        return self._listed(assembly, file, digests)

    def settle(self) -> list[FileVerified | TensorReady]:
        """Forget all symbols, but for those of blocks that the desk has.  Raises DeliveryError from
        the sink."""
        out: list[FileVerified | TensorReady] = []
        for _ in range(_LEVELS if self._desk is not None else 0):
            if self._desk is not None and self.buffers.held:
                self._desk.drain()
                out += self.stored()
        self.close()
        return out

    def close(self) -> None:
        """Release all memory."""
        if self._desk is not None:
            self._desk.drain()
            for job in self._desk.finished():
                self.assemblies[FIRST_TOI + 2 * job.file + 1].unhold(job.sbn)
        for assembly in self.assemblies.values():
            assembly.close()

    def _solve(self, assembly: Assembly, sbn: int) -> memoryview | None:
        """A block's own bytes; None: it does not open, somebody forged a symbol of it."""
        data = assembly.solve(sbn)
        if not self.opened.manifest.sealed:
            return data
        plain = self._opener.block(self.opened.digest, assembly.toi, sbn, data)
        return None if plain is None else memoryview(plain)

    def _whole_data(
        self, assembly: Assembly, file: int, sbn: int
    ) -> list[FileVerified | TensorReady]:
        wanted = self._digests[file][sbn * DIGEST_SIZE : (sbn + 1) * DIGEST_SIZE]
        offset = self._cuts[assembly.toi].offset(sbn)
        while True:
            data = self._solve(assembly, sbn)
            if data is not None:
                job = Job(file, sbn, offset, data, wanted)
                if self._desk is not None:
                    assembly.hold(sbn)
                    self._desk.put(job)
                    return []
                job.run(self._sink)
                if job.error is not None:
                    raise job.error
                if job.right:
                    self._counters.repaired += assembly.finish(sbn)
                    return self._verified(assembly, file, sbn)
            self._counters.polluted += 1
            if not assembly.doubt(sbn):
                return []

    def stored(self) -> list[FileVerified | TensorReady]:
        """Take back what the desk has done.  Raises DeliveryError from the sink."""
        out: list[FileVerified | TensorReady] = []
        error: DeliveryError | None = None
        for job in () if self._desk is None else self._desk.finished():
            assembly = self.assemblies[FIRST_TOI + 2 * job.file + 1]
            assembly.unhold(job.sbn)
            if job.error is not None:
                error = job.error
                continue
            if job.right:
                self._counters.repaired += assembly.finish(job.sbn)
                out += self._verified(assembly, job.file, job.sbn)
                continue
            self._counters.polluted += 1
            if assembly.doubt(job.sbn):
                out += self._whole_data(assembly, job.file, job.sbn)
            else:
                self.asks_again = True  # It has been reported as whole.
        if error is not None:
            raise error
        return out

    def _verified(
        self, assembly: Assembly, file: int, sbn: int
    ) -> list[FileVerified | TensorReady]:
        """A block of data is written."""
        out, further = self._tensors(file, assembly, sbn)
        if assembly.remaining == 0:
            self._remaining -= 1
            out.append(FileVerified(self.opened.manifest.files[file].path))
        elif further:
            out += self._release(assembly, file)
        return out

    def _release(self, assembly: Assembly, file: int) -> list[FileVerified | TensorReady]:
        """Go on with those blocks of a file that waited and need wait no longer."""
        out: list[FileVerified | TensorReady] = []
        polluted = self._counters.polluted
        for sbn in sorted(assembly.promised):
            if not self.admits(file, sbn):
                break
            assembly.promised.discard(sbn)
            if assembly.busy(sbn):
                continue
            found = self._find(file, sbn)
            told = None if found is None else self._found(assembly, file, sbn, found)
            if told is None:
                self.asks_again = True  # It was there a moment ago.
            else:
                out += told
        for sbn in dict.fromkeys(self._waiting.pop(file, ())):
            if assembly.busy(sbn):
                continue
            if not self.admits(file, sbn):
                self._waiting.setdefault(file, []).append(sbn)
            elif assembly.whole(sbn):
                out += self._whole_data(assembly, file, sbn)
            else:
                # Since it became whole it has been dropped to stay within the memory bound.
                self.asks_again = True
        self.asks_again = self.asks_again or self._counters.polluted > polluted
        return out

    def _whole_digests(
        self, assembly: Assembly, file: int, sbn: int
    ) -> list[FileVerified | TensorReady]:
        part = self._cuts[assembly.toi]
        collected = self._lists.setdefault(file, bytearray(part.length))
        start = part.offset(sbn)
        listed = self._solve(assembly, sbn)
        while listed is None:
            self._counters.polluted += 1
            if not assembly.doubt(sbn):
                return []
            listed = self._solve(assembly, sbn)
        collected[start : start + part.size(sbn)] = listed
        self._counters.repaired += assembly.finish(sbn)
        if assembly.remaining:
            return []
        found = bytes(self._lists.pop(file))
        if digest(found) != self.opened.manifest.files[file].root:
            self._counters.polluted += 1
            assembly.drop_all()
            self.asks_again = True
            return []
        return self._listed(assembly, file, found)

    def _listed(
        self, assembly: Assembly, file: int, found: bytes
    ) -> list[FileVerified | TensorReady]:
        """A file's digests are here and right."""
        self._sink.put_digests(file, found)
        self._digests[file] = found
        self._remaining -= 1
        return self._release(self.assemblies[assembly.toi + 1], file)

    def _tensors(
        self, file: int, assembly: Assembly, sbn: int
    ) -> tuple[list[FileVerified | TensorReady], bool]:
        """A block of data is there: what that completes; whether others may follow."""
        part = self._cuts[assembly.toi]
        start = part.offset(sbn)
        ready, further = self._headers.add(file, start, start + part.size(sbn))
        return [*ready], further
