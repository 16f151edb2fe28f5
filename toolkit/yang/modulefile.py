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
_NAMESPACE = re.compile(_AT_START + r"namespace\s+[\"']?([^\"';\s]+)")
_REVISION = re.compile(_AT_START + r"revision\s+[\"']?(\d{4}-\d\d-\d\d)")
_FEATURE = re.compile(_AT_START + r"feature\s+([\w.-]+)")
_VERSION = re.compile(_AT_START + r"yang-version\s+[\"']?([\d.]+)")
_DEVIATION = re.compile(_AT_START + r"deviation\s+[\"']?/([\w.-]+):")
_PREFIXED = re.compile(_AT_START + r"import\s+([\w.-]+)\s*\{[^}]*?\bprefix\s+[\"']?([\w.-]+)")


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

    Raises EnvironmentProblem when there is none.
    """
    found = [
        file
        for folder in search_path
        for pattern in (f"{name}.yang", f"{name}@*.yang")
        for file in folder.rglob(pattern)
    ]
    if not found:
        folders = ", ".join(map(str, search_path))
        raise EnvironmentProblem(
            f"YANG module {name} is not in {folders}; add its folder to the search path"
        )
    return max(found, key=lambda file: _revision(_statements(file.read_text("utf-8"))))


def _revision(statements: str) -> str:
    return max(_REVISION.findall(statements), default="")


def read_modules(
    names: Iterable[str], search_path: Sequence[Path], features: Mapping[str, Sequence[str]]
) -> tuple[ModuleInfo, ...]:
    """Return `names` and everything that they import, directly or not, sorted by name.

    `features` names what is supported of a module; all of it where a module is not named.
    """
    implemented = [name.partition("@")[0] for name in names]
    texts: dict[str, str] = {}
    waiting = list(implemented)
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = find_module(name, search_path).read_text("utf-8")
            waiting += _IMPORT.findall(_statements(texts[name]))
    deviated: dict[str, list[str]] = {}
    for name in implemented:
        statements = _statements(texts[name])
        modules = {prefix: module for module, prefix in _PREFIXED.findall(statements)}
        for prefix in dict.fromkeys(_DEVIATION.findall(statements)):
            deviated.setdefault(modules.get(prefix, prefix), []).append(name)
    return tuple(
        _info(
            name,
            text,
            deviations=tuple(deviated.get(name, ())),
            implemented=name in implemented,
            supported=features.get(name),
        )
        for name, text in sorted(texts.items())
    )


def _info(
    name: str,
    text: str,
    *,
    deviations: tuple[str, ...],
    implemented: bool,
    supported: Sequence[str] | None,
) -> ModuleInfo:
    statements = _statements(text)
    namespace = _NAMESPACE.search(statements)
    version = _VERSION.search(statements)
    features = tuple(_FEATURE.findall(statements) if supported is None else supported)
    return ModuleInfo(
        name=name,
        revision=_revision(statements),
        namespace=namespace[1] if namespace else "",
        features=features if implemented else (),
        text=text,
        deviations=deviations,
        implemented=implemented,
        yang_version=version[1] if version else "1",
    )
