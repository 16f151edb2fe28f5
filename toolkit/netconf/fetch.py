"""What modules a device has, and their texts: yang-library and get-schema (RFC 8525, RFC 6022)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Protocol
from xml.sax.saxutils import escape

from toolkit.errors import DeviceError, Place, Problem, SchemaError, UnreachableError
from toolkit.netconf import announced
from toolkit.netconf.messages import Reply
from toolkit.netconf.names import MONITORING_NS
from toolkit.netconf.profiles import PROFILES
from toolkit.netconf.runtime_ncclient import Connection, Target
from toolkit.yang.library import Library, LibraryModule
from toolkit.yang.modulefile import identity, imports

_READERS: Final = {
    "yang-library": (announced.LIBRARY_FILTER, announced.from_library, "yang-library (RFC 8525)"),
    "modules-state": (announced.STATE_FILTER, announced.from_state, "modules-state (RFC 7895)"),
    "schemas": (announced.SCHEMAS_FILTER, announced.from_schemas, "netconf-state (RFC 6022)"),
}

Texts = dict[tuple[str, str], str]
"""(name, revision) -> module."""
Tell = Callable[[int, int], None]
"""Told how many modules are there, and how many there are in all."""


class Asked(Protocol):
    """A NETCONF session; `runtime_ncclient.Connection` is one."""

    @property
    def capabilities(self) -> frozenset[str]: ...

    def request(self, operation: str) -> Reply: ...


@contextmanager
def session(target: Target, timeout: float) -> Iterator[Connection]:
    """Open a session for reading and leave it; a lost one raises UnreachableError."""
    profile = PROFILES.get(target.profile)
    connection = Connection(target, timeout=timeout, settle=profile.settle if profile else 0.0)
    try:
        yield connection
    except ConnectionError as error:
        reason = str(error).removeprefix(f"{target.device}: ")
        raise UnreachableError(target.device, reason) from None
    finally:
        connection.leave()


def library_of(device: str, asked: Asked) -> Library:
    """Return the modules that a device announces, by the best list that it has.

    A list that the device does not give is passed over.
    """
    for source in announced.sources(asked.capabilities):
        if found := _listed(asked, source):
            return Library(device=device, source=_READERS[source][2], modules=found)
    if found := announced.from_hello(asked.capabilities):
        return Library(device=device, source="its hello (RFC 6020)", modules=found)
    found = _listed(asked, "schemas")
    return Library(device=device, source=_READERS["schemas"][2], modules=found)


def _listed(asked: Asked, source: str) -> tuple[LibraryModule, ...]:
    chosen, read, _ = _READERS[source]
    try:
        reply = asked.request(f'<get><filter type="subtree">{chosen}</filter></get>')
    except DeviceError:
        return ()
    return read(child for node in reply.content for child in node.children)


def announced_by(asked: Asked) -> list[LibraryModule | tuple[str, str]]:
    """Return what a device announces, for `toolkit.yang.revisions.check_revisions`.

    A list of schemas says nothing of features and deviations: just names and revisions then.
    """
    library = library_of("", asked)
    if library.source == _READERS["schemas"][2]:
        return [(module.name, module.revision) for module in library.modules]
    return list(library.modules)


def get_schema(asked: Asked, name: str, revision: str) -> str:
    """Return the text of a module or submodule.  Raises DeviceError where there is none."""
    version = f"<version>{escape(revision)}</version>" if revision else ""
    reply = asked.request(
        f'<get-schema xmlns="{MONITORING_NS}"><identifier>{escape(name)}</identifier>{version}'
        "<format>yang</format></get-schema>"
    )
    return "".join(node.value for node in reply.content).strip() + "\n"


MOST_UNLISTED: Final = 500
"""Modules that a device's list leaves out and others import; more are no oversight."""


def _silence(_done: int, _whole: int) -> None:
    """Tell nobody."""


def fetch(device: str, asked: Asked, tell: Tell = _silence) -> tuple[Library, Texts]:
    """Return the library of a device and the text of all of its modules and submodules.

    Submodules and imports that its list leaves out are asked for as well.  Raises SchemaError with
    every module that the device does not give, or gives another of.
    """
    library = library_of(device, asked)
    if not library.modules:
        what = "it announces no YANG modules, and lists no schemas"
        raise SchemaError([Problem(Place(device), what, "turn ietf-netconf-monitoring on there")])
    texts: Texts = {}
    problems: list[Problem] = []
    modules: list[LibraryModule] = []
    known = {module.name for module in library.modules}
    most = len(known) + MOST_UNLISTED
    waiting = list(library.modules)
    while waiting:
        module = waiting.pop(0)
        tell(len(modules), len(modules) + len(waiting) + 1)
        text = _text(device, asked, module.name, module.revision, problems)
        if text is None:
            continue
        revision, namespace, kind, included = identity(text)
        if kind.startswith("submodule"):
            continue  # a list of schemas has them beside their modules, which bring them
        if revision != module.revision and module.revision:
            what = f"get-schema gives {module.name} of {revision}, not of {module.revision}"
            problems.append(Problem(Place(device), what))
            continue
        texts[module.name, revision] = text
        parts = dict(module.submodules) or dict.fromkeys(included, "")
        for name in sorted({*parts, *included}):
            part = _text(device, asked, name, parts.get(name, ""), problems)
            if part is not None:
                parts[name] = identity(part)[0]
                texts[name, parts[name]] = part
        modules.append(
            replace(
                module,
                revision=revision,
                namespace=module.namespace or namespace,
                submodules=tuple(sorted(parts.items())),
            )
        )
        for name in sorted(imports(text) - known):
            if len(known) >= most:
                what = f"its modules import more than {MOST_UNLISTED} that its list has not"
                raise SchemaError([Problem(Place(device), what, "look at the server: it may lie")])
            known.add(name)
            waiting.append(LibraryModule(name=name, implemented=False))
    if problems:
        raise SchemaError(problems)
    return replace(library, modules=tuple(sorted(modules))), texts


def _text(
    device: str, asked: Asked, name: str, revision: str, problems: list[Problem]
) -> str | None:
    """Return a module that is what was asked for; else add why not and return None."""
    wanted = f"{name}@{revision}" if revision else name
    try:
        text = get_schema(asked, name, revision)
    except DeviceError as error:
        what = f"get-schema gives no {wanted}: {error.tag}: {error.message}"
        problems.append(Problem(Place(device), what))
        return None
    if not identity(text)[2].endswith(f"module {name}"):
        problems.append(Problem(Place(device), f"get-schema of {wanted} gives no such module"))
        return None
    return text


def text_of(asked: Asked) -> Callable[[str, str], str | None]:
    """Return how to ask the device for a module, for `check_revisions`."""

    def ask(name: str, revision: str) -> str | None:
        try:
            return get_schema(asked, name, revision)
        except DeviceError:
            return None

    return ask
