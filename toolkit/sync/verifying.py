"""Whether a version in a store is still what was delivered: every block, digested again.

Reads files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from toolkit.delivery.manifest import DIGEST_SIZE, digest, open_manifest
from toolkit.delivery.sealing import cut
from toolkit.errors import WireError


def damages(files: Path, records: Path) -> Iterator[str]:
    """Yield what is wrong with the version in `files`, whose digests are in `records`."""
    try:
        manifest = open_manifest((records / "manifest.json").read_bytes(), None).manifest
    except OSError as error:
        yield f"{records / 'manifest.json'}: {error.strerror}"
        return
    except WireError as error:
        yield f"{records / 'manifest.json'}: {error}"
        return
    for number, entry in enumerate(manifest.files):
        path = files / entry.path
        part = cut(
            entry.size, manifest.coding.symbol, manifest.coding.block, sealed=manifest.sealed
        )
        try:
            listed = (records / str(number)).read_bytes() if part.blocks else b""
            size = path.stat().st_size
        except OSError as error:
            yield f"{error.filename}: {error.strerror}"
            continue
        if digest(listed) != entry.root:
            yield f"{records / str(number)}: is damaged"
            continue
        if size != entry.size:
            yield f"{path}: has {size} bytes, {entry.size} were delivered"
            continue
        bad = []
        with path.open("rb", buffering=0) as stream:
            for block in range(part.blocks):
                data = os.pread(stream.fileno(), part.size(block), part.offset(block))
                if digest(data) != listed[block * DIGEST_SIZE : (block + 1) * DIGEST_SIZE]:
                    bad.append(block)
        if bad:
            yield f"{path}: {len(bad)} of {part.blocks} blocks are not what was delivered"
