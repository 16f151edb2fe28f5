"""One router's configuration: datastores, locks, commits.  RFC 6241 sections 7 and 8.

Sans I/O: requests and `now` (seconds of any clock that never runs back) come in, the new
configuration goes to `on_commit`; `deadline` says when `expire` wants to be called.  A request that
is refused raises RefusedError and has changed nothing.

Laws: running is valid at every moment.  The candidate is shared by all sessions (section 8.3.1).  A
confirmed commit that nobody confirms restores the configuration before the *first* of its commits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from toolkit.errors import SchemaError, ToolkitError
from toolkit.netconf import monitoring
from toolkit.netconf.datastore import EMPTY, edit
from toolkit.netconf.index import schema_tree
from toolkit.netconf.names import Datastore, ErrorOption, Operation, TestOption
from toolkit.netconf.rpcerror import RefusedError, from_schema_error, refused
from toolkit.netconf.tree import Node, to_xml
from toolkit.yang.schema import Schema

CONFIRM_TIMEOUT: Final = 600
"""Seconds; the default of confirm-timeout (RFC 6241 section 8.4.5.1)."""


@dataclass(frozen=True, slots=True)
class Config:
    """One state of a datastore."""

    tree: Node
    document: Mapping[str, Any] | None
    """The validated RFC 7951 tree; None while nobody has asked whether it is valid."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A confirmed commit that waits for its confirmation (section 8.4)."""

    before: Config
    deadline: float
    session: int
    persist: str


