"""The modules that a device says it has: yang-library as values, and the file they are kept in.

Pure.  RFC 8525, RFC 7895 and the module capabilities of RFC 6020 section 5.6.4 all say the same
four things of a module: its revision, its features, what deviates from it, and whether it is
implemented or only imported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

VERSION: Final = 1
"""Of the form of library.json."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LibraryModule:
    """One module of a device."""

    name: str
    revision: str = ""
    """`YYYY-MM-DD`; empty where the module has none."""
    namespace: str = ""
    features: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    """Names of modules that deviate from this one."""
    implemented: bool = True
    """False: only imported, for its types."""
    submodules: tuple[tuple[str, str], ...] = ()
    """Name and revision of each."""

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """All modules of a device."""

    device: str
    source: str
    """What the device said it in, for people."""
    modules: tuple[LibraryModule, ...]
    platform: str = ""
    """What the device was when it was asked; empty: not known."""

    @property
    def digest(self) -> str:
        """Equal for devices with the same modules."""
        text = json.dumps([asdict(module) for module in sorted(self.modules)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class NoLibraryError(ValueError):
    """The text is none of ours; the message says why."""


def format_library(library: Library) -> str:
    """Return library.json."""
    document = {
        "version": VERSION,
        "device": library.device,
        "platform": library.platform,
        "source": library.source,
        "modules": [
            {
                "name": module.name,
                "revision": module.revision,
                "namespace": module.namespace,
                "conformance": "implement" if module.implemented else "import",
                "features": list(module.features),
                "deviations": list(module.deviations),
                "submodules": [{"name": n, "revision": r} for n, r in module.submodules],
            }
            for module in sorted(library.modules)
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def parse_library(text: str) -> Library:
    """Return what `format_library` wrote.  Raises NoLibraryError."""
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise NoLibraryError(f"version {document['version']} of library.json is not known")
        return Library(
            device=document["device"],
            source=document["source"],
            modules=tuple(map(_module, document["modules"])),
            platform=document.get("platform", ""),
        )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise NoLibraryError(f"is no library.json: {error}") from None


def _module(entry: Mapping[str, Any]) -> LibraryModule:
    return LibraryModule(
        name=entry["name"],
        revision=entry["revision"],
        namespace=entry["namespace"],
        implemented=entry["conformance"] == "implement",
        features=tuple(entry["features"]),
        deviations=tuple(entry["deviations"]),
        submodules=tuple((s["name"], s["revision"]) for s in entry["submodules"]),
    )


def needed_modules(
    library: Library, namespaces: Collection[str]
) -> tuple[tuple[LibraryModule, ...], tuple[str, ...]]:
    """Return what a payload with elements of `namespaces` is to be proven by, and what is missing.

    First the modules that deviate from the needed ones, since a deviation may take out what does
    not compile, then those themselves; the second value are the namespaces that no module of the
    device has.
    """
    needed = [m for m in library.modules if m.implemented and m.namespace in namespaces]
    known = {module.namespace for module in needed}
    deviating = {name for module in needed for name in module.deviations}
    first = [m for m in library.modules if m.name in deviating]
    return (
        tuple(dict.fromkeys((*first, *needed))),
        tuple(sorted(name for name in namespaces if name not in known)),
    )


def by_name(announced: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Return module -> its revisions; a module may be imported by several revisions at once."""
    found: dict[str, set[str]] = {}
    for name, revision in announced:
        found.setdefault(name, set()).add(revision)
    return {name: frozenset(revisions) for name, revisions in found.items()}
