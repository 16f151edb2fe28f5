"""What a host and its agents say to each other over a unix socket.

    4 bytes: N, big endian | 1 byte: kind | N - 1 bytes: body

Pure.  Descriptors travel beside the bytes: SLAB and FILE have one each, in their order.  Everything
that is read is bounded and looked at whole: what does not fit raises WireError.  HELLO and WELCOME
begin with the version, whatever else changes between versions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from toolkit.errors import WireError

VERSION = 1
MAGIC = b"LLMW"
MAX_BODY = 2**20 + 64
"""Bytes of one message behind its length, at most."""
CHUNK = 2**20
"""Bytes of a manifest or of digests that one message carries."""
MAX_NAME = 255
MAX_REASON = 4096
MAX_MANIFEST = 64 * 2**20

_LENGTH = struct.Struct("!IB")
_HELLO = struct.Struct("!4sHI")
_WELCOME = struct.Struct("!4sHIB")
_MANIFEST = struct.Struct("!II")
_SLAB = struct.Struct("!IQ")
_DIGESTS = struct.Struct("!IQ")
_BLOCK = struct.Struct("!QIIIQI")
_TICKET = struct.Struct("!Q")
_FILE = struct.Struct("!I")
_RUN = struct.Struct("!II")
_PROGRESS = struct.Struct("!QQ")

BATCH = 4096
"""Blocks, tickets or runs that one message carries."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The agent's first word."""

    name: str
    pid: int
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Welcome:
    """The host's answer.  `stores`: blocks that were missed can be read from files of it."""

    name: str
    pid: int
    stores: bool
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class ManifestPart:
    """Bytes of the signed manifest from `offset` on; it has `total`."""

    total: int
    offset: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Slab:
    """A piece of the window, as a descriptor to map."""

    slab: int
    size: int


@dataclass(frozen=True, slots=True)
class DigestsPart:
    """Bytes of a file's list of digests, from `offset` on."""

    file: int
    offset: int
    data: bytes | memoryview


class Block(NamedTuple):
    """A block that the host has verified stays in the window until its ticket is released."""

    ticket: int
    file: int
    block: int
    slab: int
    at: int
    """Where it begins in the slab."""
    size: int


@dataclass(frozen=True, slots=True)
class Blocks:
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """The agent reads these no more."""

    tickets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """Blocks of a file that are not in the window and can be read from it: first, count."""

    file: int
    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Want:
    """The agent asks for a file, to read from it."""

    file: int


@dataclass(frozen=True, slots=True)
class File:
    """It comes as a descriptor."""

    file: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The agent is alive, and has so much."""

    blocks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Fail:
    """It cannot go on; nothing follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """The host has everything and has told of everything."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The agent has everything."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Bye:
    """The agent leaves."""


Message = (
    Hello | Welcome | ManifestPart | Slab | DigestsPart | Blocks | Release | Stored | Want | File
    | Progress | Fail | Done | Placed | Bye
)  # fmt: skip

_KINDS: tuple[type[Message], ...] = (
    Hello, Welcome, ManifestPart, Slab, DigestsPart, Blocks, Release, Stored, Want, File,
    Progress, Fail, Done, Placed, Bye,
)  # fmt: skip
"""A kind's number is its place here, from 1 on."""
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS, 1)}
WITH_DESCRIPTOR = (Slab, File)


def encode(message: Message) -> bytes:
    """Return a message as it travels."""
    body = _body(message)
    return _LENGTH.pack(len(body) + 1, _NUMBERS[type(message)]) + body


def encode_blocks(blocks: Sequence[Block]) -> Iterator[bytes]:
    """Return the messages that tell of blocks."""
    for first in range(0, len(blocks), BATCH):
        yield encode(Blocks(tuple(blocks[first : first + BATCH])))


def encode_release(tickets: Sequence[int]) -> Iterator[bytes]:
    """Return the messages that release tickets."""
    for first in range(0, len(tickets), BATCH):
        yield encode(Release(tuple(tickets[first : first + BATCH])))


def manifest_parts(envelope: bytes) -> Iterator[ManifestPart]:
    """Return a manifest in parts."""
    whole = memoryview(envelope)
    for offset in range(0, len(whole), CHUNK):
        yield ManifestPart(len(whole), offset, whole[offset : offset + CHUNK])


def digests_parts(file: int, digests: bytes) -> Iterator[DigestsPart]:
    """Return a list of digests in parts."""
    whole = memoryview(digests)
    for offset in range(0, len(whole), CHUNK):
        yield DigestsPart(file, offset, whole[offset : offset + CHUNK])


def stored_runs(file: int, there: bytes | bytearray) -> Iterator[Stored]:
    """Tell which blocks can be read from a file.  `there`: 1 per block that can."""
    runs: list[tuple[int, int]] = []
    at = there.find(1)
    while at >= 0:
        end = there.find(0, at)
        end = len(there) if end < 0 else end
        runs.append((at, end - at))
        at = there.find(1, end)
    for first in range(0, len(runs), BATCH):
        yield Stored(file, tuple(runs[first : first + BATCH]))


class Inbox:
    """Bytes of a stream into messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes | memoryview) -> list[Message]:
        """Return the messages that `data` completes.  Raises WireError."""
        held = self._data
        held += data
        found: list[Message] = []
        at = 0
        while len(held) - at >= _LENGTH.size:
            length, kind = _LENGTH.unpack_from(held, at)
            if not 1 <= length <= MAX_BODY:
                raise WireError(f"a message of {length} bytes; 1 to {MAX_BODY} are possible")
            if not 1 <= kind <= len(_KINDS):
                raise WireError(f"a message of kind {kind}, which does not exist")
            end = at + 4 + length
            if len(held) < end:
                break
            found.append(decode(kind, bytes(held[at + _LENGTH.size : end])))
            at = end
        del held[:at]
        return found


def decode(kind: int, body: bytes) -> Message:
    """Return the message of a kind's number and a body.  Raises WireError."""
    name = _KINDS[kind - 1].__name__
    try:
        return _READERS[kind - 1](body)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise WireError(f"a {name} that is not well formed: {error}") from None


