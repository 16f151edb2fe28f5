"""Who may do what: the part of NACM (RFC 8341) that a lab needs.  Pure.

Groups of users, each read-only or read-write; a user in no group is read-only (NACM's defaults:
read permit, write deny, exec permit).  Read-only means:

- no change of any datastore (section 3.2.5), but for what changes nothing and for running copied to
  startup, which section 3.2.6 exempts;
- none of the operations that ietf-netconf marks nacm:default-deny-all;
- nodes marked nacm:default-deny-all are not there, neither for filters nor in replies (section
  3.2.4), and a request that names one is refused whatever its value, so that nobody can guess it.

Rule lists, paths and rights of single operations, modules and notifications are not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from toolkit.netconf.compare import edits
from toolkit.netconf.rpcerror import RefusedError, refused
from toolkit.netconf.schema import SchemaNode, SchemaTree
from toolkit.netconf.tree import Node

DENIED_OPERATIONS: Final = frozenset({"kill-session", "delete-config"})
"""Operations that are nacm:default-deny-all (RFC 8341 sections 3.2.7 and 3.2.10)."""


class Level(StrEnum):
    """What a group may do."""

    READ_ONLY = "read-only"
    READ_WRITE = "read-write"
    """Everything, secrets and kill-session included (a rule that permits `*`)."""


@dataclass(frozen=True, slots=True)
class Group:
    """A named set of users."""

    name: str
    users: frozenset[str]
    level: Level


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of everybody.  A user in several groups has the most that one of them gives."""

    groups: tuple[Group, ...] = ()

    def writes(self, user: str) -> bool:
        """May `user` change configuration, see secrets, end others' sessions?"""
        return any(user in g.users and g.level is Level.READ_WRITE for g in self.groups)


def read_only(readers: Iterable[str], writers: Iterable[str]) -> Access:
    """Return the rights where `readers` only read and `writers` do everything."""
    return Access(
        (
            Group("operators", frozenset(writers), Level.READ_WRITE),
            Group("readers", frozenset(readers), Level.READ_ONLY),
        )
    )


def without_secrets(schema: SchemaNode, data: Node) -> Node:
    """Return `data` without the nodes that are nacm:default-deny-all."""
    kept = []
    for child in data.children:
        known = schema.children.get(child.name)
        if known is None:
            kept.append(child)
        elif not known.secret:
            kept.append(without_secrets(known, child) if child.children else child)
    if len(kept) == len(data.children) and all(
        a is b for a, b in zip(kept, data.children, strict=True)
    ):
        return data
    return data.with_children(kept)


def first_secret(schema: SchemaNode, config: Node, path: str = "") -> str | None:
    """Return the data path of the first node of an edit that is nacm:default-deny-all."""
    for child in config.children:
        known = schema.children.get(child.name)
        if known is None:
            continue
        here = path + known.step(child, schema)
        if known.secret:
            return here
        found = first_secret(known, child, here)
        if found is not None:
            return found
    return None


def must_not_probe(user: str, schema: SchemaTree, config: Node) -> None:
    """Refuse a request of `user` that names what is nacm:default-deny-all."""
    path = first_secret(schema.top, config)
    if path is not None:
        raise _no_right(user, path)


def must_not_change(user: str, schema: SchemaTree, before: Node, after: Node) -> None:
    """Refuse any change."""
    for path, _ in edits(schema, before, after):
        raise _no_right(user, path)


def _no_right(user: str, path: str) -> RefusedError:
    message = f"user {user!r} may not change this"
    return refused("access-denied", message, layer="application", path=path)
