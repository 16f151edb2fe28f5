"""Servers that differ from RFC 6241 as real ones do, for tests and laboratories.  Pure.

A router may have several flavours.  What each changes is here; the operations ask.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final

from toolkit.netconf import names
from toolkit.netconf.names import Datastore
from toolkit.netconf.rpcerror import RefusedError, refused


class Flavour(StrEnum):
    """One way to differ."""

    JUNOS = "junos"
    """<commit-configuration> in minutes without persist-id; <commit> ignores what it is told; only
    the candidate can be locked; base:1.0."""
    SESSION_CONFIRM = "session-confirm"
    """Confirmed commits of RFC 4741: the same session confirms, nothing cancels."""
    NO_CONFIRMED = "no-confirmed"
    """A commit stays at once."""
    WRITABLE_RUNNING = "writable-running"
    """No candidate: running is edited."""
    VALIDATE_BROKEN = "validate-broken"
    """A <validate> of a modified candidate turns the next <commit> into a no-op that says <ok/>."""
    NO_RUNNING_LOCK = "no-running-lock"
    """Running cannot be locked."""
    BASE_1_0 = "base-1.0"
    """NETCONF 1.0 alone: messages end with ]]>]]>."""


Flavours = frozenset[Flavour]

_WITHOUT: Final = {
    Flavour.JUNOS: (
        names.BASE_1_1, names.CONFIRMED_COMMIT, names.VALIDATE, names.ROLLBACK_ON_ERROR,
    ),
    Flavour.SESSION_CONFIRM: (names.CONFIRMED_COMMIT,),
    Flavour.NO_CONFIRMED: (names.CONFIRMED_COMMIT,),
    Flavour.WRITABLE_RUNNING: (names.CANDIDATE, names.CONFIRMED_COMMIT),
    Flavour.BASE_1_0: (names.BASE_1_1,),
}  # fmt: skip
_WITH: Final = {
    Flavour.JUNOS: (names.CONFIRMED_COMMIT_1_0, names.VALIDATE_1_0),
    Flavour.SESSION_CONFIRM: (names.CONFIRMED_COMMIT_1_0,),
    Flavour.WRITABLE_RUNNING: (names.WRITABLE_RUNNING,),
}
_REFUSED: Final = {
    Flavour.JUNOS: ("cancel-commit",),
    Flavour.SESSION_CONFIRM: ("cancel-commit", "commit-configuration"),
    Flavour.NO_CONFIRMED: ("cancel-commit", "commit-configuration"),
    Flavour.WRITABLE_RUNNING: (
        "commit", "cancel-commit", "discard-changes", "commit-configuration",
    ),
}  # fmt: skip
_COMMIT_PARAMETERS: Final = {
    Flavour.SESSION_CONFIRM: ("persist", "persist-id"),
    Flavour.NO_CONFIRMED: ("confirmed", "confirm-timeout", "persist", "persist-id"),
}


def announced(uris: Iterable[str], flavours: Flavours) -> tuple[str, ...]:
    """Return the capabilities that a server with these flavours has out of `uris`."""
    lacking = {uri for flavour in flavours for uri in _WITHOUT.get(flavour, ())}
    more = [uri for flavour in sorted(flavours) for uri in _WITH.get(flavour, ())]
    return (*(uri for uri in uris if uri not in lacking), *more)


def refusal(operation: str, parameters: Collection[str], flavours: Flavours) -> RefusedError | None:
    """Return why a server with these flavours does not know the request; None where it does."""
    if operation == "commit-configuration" and Flavour.JUNOS not in flavours:
        return _unknown(operation)
    for flavour in sorted(flavours):
        if operation in _REFUSED.get(flavour, ()):
            return _unknown(operation)
        for parameter in _COMMIT_PARAMETERS.get(flavour, ()) if operation == "commit" else ():
            if parameter in parameters:
                return refused(
                    "unknown-element", f"commit has no parameter {parameter}",
                    bad_element=parameter,
                )  # fmt: skip
    return None


def _unknown(operation: str) -> RefusedError:
    return refused(
        "operation-not-supported", f"there is no operation {operation}", bad_element=operation
    )


def has(store: Datastore, flavours: Flavours) -> bool:
    return store is not Datastore.CANDIDATE or Flavour.WRITABLE_RUNNING not in flavours


def writes_running(flavours: Flavours) -> bool:
    return Flavour.WRITABLE_RUNNING in flavours


def locks(store: Datastore, flavours: Flavours) -> bool:
    unlockable = {Flavour.JUNOS, Flavour.NO_RUNNING_LOCK} & flavours
    return store is not Datastore.RUNNING or not unlockable
