"""<rpc-error>: what a server answers when it refuses.  RFC 6241 section 4.3 and appendix A.

Pure.  Inside, a path is a data path as people write it (`/m:top/list[key='1']/leaf`); on the wire
it is an absolute XPath whose prefixes are declared on <error-path>.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from toolkit.errors import Problem, SchemaError, ToolkitError
from toolkit.netconf.names import BASE_NS
from toolkit.netconf.schema import compact, xpath
from toolkit.netconf.tree import Node, QName


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcError:
    """One error."""

    tag: str
    message: str
    type: str = "application"
    """Layer: `transport`, `rpc`, `protocol` or `application`."""
    severity: str = "error"
    app_tag: str = ""
    path: str = ""
    info: tuple[tuple[str, str], ...] = ()
    """Elements of error-info in the NETCONF namespace, such as (`bad-element`, `mtu`)."""


class RefusedError(Exception):
    """A request is refused; carries every error found.  Answered on the wire, never shown as is."""

    def __init__(self, *errors: RpcError) -> None:
        self.errors = errors
        super().__init__("; ".join(error.message for error in errors))


def refused(
    tag: str,
    message: str,
    *,
    layer: str = "protocol",
    path: str = "",
    app_tag: str = "",
    **info: str,
) -> RefusedError:
    """Return the exception for one error; `bad_element="x"` is <bad-element>x</bad-element>."""
    return RefusedError(
        RpcError(
            tag=tag, message=message, type=layer, path=path, app_tag=app_tag,
            info=tuple((key.replace("_", "-"), value) for key, value in info.items()),
        )
    )  # fmt: skip


def to_node(error: RpcError, namespaces: Mapping[str, str]) -> Node:
    """Return `error` as an <rpc-error> element; `namespaces` are those of the modules by name."""
    children = [
        _leaf("error-type", error.type),
        _leaf("error-tag", error.tag),
        _leaf("error-severity", error.severity),
    ]
    if error.app_tag:
        children.append(_leaf("error-app-tag", error.app_tag))
    if error.path:
        path, prefixes = xpath(error.path, namespaces)
        name = QName(BASE_NS, "error-path")
        children.append(Node(name, path, prefixes=tuple(prefixes.items())))
    message = QName(BASE_NS, "error-message")
    language = QName("http://www.w3.org/XML/1998/namespace", "lang")
    children.append(Node(message, error.message, attributes=((language, "en"),)))
    if error.info:
        info = tuple(_leaf(name, value) for name, value in error.info)
        children.append(Node(QName(BASE_NS, "error-info"), children=info))
    return Node(QName(BASE_NS, "rpc-error"), children=tuple(children))


def _leaf(local: str, value: str) -> Node:
    return Node(QName(BASE_NS, local), value)


def from_node(node: Node) -> RpcError:
    """Return what an <rpc-error> element says; fields that it lacks stay empty."""

    def text(local: str) -> str:
        found = node.child(local)
        return " ".join(found.text.split()) if found is not None else ""

    info = node.child("error-info")
    return RpcError(
        tag=text("error-tag") or "operation-failed",
        message=text("error-message"),
        type=text("error-type"),
        severity=text("error-severity") or "error",
        app_tag=text("error-app-tag"),
        path=compact(text("error-path")),
        info=tuple((c.name.local, c.text) for c in info.children) if info is not None else (),
    )


_INVALID: Final = "invalid-value"
_VIOLATIONS: Final[tuple[tuple[re.Pattern[str], str, str], ...]] = tuple(
    (re.compile(pattern), tag, app_tag)
    for pattern, tag, app_tag in (
        # RFC 7950 section 15 for what is validated as a whole ...
        (r"is not configured at ", "data-missing", "instance-required"),
        (r"^there are too few entries", "operation-failed", "too-few-elements"),
        (r"^there are too many entries", "operation-failed", "too-many-elements"),
        (r"^Unique ", "operation-failed", "data-not-unique"),
        (r"^the rule .* does not hold$", "operation-failed", "must-violation"),
        (r" is missing and must be given$", "data-missing", ""),
        # ... and section 8.3.1 for what is wrong as soon as it is read.
        (r"^the key \S+ is missing$", "missing-element", ""),
        (r"^there is no node ", "unknown-element", ""),
        (r"^the device has no module ", "unknown-namespace", ""),
        (r"is out of range$", _INVALID, ""),
        (r"has a wrong (length|form)$", _INVALID, ""),
        (r"is none of the possible values$", _INVALID, ""),
        (r"defines no identity ", _INVALID, ""),
        (r"^the prefix of identity ", _INVALID, ""),
        (r'^".*" is no ', _INVALID, ""),
        (r"fits none of the types$", _INVALID, ""),
        (r"is given twice$", "bad-element", ""),
        (r"^it may only be given where ", "unknown-element", ""),
        (r"^not well-formed XML", "operation-failed", ""),
    )
)


def from_schema_error(error: SchemaError) -> RefusedError:
    """Return what validation found as the rpc-errors that RFC 7950 prescribes."""
    return RefusedError(*map(_violation, error.problems))


def from_data_plane(error: ToolkitError) -> RefusedError:
    """Return what the data plane refuses, with the data paths that it names."""
    if not isinstance(error, SchemaError):
        return refused("operation-failed", str(error), layer="application")
    return RefusedError(
        *(
            RpcError(tag="operation-failed", message=_words(problem), path=problem.place.path)
            for problem in error.problems
        )
    )


def _words(problem: Problem) -> str:
    return problem.what + (f" ({problem.remedy})" if problem.remedy else "")


def _violation(problem: Problem) -> RpcError:
    message = _words(problem)
    for pattern, tag, app_tag in _VIOLATIONS:
        if pattern.search(problem.what):
            return RpcError(tag=tag, app_tag=app_tag, message=message, path=problem.place.path)
    # A `must` statement's own words (RFC 7950 section 7.5.4.1).
    return RpcError(
        tag="operation-failed", app_tag="must-violation", message=message, path=problem.place.path
    )
