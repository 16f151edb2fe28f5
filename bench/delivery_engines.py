"""How much a sender and six receivers cost, engines only: no socket, no disk, no network.

    python bench/delivery_engines.py [--size BYTES] [--payload BYTES] [--receivers N]

Times are CPU seconds of this process, taken around the engines' own calls; building a datagram
out of header and payload is a transport's work and not counted.  The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toolkit.delivery.events import Feedback
from toolkit.delivery.fec import Partition
from toolkit.delivery.manifest import DIGEST_SIZE, Manifest, OpenedManifest, digest
from toolkit.delivery.model import HEADER_SIZE, Coding, FileEntry, Session, symbol_size
from toolkit.delivery.ports import Landed
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sender import Sender

clock = time.process_time


class Source:
    """One file in memory; a block is digested again each time it is read, as from a disk."""

    def __init__(self, content: bytes, coding: Coding) -> None:
        self.content = memoryview(content)
        self.part = Partition(len(content), coding.symbol, coding.block)
        blocks = range(self.part.blocks)
        self.digests = (b"".join(digest(self.block(b)) for b in blocks),)
        entry = FileEntry(path="model.bin", size=len(content), root=digest(self.digests[0]))
        self.manifest = Manifest(name="bench", coding=coding, files=(entry,))

    def block(self, block: int) -> bytes:
        start = self.part.offset(block)
        return bytes(self.content[start : start + self.part.size(block)])

    def read_into(self, file: int, block: int, buffer: memoryview) -> None:
        start = self.part.offset(block)
        data = buffer
        data[:] = self.content[start : start + self.part.size(block)]
        wanted = self.digests[file][block * DIGEST_SIZE :][:DIGEST_SIZE]
        if digest(data) != wanted:
            raise AssertionError("the source changed")


# ruff: noqa: ARG002 - the protocol names more than a counter needs
class Sink:
    """Counts bytes of verified blocks and forgets them."""

    def __init__(self) -> None:
        self.bytes = 0

    def recall(self) -> None:
        return None

    def open(self, envelope: bytes, opened: OpenedManifest) -> list[Landed]:
        coding = opened.manifest.coding
        return [
            Landed(None, bytes(Partition(f.size, coding.symbol, coding.block).blocks))
            for f in opened.manifest.files
        ]

    def put_digests(self, file: int, digests: bytes) -> None: ...

    def write(self, file: int, block: int, offset: int, data: memoryview) -> None:
        self.bytes += len(data)

    def read(self, file: int, offset: int, length: int) -> bytes:
        raise AssertionError("nothing is kept")

    def place(self) -> None: ...

    def close(self) -> None: ...


def deliver(content: bytes, payload: int, receivers: int, loss: float) -> dict[str, float]:
    """Deliver once; return the costs."""
    chance = random.Random(1)
    source = Source(content, Coding(symbol=symbol_size(payload)))
    key = Ed25519PrivateKey.generate()
    names = [f"cloud{i}" for i in range(receivers)]
    session = Session(name="bench", tsi=1, key=key, rate=10_000_000_000)
    sender = Sender(session, source, names)
    sinks = [Sink() for _ in names]
    ends = [
        Receiver(name, sink, trusted=None, incarnation=1, chance=chance.random)
        for name, sink in zip(names, sinks, strict=True)
    ]
    sending = receiving = now = 0.0
    sent = received = 0
    while not (sender.finished and all(r.finished for r in ends)):
        dues = [e.deadline for e in (sender, *ends)]
        now = max(now, min(d for d in dues if d is not None))
        feedback = []
        for name, end in zip(names, ends, strict=True):
            due = end.deadline
            if due is not None and due <= now:
                feedback += [(name, o) for o in end.expire(now)]
        begin = clock()
        packets = sender.poll(now)
        sending += clock() - begin
        sent += len(packets)
        datagrams = [(p.mask, p.header + p.payload) for p in packets]
        for bit, (name, end) in enumerate(zip(names, ends, strict=True)):
            mine = [d for mask, d in datagrams if mask >> bit & 1 and chance.random() >= loss]
            received += len(mine)
            receive = end.receive
            begin = clock()
            for datagram in mine:
                feedback += [(name, o) for o in receive(datagram, now)]
            receiving += clock() - begin
        for name, output in feedback:
            if isinstance(output, Feedback):
                begin = clock()
                sender.receive(name, output.message, now)
                sending += clock() - begin
    bits = len(content) * 8
    results = sender.results()
    if not all(r.complete for r in results) or any(s.bytes != len(content) for s in sinks):
        raise AssertionError(f"not everybody has everything: {results}")
    ideal = sum(-(-len(content) // symbol_size(payload)) for _ in names)
    return {
        "sender_us_per_packet": round(sending / sent * 1e6, 2),
        "receiver_us_per_packet": round(receiving / received * 1e6, 2),
        "sender_gbps": round(bits / sending / 1e9, 2),
        "receiver_gbps": round(bits * receivers / receiving / 1e9, 2),
        "sender_overhead": round(sent / (ideal / receivers) - 1, 4),
        "receiver_overhead": round(received / ideal - 1, 4),
        "duplicates": sum(e.counters.duplicates for e in ends),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=91_000_000)
    parser.add_argument("--payload", type=int, default=8800, help=f"{HEADER_SIZE} are header")
    parser.add_argument("--receivers", type=int, default=6)
    args = parser.parse_args()
    content = random.Random(0).randbytes(args.size)
    figures: dict[str, object] = {
        "bench": "delivery_engines", "size": args.size, "payload": args.payload,
        "receivers": args.receivers,
    }  # fmt: skip
    for loss in (0.0, 0.01):
        costs = deliver(content, args.payload, args.receivers, loss)
        print(f"loss {loss:.0%}:", *(f"{k}={v}" for k, v in costs.items()))
        figures |= {f"{name}_at_{loss:.0%}": value for name, value in costs.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
