"""The three configuration datastores of a router as values.  RFC 6241 sections 5.1, 8.3 and 8.7.

Pure.  Law: running and startup are valid at every moment; the candidate need not be.  Nobody's
rights and locks are looked at here; that is `router`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.errors import SchemaError, ToolkitError
from toolkit.netconf.datastore import EMPTY, edit
from toolkit.netconf.defaults import Mode, shown
from toolkit.netconf.names import Datastore, ErrorOption, Operation, TestOption
from toolkit.netconf.rpcerror import RefusedError, RpcError, from_data_plane, from_schema_error
from toolkit.netconf.schema import SchemaTree
from toolkit.netconf.tree import Node, to_xml
from toolkit.yang.schema import Schema


@dataclass(frozen=True, slots=True)
class Config:
    """One state of a datastore."""

    tree: Node
    document: Mapping[str, Any] | None
    """The validated RFC 7951 tree; None while nobody has asked whether it is valid."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an edit of the candidate comes to."""

    config: Config
    errors: tuple[RpcError, ...] = ()
    """What is refused all the same, where the rest stays (test-option `set`)."""


class Stores:
    """Running, candidate and startup of one router."""

    def __init__(
        self,
        name: str,
        schema: Schema,
        index: SchemaTree,
        config: Mapping[str, Any] | None,
        check: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        """`config` is in all three.  Raises SchemaError when it is invalid.

        `check` is asked about every other configuration that the schema has nothing against.
        """
        self._name, self._schema, self._index, self._check = name, schema, index, check
        document = schema.parse_json(config, name) if config else {}
        self.running = self.candidate = self.startup = self._config(document)
        self.editor = 0
        """The session that changed the candidate last."""
        self.meddled = False
        """Somebody who is no session has left a change in the candidate."""

    def __getitem__(self, store: Datastore) -> Config:
        match store:
            case Datastore.RUNNING:
                return self.running
            case Datastore.CANDIDATE:
                return self.candidate
            case Datastore.STARTUP:
                return self.startup

    @property
    def dirty(self) -> bool:
        """The candidate differs from running."""
        return self.meddled or self.candidate.tree != self.running.tree

    def reset(self) -> None:
        """Make the candidate what runs."""
        self.candidate, self.meddled = self.running, False

    def set_candidate(self, session: int, config: Config) -> None:
        self.candidate, self.editor = config, session

    def proposed(
        self, config: Node, *, default: Operation, test: TestOption, error_option: ErrorOption
    ) -> Proposal | None:
        """Return what an <edit-config> makes of the candidate; None when it is to stay as it is.

        Raises RefusedError where nothing at all is to be kept.
        """
        edited = edit(
            self._index, self.candidate.tree, config, default=default, error_option=error_option
        )
        if test is TestOption.SET:
            if edited.errors and error_option is ErrorOption.ROLLBACK:
                raise RefusedError(*edited.errors)
            return Proposal(Config(edited.tree, None), edited.errors)
        if edited.errors:
            raise RefusedError(*edited.errors)
        valid = self.validated(Config(edited.tree, None))
        return Proposal(valid) if test is TestOption.TEST_THEN_SET else None

    def read(self, source: Datastore | Node) -> Config:
        """Return a datastore, or what a <config> given in a request holds; validated both."""
        if isinstance(source, Datastore):
            return self.validated(self[source])
        edited = edit(self._index, EMPTY, source, default=Operation.REPLACE)
        if edited.errors:
            raise RefusedError(*edited.errors)
        return self.validated(Config(edited.tree, None))

    def with_defaults(self, config: Config, mode: Mode) -> Config:
        """Return `config` with defaults as `mode` shows them (<copy-config>, RFC 6243)."""
        if mode is Mode.EXPLICIT:
            return config
        tree = shown(self._index.top, config.tree, mode.untagged)
        return config if tree == config.tree else self.validated(Config(tree, None))

    def validated(self, config: Config) -> Config:
        """Return `config` in canonical form; raise RefusedError with everything that is wrong."""
        if config.document is not None:
            return config
        try:
            known = self._config(self._schema.parse_xml(to_xml(config.tree.children), self._name))
        except SchemaError as error:
            raise from_schema_error(error) from None
        if self._check is not None and known.tree != self.running.tree:
            try:
                self._check(known.document or {})
            except ToolkitError as error:
                raise from_data_plane(error) from None
        return known

    def _config(self, document: Mapping[str, Any]) -> Config:
        return Config(EMPTY.with_children(self._index.from_json(document)), document)
