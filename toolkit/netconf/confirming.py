"""A confirmed commit that waits for its confirmation.  RFC 6241 section 8.4.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from toolkit.netconf.rpcerror import refused
from toolkit.netconf.stores import Config

CONFIRM_TIMEOUT: Final = 600
"""Seconds; the default of confirm-timeout (section 8.4.5.1)."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What to restore, when, and who may confirm or cancel it."""

    before: Config
    """What ran before the first of the commits that are to be confirmed."""
    deadline: float
    session: int
    persist: str


def owned(pending: Pending | None, session: int, persist_id: str) -> Pending | None:
    """Return the confirmed commit under way, if it is this request's to touch."""
    token = pending.persist if pending is not None else ""
    if persist_id != token and persist_id:
        raise refused("invalid-value", "no confirmed commit with this persist-id is pending")
    if pending is not None and persist_id != token:
        raise refused("in-use", "a persistent confirmed commit is pending: give its persist-id")
    if pending is not None and not token and pending.session != session:
        raise refused("in-use", f"session {pending.session} has a confirmed commit pending")
    return pending
