"""A repository's folder, watched: which versions of which models can be sent.

Reads the folder, and writes below the state folder.  `look` costs one `stat` for each file of the
models that are wanted, and reads contents only of what is new.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from blake3 import blake3

from toolkit.delivery.manifest import path_problems
from toolkit.delivery.model import Coding
from toolkit.delivery.sealing import cut
from toolkit.delivery.source import FileSource, open_source
from toolkit.errors import DeliveryError, EnvironmentProblem, ProblemsError
from toolkit.sync.digests import DigestCache
from toolkit.sync.layout import Found, Scan, scan
from toolkit.sync.settling import Key, Settling, Taken

_INDEX = ".safetensors.index.json"


class Repository:
    """The folder `root`.  `state`: where digests and what was taken are kept."""

    def __init__(
        self,
        root: Path,
        models: Collection[str],
        state: Path,
        coding: Coding,
        settle: float,
        *,
        sealed: bool = False,
    ) -> None:
        self.root = root.resolve()
        self.models = frozenset(models)
        self.coding, self.sealed = coding, sealed
        self.cache = DigestCache(state / "digests")
        self._memory = state / "versions.json"
        taken, resolved = _recall(self._memory)
        self._settling = Settling(settle, taken)
        self._settling.resolved = resolved
        self._scan = Scan()
        self.problems: dict[str, str] = {}
        """Model@version -> why it is not taken."""

    def look(self, now: float) -> bool:
        """See what is there; read what is new.  Returns whether anything was taken or has gone.

        Takes as long as reading takes: call it where nobody waits.
        """
        before = dict(self._settling.taken)
        found = scan(self.root, self.models)
        for key in self._settling.seen(now, found):
            self._read(found.versions[key])
        self._scan = found
        problems = {f"{model}@{version}": why for (model, version), why in self._why().items()}
        self.problems = problems | found.problems
        if self._settling.taken == before:
            return False
        self._remember()
        self.cache.keep_only(
            [v.path / mark[0] for k, v in found.versions.items() for mark in v.marks]
        )
        return True

    def resolve(self, model: str, wanted: str) -> tuple[tuple[str, Taken] | None, str]:
        """Return the version that `wanted` means now and what is known of it, or why not."""
        version, why = self._settling.resolve(self._scan, model, wanted)
        return (None if version is None else (version, self._settling.taken[model, version])), why

    def path(self, model: str, version: str) -> Path | None:
        """Where a version's files are; None: they have gone."""
        found = self._scan.versions.get((model, version))
        return None if found is None else found.path

    def remember(self) -> None:
        """Write down what `latest` means."""
        self._remember()

    def _why(self) -> dict[Key, str]:
        return dict(self._settling.why)

    def _read(self, found: Found) -> None:
        key = found.model, found.version
        try:
            source = open_version(
                found.path, self.coding, f"{key[0]}@{key[1]}", self.cache, sealed=self.sealed
            )
            _check_shards(found.path)
            content = content_of(source, self.cache)
        except ProblemsError as error:
            self._settling.refuse(key, found.marks, str(error.problems[0]))
        except (DeliveryError, OSError) as error:
            self._settling.why[key] = str(error)
        else:
            taken = Taken(content, source.manifest.size, found.marks)
            self._settling.take(key, taken)

    def _remember(self) -> None:
        document = {
            "resolved": self._settling.resolved,
            "taken": [
                {
                    "model": model, "version": version, "content": taken.content,
                    "size": taken.size, "marks": taken.marks,
                }
                for (model, version), taken in sorted(self._settling.taken.items())
            ],
        }  # fmt: skip
        fresh = self._memory.with_name(self._memory.name + ".new")
        try:
            fresh.write_text(json.dumps(document))
            fresh.replace(self._memory)
        except OSError as error:
            raise EnvironmentProblem(
                f"{self._memory}: cannot be written: {error.strerror} (make room)"
            ) from None


def open_version(
    path: Path, coding: Coding, name: str, cache: DigestCache, *, sealed: bool = False
) -> FileSource:
    """Return a version as a Source, read only as far as the cache does not know it."""
    return open_source(path, coding, name, sealed=sealed, digest_blocks=cache.blocks)


def content_of(source: FileSource, cache: DigestCache) -> str:
    """Return the digest over paths and bytes of a version's files, in hexadecimal."""
    content = blake3()
    files = zip(source.manifest.files, source.paths, strict=True)
    for entry, path in sorted(files, key=lambda pair: pair[0].path):
        coding = source.manifest.coding
        part = cut(entry.size, coding.symbol, coding.block, sealed=source.manifest.sealed)
        whole = cache.digests(path, part).whole
        content.update(f"{entry.path}\0{entry.size}\0".encode() + whole)
    return str(content.hexdigest())


def _check_shards(folder: Path) -> None:
    """Every shard that an index of safetensors names must be there."""
    for index in folder.rglob(f"*{_INDEX}"):
        try:
            named = set(json.loads(index.read_bytes())["weight_map"].values())
        except (ValueError, KeyError, AttributeError, TypeError):
            continue  # Not ours to judge: it travels as any file.
        for shard in sorted(str(n) for n in named):
            if not any(path_problems([shard])) and not (index.parent / shard).is_file():
                raise DeliveryError(f"{index.parent / shard}: is missing; {index.name} names it")


def _recall(memory: Path) -> tuple[dict[Key, Taken], dict[str, str]]:
    try:
        document: Any = json.loads(memory.read_text())
        taken = {
            (str(t["model"]), str(t["version"])): Taken(
                str(t["content"]), int(t["size"]),
                tuple((str(a), int(b), int(c), int(d)) for a, b, c, d in t["marks"]),
            )
            for t in document["taken"]
        }  # fmt: skip
        return taken, {str(k): str(v) for k, v in document["resolved"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, {}  # Nothing is lost but the time to read it again.
