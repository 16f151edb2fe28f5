"""The signed manifest: which files, cut how, and what their blocks must hash to.

The manifest is canonical JSON (sorted keys, no spaces, UTF-8), carried in a DSSE envelope and
signed with Ed25519 over DSSE's pre-authentication encoding, so what is verified are bytes and not
somebody's idea of JSON.  A file's `root` is BLAKE3 over the list of its block digests; the list
itself travels as an object of its own just ahead of the file's data.

What is signed carries a *serial* beside the manifest: it grows from session to session of a sender,
so that a session which somebody recorded and plays again is told from a new one.  It is no part of
what the manifest describes: `digest(manifest.encode())` is the same for the same files.  So is the
*order* in which blocks are sent (`stretches`), where it is not that of the files.

TOIs follow from the position in the manifest: TOI 0 is the FDT Instance (RFC 6726), TOI 1 the
manifest, TOI 2 + 2i the digests of file i and TOI 3 + 2i its data.

Pure.  `open_manifest` raises WireError, also for a signature that is wrong or not trusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toolkit.delivery.dsse import UnknownSignerError, open_envelope, seal_envelope
from toolkit.delivery.fec import Partition
from toolkit.delivery.model import Coding, FileEntry, Stretch
from toolkit.delivery.sealing import CIPHER, Cut, cut
from toolkit.delivery.stretches import MAX_STRETCHES, order_problem
from toolkit.errors import WireError

FORMAT = "llmsync-manifest"
VERSION = 1
PAYLOAD_TYPE = "application/vnd.llmsync.manifest.v1+json"
DIGEST_SIZE = 32
MANIFEST_TOI = 1
FIRST_TOI = 2
MAX_BLOCKS = 1 << 25
"""Blocks of all files at most: a receiver holds a digest of each in memory."""


def digest(data: bytes | memoryview) -> bytes:
    """BLAKE3, 32 bytes: of a block, of a list of digests, of the manifest."""
    return bytes(blake3(data).digest())


def path_problem(path: str) -> str:
    """Why `path` cannot be a file of a manifest; empty when it can.

    A path is relative, has `/` between its parts and stays below the folder it is placed in,
    wherever that is.
    """
    parts = path.split("/")
    if not path or any(part in ("", ".", "..") for part in parts):
        return "is empty, absolute, or has an empty part, '.' or '..'"
    if "\\" in path or path[1:2] == ":" or not path.isprintable():
        return "has a drive letter, a backslash or a character that cannot be printed"
    try:
        too_long = any(len(part.encode()) > 255 for part in parts) or len(path.encode()) > 1024
    except UnicodeEncodeError:
        return "is not UTF-8"
    return "is too long" if too_long else ""


def path_problems(paths: Iterable[str]) -> Iterator[str]:
    """Everything wrong with the paths of one manifest, each sentence naming the path."""
    seen: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        problem = path_problem(path)
        if problem:
            yield f"path {path!r} {problem}"
        if path in seen:
            yield f"path {path!r} is listed twice"
        seen.add(path)
        parts = path.split("/")
        folders.update("/".join(parts[:i]) for i in range(1, len(parts)))
    for path in sorted(seen & folders):
        yield f"path {path!r} is both a file and a folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is delivered.  Constructible means encodable and safe to place."""

    name: str
    coding: Coding
    files: tuple[FileEntry, ...]
    """In the order of delivery."""
    sealed: bool = False
    """Blocks travel encrypted, cut as `toolkit.delivery.sealing` says."""

    def __post_init__(self) -> None:
        problems = list(path_problems(f.path for f in self.files))
        if problems:
            raise ValueError("; ".join(problems))
        if any(f.size < 0 or len(f.root) != DIGEST_SIZE for f in self.files):
            raise ValueError("a file's size is negative or its root is not a digest")
        if any(f.size >= 1 << 47 for f in self.files):
            raise ValueError("a file of 2^47 bytes or more; transfer lengths have 48 bits")
        blocks = self.blocks
        if sum(blocks) > MAX_BLOCKS:
            raise ValueError(f"{sum(blocks)} blocks, of {MAX_BLOCKS} (longer packets help)")
        if not self.coding.parity and max(blocks, default=0) > 1 << 16:
            raise ValueError("more than 65536 blocks in a file without parity (FEC Encoding ID 0)")

    def encode(self, serial: int = 0, order: Sequence[Stretch] = ()) -> bytes:
        """Canonical JSON; with `serial` and `order` as it is signed."""
        document: dict[str, object] = {
            "coding": {
                "block": self.coding.block,
                "parity": self.coding.parity,
                "symbol": self.coding.symbol,
            },
            "digest": "blake3",
            "files": [{"path": f.path, "root": f.root.hex(), "size": f.size} for f in self.files],
            "format": FORMAT,
            "name": self.name,
            "version": VERSION,
        }
        if self.sealed:
            document["sealed"] = CIPHER
        if serial:
            document["serial"] = serial
        if order:
            document["order"] = [list(stretch) for stretch in order]
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(f.size for f in self.files)

    def cut(self, length: int) -> Cut:
        """How an object of `length` bytes is cut in this session."""
        return cut(length, self.coding.symbol, self.coding.block, sealed=self.sealed)

    @property
    def blocks(self) -> list[int]:
        """How many each file has."""
        return [self.cut(f.size).blocks for f in self.files]

    def objects(self) -> tuple[FileObject, ...]:
        """The objects with TOI 2, 3, ...: digests of a file, then its data."""
        found = []
        for number, entry in enumerate(self.files):
            data = self.cut(entry.size)
            listed = self.cut(data.blocks * DIGEST_SIZE)
            toi = FIRST_TOI + 2 * number
            found.append(FileObject(toi, number, is_data=False, cut=listed))
            found.append(FileObject(toi + 1, number, is_data=True, cut=data))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class FileObject:
    """One object on the wire: the digests of a file, or its data."""

    toi: int
    file: int
    """Number of the file in the manifest."""
    is_data: bool
    cut: Cut

    @property
    def partition(self) -> Partition:
        """The object as it travels."""
        return self.cut.wire


