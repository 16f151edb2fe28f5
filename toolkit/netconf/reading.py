"""Operations that read: get, get-config, get-schema; filters and defaults of every reply.

RFC 6241 sections 6, 7.1, 7.7 and 8.9, RFC 6243, RFC 6022.  Pure.

In this order: what the user may not see is not there, then defaults, then the filter, so a filter
may ask for defaults and cannot ask about secrets.
"""

from __future__ import annotations

from collections.abc import Callable

from toolkit.netconf import monitoring
from toolkit.netconf.access import without_secrets
from toolkit.netconf.call import Call, stores
from toolkit.netconf.defaults import Mode, shown
from toolkit.netconf.names import Datastore
from toolkit.netconf.rpcerror import refused
from toolkit.netconf.subtree import select
from toolkit.netconf.tree import Node
from toolkit.netconf.xpath import check_xpath, matches_xpath, select_xpath


def get(call: Call) -> tuple[Node, ...]:
    """<get> (section 7.7): running and state."""
    return (filtered(call, visible(call, operational(call), call.mode())),)


def get_config(call: Call) -> tuple[Node, ...]:
    """<get-config> (section 7.1)."""
    data = call.device.config(call.store("source"))
    return (filtered(call, visible(call, data, call.mode())),)


def get_schema(call: Call) -> tuple[Node, ...]:
    """<get-schema> (RFC 6022 section 3.1)."""
    form = (call.text("format") or "yang").rpartition(":")[2]
    if form != "yang":
        raise refused("invalid-value", f"schemas are not kept as {form!r}", bad_element="format")
    identifier = call.required("identifier").text
    return (monitoring.get_schema(call.device.modules, identifier, call.text("version")),)


def operational(call: Call) -> Node:
    """Return running configuration and all state together."""
    device = call.device
    tree = device.config(Datastore.RUNNING)
    state = device.state()
    if state.children:
        tree = monitoring.beside(device.index.top, tree, state)
    own = monitoring.server_state(device, stores(device))
    return tree.with_children((*tree.children, *own))


def visible(call: Call, data: Node, mode: Mode) -> Node:
    """Return what the session's user may see of `data`, with defaults as it wants them."""
    if not call.device.privileged(call.session):
        data = without_secrets(call.device.index.top, data)
    return shown(call.device.index.top, data, mode)


def filtered(call: Call, data: Node) -> Node:
    """Apply the request's <filter>, if it has one."""
    criteria = call.body.child("filter")
    if criteria is None:
        return data
    expression = xpath_of(criteria)
    if expression is None:
        return select(data, criteria, call.device.index)
    return select_xpath(data, expression, dict(criteria.prefixes), call.device.index)


def event_filter(criteria: Node | None) -> Callable[[Node], bool]:
    """Return which events a subscription's <filter> lets through (RFC 5277 section 3.6)."""
    if criteria is None:
        return lambda _: True
    expression = xpath_of(criteria)
    if expression is None:
        return lambda content: bool(select(content.with_children((content,)), criteria).children)
    prefixes = dict(criteria.prefixes)
    check_xpath(expression, prefixes)
    return lambda content: matches_xpath(content, expression, prefixes)


def xpath_of(criteria: Node) -> str | None:
    """Return the expression of a <filter> of type xpath, None for a subtree filter."""
    # The attributes are unqualified; some clients qualify them all the same.
    given = {key.local: value for key, value in criteria.attributes}
    kind = given.get("type", "subtree")
    if kind == "subtree":
        return None
    if kind != "xpath":
        raise refused(
            "bad-attribute", f"there are no filters of type {kind!r}",
            bad_attribute="type", bad_element="filter",
        )  # fmt: skip
    if "select" not in given:
        raise refused(
            "missing-attribute", "a filter of type xpath needs the attribute select",
            bad_attribute="select", bad_element="filter",
        )  # fmt: skip
    return given["select"]
