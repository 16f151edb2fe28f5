"""YANG module files: where they lie, and what a NETCONF hello says about them.

Reads the few statements that identify a module (RFC 7950 section 7.1) from its text; everything
else in it is for validators.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from toolkit.errors import EnvironmentProblem

_NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|(\"(?:[^\"\\]|\\.)*\"|'[^']*')", re.DOTALL)
_AT_START = r"(?<=[;{}])\s*"
_IMPORT = re.compile(_AT_START + r"import\s+([\w.-]+)")
_INCLUDE = re.compile(_AT_START + r"include\s+([\w.-]+)")
_KIND = re.compile(r"\A\s*(module|submodule)\s+([\w.-]+)")
_NAMESPACE = re.compile(_AT_START + r"namespace\s+[\"']?([^\"';\s]+)")
_REVISION = re.compile(_AT_START + r"revision\s+[\"']?(\d{4}-\d\d-\d\d)")
_FEATURE = re.compile(_AT_START + r"feature\s+([\w.-]+)")
_VERSION = re.compile(_AT_START + r"yang-version\s+[\"']?([\d.]+)")
_DEVIATION = re.compile(_AT_START + r"deviation\s+((?:[\"'][^\"']*[\"']\s*\+?\s*)+|[^\s{;]+)")
_STEP = re.compile(r"/([\w.-]+):")
_PREFIXED = re.compile(_AT_START + r"import\s+([\w.-]+)\s*\{[^}]*?\bprefix\s+[\"']?([\w.-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodule:
    """A part of a module that stands in a file of its own (RFC 7950 section 7.2)."""

    name: str
    revision: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleInfo:
    """One module as a NETCONF server names it (RFC 6020 section 5.6.4, RFC 6022 section 3.1)."""

    name: str
    revision: str
    """`YYYY-MM-DD`; empty where the module has none."""
    namespace: str
    features: tuple[str, ...]
    """Features that are supported."""
    text: str
    """The whole module, for get-schema."""
    deviations: tuple[str, ...] = ()
    """Names of loaded modules that deviate from this one."""
    implemented: bool = True
    """False: only imported, for its types (RFC 7950 section 5.6.5)."""
    yang_version: str = "1"
    submodules: tuple[Submodule, ...] = ()
    """Those that it includes, directly or not, sorted by name."""


@cache
def base_folders() -> tuple[Path, ...]:
    """Return the folders of the IETF and IANA modules that pyang's distribution brings."""
    try:
        files = importlib.metadata.files("pyang") or ()
    except importlib.metadata.PackageNotFoundError:
        files = ()
    wanted = ("ietf-interfaces.yang", "iana-if-type.yang")
    found = {Path(str(f.locate())).resolve().parent for f in files if f.name in wanted}
    if len(found) < len(wanted) or not all(folder.is_dir() for folder in found):
        raise EnvironmentProblem(
            "the IETF modules that pyang's wheel brings are not there: "
            "pip install --force-reinstall pyang"
        )
    return tuple(sorted(found))


def _statements(text: str) -> str:
    """Return `text` without comments and without the insides of strings that are prose."""

    def keep(found: re.Match[str]) -> str:
        quoted = found[1]
        if quoted is None:
            return " "
        return '""' if any(mark in quoted for mark in " \n;{}") else quoted

    return _NOISE.sub(keep, text)


def find_module(name: str, search_path: Sequence[Path]) -> Path:
    """Return the newest file of module `name` below the folders of `search_path`.

    `name` may be `name@revision`; then it is that one.  Raises EnvironmentProblem when there is
    none.
    """
    base, _, revision = name.partition("@")
    found = [
        file
        for folder in search_path
        for pattern in (f"{base}.yang", f"{base}@{revision or '*'}.yang")
        for file in folder.rglob(pattern)
    ]
    if revision:
        found = [file for file in found if _revision_of(file) == revision]
    if not found:
        folders = ", ".join(map(str, search_path))
        raise EnvironmentProblem(
            f"YANG module {name} is not in {folders}; add its folder to the search path"
        )
    return max(found, key=_revision_of)


