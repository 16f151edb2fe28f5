"""<edit-config> on values: a configuration and an edit in, a configuration and errors out.

RFC 6241 section 7.2, with RFC 7950 sections 7.5.8, 7.6.8, 7.7.9 and 7.8.6 for what each operation
means on containers, leaves, leaf-lists and lists, section 8.3 for the errors, and RFC 6243 section
4.5.2 for the attribute `default`.  Pure: the given
trees are never changed.  Whether the result is valid is not asked here.

An error leaves the node that it is about as it was; siblings go on unless the error-option is
stop-on-error.  Whoever wants all or nothing drops the result when there are errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from toolkit.netconf.defaults import DEFAULT, is_default
from toolkit.netconf.names import BASE_NS, YANG_NS, ErrorOption, Operation
from toolkit.netconf.ordering import Placement, place
from toolkit.netconf.rpcerror import RpcError
from toolkit.netconf.schema import Identity, Kind, SchemaNode, SchemaTree
from toolkit.netconf.tree import Node, QName

OPERATION: Final = QName(BASE_NS, "operation")
EMPTY: Final = Node(QName(BASE_NS, "data"))
"""An empty datastore; the top-level nodes are the children."""

_ORDERING: Final = frozenset(QName(YANG_NS, local) for local in ("insert", "key", "value"))
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}
_INTERIOR: Final = (Kind.CONTAINER, Kind.LIST)
_OPERATIONS: Final = frozenset(o.value for o in Operation if o is not Operation.NONE)

Slots = dict[Identity, Node]


@dataclass(frozen=True, slots=True)
class Edited:
    """The result of an edit."""

    tree: Node
    errors: tuple[RpcError, ...]


def edit(
    schema: SchemaTree,
    base: Node,
    config: Node,
    *,
    default: Operation = Operation.MERGE,
    error_option: ErrorOption = ErrorOption.ROLLBACK,
) -> Edited:
    """Apply the children of <config> to the datastore `base`.

    With `default` replace, top-level nodes that the edit does not mention are removed: the edit
    "completely replaces the configuration in the target datastore" (RFC 6241 section 7.2).
    """
    editor = _Editor(frozenset(schema.namespaces.values()), stop=error_option is ErrorOption.STOP)
    slots = editor.slots(schema.top, base)
    if default is Operation.REPLACE:
        mentioned = {child.name for child in config.children}
        slots = {key: node for key, node in slots.items() if node.name in mentioned}
    if config.text:
        editor.fail("bad-element", "", "text where configuration is expected", bad_element="config")
    editor.apply(schema.top, slots, config.children, default, "")
    return Edited(base.with_children(slots.values()), tuple(editor.errors))


class _Editor:
    """One edit under way: collects errors and knows whether to go on."""

    def __init__(self, namespaces: frozenset[str], *, stop: bool) -> None:
        self.errors: list[RpcError] = []
        self._namespaces = namespaces
        self._stop = stop

    @property
    def halted(self) -> bool:
        return self._stop and bool(self.errors)

    def fail(self, tag: str, path: str, message: str, *, app_tag: str = "", **info: str) -> None:
        pairs = tuple((key.replace("_", "-"), value) for key, value in info.items())
        self.errors.append(
            RpcError(tag=tag, message=message, path=path, app_tag=app_tag, info=pairs)
        )

    def slots(self, schema: SchemaNode, parent: Node) -> Slots:
        """Return `parent`'s children by identity, in order."""
        found: Slots = {}
        for number, child in enumerate(parent.children):
            known = schema.children.get(child.name)
            identity = known.identity(child) if known is not None else None
            found[identity or (*child.name, f"#{number}")] = child
        return found

    def apply(
        self,
        parent: SchemaNode,
        slots: Slots,
        edits: tuple[Node, ...],
        inherited: Operation,
        path: str,
    ) -> None:
        """Apply `edits`, the children of one element, to `slots`."""
        cases: dict[str, str] = {}
        for node in edits:
            if self.halted:
                return
            schema = parent.children.get(node.name)
            if schema is None or not schema.config:
                self._unknown(parent, schema, node, path)
                continue
            here = path + schema.step(node, parent)
            operation = self._operation(node, inherited, here)
            if operation is None or not self._well_formed(schema, node, here):
                continue
            if operation not in (Operation.DELETE, Operation.REMOVE):
                if _another_case(cases, schema):
                    name = node.name.local
                    self.fail("bad-element", here, f"{name} is of another case", bad_element=name)
                    continue
                cases.update(schema.cases)
            self._one(parent, schema, slots, node, operation, here)

    def _unknown(
        self, parent: SchemaNode, schema: SchemaNode | None, node: Node, path: str
    ) -> None:
        name = node.name.local
        if node.name.namespace not in self._namespaces:
            self.fail(
                "unknown-namespace", path, f"no module has the namespace {node.name.namespace!r}",
                bad_element=name, bad_namespace=node.name.namespace,
            )  # fmt: skip
            return
        where = parent.name.local if path else "the configuration"
        what = "is state, not configuration" if schema is not None else f"is not known in {where}"
        self.fail("unknown-element", path, f"{name} {what}", bad_element=name)

    def _operation(self, node: Node, inherited: Operation, path: str) -> Operation | None:
        """Return the node's operation, None after an error about its attributes."""
        operation = inherited
        for key, value in node.attributes:
            info = {"bad_attribute": key.local, "bad_element": node.name.local}
            if key == OPERATION:
                if value not in _OPERATIONS:
                    self.fail("bad-attribute", path, f"{value!r} is no operation", **info)
                    return None
                operation = Operation(value)
            elif key == DEFAULT:
                if value not in _TRUTH:
                    self.fail("bad-attribute", path, f"{value!r} is no boolean", **info)
                    return None
            elif key not in _ORDERING:
                self.fail("unknown-attribute", path, f"{key.local} means nothing here", **info)
                return None
        return operation

    def _well_formed(self, schema: SchemaNode, node: Node, path: str) -> bool:
        """Check what RFC 7950 section 8.3.1 wants of the element itself."""
        if schema.kind in _INTERIOR:
            if self._tagged(node):
                self.fail(
                    "unknown-attribute", path, f"{node.name.local} has no default",
                    bad_attribute="default", bad_element=node.name.local,
                )  # fmt: skip
                return False
            if node.text:
                self.fail(
                    "bad-element", path, f"{node.name.local} holds nodes, not {node.text!r}",
                    bad_element=node.name.local,
                )  # fmt: skip
                return False
            missing = [key for key in schema.keys if node.child(key) is None]
            for key in missing:
                self.fail("missing-element", path, f"the key {key} is missing", bad_element=key)
            return not missing
        if self._tagged(node) and not is_default(schema, node):
            self.fail(
                "invalid-value", path, f"{node.text!r} is not the default of {node.name.local}",
                bad_element=node.name.local,
            )  # fmt: skip
            return False
        if node.children and schema.kind is not Kind.ANY:
            self.fail(
                "bad-element", path, f"{node.name.local} holds a value, not nodes",
                bad_element=node.name.local,
            )  # fmt: skip
            return False
        return True

    def _tagged(self, node: Node) -> bool:
        """The client asks for the default (RFC 6243 section 4.5.2): nothing is set, then."""
        return _TRUTH.get(node.attribute(DEFAULT) or "", False)

    def _one(
        self,
        parent: SchemaNode,
        schema: SchemaNode,
        slots: Slots,
        node: Node,
        operation: Operation,
        path: str,
    ) -> None:
        identity = schema.identity(node)
        if identity is None:  # a key is missing: said by _well_formed
            return
        existing = slots.get(identity)
        implied = schema.kind is Kind.CONTAINER and not schema.presence
        match operation:
            case Operation.DELETE | Operation.REMOVE:
                if existing is not None:
                    del slots[identity]
                elif operation is Operation.DELETE:
                    self._missing(node, path)
                return
            case Operation.CREATE if existing is not None:
                self.fail(
                    "data-exists", path, f"{node.name.local} exists already",
                    bad_element=node.name.local,
                )  # fmt: skip
                return
            case Operation.NONE if existing is None and not implied:
                self._missing(node, path)
                return
        if self._tagged(node):
            slots.pop(identity, None)
            if schema.cases:
                self._drop_other_cases(parent, schema, slots)
            return
        placement = self._placement(schema, node, path)
        if placement is None:
            return
        kept = existing if operation in (Operation.MERGE, Operation.NONE) else None
        if schema.kind in _INTERIOR:
            result = self._interior(schema, kept, node, operation, path)
        elif operation is Operation.NONE and existing is not None:
            result = existing
        else:
            result = Node(node.name, node.value, node.children, node.prefixes)
        if not result.children and implied:
            slots.pop(identity, None)  # an empty container without presence means nothing
            return
        if schema.cases:
            self._drop_other_cases(parent, schema, slots)
        slots[identity] = result
        if placement is not Placement.STAY:
            problem = place(schema, slots, identity, node, placement)
            if problem:
                self.fail(
                    "bad-attribute", path, problem, app_tag="missing-instance",
                    bad_attribute="key" if schema.keys else "value", bad_element=node.name.local,
                )  # fmt: skip
                if existing is None:
                    del slots[identity]
                else:
                    slots[identity] = existing

    def _missing(self, node: Node, path: str) -> None:
        name = node.name.local
        self.fail("data-missing", path, f"{name} does not exist", bad_element=name)

    def _placement(self, schema: SchemaNode, node: Node, path: str) -> Placement | None:
        given = [key.local for key, _ in node.attributes if key in _ORDERING]
        if not given:
            return Placement.STAY
        name = node.name.local
        if not schema.user_ordered:
            self.fail(
                "unknown-attribute", path, f"{name} is not ordered by the user",
                bad_attribute=given[0], bad_element=name,
            )  # fmt: skip
            return None
        value = node.attribute(QName(YANG_NS, "insert"))
        try:
            return Placement(value or "last")
        except ValueError:
            self.fail(
                "bad-attribute", path, f"{value!r} is no place to insert at",
                bad_attribute="insert", bad_element=name,
            )  # fmt: skip
            return None

    def _interior(
        self, schema: SchemaNode, kept: Node | None, node: Node, operation: Operation, path: str
    ) -> Node:
        keys = {QName(schema.name.namespace, key) for key in schema.keys}
        slots: Slots = {}
        for key in schema.keys:
            leaf = (kept or node).child(key)
            if leaf is not None:  # it is there: _well_formed has looked
                slots[tuple(leaf.name)] = Node(leaf.name, leaf.value, (), leaf.prefixes)
        if kept is not None:
            slots.update(self.slots(schema, kept))
        for leaf in node.children:
            if leaf.name in keys and leaf.attribute(OPERATION) in ("delete", "remove"):
                self.fail(
                    "bad-attribute", path, f"the key {leaf.name.local} cannot be deleted alone",
                    bad_attribute="operation", bad_element=leaf.name.local,
                )  # fmt: skip
        rest = tuple(child for child in node.children if child.name not in keys)
        self.apply(schema, slots, rest, operation, path)
        return Node(node.name, children=tuple(slots.values()))

    def _drop_other_cases(self, parent: SchemaNode, schema: SchemaNode, slots: Slots) -> None:
        """Creating a node of one case deletes the nodes of all others (RFC 7950 section 7.9)."""
        chosen = dict(schema.cases)
        for identity, sibling in list(slots.items()):
            other = parent.children.get(sibling.name)
            if other is not None and _another_case(chosen, other):
                del slots[identity]


def _another_case(chosen: Mapping[str, str], schema: SchemaNode) -> bool:
    return any(chosen.get(choice, case) != case for choice, case in schema.cases)
