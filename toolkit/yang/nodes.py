"""The data nodes of modules and what a configuration has to obey there, to compare two revisions.

pyang runs as a process of its own, with a plugin of ours (pyang_plugins/nodes.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from toolkit.yang.modulefile import base_folders

Facts = Mapping[str, Any]
Nodes = Mapping[str, Facts]
"""Data path with the names of RFC 7951 -> kind, type, mandatory, must, ...  `identity module:name`
stands for an identity."""

_PLUGINS: Final = Path(__file__).resolve().parent / "pyang_plugins"
IDENTITY: Final = "identity "
"""What stands before `module:name` where an identity is meant, no data path."""
_LIMIT: Final = 120.0
"""Seconds that pyang may take; large vendors' modules take tens."""
_WORDS: Final = {
    "kind": "kind of node",
    "type": "type",
    "key": "key",
    "must": "must",
    "when": "when",
    "min-elements": "min-elements",
    "max-elements": "max-elements",
    "presence": "presence",
}
_ENUMS: Final = 60
"""A type in more letters than these is cut short where it is shown."""


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """What another revision says of one node."""

    path: str
    what: str


def read_nodes(texts: Mapping[str, str], folders: Iterable[Any]) -> Mapping[str, Nodes]:
    """Return module -> its configuration nodes, those that it adds to others too.

    `texts` are the modules, and submodules of theirs; what they import is looked for among
    themselves, then in `folders`.  A module that pyang cannot read is not in the result.  The
    answer is kept: many devices have the same modules.
    """
    if not texts:
        return {}
    with _lock:
        return _read(tuple(sorted(texts.items())), tuple(map(str, folders)))


_lock = threading.Lock()


@lru_cache(maxsize=32)
def _read(texts: tuple[tuple[str, str], ...], folders: tuple[str, ...]) -> dict[str, Nodes]:
    with tempfile.TemporaryDirectory(prefix="llmsync-yang-") as name:
        files = []
        for module, text in texts:
            file = Path(name) / f"{module}.yang"
            file.write_text(text, "utf-8")
            files.append(str(file))
        path = os.pathsep.join((name, *folders, *map(str, base_folders())))
        try:
            run = subprocess.run(
                [
                    sys.executable, "-m", "pyang", "--ignore-errors", "--plugindir", str(_PLUGINS),
                    "--path", path, "--format", "llmsync-nodes", *files,
                ],
                capture_output=True, text=True, check=False, timeout=_LIMIT,
            )  # fmt: skip
            found: dict[str, Nodes] = json.loads(run.stdout)
        except (subprocess.TimeoutExpired, json.JSONDecodeError):
            return {}
    return {module: nodes for module, nodes in found.items() if nodes}


def used_paths(tree: Mapping[str, Any]) -> frozenset[str]:
    """Return the data paths of all nodes of an RFC 7951 tree, without keys."""
    return frozenset(_used(tree, ""))


def _used(value: Any, path: str) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, str) and ":" in value:
        yield f"{IDENTITY}{value}"
    elif isinstance(value, Mapping):
        for member, inner in value.items():
            yield f"{path}/{member}"
            yield from _used(inner, f"{path}/{member}")
    elif isinstance(value, list):
        for entry in value:
            yield from _used(entry, path)


def differences(
    old: Nodes, new: Nodes, used: Collection[str] | None = None
) -> tuple[Difference, ...]:
    """Return what matters of `new` to a configuration that `old` allows, sorted by path.

    `used`: the paths of the configuration; None: of all that `old` has.  Nodes that a configuration
    does not use matter where they have become mandatory, or are left out and mean something else.
    """
    taken = set(old) if used is None else set(used)
    gone = {path for path in old if path in taken and path not in new}
    found = [Difference(p, "is gone") for p in gone if p.rpartition("/")[0] not in gone]
    for path, facts in new.items():
        parent = path.rpartition("/")[0]
        if path in taken and path in old:
            found += [Difference(path, what) for what in _changed(old[path], facts)]
        elif path not in taken and (not parent or parent in taken) and _demanded(facts):
            if path not in old or not _demanded(old[path]):
                found.append(Difference(path, "is mandatory"))
        elif used is not None and path not in taken and parent in taken and path in old:
            was, now = old[path].get("default"), facts.get("default")
            if was != now:
                said = f"default is {now or 'none'}, was {was or 'none'}"
                found.append(Difference(path, said))
    return tuple(sorted(found))


def dependent(
    nodes: Nodes, used: Collection[str], lacking: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield each used node, none below another, with a feature of `lacking` that it depends on."""
    found: dict[str, str] = {}
    for path in sorted(nodes.keys() & set(used)):
        for feature in nodes[path].get("features", ()):
            if feature in lacking and not any(path.startswith(f"{above}/") for above in found):
                found[path] = feature
                break
    yield from found.items()


def _demanded(facts: Facts) -> bool:
    return facts.get("mandatory") == "true" or facts.get("min-elements", "0") != "0"


def _changed(old: Facts, new: Facts) -> Iterator[str]:
    for name, words in _WORDS.items():
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        if isinstance(was or now, list):
            for rule in [rule for rule in now or () if rule not in (was or ())]:
                yield f"has a new {words} ({_short(rule)})"
            if name == "when":
                for rule in [rule for rule in was or () if rule not in (now or ())]:
                    yield f"has no more {words} ({_short(rule)})"
        elif name == "presence":
            yield f"{'is' if now else 'is no longer'} a presence container"
        elif name == "type" and now and was and was.split()[0] == now.split()[0] == "enumeration":
            lost = [enum for enum in was.split()[2::2] if enum not in now.split()[2::2]]
            if lost:
                yield f"has no more value {', '.join(lost)}"
        else:
            yield f"{words} is {_short(now or 'none')}, was {_short(was or 'none')}"
    if new.get("status") == "obsolete" and old.get("status") != "obsolete":
        yield "is obsolete"


def _short(text: str) -> str:
    return text if len(text) <= _ENUMS else f"{text[: _ENUMS - 3]}..."
