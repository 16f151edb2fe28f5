"""What a server says about itself, and how state joins configuration.

RFC 6241 section 8.1, RFC 6022, RFC 8525, RFC 7950 section 5.6.4.  Pure.  All of it validates
against the modules that it is of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from toolkit.netconf import names
from toolkit.netconf.events import Peer
from toolkit.netconf.flavours import announced
from toolkit.netconf.names import DATASTORES_NS, MONITORING_NS, YANG_LIBRARY_NS, Datastore
from toolkit.netconf.notifications import date_and_time
from toolkit.netconf.rpcerror import refused
from toolkit.netconf.schema import Identity, Kind, SchemaNode
from toolkit.netconf.tree import Node, QName
from toolkit.yang.modulefile import ModuleInfo, Submodule

if TYPE_CHECKING:
    from toolkit.netconf.router import Device

_SET: Final = "all"
_PREFIX: Final = (("ncm", MONITORING_NS),)


def capabilities(device: Device) -> tuple[str, ...]:
    """Return what the hello announces.

    Modules of YANG 1.1 are found in the yang-library, not here (RFC 7950 section 5.6.4).
    """
    modules = device.modules
    old = tuple(_capability(m) for m in modules if m.implemented and m.yang_version == "1")
    uris = (
        names.BASE_1_0,
        names.BASE_1_1,
        names.CANDIDATE,
        names.CONFIRMED_COMMIT,
        names.ROLLBACK_ON_ERROR,
        names.VALIDATE,
        *((names.STARTUP,) if device.has_startup else ()),
        names.XPATH,
        names.WITH_DEFAULTS,
        names.NOTIFICATION,
        names.INTERLEAVE,
        f"{names.YANG_LIBRARY}?revision=2019-01-04&content-id={content_id(modules)}",
        *old,
    )
    return announced(uris, device.flavours)


def _capability(module: ModuleInfo) -> str:
    revision = f"&revision={module.revision}" if module.revision else ""
    features = f"&features={','.join(module.features)}" if module.features else ""
    deviations = f"&deviations={','.join(module.deviations)}" if module.deviations else ""
    return f"{module.namespace}?module={module.name}{revision}{features}{deviations}"


def content_id(modules: Sequence[ModuleInfo]) -> str:
    """Return an identifier that changes when the set of modules does (RFC 8525 section 3)."""
    text = "\n".join(f"{m.name}@{m.revision} {m.implemented} {m.features}" for m in modules)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def server_state(device: Device, stores: Sequence[Datastore]) -> tuple[Node, ...]:
    """Return the server's own top-level nodes; `stores` are the datastores that it has."""
    return (
        netconf_state(device, stores),
        yang_library(device.modules, stores),
        device.stream.listed(),
    )


def netconf_state(device: Device, stores: Sequence[Datastore]) -> Node:
    """Return /netconf-state: capabilities, datastores and locks, schemas, sessions (RFC 6022)."""

    def moment(time: float) -> str:
        return date_and_time(device.epoch + time)

    def datastore(store: Datastore) -> Node:
        holder = device.locks.get(store)
        if holder is None:
            return _inner("datastore", _leaf("name", store))
        since = moment(device.locked_at(store))
        lock = _inner(
            "global-lock", _leaf("locked-by-session", str(holder)), _leaf("locked-time", since)
        )
        return _inner("datastore", _leaf("name", store), _inner("locks", lock))

    def session(peer: Peer) -> Node:
        return _inner(
            "session",
            _leaf("session-id", str(peer.session)),
            Node(QName(MONITORING_NS, "transport"), "ncm:netconf-ssh", prefixes=_PREFIX),
            _leaf("username", peer.user),
            *((_leaf("source-host", peer.host),) if peer.host else ()),
            _leaf("login-time", moment(peer.since)),
        )

    listed = [session(peer) for peer in device.sessions]
    return _inner(
        "netconf-state",
        _inner("capabilities", *(_leaf("capability", uri) for uri in capabilities(device))),
        _inner("datastores", *map(datastore, stores)),
        _inner("schemas", *(entry for m in device.modules for entry in _schemas(m))),
        *((_inner("sessions", *listed),) if listed else ()),
    )


def _parts(module: ModuleInfo) -> tuple[ModuleInfo | Submodule, ...]:
    return (module, *module.submodules)


def _schemas(module: ModuleInfo) -> Iterator[Node]:
    """Yield the entries of a module and of its submodules."""
    for part in _parts(module):
        yield _inner(
            "schema",
            _leaf("identifier", part.name),
            _leaf("version", part.revision),
            Node(QName(MONITORING_NS, "format"), "ncm:yang", prefixes=_PREFIX),
            _leaf("namespace", module.namespace),
            _leaf("location", "NETCONF"),
        )


def get_schema(modules: Sequence[ModuleInfo], identifier: str, version: str | None) -> Node:
    """Return the <data> of get-schema (RFC 6022 section 3.1): the module's text."""
    found = [
        part
        for module in modules
        for part in _parts(module)
        if part.name == identifier and version in (None, part.revision)
    ]
    if not found:
        wanted = identifier + (f"@{version}" if version else "")
        raise refused("invalid-value", f"there is no schema {wanted}", layer="application")
    return Node(QName(MONITORING_NS, "data"), found[0].text)


def yang_library(modules: Sequence[ModuleInfo], stores: Sequence[Datastore]) -> Node:
    """Return /yang-library (RFC 8525): one module set, one schema, every datastore of it."""
    entries = [
        _library(
            "module" if module.implemented else "import-only-module",
            _text("name", module.name),
            *_revised(module.revision),
            _text("namespace", module.namespace),
            *(
                _library("submodule", _text("name", part.name), *_revised(part.revision))
                for part in module.submodules
            ),
            *(_text("feature", feature) for feature in module.features),
            *(_text("deviation", name) for name in module.deviations),
        )
        for module in sorted(modules, key=lambda m: not m.implemented)
    ]
    return _library(
        "yang-library",
        _library("module-set", _text("name", _SET), *entries),
        _library("schema", _text("name", _SET), _text("module-set", _SET)),
        *(
            _library("datastore", _store_name(name), _text("schema", _SET))
            for name in (*stores, "intended", "operational")
        ),
        _text("content-id", content_id(modules)),
    )


def _revised(revision: str) -> tuple[Node, ...]:
    return (_text("revision", revision),) if revision else ()


def _store_name(name: str) -> Node:
    return Node(QName(YANG_LIBRARY_NS, "name"), f"ds:{name}", prefixes=(("ds", DATASTORES_NS),))


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
