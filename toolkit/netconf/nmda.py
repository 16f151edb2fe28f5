"""<get-data> and <edit-data>.  RFC 8526, RFC 8342.  Pure.

Datastores: running, intended (the same: nothing is transformed), candidate, startup, operational
(running and state).  The feature `origin` is not there, so neither are with-origin and
origin-filter; nor is :with-operational-defaults.
"""

from __future__ import annotations

from typing import Final

from toolkit.netconf.call import Call, datastore_name
from toolkit.netconf.defaults import Mode
from toolkit.netconf.names import NMDA_NS, Datastore, ErrorOption, Operation
from toolkit.netconf.reading import operational, visible
from toolkit.netconf.rpcerror import refused
from toolkit.netconf.schema import SchemaNode
from toolkit.netconf.subtree import select
from toolkit.netconf.tree import Node, QName
from toolkit.netconf.xpath import select_xpath

_DEEPEST: Final = 65535
_BOOLEANS: Final = {"true": True, "false": False}


def get_data(call: Call) -> tuple[Node, ...]:
    """<get-data> (RFC 8526 section 3.1.1)."""
    name = datastore_name(call.required("datastore"))
    if name == "operational":
        if call.has("with-defaults"):
            raise refused(
                "invalid-value", "operational has no with-defaults here",
                bad_element="with-defaults",
            )  # fmt: skip
        data = visible(call, operational(call), Mode.EXPLICIT)
    else:
        store = (
            Datastore.RUNNING if name == "intended" else call.nmda_store(call.required("datastore"))
        )
        data = visible(call, call.device.config(store), call.mode())
    wanted = call.text("config-filter")
    if wanted is not None:
        if wanted not in _BOOLEANS:
            raise refused(
                "invalid-value", f"config-filter {wanted!r} is none of true, false",
                bad_element="config-filter",
            )  # fmt: skip
        data = _of_kind(call.device.index.top, data, config=_BOOLEANS[wanted])
    return (Node(QName(NMDA_NS, "data"), children=_filtered(call, data).children),)


def edit_data(call: Call) -> tuple[Node, ...]:
    """<edit-data> (RFC 8526 section 3.1.2): the candidate alone can be written, all or nothing."""
    name = datastore_name(call.required("datastore"))
    if name != Datastore.CANDIDATE:
        raise refused("invalid-value", f"{name} cannot be edited", bad_element="datastore")
    call.device.edit(
        call.session,
        call.required("config"),
        default=default_operation(call),
        error_option=ErrorOption.ROLLBACK,
    )
    return ()


def default_operation(call: Call) -> Operation:
    """Return default-operation (RFC 6241 section 7.2)."""
    default = call.option("default-operation", Operation.MERGE)
    if default not in (Operation.MERGE, Operation.REPLACE, Operation.NONE):
        raise refused(
            "invalid-value", f"default-operation {str(default)!r} is none of merge, replace, none",
            bad_element="default-operation",
        )  # fmt: skip
    return default


def _filtered(call: Call, data: Node) -> Node:
    unbounded = call.text("max-depth") in (None, "unbounded")
    depth = 0 if unbounded else call.number("max-depth", 1, _DEEPEST)
    criteria, leaf = call.body.child("subtree-filter"), call.body.child("xpath-filter")
    if criteria is not None and leaf is not None:
        raise refused(
            "bad-element", "there is one filter-spec, not two", bad_element="xpath-filter"
        )
    if leaf is not None:
        return select_xpath(data, leaf.text, dict(leaf.prefixes), call.device.index, depth=depth)
    return select(data, criteria, call.device.index, depth=depth)


def _of_kind(schema: SchemaNode, data: Node, *, config: bool) -> Node:
    """Keep configuration alone, or state with its ancestors and their keys."""
    kept = []
    for child in data.children:
        known = schema.children.get(child.name)
        if known is None or not known.config:
            if not config:  # what no module of the router describes is the server's own state
                kept.append(child)
        elif child.children:
            inner = _of_kind(known, child, config=config)
            if config or any(c.name.local not in known.keys for c in inner.children):
                kept.append(inner)
        elif config or child.name.local in schema.keys:
            kept.append(child)
    return data.with_children(kept)
