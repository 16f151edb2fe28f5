"""Protocol operations: elements to calls of a Device.  RFC 6241, RFC 6022.

Pure.  `OPERATIONS` is the whole list; an operation that is not in it is not supported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from toolkit.netconf import monitoring
from toolkit.netconf.names import (
    BASE_NS,
    MONITORING_NS,
    Datastore,
    ErrorOption,
    Operation,
    TestOption,
)
from toolkit.netconf.router import CONFIRM_TIMEOUT, Device
from toolkit.netconf.rpcerror import refused
from toolkit.netconf.subtree import select
from toolkit.netconf.tree import Node, QName

Option = TypeVar("Option", bound=StrEnum)
_MAX_SESSION: Final = 4294967295
_MAX_TIMEOUT: Final = 4294967295


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
        if not text.isdecimal() or not 1 <= int(text) <= highest:
            raise refused(
                "invalid-value", f"{local} {text!r} is not 1..{highest}", bad_element=local
            )
        return int(text)

    def option(self, local: str, default: Option) -> Option:
        text = self.text(local)
        if text is None:
            return default
        try:
            return type(default)(text)
        except ValueError:
            known = ", ".join(type(default))
            raise refused(
                "invalid-value", f"{local} {text!r} is none of {known}", bad_element=local
            ) from None

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
        if named.name.namespace == BASE_NS and named.name.local in list(Datastore):
            return Datastore(named.name.local)
        raise refused(
            "operation-not-supported",
            f"there is no datastore {named.name.local} here; there are running and candidate",
            bad_element=named.name.local,
        )

    def candidate(self, local: str = "target") -> None:
        """Refuse any target but the candidate: running changes by commit alone."""
        if self.store(local) is not Datastore.CANDIDATE:
            raise refused(
                "operation-not-supported",
                "running cannot be written (no :writable-running): edit the candidate, then commit",
                bad_element="running",
            )


Handler = Callable[[Call], tuple[Node, ...]]
"""Returns the reply's content; nothing means <ok/>."""


def perform(device: Device, session: int, body: Node, now: float) -> tuple[Node, ...]:
    """Carry out one operation.  Raises RefusedError."""
    found = OPERATIONS.get(body.name)
    if found is None:
        raise refused(
            "operation-not-supported", f"there is no operation {body.name.local}",
            bad_element=body.name.local,
        )  # fmt: skip
    handler, known = found
    for child in body.children:
        if child.name.namespace != body.name.namespace or child.name.local not in known:
            raise refused(
                "unknown-element", f"{body.name.local} has no parameter {child.name.local}",
                bad_element=child.name.local,
            )  # fmt: skip
    return handler(Call(device, session, body, now))


def _selected(call: Call, data: Node) -> tuple[Node, ...]:
    criteria = call.body.child("filter")
    if criteria is not None:
        # The attribute is unqualified; some clients qualify it all the same.
        kind = next((v for key, v in criteria.attributes if key.local == "type"), "subtree")
        if kind != "subtree":
            raise refused(
                "operation-not-supported", f"filters of type {kind!r} are not supported",
                bad_attribute="type", bad_element="filter",
            )  # fmt: skip
    return (select(data, criteria, call.device.index),)


def _get(call: Call) -> tuple[Node, ...]:
    return _selected(call, call.device.data())


def _get_config(call: Call) -> tuple[Node, ...]:
    return _selected(call, call.device.config(call.store("source")))


def _edit_config(call: Call) -> tuple[Node, ...]:
    call.candidate()
    default = call.option("default-operation", Operation.MERGE)
    if default not in (Operation.MERGE, Operation.REPLACE, Operation.NONE):
        raise refused(
            "invalid-value", f"default-operation {str(default)!r} is none of merge, replace, none",
            bad_element="default-operation",
        )  # fmt: skip
    call.device.edit(
        call.session,
        call.required("config"),
        default=default,
        test=call.option("test-option", TestOption.TEST_THEN_SET),
        error_option=call.option("error-option", ErrorOption.STOP),
    )
    return ()


def _copy_config(call: Call) -> tuple[Node, ...]:
    call.candidate()
    call.device.copy(call.session, call.store_or_config("source"))
    return ()


def _delete_config(call: Call) -> tuple[Node, ...]:
    target = call.store("target")
    raise refused("operation-not-supported", f"{target} cannot be deleted", bad_element=target)


def _lock(call: Call) -> tuple[Node, ...]:
    call.device.lock(call.session, call.store("target"))
    return ()


def _unlock(call: Call) -> tuple[Node, ...]:
    call.device.unlock(call.session, call.store("target"))
    return ()


def _commit(call: Call) -> tuple[Node, ...]:
    call.device.commit(
        call.session,
        call.now,
        confirmed=call.has("confirmed"),
        timeout=call.number("confirm-timeout", CONFIRM_TIMEOUT, _MAX_TIMEOUT),
        persist=call.text("persist") or "",
        persist_id=call.text("persist-id") or "",
    )
    return ()


def _cancel_commit(call: Call) -> tuple[Node, ...]:
    call.device.cancel(call.session, call.text("persist-id") or "")
    return ()


def _discard_changes(call: Call) -> tuple[Node, ...]:
    call.device.discard(call.session)
    return ()


def _validate(call: Call) -> tuple[Node, ...]:
    call.device.validate(call.store_or_config("source"))
    return ()


def _close_session(call: Call) -> tuple[Node, ...]:
    call.device.close(call.session, call.now)
    return ()


def _kill_session(call: Call) -> tuple[Node, ...]:
    call.required("session-id")
    call.device.kill(call.session, call.number("session-id", 0, _MAX_SESSION), call.now)
    return ()


def _get_schema(call: Call) -> tuple[Node, ...]:
    form = (call.text("format") or "yang").rpartition(":")[2]
    if form != "yang":
        raise refused("invalid-value", f"schemas are not kept as {form!r}", bad_element="format")
    identifier = call.required("identifier").text
    return (monitoring.get_schema(call.device.modules, identifier, call.text("version")),)


def _base(
    *rows: tuple[str, Handler, tuple[str, ...]],
) -> dict[QName, tuple[Handler, tuple[str, ...]]]:
    return {QName(BASE_NS, local): (handler, known) for local, handler, known in rows}


OPERATIONS: Final[dict[QName, tuple[Handler, tuple[str, ...]]]] = {
    **_base(
        ("get", _get, ("filter",)),
        ("get-config", _get_config, ("source", "filter")),
        (
            "edit-config",
            _edit_config,
            ("target", "default-operation", "test-option", "error-option", "config"),
        ),
        ("copy-config", _copy_config, ("target", "source")),
        ("delete-config", _delete_config, ("target",)),
        ("lock", _lock, ("target",)),
        ("unlock", _unlock, ("target",)),
        ("commit", _commit, ("confirmed", "confirm-timeout", "persist", "persist-id")),
        ("cancel-commit", _cancel_commit, ("persist-id",)),
        ("discard-changes", _discard_changes, ()),
        ("validate", _validate, ("source",)),
        ("close-session", _close_session, ()),
        ("kill-session", _kill_session, ("session-id",)),
    ),
    QName(MONITORING_NS, "get-schema"): (_get_schema, ("identifier", "version", "format")),
}
"""Operation -> what carries it out, and its parameters."""
