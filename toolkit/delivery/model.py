"""What a delivery is made of, and what is known when it ends.

Pure values.  Rates are bit/s of UDP payload, sizes bytes, times seconds on the caller's clock.  A
*receiver* is named by a string; to the sender it is also a bit: bit i of a mask is the i-th name of
the list that the Sender was given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toolkit.delivery.breaker import Limits
from toolkit.delivery.versions import SPOKEN, Speaks

HEADER_SIZE = 24
"""LCT header (16, RFC 5651) and FEC Payload ID of FEC Encoding ID 129 (8, RFC 5445), in bytes."""

DEFAULT_BLOCK = 128
DEFAULT_PARITY = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How every object is cut: RFC 5052 section 9.1, RFC 5510 for the parity."""

    symbol: int
    """Encoding symbol length in bytes: `symbol_size(UDP payload)`."""
    block: int = DEFAULT_BLOCK
    """Source symbols in a block at most (1..200)."""
    parity: int = DEFAULT_PARITY
    """Parity symbols of a block at most; 0: no FEC, FEC Encoding ID 0 on the wire."""

    def __post_init__(self) -> None:
        if not 32 <= self.symbol <= 65_000:
            raise ValueError(f"symbol of {self.symbol} bytes; 32 to 65000 are possible")
        if not 1 <= self.block <= 200:
            raise ValueError(f"{self.block} source symbols in a block; 1 to 200 are possible")
        if not 0 <= self.parity <= 255 - self.block:
            raise ValueError(
                f"{self.parity} parity symbols; with {self.block} source symbols in a block "
                f"0 to {255 - self.block} are possible"
            )


MIN_PAYLOAD = HEADER_SIZE + 32
"""Bytes of UDP payload that hold the shortest symbol."""


def symbol_size(payload: int) -> int:
    """Return the largest symbol that fits a UDP payload of `payload` bytes with its header.

    It is a multiple of 8, which the arithmetic of parity likes best.
    """
    return (payload - HEADER_SIZE) // 8 * 8


class Stretch(NamedTuple):
    """Blocks first .. first + blocks - 1 of a file, which are sent one after the other."""

    file: int
    """Number of the file in the manifest."""
    first: int
    blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How a delivery is run; what is delivered is the Source's."""

    name: str
    tsi: int
    """Transport Session Identifier (RFC 5651 section 5.1), 32 bit."""
    key: Ed25519PrivateKey
    """Signs the manifest."""
    rate: int = 1_000_000_000
    quorum: int = 1
    """Receivers that must be ready before any file is sent; without them the session fails."""
    gather: float = 1.0
    """Seconds that those wait for the others; the rest join late."""
    timeout: float = 30.0
    """Seconds of silence after which a receiver is given up; also the time to join."""
    window: int = 64 * 2**20
    """Bytes that may be on their way to a receiver without a report; bounds its memory too."""
    serial: int = 0
    """Grows from session to session of this sender (a clock's milliseconds, say), so that receivers
    can refuse a session that is played again; 0: it does not count."""
    seal_key: bytes | None = None
    """Secret of 16 bytes: blocks and manifest travel encrypted (`toolkit.delivery.sealing`), and
    the Source is cut for it.  None: everybody on the way can read them."""
    targeted: bool = True
    """True: packets can be addressed to any subset.  False: every packet goes to everybody
    (imposition by the router); masks are then always all receivers."""
    interleave: int = 2
    """Objects that are sent at a time, a segment of each in turn; 1: one after the other."""
    order: tuple[Stretch, ...] = ()
    """What is sent first, in this order (`toolkit.delivery.stretches`); the rest follows file by
    file."""
    speaks: Speaks = SPOKEN
    breaker: Limits = field(default_factory=Limits)
    """When the session slows down, or ends, for the network's sake."""

    def __post_init__(self) -> None:
        if not 0 < self.tsi < 1 << 32:
            raise ValueError(f"TSI {self.tsi} does not fit 32 bits, or is 0")
        if self.interleave < 1:
            raise ValueError("at least one object is sent at a time")
        if self.rate <= 0 or self.window <= 0 or self.timeout <= 0 or self.gather < 0:
            raise ValueError("rate, window and timeout are positive, gather is not negative")
        if self.quorum < 1:
            raise ValueError("a quorum is at least one receiver")
        if self.seal_key is not None and len(self.seal_key) != 16:
            raise ValueError(f"a seal key has 16 bytes, not {len(self.seal_key)}")
        if not 0 <= self.serial < 1 << 63:
            raise ValueError(f"serial {self.serial} is negative, or does not fit 63 bits")


class Transmission(NamedTuple):
    """One packet to send, in two pieces so that nothing is copied."""

    mask: int
    """Receivers to address."""
    header: bytes
    payload: bytes | memoryview
    repair: bool
    """It is for receivers that reported a lack of what had been sent to them."""
    toi: int
    late: bool = False
    """What others were sent before goes out again, for receivers that were not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receiver says it holds: every file placed, every digest verified."""

    receiver: str
    manifest: bytes
    """BLAKE3 of the manifest (32 bytes) that the files were checked by."""
    files: int
    bytes: int
    repaired: int
    """Parity symbols it used."""
    duplicates: int
    """Packets it received although it had them or did not need them."""
    polluted: int
    """Blocks whose digest was wrong."""
    first_byte: float
    """Seconds since it started, like the next two."""
    last_byte: float
    verified: float


class Standing(StrEnum):
    """How a receiver stands with its sender."""

    ABSENT = "absent"
    """It has not joined."""
    JOINED = "joined"
    """It gets FDT and manifest."""
    READY = "ready"
    """It has said what it holds; data flows."""
    COMPLETE = "complete"
    FAILED = "failed"
    """It has said why it cannot go on."""
    LOST = "lost"
    """It was not heard of for `Session.timeout`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverResult:
    """What the sender knows of one receiver."""

    receiver: str
    standing: Standing
    reason: str = ""
    receipt: Receipt | None = None
    joined: float | None = None
    """Seconds after the sender's start."""
    completed: float | None = None
    """The same, when its receipt came; the receipt's own times are of the receiver's clock."""
    packets: int = 0
    """Packets with a payload addressed to it."""
    repairs: int = 0
    """Those of them that were repairs."""
    spare: int = 0
    """Repairs that it was sent at the end beyond what it lacked: in case that others get lost."""
    lost: int = 0
    """Symbols that it reported missing after they had been sent to it."""
    fetched: int = 0
    """Bytes that it fetched by HTTP, where packets did not reach it."""

    @property
    def complete(self) -> bool:
        return self.standing is Standing.COMPLETE


@dataclass(slots=True)
class Counters:
    """What a receiver counted; it may be read at any time."""

    packets: int = 0
    bytes: int = 0
    """Payload bytes."""
    duplicates: int = 0
    repaired: int = 0
    polluted: int = 0
    found: int = 0
    """Bytes of blocks that were on this host already (`toolkit.delivery.basis`)."""
    evicted: int = 0
    """Unfinished blocks dropped to stay within the memory bound."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Datagrams by the reason for which they were of no use."""
    refused: dict[str, int] = field(default_factory=dict)
    """The same by kind (`toolkit.delivery.refusal`)."""

    def refuse(self, kind: str, count: int = 1) -> None:
        self.refused[kind] = self.refused.get(kind, 0) + count


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file as the manifest lists it."""

    path: str
    """Relative, `/` between its parts."""
    size: int
    root: bytes
    """BLAKE3 of the concatenated digests of its blocks."""
