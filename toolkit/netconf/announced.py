"""The modules of a server, as it says them: yang-library, its predecessor, or its hello.

Pure.  RFC 8525 (yang-library), RFC 7895 (modules-state), RFC 6020 section 5.6.4 (capabilities of
the hello, which leave out modules of YANG 1.1), RFC 6022 (the list of schemas).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qs

from toolkit.netconf.names import MONITORING_NS, YANG_LIBRARY_NS
from toolkit.netconf.tree import Node
from toolkit.yang.library import LibraryModule

LIBRARY_FILTER: Final = f'<yang-library xmlns="{YANG_LIBRARY_NS}"><module-set/></yang-library>'
STATE_FILTER: Final = f'<modules-state xmlns="{YANG_LIBRARY_NS}"/>'
SCHEMAS_FILTER: Final = f'<netconf-state xmlns="{MONITORING_NS}"><schemas/></netconf-state>'

_LIBRARY_CAPABILITY: Final = "urn:ietf:params:netconf:capability:yang-library:"


def sources(capabilities: Iterable[str]) -> tuple[str, ...]:
    """Return what a server with these capabilities is to be asked for, the best first.

    `yang-library` and `modules-state`; the hello comes after them, then `schemas`.
    """
    listed = tuple(capabilities)
    if any(uri.startswith(f"{_LIBRARY_CAPABILITY}1.1") for uri in listed):
        return ("yang-library", "modules-state")
    revisions = {
        module.revision for module in from_hello(listed) if module.name == "ietf-yang-library"
    }
    if any(revision >= "2019-01-04" for revision in revisions):
        return ("yang-library", "modules-state")
    if revisions or any(uri.startswith(f"{_LIBRARY_CAPABILITY}1.0") for uri in listed):
        return ("modules-state",)
    return ()


def from_hello(capabilities: Iterable[str]) -> tuple[LibraryModule, ...]:
    """Return the modules that a hello announces."""
    found = []
    for uri in capabilities:
        namespace, mark, query = uri.partition("?")
        # Some servers escape the ampersand twice.
        values = parse_qs(query.replace("&amp;", "&"), keep_blank_values=True)
        if mark and "module" in values:
            found.append(
                LibraryModule(
                    name=values["module"][0],
                    revision=values.get("revision", [""])[0],
                    namespace=namespace,
                    features=_listed(values.get("features", [])),
                    deviations=_listed(values.get("deviations", [])),
                )
            )
    return tuple(sorted(found))


def _listed(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for value in values for name in value.split(",") if name)


def from_library(content: Iterable[Node]) -> tuple[LibraryModule, ...]:
    """Return the modules of a <get> of yang-library, whatever sets they are in."""
    found = {}
    for library in _named(content, "yang-library"):
        for chosen in _named(library.children, "module-set"):
            for entry in chosen.children:
                if entry.name.local in ("module", "import-only-module"):
                    module = _entry(entry, implemented=entry.name.local == "module")
                    found[module.name, module.revision] = module
    return tuple(sorted(found.values()))


def from_state(content: Iterable[Node]) -> tuple[LibraryModule, ...]:
    """Return the modules of a <get> of modules-state (RFC 7895)."""
    return tuple(
        sorted(
            _entry(entry, implemented=_text(entry, "conformance-type") != "import")
            for state in _named(content, "modules-state")
            for entry in _named(state.children, "module")
        )
    )


def from_schemas(content: Iterable[Node]) -> tuple[LibraryModule, ...]:
    """Return the modules of a <get> of netconf-state/schemas; submodules stand among them."""
    found = {}
    for state in _named(content, "netconf-state"):
        for schemas in _named(state.children, "schemas"):
            for entry in _named(schemas.children, "schema"):
                if _text(entry, "format").rpartition(":")[2] == "yang":
                    module = LibraryModule(
                        name=_text(entry, "identifier"),
                        revision=_text(entry, "version"),
                        namespace=_text(entry, "namespace"),
                    )
                    found[module.name, module.revision] = module
    return tuple(sorted(found.values()))


def _entry(entry: Node, *, implemented: bool) -> LibraryModule:
    several: defaultdict[str, list[Node]] = defaultdict(list)
    for child in entry.children:
        several[child.name.local].append(child)
    for holder in several["submodules"]:
        several["submodule"] += _named(holder.children, "submodule")
    return LibraryModule(
        name=_text(entry, "name"),
        revision=_text(entry, "revision"),
        namespace=_text(entry, "namespace"),
        implemented=implemented,
        features=tuple(sorted(node.text for node in several["feature"])),
        deviations=tuple(
            sorted(_text(node, "name") if node.children else node.text
                   for node in several["deviation"])
        ),
        submodules=tuple(
            sorted((_text(node, "name"), _text(node, "revision")) for node in several["submodule"])
        ),
    )  # fmt: skip


def _named(nodes: Iterable[Node], local: str) -> Iterator[Node]:
    return (node for node in nodes if node.name.local == local)


def _text(node: Node, local: str) -> str:
    return next((child.text for child in node.children if child.name.local == local), "")
