"""What a device announces, held against what its configuration was proven with.

A revision that nobody has seen is no reason to guess: the push is refused, with the nodes of the
configuration that it changes.  `toolkit.yang.nodes` reads the modules; what the difference means
for a configuration is worked out here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from toolkit.errors import Place, Problem
from toolkit.yang.fetched import device_folder
from toolkit.yang.library import LibraryModule, by_name
from toolkit.yang.modulefile import ModuleInfo, identity
from toolkit.yang.nodes import Difference, dependent, differences, read_nodes, used_paths
from toolkit.yang.platforms import Unproven, by_our_own, platform_schema, search_path, where

Announced = LibraryModule | tuple[str, str]
"""A module of the device, or just its name and revision."""
TextOf = Callable[[str, str], str | None]
"""Name and revision of a module -> its text, as get-schema gives it."""

ACCEPT: Final = "--accept-revisions"


def check_revisions(
    device: str,
    announced: Iterable[Announced],
    platform: str,
    payload_namespaces: Collection[str],
    *,
    tree: Mapping[str, Any] | None = None,
    text_of: TextOf | None = None,
) -> list[Problem]:
    """Return why `device` must not be sent a configuration that was proven for other revisions.

    Empty: for each of `payload_namespaces` the device announces the module and the revision that
    `platform_schema` proved the configuration by, with the features that it uses.  With the
    configuration's `tree` (RFC 7951) differences are those of its own nodes, else those of whole
    modules, and features are not looked at.  `text_of` is asked for modules that are on no search
    path.  Announce a LibraryModule only where its features and deviations are known.
    """
    listed = list(announced)
    schema = platform_schema(platform, device, lambda: payload_namespaces)
    fetch = f"llmsync yang fetch INVENTORY --device {device}"
    if by_our_own(platform):
        fetch = "run the same version of llmsync here and there"
    if isinstance(schema, Unproven):
        what = f"no schema has proven its configuration: {schema.reason}"
        return [Problem(Place(device), what, f"{fetch}; or push with {ACCEPT}")]
    known = by_name((m.name, m.revision) if isinstance(m, LibraryModule) else m for m in listed)
    if not known:
        what = "it announces no YANG modules, so there is nothing to hold its configuration against"
        return [Problem(Place(device), what, f"push with {ACCEPT}")]
    proven = [m for m in schema.modules() if m.namespace in payload_namespaces]
    problems = [
        Problem(
            Place(device),
            f"it announces no {module.name}, which its configuration uses",
            "leave out what it is for, or install it there",
        )
        for module in proven
        if module.name not in known
    ]
    problems += _deviating(device, listed, proven, fetch)
    if tree is not None:
        problems += _featureless(device, listed, proven, schema.search_path, tree)
    other = {
        module.name: (module, max(known[module.name]))
        for module in proven
        if module.name in known and module.revision not in known[module.name]
    }
    if other:
        problems += _differing(device, other, schema.search_path, tree, text_of, fetch)
    return problems


def _deviating(
    device: str, announced: Iterable[Announced], proven: Iterable[ModuleInfo], fetch: str
) -> Iterator[Problem]:
    """Yield a problem for each module that deviates from ours without our knowing it."""
    told = {m.name: m.deviations for m in announced if isinstance(m, LibraryModule)}
    for module in proven:
        for name in told.get(module.name, ()):
            if name not in module.deviations:
                what = (
                    f"{name} deviates from {module.name} there, and its configuration was proven "
                    "without it"
                )
                yield Problem(Place(device), what, f"{fetch}; or push with {ACCEPT}")


def lacking_features(announced: Iterable[Announced], proven: Iterable[ModuleInfo]) -> set[str]:
    """Return `module:feature` of those that configurations may use and the device has not.

    Whether one does use them, `check_revisions` says when it is given the tree.
    """
    told = {m.name: m.features for m in announced if isinstance(m, LibraryModule)}
    return {
        f"{module.name}:{feature}"
        for module in proven
        if module.name in told
        for feature in module.features
        if feature not in told[module.name]
    }


def _featureless(
    device: str,
    announced: Iterable[Announced],
    proven: Iterable[ModuleInfo],
    folders: Collection[Any],
    tree: Mapping[str, Any],
) -> Iterator[Problem]:
    """Yield a problem for each node of the configuration whose feature the device has not."""
    lacking = lacking_features(announced, proven)
    if not lacking:
        return
    used = used_paths(tree)
    for nodes in read_nodes({m.name: m.text for m in proven}, folders).values():
        for path, feature in dependent(nodes, used, lacking):
            name = feature.replace(":", "'s ")
            yield Problem(
                Place(device, path=path),
                f"depends on {name}, a feature that it does not announce",
                "leave out what it is for, or turn the feature on there",
            )


def _differing(
    device: str,
    other: Mapping[str, tuple[ModuleInfo, str]],
    folders: Collection[Any],
    tree: Mapping[str, Any] | None,
    text_of: TextOf | None,
    fetch: str,
) -> Iterator[Problem]:
    whole = {
        name: _with_parts(device, name, revision, text_of) for name, (_, revision) in other.items()
    }
    there = {name for name, texts in whole.items() if texts is not None}
    before = read_nodes({name: other[name][0].text for name in there}, folders)
    after = read_nodes(
        {n: t for texts in whole.values() for n, t in (texts or {}).items()}, folders
    )
    used = None if tree is None else used_paths(tree)
    whose = "nodes that it uses" if used is not None else "module's nodes"
    for name, (module, revision) in other.items():
        what = (
            f"it announces {name} of {revision or 'no revision'}, and its configuration was proven "
            f"against that of {module.revision or 'no revision'}"
        )
        old, new = before.get(name), after.get(name)
        if name not in there:
            yield Problem(
                Place(device),
                f"{what}; what differs is not known, since its text is not at hand",
                f"{fetch}; or push with {ACCEPT}",
            )
        elif old is None or new is None:
            yield Problem(
                Place(device),
                f"{what}; what differs is not known, since pyang cannot read it",
                f"{fetch}; or push with {ACCEPT}",
            )
        elif found := differences(old, new, used):
            yield Problem(
                Place(device),
                f"{what}; of the {whose} {len(found)} differ{'s' if len(found) == 1 else ''}",
                f"{fetch}; or push with {ACCEPT}",
            )
            yield from (_problem(device, f"{name} of {revision}", entry) for entry in found)
        else:
            yield Problem(
                Place(device), f"{what}; none of the {whose} differ", f"push with {ACCEPT}"
            )


def _problem(device: str, module: str, found: Difference) -> Problem:
    return Problem(Place(device, path=found.path), f"{found.what} in {module}")


def _with_parts(
    device: str, name: str, revision: str, text_of: TextOf | None
) -> dict[str, str] | None:
    """Return a module and its submodules by name; None where not all of them are at hand."""
    folders = (device_folder(device), *search_path())
    file = where(f"{name}@{revision}" if revision else name, folders)
    if file is not None:
        text: str | None = file.read_text("utf-8")
    else:
        text = text_of(name, revision) if text_of is not None else None
    if text is None:
        return None
    found = {name: text}
    waiting = list(identity(text)[3])
    while waiting:
        part = waiting.pop()
        if part in found:
            continue
        # From where the module is: another release of its submodules may lie elsewhere.
        if file is not None:
            beside = where(part, (file.parent,))
            inner = beside.read_text("utf-8") if beside is not None else None
        else:
            inner = text_of(part, "") if text_of is not None else None
        if inner is None:
            return None
        found[part] = inner
        waiting += identity(inner)[3]
    return found
