"""Protocol operations: elements to calls of a Device.  RFC 6241, 6022, 6243, 8526, 5277.

Pure.  `OPERATIONS` is the whole list; an operation that is not in it is not supported.
"""

from __future__ import annotations

from typing import Final

from toolkit.netconf import nmda, reading
from toolkit.netconf.access import DENIED_OPERATIONS
from toolkit.netconf.call import WITH_DEFAULTS, Call, Handler
from toolkit.netconf.confirming import CONFIRM_TIMEOUT
from toolkit.netconf.flavours import Flavour, locks, refusal
from toolkit.netconf.names import (
    BASE_NS,
    MONITORING_NS,
    NMDA_NS,
    NOTIFICATION_NS,
    Datastore,
    ErrorOption,
    TestOption,
)
from toolkit.netconf.router import Device
from toolkit.netconf.rpcerror import refused
from toolkit.netconf.subscribing import create_subscription
from toolkit.netconf.tree import Node, QName

_MAX_SESSION: Final = 4294967295
_MAX_TIMEOUT: Final = 4294967295
_MAX_MINUTES: Final = 65535


def perform(device: Device, session: int, body: Node, now: float) -> tuple[Node, ...]:
    """Carry out one operation.  Raises RefusedError."""
    found = OPERATIONS.get(body.name)
    if found is None:
        raise refused(
            "operation-not-supported", f"there is no operation {body.name.local}",
            bad_element=body.name.local,
        )  # fmt: skip
    parameters = [child.name.local for child in body.children]
    unknown = refusal(body.name.local, parameters, device.flavours)
    if unknown is not None:
        raise unknown
    handler, known = found
    if body.name.local in DENIED_OPERATIONS and not device.privileged(session):
        raise refused(
            "access-denied", f"user {device.user(session)!r} may not use {body.name.local}"
        )
    seen: set[QName] = set()
    for child in body.children:
        if child.name not in known:
            raise refused(
                "unknown-element", f"{body.name.local} has no parameter {child.name.local}",
                bad_element=child.name.local,
            )  # fmt: skip
        if child.name in seen:
            raise refused(
                "bad-element", f"{child.name.local} is given twice", bad_element=child.name.local
            )
        seen.add(child.name)
    return handler(Call(device, session, body, now))


def _edit_config(call: Call) -> tuple[Node, ...]:
    target = call.editable()
    call.device.edit(
        call.session,
        call.required("config"),
        default=nmda.default_operation(call),
        test=call.option("test-option", TestOption.TEST_THEN_SET),
        error_option=call.option("error-option", ErrorOption.STOP),
        target=target,
        now=call.now,
    )
    return ()


def _copy_config(call: Call) -> tuple[Node, ...]:
    target, source = call.store("target"), call.store_or_config("source")
    if target is Datastore.RUNNING:
        raise refused(
            "operation-not-supported",
            "running cannot be written (no :writable-running): copy to the candidate, then commit",
            bad_element="running",
        )
    if source is target:
        raise refused("invalid-value", f"{target} cannot be copied to itself")
    call.device.copy(call.session, source, target, mode=call.mode(), now=call.now)
    return ()


def _delete_config(call: Call) -> tuple[Node, ...]:
    target = call.store("target")
    if target is not Datastore.STARTUP:
        raise refused("operation-not-supported", f"{target} cannot be deleted", bad_element=target)
    call.device.delete_startup(call.session, call.now)
    return ()


def _lock(call: Call) -> tuple[Node, ...]:
    if not locks(call.store("target"), call.device.flavours):
        raise refused("operation-not-supported", "running cannot be locked", bad_element="running")
    call.device.lock(call.session, call.store("target"), call.now)
    return ()


def _unlock(call: Call) -> tuple[Node, ...]:
    call.device.unlock(call.session, call.store("target"))
    return ()


def _commit(call: Call) -> tuple[Node, ...]:
    if Flavour.JUNOS in call.device.flavours:  # takes no notice of what it is told
        call.device.commit(call.session, call.now)
        return ()
    call.device.commit(
        call.session,
        call.now,
        confirmed=call.has("confirmed"),
        timeout=call.number("confirm-timeout", CONFIRM_TIMEOUT, _MAX_TIMEOUT),
        persist=call.text("persist") or "",
        persist_id=call.text("persist-id") or "",
    )
    return ()


def _commit_configuration(call: Call) -> tuple[Node, ...]:
    """Junos's own commit; its time is in minutes."""
    call.device.commit(
        call.session,
        call.now,
        confirmed=call.has("confirmed"),
        timeout=60 * call.number("confirm-timeout", 10, _MAX_MINUTES),
    )
    return ()


def _cancel_commit(call: Call) -> tuple[Node, ...]:
    call.device.cancel(call.session, call.text("persist-id") or "", call.now)
    return ()


def _discard_changes(call: Call) -> tuple[Node, ...]:
    call.device.discard(call.session)
    return ()


def _validate(call: Call) -> tuple[Node, ...]:
    call.device.validate(call.store_or_config("source"), call.session)
    return ()


def _close_session(call: Call) -> tuple[Node, ...]:
    call.device.close(call.session, call.now)
    return ()


def _kill_session(call: Call) -> tuple[Node, ...]:
    call.required("session-id")
    call.device.kill(call.session, call.number("session-id", 0, _MAX_SESSION), call.now)
    return ()


def _parameters(
    namespace: str,
    *rows: tuple[str, Handler, tuple[str, ...]],
    defaults: tuple[str, ...] = (),
) -> dict[QName, tuple[Handler, frozenset[QName]]]:
    """Return operations of `namespace` with their parameters; `defaults` take with-defaults."""
    return {
        QName(namespace, local): (
            handler,
            frozenset(
                {
                    *(QName(namespace, name) for name in known),
                    *((WITH_DEFAULTS,) if local in defaults else ()),
                }
            ),
        )
        for local, handler, known in rows
    }


OPERATIONS: Final[dict[QName, tuple[Handler, frozenset[QName]]]] = {
    **_parameters(
        BASE_NS,
        ("get", reading.get, ("filter",)),
        ("get-config", reading.get_config, ("source", "filter")),
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
        ("commit-configuration", _commit_configuration, ("confirmed", "confirm-timeout")),
        ("cancel-commit", _cancel_commit, ("persist-id",)),
        ("discard-changes", _discard_changes, ()),
        ("validate", _validate, ("source",)),
        ("close-session", _close_session, ()),
        ("kill-session", _kill_session, ("session-id",)),
        defaults=("get", "get-config", "copy-config"),
    ),
    **_parameters(
        MONITORING_NS,
        ("get-schema", reading.get_schema, ("identifier", "version", "format")),
    ),
    **_parameters(
        NMDA_NS,
        (
            "get-data",
            nmda.get_data,
            (
                "datastore", "subtree-filter", "xpath-filter", "config-filter", "max-depth",
                "with-defaults",
            ),
        ),
        ("edit-data", nmda.edit_data, ("datastore", "default-operation", "config")),
    ),
    **_parameters(
        NOTIFICATION_NS,
        ("create-subscription", create_subscription, ("stream", "filter", "startTime", "stopTime")),
    ),
}  # fmt: skip
"""Operation -> what carries it out, and its parameters."""


def labels(device: Device, body: Node) -> tuple[str, ...]:
    """Return the names by which a fault may know a request (`faults.OPERATIONS`)."""
    local = body.name.local
    if local == "commit-configuration":
        local = "commit"
    if local != "commit":
        return (local,)
    if body.child("confirmed") is not None:
        return (local, "confirmed-commit")
    return (local, "confirm") if device.confirming else (local,)