def _body(message: Message) -> bytes:
    match message:
        case Hello(name=name, pid=pid, version=version):
            return _HELLO.pack(MAGIC, version, pid) + _name(name)
        case Welcome(name=name, pid=pid, stores=stores, version=version):
            return _WELCOME.pack(MAGIC, version, pid, stores) + _name(name)
        case ManifestPart(total=total, offset=offset, data=data):
            return _MANIFEST.pack(total, offset) + data
        case Slab(slab=slab, size=size):
            return _SLAB.pack(slab, size)
        case DigestsPart(file=file, offset=offset, data=data):
            return _DIGESTS.pack(file, offset) + data
        case Blocks(blocks=blocks):
            return b"".join(_BLOCK.pack(*block) for block in blocks)
        case Release(tickets=tickets):
            return struct.pack(f"!{len(tickets)}Q", *tickets)
        case Stored(file=file, runs=runs):
            return _FILE.pack(file) + b"".join(_RUN.pack(*run) for run in runs)
        case Want(file=file) | File(file=file):
            return _FILE.pack(file)
        case Progress(blocks=count, bytes=size) | Placed(files=count, bytes=size):
            return _PROGRESS.pack(count, size)
        case Fail(reason=reason):
            return reason.encode(errors="replace")[:MAX_REASON]
        case Done() | Bye():
            return b""


def _name(name: str) -> bytes:
    found = name.encode()
    if not 1 <= len(found) <= MAX_NAME:
        raise ValueError(f"a name of {len(found)} bytes; 1 to {MAX_NAME} are possible")
    return found


def _read_name(data: bytes) -> str:
    if not 1 <= len(data) <= MAX_NAME:
        raise ValueError(f"a name of {len(data)} bytes")
    name = data.decode()
    if not name.isprintable():
        raise ValueError("a name that cannot be printed")
    return name


def _hello(body: bytes) -> Hello:
    magic, version, pid = _HELLO.unpack_from(body)
    _greets(magic)
    # What another version says behind this is its own.
    name = _read_name(body[_HELLO.size :]) if version == VERSION else "?"
    return Hello(name, pid, version)


def _welcome(body: bytes) -> Welcome:
    magic, version, pid, stores = _WELCOME.unpack_from(body)
    _greets(magic)
    if version != VERSION:
        return Welcome("?", pid, stores=False, version=version)
    if stores > 1:
        raise ValueError(f"flags {stores:#x}")
    return Welcome(_read_name(body[_WELCOME.size :]), pid, stores=bool(stores))


def _greets(magic: bytes) -> None:
    if magic != MAGIC:
        raise ValueError("it is not from a window of llmsync")


def _manifest(body: bytes) -> ManifestPart:
    total, offset = _MANIFEST.unpack_from(body)
    data = body[_MANIFEST.size :]
    if not data or len(data) > CHUNK or total > MAX_MANIFEST or offset + len(data) > total:
        raise ValueError(f"{len(data)} bytes at {offset} of {total}")
    return ManifestPart(total, offset, data)


def _slab(body: bytes) -> Slab:
    slab, size = _SLAB.unpack(body)
    if not 1 <= size < 1 << 48:
        raise ValueError(f"a slab of {size} bytes")
    return Slab(slab, size)


def _digests(body: bytes) -> DigestsPart:
    file, offset = _DIGESTS.unpack_from(body)
    data = body[_DIGESTS.size :]
    if not data or len(data) > CHUNK:
        raise ValueError(f"{len(data)} bytes of digests")
    return DigestsPart(file, offset, data)


def _blocks(body: bytes) -> Blocks:
    _counted(len(body), _BLOCK.size)
    return Blocks(tuple(map(Block._make, _BLOCK.iter_unpack(body))))


def _release(body: bytes) -> Release:
    _counted(len(body), _TICKET.size)
    return Release(struct.unpack(f"!{len(body) // _TICKET.size}Q", body))


def _stored(body: bytes) -> Stored:
    (file,) = _FILE.unpack_from(body)
    _counted(len(body) - _FILE.size, _RUN.size)
    runs = tuple((first, count) for first, count in _RUN.iter_unpack(body[_FILE.size :]))
    if any(count == 0 or first + count >= 1 << 32 for first, count in runs):
        raise ValueError("a run without blocks")
    return Stored(file, runs)


def _counted(size: int, each: int) -> None:
    if size % each or not 1 <= size // each <= BATCH:
        raise ValueError(f"{size} bytes of records of {each}")


def _fail(body: bytes) -> Fail:
    if len(body) > MAX_REASON:
        raise ValueError(f"a reason of {len(body)} bytes")
    return Fail(body.decode(errors="replace"))


def _nothing(body: bytes) -> tuple[()]:
    if body:
        raise ValueError(f"{len(body)} bytes where none belong")
    return ()


_READERS: tuple[Callable[[bytes], Message], ...] = (
    _hello, _welcome, _manifest, _slab, _digests, _blocks, _release, _stored,
    lambda body: Want(*_FILE.unpack(body)), lambda body: File(*_FILE.unpack(body)),
    lambda body: Progress(*_PROGRESS.unpack(body)), _fail, lambda body: Done(*_nothing(body)),
    lambda body: Placed(*_PROGRESS.unpack(body)), lambda body: Bye(*_nothing(body)),
)  # fmt: skip