def seal(
    manifest: Manifest, key: Ed25519PrivateKey, serial: int = 0, order: Sequence[Stretch] = ()
) -> bytes:
    """Return the signed envelope that travels as TOI 1.  `serial` 0: none."""
    problem = order_problem(order, manifest.blocks) if order else ""
    if problem:
        raise ValueError(problem)
    return seal_envelope(manifest.encode(serial, order), PAYLOAD_TYPE, key)


class UntrustedError(WireError):
    """Somebody signed it, and not the one who is trusted."""


class UnreadableError(WireError):
    """It is of a version that is not known here."""


@dataclass(frozen=True, slots=True)
class OpenedManifest:
    """A manifest whose signature is right."""

    manifest: Manifest
    digest: bytes
    """BLAKE3 of the manifest, `digest(manifest.encode())`."""
    key: bytes
    """Public key (32 bytes) that signed it."""
    serial: int = 0
    """Grows from session to session; 0: the sender does not count."""
    order: tuple[Stretch, ...] = ()
    """What is sent first, in this order; the rest follows file by file."""


def open_manifest(envelope: bytes, trusted: bytes | None) -> OpenedManifest:
    """Return the manifest in `envelope` once its signature is proven.

    `trusted`: the only public key (32 bytes) that may have signed it; None: any key may, and the
    caller shows `OpenedManifest.key` to somebody who knows.
    """
    try:
        opened = open_envelope(envelope, PAYLOAD_TYPE, trusted)
    except UnknownSignerError as error:
        raise UntrustedError(
            f"manifest: {error} (is --trust the .pub file of the sender that you mean?)"
        ) from None
    except WireError as error:
        raise WireError(f"manifest: {error}") from None
    manifest, serial, order = _parse(opened.payload)
    return OpenedManifest(manifest, digest(manifest.encode()), opened.key, serial, order)


def _parse(payload: bytes) -> tuple[Manifest, int, tuple[Stretch, ...]]:
    try:
        document: dict[str, Any] = json.loads(payload)
        if document["format"] != FORMAT:
            raise WireError("manifest: its format is not ours")
        if document["version"] != VERSION:
            raise UnreadableError(
                f"manifest: it has version {document['version']!r}, this program reads {VERSION} "
                "(bring both ends to the same release)"
            )
        if document["digest"] != "blake3":
            raise WireError("manifest: its digests are not BLAKE3")
        if document.get("sealed", CIPHER) != CIPHER:
            raise WireError(f"manifest: sealed by a cipher that is not {CIPHER}")
        coding = document["coding"]
        serial = _number(document.get("serial", 0))
        if not 0 <= serial < 1 << 63:
            raise WireError(f"manifest: serial {serial} is not one")
        manifest = Manifest(
            name=_text(document["name"]),
            coding=Coding(
                symbol=_number(coding["symbol"]),
                block=_number(coding["block"]),
                parity=_number(coding["parity"]),
            ),
            files=tuple(
                FileEntry(
                    path=_text(f["path"]), size=_number(f["size"]), root=bytes.fromhex(f["root"])
                )
                for f in document["files"]
            ),
            sealed="sealed" in document,
        )
        order = _order(document.get("order", []), manifest)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WireError(f"manifest: not well formed: {error}") from None
    return manifest, serial, order


def _order(listed: object, manifest: Manifest) -> tuple[Stretch, ...]:
    if not isinstance(listed, list):
        raise TypeError("a list of stretches expected")
    if len(listed) > MAX_STRETCHES:
        raise WireError(f"manifest: an order of {len(listed)} stretches, of {MAX_STRETCHES}")
    order = tuple(Stretch(*map(_number, stretch)) for stretch in listed)
    problem = order_problem(order, manifest.blocks) if order else ""
    if problem:
        raise WireError(f"manifest: its order is none: {problem}")
    return order


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("whole number expected")
    return value