class Device:
    """A router's NETCONF server without its wires; `toolkit.netconf.device` puts it on SSH."""

    def __init__(
        self,
        name: str,
        schema: Schema,
        *,
        state: Callable[[], Mapping[str, Any]] | None = None,
        on_commit: Callable[[Mapping[str, Any]], None] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """`state` returns config-false data (RFC 7951) that <get> adds to running.

        `on_commit` is told each new running configuration before it counts as running; a
        ToolkitError from it refuses the commit.  `config` is what runs at first (not told);
        SchemaError when invalid.
        """
        self.name, self.schema = name, schema
        self.index = schema_tree(schema)
        self.modules = schema.modules()
        self.locks: dict[Datastore, int] = {}
        self.faults: list[ToolkitError] = []
        """Refusals of the data plane that could not be answered, since a rollback asks nobody."""
        self._state, self._on_commit = state, on_commit
        document = schema.parse_json(config, name) if config else {}
        self._running = Config(EMPTY.with_children(self.index.from_json(document)), document)
        self._candidate = self._running
        self._editor = 0
        self._pending: _Pending | None = None
        self._sessions: set[int] = set()
        self._last_session = 0

    # ----- sessions

    def open(self) -> int:
        """Return the id of a new session."""
        self._last_session += 1
        self._sessions.add(self._last_session)
        return self._last_session

    def is_open(self, session: int) -> bool:
        return session in self._sessions

    def close(self, session: int, now: float) -> None:
        """End a session, however: its locks, candidate and confirmed commit go with it."""
        self._sessions.discard(session)
        for store in [store for store, holder in self.locks.items() if holder == session]:
            self._release(store)
        pending = self._pending
        if pending is not None and not pending.persist and pending.session == session:
            self._roll_back(pending)
        self.expire(now)

    def kill(self, session: int, target: int, now: float) -> None:
        """<kill-session>, section 7.9."""
        if target == session:
            raise refused("invalid-value", "a session cannot kill itself")
        if target not in self._sessions:
            raise refused("invalid-value", f"there is no session {target}")
        self.close(target, now)

    # ----- locks (sections 7.5 and 7.6)

    def lock(self, session: int, store: Datastore) -> None:
        holder = self.locks.get(store)
        if holder is not None:
            raise _denied(holder, f"session {holder} holds the lock on {store}")
        if store is Datastore.CANDIDATE and self.dirty:
            editor = self._editor if self._editor in self._sessions else 0
            raise _denied(
                editor, "the candidate holds changes that were neither committed nor discarded"
            )
        pending = self._pending
        if store is Datastore.RUNNING and pending is not None and pending.session != session:
            owner = pending.session if pending.session in self._sessions else 0
            raise _denied(owner, "a confirmed commit waits for its confirmation")
        self.locks[store] = session

    def unlock(self, session: int, store: Datastore) -> None:
        if self.locks.get(store) != session:
            raise refused("operation-failed", f"this session holds no lock on {store}")
        self._release(store)

    def _release(self, store: Datastore) -> None:
        del self.locks[store]
        if store is Datastore.CANDIDATE:
            self._candidate = self._running

    def _must_not_be_locked(self, store: Datastore, session: int) -> None:
        holder = self.locks.get(store, session)
        if holder != session:
            raise refused(
                "in-use", f"session {holder} holds the lock on {store}", layer="application"
            )

    # ----- reading

    @property
    def running(self) -> Mapping[str, Any]:
        """The running configuration, RFC 7951."""
        return self._running.document or {}

    @property
    def dirty(self) -> bool:
        """The candidate differs from running."""
        return self._candidate.tree != self._running.tree

    def config(self, store: Datastore) -> Node:
        return (self._running if store is Datastore.RUNNING else self._candidate).tree

    def data(self) -> Node:
        """Return running configuration and state together (<get>)."""
        tree = self._running.tree
        if self._state is not None:
            try:
                state = EMPTY.with_children(self.index.from_json(self._state()))
            except (ToolkitError, ValueError) as error:
                message = f"the state of the router cannot be read: {error}"
                raise refused("operation-failed", message, layer="application") from None
            tree = monitoring.beside(self.index.top, tree, state)
        library = monitoring.yang_library(self.modules)
        return tree.with_children(
            (*tree.children, monitoring.netconf_state(self.modules, self.locks), library)
        )

    # ----- editing the candidate

    def edit(
        self,
        session: int,
        config: Node,
        *,
        default: Operation = Operation.MERGE,
        test: TestOption = TestOption.TEST_THEN_SET,
        error_option: ErrorOption = ErrorOption.STOP,
    ) -> None:
        """<edit-config> on the candidate (section 7.2).

        With test-then-set an error of any kind leaves the candidate as it was.  With `set` the
        error-option decides what stays, and the result is validated by the commit.
        """
        self._must_not_be_locked(Datastore.CANDIDATE, session)
        edited = edit(
            self.index, self._candidate.tree, config, default=default, error_option=error_option
        )
        if test is TestOption.SET:
            if not edited.errors or error_option is not ErrorOption.ROLLBACK:
                self._replace_candidate(session, Config(edited.tree, None))
            if edited.errors:
                raise RefusedError(*edited.errors)
            return
        if edited.errors:
            raise RefusedError(*edited.errors)
        valid = self._validated(Config(edited.tree, None))
        if test is TestOption.TEST_THEN_SET:
            self._replace_candidate(session, valid)

    def copy(self, session: int, source: Datastore | Node) -> None:
        """<copy-config> to the candidate (section 7.3)."""
        if isinstance(source, Node):
            self.edit(session, source, default=Operation.REPLACE)
            return
        self._must_not_be_locked(Datastore.CANDIDATE, session)
        if source is Datastore.RUNNING:
            self._replace_candidate(session, self._running)

    def discard(self, session: int) -> None:
        """<discard-changes> (section 8.3.4.2)."""
        self._must_not_be_locked(Datastore.CANDIDATE, session)
        self._candidate = self._running

    def validate(self, source: Datastore | Node) -> None:
        """<validate> (section 8.6.4.1)."""
        if isinstance(source, Node):
            edited = edit(self.index, EMPTY, source)
            if edited.errors:
                raise RefusedError(*edited.errors)
            self._validated(Config(edited.tree, None))
        elif source is Datastore.CANDIDATE:
            self._candidate = self._validated(self._candidate)

    def _replace_candidate(self, session: int, config: Config) -> None:
        self._candidate, self._editor = config, session

    def _validated(self, config: Config) -> Config:
        """Return `config` in canonical form; raise RefusedError with everything that is wrong."""
        if config.document is not None:
            return config
        try:
            document = self.schema.parse_xml(to_xml(config.tree.children), self.name)
        except SchemaError as error:
            raise from_schema_error(error) from None
        return Config(EMPTY.with_children(self.index.from_json(document)), document)

    # ----- committing (sections 8.3.4.1 and 8.4)

    def commit(
        self,
        session: int,
        now: float,
        *,
        confirmed: bool = False,
        timeout: float = CONFIRM_TIMEOUT,
        persist: str = "",
        persist_id: str = "",
    ) -> None:
        self._must_not_be_locked(Datastore.RUNNING, session)
        self._must_not_be_locked(Datastore.CANDIDATE, session)
        pending = self._owned_pending(session, persist_id)
        if persist and not confirmed:
            raise refused("bad-element", "persist needs confirmed", bad_element="persist")
        config = self._validated(self._candidate)
        before = self._running if pending is None else pending.before
        self._run(config)
        if not confirmed:
            self._pending = None
            return
        token = persist or (pending.persist if pending is not None else "")
        self._pending = _Pending(before, now + timeout, session, token)

    def _owned_pending(self, session: int, persist_id: str) -> _Pending | None:
        """Return the confirmed commit under way, if it is this request's to touch."""
        pending = self._pending
        token = pending.persist if pending is not None else ""
        if persist_id != token and persist_id:
            raise refused("invalid-value", "no confirmed commit with this persist-id is pending")
        if pending is not None and persist_id != token:
            raise refused("in-use", "a persistent confirmed commit is pending: give its persist-id")
        if pending is not None and not token and pending.session != session:
            raise refused("in-use", f"session {pending.session} has a confirmed commit pending")
        return pending

    def cancel(self, session: int, persist_id: str) -> None:
        """<cancel-commit> (section 8.4.4.1)."""
        pending = self._owned_pending(session, persist_id)
        if pending is None:
            raise refused("operation-failed", "no confirmed commit is pending")
        self._roll_back(pending)

    def _run(self, config: Config) -> None:
        if config.tree != self._running.tree and self._on_commit is not None:
            try:
                self._on_commit(config.document or {})
            except ToolkitError as error:
                raise refused("operation-failed", str(error), layer="application") from None
        self._running = self._candidate = config

    def _roll_back(self, pending: _Pending) -> None:
        self._pending = None
        untouched = not self.dirty
        if pending.before.tree != self._running.tree and self._on_commit is not None:
            try:
                self._on_commit(pending.before.document or {})
            except ToolkitError as error:
                self.faults.append(error)
        self._running = pending.before
        if untouched:
            self._candidate = self._running

    # ----- time

    @property
    def deadline(self) -> float | None:
        """When `expire` must be called next; None when nothing waits."""
        return self._pending.deadline if self._pending is not None else None

    def expire(self, now: float) -> None:
        """Restore what ran before a confirmed commit whose time is over."""
        if self._pending is not None and now >= self._pending.deadline:
            self._roll_back(self._pending)


def _denied(holder: int, message: str) -> RefusedError:
    return refused("lock-denied", message, session_id=str(holder))