def _revision_of(file: Path) -> str:
    return _revision(_statements(file.read_text("utf-8")))


def _revision(statements: str) -> str:
    return max(_REVISION.findall(statements), default="")


def read_modules(
    names: Iterable[str], search_path: Sequence[Path], features: Mapping[str, Sequence[str]]
) -> tuple[ModuleInfo, ...]:
    """Return `names` and everything that they import, directly or not, sorted by name.

    `features` names what is supported of a module; all of it where a module is not named.
    """
    exact = {name.partition("@")[0]: name for name in names}
    implemented = list(exact)
    texts: dict[str, str] = {}
    parts: dict[str, tuple[Submodule, ...]] = {}
    waiting = list(implemented)
    while waiting:
        name = waiting.pop()
        if name not in texts:
            file = find_module(exact.get(name, name), search_path)
            texts[name] = file.read_text("utf-8")
            parts[name] = _submodules(texts[name], search_path)
            for text in (texts[name], *(part.text for part in parts[name])):
                waiting += _IMPORT.findall(_statements(text))
    deviated: dict[str, list[str]] = {}
    for name in implemented:
        for module in sorted(deviated_modules(texts[name])):
            deviated.setdefault(module, []).append(name)
    return tuple(
        _info(
            name,
            text,
            deviations=tuple(deviated.get(name, ())),
            implemented=name in implemented,
            supported=features.get(name),
            parts=parts[name],
        )
        for name, text in sorted(texts.items())
    )


def _submodules(text: str, search_path: Sequence[Path]) -> tuple[Submodule, ...]:
    found: dict[str, Submodule] = {}
    waiting = _INCLUDE.findall(_statements(text))
    while waiting:
        name = waiting.pop()
        if name not in found:
            part = find_module(name, search_path).read_text("utf-8")
            statements = _statements(part)
            found[name] = Submodule(name=name, revision=_revision(statements), text=part)
            waiting += _INCLUDE.findall(statements)
    return tuple(found[name] for name in sorted(found))


def deviated_modules(text: str) -> frozenset[str]:
    """Return the names of the modules whose nodes a module deviates from."""
    statements = _statements(text)
    modules = {prefix: module for module, prefix in _PREFIXED.findall(statements)}
    # The last step of the path is the node that is deviated from.
    steps = [_STEP.findall(path) for path in _DEVIATION.findall(statements)]
    return frozenset(modules.get(names[-1], names[-1]) for names in steps if names)


def imports(text: str) -> frozenset[str]:
    """Return the names of the modules that a module imports."""
    return frozenset(_IMPORT.findall(_statements(text)))


def identity(text: str) -> tuple[str, str, str, tuple[str, ...]]:
    """Return revision and namespace of a module, what it is (`module`), and its submodules."""
    statements = _statements(text)
    namespace, kind = _NAMESPACE.search(statements), _KIND.search(statements)
    return (
        _revision(statements),
        namespace[1] if namespace else "",
        f"{kind[1]} {kind[2]}" if kind else "",
        tuple(dict.fromkeys(_INCLUDE.findall(statements))),
    )


def _info(
    name: str,
    text: str,
    *,
    deviations: tuple[str, ...],
    implemented: bool,
    supported: Sequence[str] | None,
    parts: tuple[Submodule, ...],
) -> ModuleInfo:
    statements = _statements(text)
    namespace = _NAMESPACE.search(statements)
    version = _VERSION.search(statements)
    whole = "".join((statements, *(_statements(part.text) for part in parts)))
    features = tuple(_FEATURE.findall(whole) if supported is None else supported)
    return ModuleInfo(
        name=name,
        revision=_revision(statements),
        namespace=namespace[1] if namespace else "",
        features=features if implemented else (),
        text=text,
        deviations=deviations,
        implemented=implemented,
        yang_version=version[1] if version else "1",
        submodules=parts,
    )
