"""What a server says about itself, and how state joins configuration.

RFC 6241 section 8.1, RFC 6022, RFC 8525, RFC 7950 section 5.6.4.  Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from toolkit.netconf import names
from toolkit.netconf.names import DATASTORES_NS, MONITORING_NS, YANG_LIBRARY_NS, Datastore
from toolkit.netconf.rpcerror import refused
from toolkit.netconf.schema import Identity, Kind, SchemaNode
from toolkit.netconf.tree import Node, QName
from toolkit.yang.modulefile import ModuleInfo

_MONITORING: Final = "ietf-netconf-monitoring"
_SET: Final = "all"


def capabilities(modules: Sequence[ModuleInfo]) -> tuple[str, ...]:
    """Return what the hello announces.

    Modules of YANG 1.1 are found in the yang-library, not here (RFC 7950 section 5.6.4).
    """
    old = tuple(_capability(m) for m in modules if m.implemented and m.yang_version == "1")
    return (
        names.BASE_1_0,
        names.BASE_1_1,
        names.CANDIDATE,
        names.CONFIRMED_COMMIT,
        names.ROLLBACK_ON_ERROR,
        names.VALIDATE,
        f"{MONITORING_NS}?module={_MONITORING}&revision=2010-10-04",
        f"{YANG_LIBRARY_NS}?module=ietf-yang-library&revision=2019-01-04",
        f"{names.YANG_LIBRARY}?revision=2019-01-04&content-id={content_id(modules)}",
        *old,
    )


def _capability(module: ModuleInfo) -> str:
    revision = f"&revision={module.revision}" if module.revision else ""
    features = f"&features={','.join(module.features)}" if module.features else ""
    deviations = f"&deviations={','.join(module.deviations)}" if module.deviations else ""
    return f"{module.namespace}?module={module.name}{revision}{features}{deviations}"


def content_id(modules: Sequence[ModuleInfo]) -> str:
    """Return an identifier that changes when the set of modules does (RFC 8525 section 3)."""
    text = "\n".join(f"{m.name}@{m.revision} {m.implemented} {m.features}" for m in modules)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def netconf_state(modules: Sequence[ModuleInfo], locks: Mapping[Datastore, int]) -> Node:
    """Return /netconf-state: capabilities, datastores with their locks, schemas (RFC 6022)."""
    return _inner(
        "netconf-state",
        _inner("capabilities", *(_leaf("capability", uri) for uri in capabilities(modules))),
        _inner("datastores", *(_datastore(store, locks.get(store)) for store in Datastore)),
        _inner("schemas", *map(_schema, modules)),
    )


def _datastore(store: Datastore, holder: int | None) -> Node:
    if holder is None:
        return _inner("datastore", _leaf("name", store))
    lock = _inner("global-lock", _leaf("locked-by-session", str(holder)))
    return _inner("datastore", _leaf("name", store), _inner("locks", lock))


def _schema(module: ModuleInfo) -> Node:
    prefixes = (("ncm", MONITORING_NS),)
    return _inner(
        "schema",
        _leaf("identifier", module.name),
        _leaf("version", module.revision),
        Node(QName(MONITORING_NS, "format"), "ncm:yang", prefixes=prefixes),
        _leaf("namespace", module.namespace),
        _leaf("location", "NETCONF"),
    )


def get_schema(modules: Sequence[ModuleInfo], identifier: str, version: str | None) -> Node:
    """Return the <data> of get-schema (RFC 6022 section 3.1): the module's text."""
    found = [m for m in modules if m.name == identifier and version in (None, m.revision)]
    if not found:
        wanted = identifier + (f"@{version}" if version else "")
        raise refused("invalid-value", f"there is no schema {wanted}", layer="application")
    return Node(QName(MONITORING_NS, "data"), found[0].text)


def yang_library(modules: Sequence[ModuleInfo]) -> Node:
    """Return /yang-library (RFC 8525): one module set, one schema, every datastore of it."""
    entries = [
        _library(
            "module" if module.implemented else "import-only-module",
            _text("name", module.name),
            *((_text("revision", module.revision),) if module.revision else ()),
            _text("namespace", module.namespace),
            *(_text("feature", feature) for feature in module.features),
            *(_text("deviation", name) for name in module.deviations),
        )
        for module in sorted(modules, key=lambda m: not m.implemented)
    ]
    return _library(
        "yang-library",
        _library("module-set", _text("name", _SET), *entries),
        _library("schema", _text("name", _SET), _text("module-set", _SET)),
        *(_library("datastore", _store_name(store), _text("schema", _SET)) for store in Datastore),
        _text("content-id", content_id(modules)),
    )


def _store_name(store: Datastore) -> Node:
    return Node(QName(YANG_LIBRARY_NS, "name"), f"ds:{store}", prefixes=(("ds", DATASTORES_NS),))


def _library(local: str, *children: Node) -> Node:
    return Node(QName(YANG_LIBRARY_NS, local), children=children)


def _text(local: str, value: str) -> Node:
    return Node(QName(YANG_LIBRARY_NS, local), value)


def _inner(local: str, *children: Node) -> Node:
    return Node(QName(MONITORING_NS, local), children=children)


def _leaf(local: str, value: str) -> Node:
    return Node(QName(MONITORING_NS, local), value)


def beside(schema: SchemaNode, config: Node, state: Node) -> Node:
    """Return `config` with the nodes of `state` added: same entries become one (<get>)."""
    slots: dict[Identity, Node] = {}
    for number, child in enumerate((*config.children, *state.children)):
        known = schema.children.get(child.name)
        identity = known.identity(child) if known is not None else None
        keyless = known is not None and known.kind is Kind.LIST and not known.keys
        if known is None or identity is None or keyless:
            slots[*child.name, f"#{number}"] = child
        elif identity in slots and known.kind in (Kind.CONTAINER, Kind.LIST):
            slots[identity] = beside(known, slots[identity], child)
        else:
            slots.setdefault(identity, child)
    return config.with_children(slots.values())
