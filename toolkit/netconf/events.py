"""What a server tells about itself, as notification content.  RFC 6470, RFC 5277.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from toolkit.netconf.compare import edits
from toolkit.netconf.names import EVENTS_NS, STREAMS_NS, Datastore
from toolkit.netconf.schema import SchemaTree, xpath
from toolkit.netconf.tree import Node, QName

REPLAY_COMPLETE: Final = Node(QName(STREAMS_NS, "replayComplete"))
NOTIFICATION_COMPLETE: Final = Node(QName(STREAMS_NS, "notificationComplete"))


@dataclass(frozen=True, slots=True)
class Peer:
    """Whose session it is."""

    session: int
    user: str = ""
    host: str = ""
    """IP address; empty where there is none."""
    since: float = 0.0
    """Seconds on the device's clock."""


class Ending(StrEnum):
    """Why a session ended (termination-reason)."""

    CLOSED = "closed"
    KILLED = "killed"
    DROPPED = "dropped"
    BAD_HELLO = "bad-hello"


class Step(StrEnum):
    """What became of a confirmed commit (confirm-event)."""

    START = "start"
    EXTEND = "extend"
    CANCEL = "cancel"
    TIMEOUT = "timeout"
    COMPLETE = "complete"


def session_start(peer: Peer) -> Node:
    return _node("netconf-session-start", *_who(peer))


def session_end(peer: Peer, ending: Ending, killed_by: int = 0) -> Node:
    killer = (_leaf("killed-by", str(killed_by)),) if killed_by else ()
    return _node(
        "netconf-session-end", *_who(peer), *killer, _leaf("termination-reason", ending.value)
    )


def config_change(
    schema: SchemaTree, before: Node, after: Node, *, store: Datastore, by: Peer | None
) -> Node:
    """Return the event of a change; `by` is None when the server itself made it."""
    changed_by = _node("changed-by", *(_who(by) if by is not None else (_leaf("server", ""),)))
    parts = (
        _node("edit", _target(path, schema), _leaf("operation", operation.value))
        for path, operation in edits(schema, before, after)
    )
    return _node("netconf-config-change", changed_by, _leaf("datastore", store.value), *parts)


def confirmed_commit(peer: Peer | None, step: Step, timeout: float = 0.0) -> Node:
    """Return the event; a time-out has no peer.  `timeout` is in seconds."""
    who = _who(peer) if peer is not None and step is not Step.TIMEOUT else ()
    times = (_leaf("timeout", str(round(timeout))),) if step in (Step.START, Step.EXTEND) else ()
    return _node("netconf-confirmed-commit", *who, _leaf("confirm-event", step.value), *times)


def _who(peer: Peer) -> Iterable[Node]:
    yield _leaf("username", peer.user)
    yield _leaf("session-id", str(peer.session))
    if peer.host:
        yield _leaf("source-host", peer.host)


def _target(path: str, schema: SchemaTree) -> Node:
    text, prefixes = xpath(path, schema.namespaces)
    return Node(QName(EVENTS_NS, "target"), text, prefixes=tuple(prefixes.items()))


def _node(local: str, *children: Node) -> Node:
    return Node(QName(EVENTS_NS, local), children=children)


def _leaf(local: str, value: str) -> Node:
    return Node(QName(EVENTS_NS, local), value)
