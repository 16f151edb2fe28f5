"""One router's configuration: sessions, locks, datastores, commits.  RFC 6241 sections 7 and 8.

Sans I/O: requests and `now` (seconds of any clock that never runs back) come in, the new
configuration goes to `on_commit`; `deadline` says when `expire` wants to be called.  A request that
is refused raises RefusedError and has changed nothing.

Laws: running is valid at every moment.  The candidate is shared by all sessions (section 8.3.1).  A
confirmed commit that nobody confirms restores the configuration before the *first* of its commits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from toolkit.errors import ToolkitError
from toolkit.netconf import events
from toolkit.netconf.access import Access, must_not_change, must_not_probe
from toolkit.netconf.confirming import CONFIRM_TIMEOUT, Pending, owned
from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.defaults import Mode
from toolkit.netconf.events import Ending, Peer, Step
from toolkit.netconf.faults import Fault, Trouble
from toolkit.netconf.flavours import Flavour, Flavours
from toolkit.netconf.index import schema_tree
from toolkit.netconf.locks import Locks, denied
from toolkit.netconf.names import Datastore, ErrorOption, Operation, TestOption
from toolkit.netconf.notifications import EventLog
from toolkit.netconf.rpcerror import RefusedError, from_data_plane, refused
from toolkit.netconf.servermodules import server_modules
from toolkit.netconf.stores import Config, Stores
from toolkit.netconf.tree import Node
from toolkit.yang.schema import Schema


class Device:
    """A router's NETCONF server without its wires; `toolkit.netconf.device` puts it on SSH."""

    def __init__(
        self,
        name: str,
        schema: Schema,
        *,
        state: Callable[[], Mapping[str, Any]] | None = None,
        on_commit: Callable[[Mapping[str, Any]], None] | None = None,
        check: Callable[[Mapping[str, Any]], None] | None = None,
        config: Mapping[str, Any] | None = None,
        startup: bool = True,
        on_startup: Callable[[Node], None] | None = None,
        access: Access | None = None,
        faults: tuple[Fault, ...] = (),
        flavours: Flavours = frozenset(),
    ) -> None:
        """`state` returns config-false data (RFC 7951) that <get> adds to running.

        `on_commit` is told each new running configuration before it counts as running; a
        ToolkitError from it refuses the commit.  `check` may refuse a valid configuration before
        that (`applier`).  `config` is what runs at first (not told), and what is in startup;
        SchemaError when invalid.  `startup` offers :startup, and `on_startup` is told each new
        startup configuration (a ToolkitError refuses the change).  `access` limits what users may
        do; without it everybody may.  `flavours`: how the server differs from RFC 6241.
        """
        self.name, self.schema = name, schema
        self.index = schema_tree(schema)
        modules = (*schema.modules(), *server_modules(schema, startup=startup))
        self.modules = tuple(sorted(modules, key=lambda module: module.name))
        self.has_startup, self.access, self.flavours = startup, access, flavours
        self.faults: list[ToolkitError] = []
        """Refusals of the data plane that could not be answered, since a rollback asks nobody."""
        self.trouble = Trouble(faults)
        self.unreachable = False
        """A fault has taken the router off the network."""
        self.epoch = 0.0
        """Unix time at second 0 of the clock that `now` comes from."""
        self.stream = EventLog()
        self._state, self._on_commit, self._on_startup = state, on_commit, on_startup
        self._stores = Stores(name, schema, self.index, config, check)
        self._stores.meddled = self.trouble.dirty_candidate
        self._locks = Locks()
        self._pending: Pending | None = None
        self._inert = False
        """The next commit does nothing (a flavour)."""
        self._sessions: dict[int, Peer] = {}
        self._last_session = 0

    # ----- life and sessions

    def boot(self, now: float) -> None:
        """Lose all sessions and what only they kept; run what startup holds (section 8.7.1)."""
        for session in list(self._sessions):
            self.close(session, now)
        self._pending = None
        if self.has_startup and self._stores.running != self._stores.startup:
            self._become(self._stores.startup, now)
        self._stores.reset()

    def open(self, user: str = "", host: str = "", now: float = 0.0) -> int:
        """Return the id of a new session."""
        self._last_session += 1
        peer = Peer(self._last_session, user, host, now)
        self._sessions[peer.session] = peer
        self._tell(events.session_start(peer), now)
        return peer.session

    def is_open(self, session: int) -> bool:
        return session in self._sessions

    @property
    def sessions(self) -> tuple[Peer, ...]:
        return tuple(self._sessions.values())

    def user(self, session: int) -> str:
        peer = self._sessions.get(session)
        return peer.user if peer is not None else ""

    def privileged(self, session: int) -> bool:
        """May the session's user write, see secrets, and end other sessions?"""
        return self.access is None or self.access.writes(self.user(session))

    def close(
        self, session: int, now: float, ending: Ending = Ending.CLOSED, killed_by: int = 0
    ) -> None:
        """End a session, however: its locks, candidate and confirmed commit go with it."""
        peer = self._sessions.get(session)
        for store in self._locks.held_by(session):
            self._release(store)
        pending = self._pending
        if pending is not None and not pending.persist and pending.session == session:
            self._roll_back(pending, now, Step.CANCEL)
        self._sessions.pop(session, None)
        self.stream.subscriptions.pop(session, None)
        if peer is not None:
            self._tell(events.session_end(peer, ending, killed_by), now)
        self.expire(now)

    def kill(self, session: int, target: int, now: float) -> None:
        """<kill-session>, section 7.9."""
        if target == session:
            raise refused("invalid-value", "a session cannot kill itself")
        if target not in self._sessions:
            raise refused("invalid-value", f"there is no session {target}")
        self.close(target, now, Ending.KILLED, session)

    def _tell(self, content: Node, now: float) -> None:
        self.stream.add(self.epoch + now, content)

    # ----- locks (sections 7.5 and 7.6)

    @property
    def locks(self) -> Mapping[Datastore, int]:
        """Datastore -> the session that holds its lock."""
        return self._locks.holders

    def locked_at(self, store: Datastore) -> float:
        return self._locks.times[store]

    def lock(self, session: int, store: Datastore, now: float = 0.0) -> None:
        self._locks.must_be_free(store)
        if store is Datastore.CANDIDATE and self.dirty:
            editor = 0 if self._stores.meddled else self._stores.editor
            raise denied(
                editor if editor in self._sessions else 0,
                "the candidate holds changes that were neither committed nor discarded",
            )
        pending = self._pending
        if store is Datastore.RUNNING and pending is not None and pending.session != session:
            owner = pending.session if pending.session in self._sessions else 0
            raise denied(owner, "a confirmed commit waits for its confirmation")
        self._locks.take(store, session, now)

    def unlock(self, session: int, store: Datastore) -> None:
        if self.locks.get(store) != session:
            raise refused("operation-failed", f"this session holds no lock on {store}")
        self._release(store)

    def _release(self, store: Datastore) -> None:
        self._locks.release(store)
        if store is Datastore.CANDIDATE:
            self._stores.reset()

    # ----- reading

    @property
    def running(self) -> Mapping[str, Any]:
        """The running configuration, RFC 7951."""
        return self._stores.running.document or {}

    @property
    def dirty(self) -> bool:
        """The candidate differs from running."""
        return self._stores.dirty

    def config(self, store: Datastore) -> Node:
        return self._stores[store].tree

    def state(self) -> Node:
        """Return what the data plane shows; empty without one."""
        if self._state is None:
            return EMPTY
        try:
            return EMPTY.with_children(self.index.from_json(self._state()))
        except (ToolkitError, ValueError) as error:
            message = f"the state of the router cannot be read: {error}"
            raise refused("operation-failed", message, layer="application") from None

    # ----- writing

    def edit(
        self,
        session: int,
        config: Node,
        *,
        default: Operation = Operation.MERGE,
        test: TestOption = TestOption.TEST_THEN_SET,
        error_option: ErrorOption = ErrorOption.STOP,
        target: Datastore = Datastore.CANDIDATE,
        now: float = 0.0,
    ) -> None:
        """<edit-config> (section 7.2), on running only where a flavour allows it.

        With test-then-set an error of any kind leaves the candidate as it was.  With `set` the
        error-option decides what stays, and the result is validated by the commit.
        """
        self._locks.must_not_bar(target, session)
        self._must_not_probe(session, config)
        proposal = self._stores.proposed(
            config, default=default, test=test, error_option=error_option
        )
        if proposal is None:
            return
        self._permit(session, self._stores.candidate, proposal.config)
        if target is Datastore.RUNNING:
            self._run(self._stores.validated(proposal.config), session, now)
        else:
            self._stores.set_candidate(session, proposal.config)
            self._inert = False
        if proposal.errors:
            raise RefusedError(*proposal.errors)

    def copy(
        self,
        session: int,
        source: Datastore | Node,
        target: Datastore = Datastore.CANDIDATE,
        *,
        mode: Mode = Mode.EXPLICIT,
        now: float = 0.0,
    ) -> None:
        """<copy-config> to the candidate or to startup (section 7.3)."""
        self._locks.must_not_bar(target, session)
        self._must_not_probe(session, source)
        config = self._stores.with_defaults(self._stores.read(source), mode)
        # RFC 8341 section 3.2.6: running to startup takes no right to write.
        if (source, target) != (Datastore.RUNNING, Datastore.STARTUP):
            self._permit(session, self._stores[target], config)
        if target is Datastore.CANDIDATE:
            self._stores.set_candidate(session, config)
        else:
            self._save(config, session, now)

    def delete_startup(self, session: int, now: float) -> None:
        """<delete-config> (section 7.4): the router boots with nothing next time."""
        self._locks.must_not_bar(Datastore.STARTUP, session)
        self._save(Config(EMPTY, {}), session, now)

    def _save(self, config: Config, session: int, now: float) -> None:
        before = self._stores.startup
        if config.tree == before.tree:
            return
        if self._on_startup is not None:
            try:
                self._on_startup(config.tree)
            except ToolkitError as error:
                raise refused("operation-failed", str(error), layer="application") from None
        self._stores.startup = config
        self._changed(before, config, Datastore.STARTUP, session, now)

    def discard(self, session: int) -> None:
        """<discard-changes> (section 8.3.4.2)."""
        self._locks.must_not_bar(Datastore.CANDIDATE, session)
        self._stores.reset()

    def validate(self, source: Datastore | Node, session: int = 0) -> None:
        """<validate> (section 8.6.4.1)."""
        self._must_not_probe(session, source)
        config = self._stores.read(source)
        if source is Datastore.CANDIDATE:
            self._stores.candidate = config
            self._inert = self.dirty and Flavour.VALIDATE_BROKEN in self.flavours

    def _must_not_probe(self, session: int, config: Datastore | Node) -> None:
        """Refuse a request whose answer would tell about secrets."""
        if isinstance(config, Node) and not self.privileged(session):
            must_not_probe(self.user(session), self.index, config)

    def _permit(self, session: int, before: Config, after: Config) -> None:
        """Refuse a change that the session's user may not make (RFC 8341 section 3.4.5)."""
        if not self.privileged(session):
            must_not_change(self.user(session), self.index, before.tree, after.tree)

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
        self._locks.must_not_bar(Datastore.RUNNING, session)
        self._locks.must_not_bar(Datastore.CANDIDATE, session)
        pending = owned(self._pending, session, persist_id)
        if persist and not confirmed:
            raise refused("bad-element", "persist needs confirmed", bad_element="persist")
        config = self._stores.validated(self._stores.candidate)
        before = self._stores.running if pending is None else pending.before
        self._permit(session, self._stores.running, config)
        self._run(config, session, now)
        peer = self._sessions.get(session)
        if not confirmed:
            self._pending = None
            if pending is not None:
                self._tell(events.confirmed_commit(peer, Step.COMPLETE), now)
            return
        token = persist or (pending.persist if pending is not None else "")
        self._pending = Pending(before, now + timeout, session, token)
        step = Step.START if pending is None else Step.EXTEND
        self._tell(events.confirmed_commit(peer, step, timeout), now)

    def cancel(self, session: int, persist_id: str, now: float = 0.0) -> None:
        """<cancel-commit> (section 8.4.4.1)."""
        pending = owned(self._pending, session, persist_id)
        if pending is None:
            raise refused("operation-failed", "no confirmed commit is pending")
        self._roll_back(pending, now, Step.CANCEL, session)

    def _run(self, config: Config, session: int, now: float) -> None:
        before = self._stores.running
        if self._inert:
            config, self._inert = before, False
        if config.tree != before.tree:
            if self._on_commit is not None:
                try:
                    self._on_commit(config.document or {})
                except ToolkitError as error:
                    raise from_data_plane(error) from None
            self._changed(before, config, Datastore.RUNNING, session, now)
        self._stores.running = config
        self._stores.reset()

    def _roll_back(self, pending: Pending, now: float, step: Step, session: int = 0) -> None:
        self._pending = None
        peer = self._sessions.get(session) or self._sessions.get(pending.session)
        self._tell(events.confirmed_commit(peer or Peer(0), step), now)
        untouched = not self.dirty
        self._become(pending.before, now, session)
        if untouched:
            self._stores.reset()

    def _become(self, config: Config, now: float, session: int = 0) -> None:
        """Run `config`, whatever the data plane says to it."""
        before = self._stores.running
        self._stores.running = config
        if config.tree == before.tree:
            return
        if self._on_commit is not None:
            try:
                self._on_commit(config.document or {})
            except ToolkitError as error:
                self.faults.append(error)
        self._changed(before, config, Datastore.RUNNING, session, now)

    def _changed(
        self, before: Config, after: Config, store: Datastore, session: int, now: float
    ) -> None:
        by = self._sessions.get(session)
        self._tell(
            events.config_change(self.index, before.tree, after.tree, store=store, by=by), now
        )

    # ----- time

    @property
    def confirming(self) -> bool:
        """A confirmed commit waits for its confirmation."""
        return self._pending is not None

    @property
    def deadline(self) -> float | None:
        """When `expire` must be called next; None when nothing waits."""
        return self._pending.deadline if self._pending is not None else None

    def expire(self, now: float) -> None:
        """Restore what ran before a confirmed commit whose time is over."""
        if self._pending is not None and now >= self._pending.deadline:
            self._roll_back(self._pending, now, Step.TIMEOUT)
