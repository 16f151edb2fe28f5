"""One request of one session, and how its parameters are read.  RFC 6241 section 7.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from toolkit.netconf.defaults import Mode
from toolkit.netconf.flavours import has, writes_running
from toolkit.netconf.names import (
    BASE_NS,
    DATASTORES_NS,
    NMDA_NS,
    WITH_DEFAULTS_NS,
    Datastore,
)
from toolkit.netconf.router import Device
from toolkit.netconf.rpcerror import refused
from toolkit.netconf.tree import Node, QName

Option = TypeVar("Option", bound=StrEnum)
WITH_DEFAULTS: Final = QName(WITH_DEFAULTS_NS, "with-defaults")


@dataclass(frozen=True, slots=True)
class Call:
    """One request of one session."""

    device: Device
    session: int
    body: Node
    now: float

    def text(self, local: str) -> str | None:
        node = self.body.child(local)
        return node.text if node is not None else None

    def has(self, local: str) -> bool:
        return self.body.child(local) is not None

    def required(self, local: str) -> Node:
        node = self.body.child(local)
        if node is None:
            raise refused("missing-element", f"{local} is missing", bad_element=local)
        return node

    def number(self, local: str, default: int, highest: int) -> int:
        text = self.text(local)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= highest:
            raise refused(
                "invalid-value", f"{local} {text!r} is not 1..{highest}", bad_element=local
            )
        return int(text)

    def option(self, local: str, default: Option) -> Option:
        text = self.text(local)
        return default if text is None else _chosen(local, text, type(default))

    def mode(self) -> Mode:
        """Return the value of with-defaults, in whichever of its namespaces (RFC 6243, 8526)."""
        node = next((c for c in self.body.children if c.name.local == "with-defaults"), None)
        return Mode.EXPLICIT if node is None else _chosen("with-defaults", node.text, Mode)

    # ----- datastores

    def store(self, local: str) -> Datastore:
        """Return the datastore that <source> or <target> names."""
        found = self.store_or_config(local)
        if isinstance(found, Node):
            raise refused("bad-element", f"{local} cannot be <config> here", bad_element="config")
        return found

    def store_or_config(self, local: str) -> Datastore | Node:
        holder = self.required(local)
        if len(holder.children) != 1:
            raise refused("bad-element", f"{local} names one datastore", bad_element=local)
        named = holder.children[0]
        if named.name == QName(BASE_NS, "config"):
            return named
        if named.name == QName(NMDA_NS, "datastore"):
            return self.nmda_store(named)
        if named.name.namespace == BASE_NS and named.name.local in self.stores:
            return Datastore(named.name.local)
        raise refused(
            "operation-not-supported",
            f"there is no datastore {named.name.local} here; there are {', '.join(self.stores)}",
            bad_element=named.name.local,
        )

    @property
    def stores(self) -> tuple[Datastore, ...]:
        """The datastores that this router has."""
        return stores(self.device)

    def nmda_store(self, leaf: Node) -> Datastore:
        """Return the conventional datastore that an identity of ietf-datastores names."""
        name = datastore_name(leaf)
        if name not in self.stores:
            raise refused("invalid-value", f"{name} cannot be used here", bad_element="datastore")
        return Datastore(name)

    def editable(self, local: str = "target") -> Datastore:
        """Return the target; refuse any but the candidate, or running where it is writable."""
        store = self.store(local)
        direct = writes_running(self.device.flavours) and store is Datastore.RUNNING
        if store is not Datastore.CANDIDATE and not direct:
            raise refused(
                "operation-not-supported",
                f"{store} cannot be edited: edit the candidate, then commit",
                bad_element=store,
            )
        return store


Handler = Callable[[Call], tuple[Node, ...]]
"""Returns the reply's content; nothing means <ok/>."""


def stores(device: Device) -> tuple[Datastore, ...]:
    """Return the datastores that `device` has."""
    return tuple(
        s
        for s in Datastore
        if (device.has_startup or s is not Datastore.STARTUP) and has(s, device.flavours)
    )


def datastore_name(leaf: Node) -> str:
    """Return `running` for an identityref that means ietf-datastores:running."""
    prefix, colon, local = leaf.text.rpartition(":")
    if colon and dict(leaf.prefixes).get(prefix) == DATASTORES_NS:
        return local
    raise refused(
        "invalid-value", f"{leaf.text!r} is no datastore of ietf-datastores",
        bad_element=leaf.name.local,
    )  # fmt: skip


def _chosen(local: str, text: str, kind: type[Option]) -> Option:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(kind)
        raise refused(
            "invalid-value", f"{local} {text!r} is none of {known}", bad_element=local
        ) from None
