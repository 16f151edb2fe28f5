"""A pyang plugin that lists data nodes with what a configuration has to obey, as JSON.

`-f llmsync-nodes`: module -> data path (RFC 7951 names, without choices and cases) -> facts.  Only
modules that were given as files are listed; what they add to others by `augment` is theirs.
"""

from __future__ import annotations

import json
from typing import Any, Final, TextIO

from pyang import plugin

_DATA: Final = frozenset({"container", "list", "leaf", "leaf-list", "anydata", "anyxml"})
_NAMELESS: Final = frozenset({"choice", "case"})
_SINGLE: Final = ("mandatory", "min-elements", "max-elements", "key", "presence", "default")
_RESTRICTIONS: Final = frozenset(
    {"range", "length", "pattern", "path", "enum", "bit", "base", "fraction-digits"}
)


class NodesPlugin(plugin.PyangPlugin):  # type: ignore[misc]  # pyang has no type information
    """Adds the output format."""

    def add_output_format(self, formats: Any) -> None:  # noqa: ANN401 - pyang's own dict
        self.multiple_modules = True
        formats["llmsync-nodes"] = self

    def emit(self, ctx: Any, modules: Any, stream: TextIO) -> None:  # noqa: ANN401
        modules = [module for module in modules if module.keyword == "module"]
        found: dict[str, dict[str, Any]] = {module.arg: {} for module in modules}
        # Another revision of the same module may have been imported: its nodes are none of these.
        self.given = {id(module) for module in modules}
        self.names = set(found)
        for module in ctx.modules.values():
            if module.keyword == "module":
                for child in getattr(module, "i_children", ()):
                    self._list(child, ("", ""), (), found)
        for module in modules:
            for name in getattr(module, "i_identities", ()):
                found[module.arg][f"identity {module.arg}:{name}"] = {"kind": "identity"}
        json.dump(found, stream)

    def _list(
        self,
        node: Any,  # noqa: ANN401
        parent: tuple[str, str],
        needed: tuple[str, ...],
        found: dict[str, dict[str, Any]],
    ) -> None:
        """`parent`: its path and module; `needed`: the features that it depends on."""
        if node.keyword in _DATA and not getattr(node, "i_config", True):
            return
        path, holder = parent
        module = getattr(node.i_module, "i_modulename", "")
        needed = (*needed, *_features(node))
        if node.keyword in _DATA:
            path = f"{path}/{node.arg if module == holder else f'{module}:{node.arg}'}"
            holder = module
            if self._is_given(node.i_module):
                found[module][path] = _facts(node)
                if needed:
                    found[module][path]["features"] = sorted(set(needed))
        elif node.keyword not in _NAMELESS:
            return  # rpc, action, notification
        for child in getattr(node, "i_children", ()):
            self._list(child, (path, holder), needed, found)

    def _is_given(self, module: Any) -> bool:  # noqa: ANN401
        """Return whether a module, or the one that a submodule is of, was given as a file."""
        if id(module) in self.given:
            return True
        return module.keyword == "submodule" and module.i_modulename in self.names


def _features(node: Any) -> list[str]:  # noqa: ANN401
    """Return the features, as `module:feature`, that a node names itself or by its augment.

    Expressions of several features are left out.
    """
    augment = getattr(node, "i_augment", None)
    named = [*node.search("if-feature"), *(augment.search("if-feature") if augment else ())]
    found = []
    for statement in named:
        prefix, _, name = statement.arg.rpartition(":")
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
            continue
        modules = statement.i_orig_module.i_prefixes
        known = modules[prefix][0] if prefix in modules else statement.i_orig_module.i_modulename
        found.append(f"{known}:{name}")
    return found


def _facts(node: Any) -> dict[str, Any]:  # noqa: ANN401
    facts: dict[str, Any] = {"kind": node.keyword}
    for name in _SINGLE:
        statement = node.search_one(name)
        if statement is not None:
            facts[name] = statement.arg
    status = node.search_one("status")
    if status is not None and status.arg == "obsolete":
        facts["status"] = "obsolete"
    for name in ("must", "when"):
        rules = sorted(" ".join(statement.arg.split()) for statement in node.search(name))
        if rules:
            facts[name] = rules
    kind = node.search_one("type")
    if kind is not None:
        facts["type"] = _type(kind)
    return facts


def _type(kind: Any) -> str:  # noqa: ANN401
    """Return a type in words, typedefs followed to what they stand for."""
    parts: list[str] = []
    typedef = getattr(kind, "i_typedef", None)
    if typedef is not None:
        parts.append(_type(typedef.search_one("type")))
    elif kind.arg == "union":
        parts.append(" or ".join(_type(member) for member in kind.search("type")))
    else:
        parts.append(kind.arg)
    for statement in kind.substmts:
        if statement.keyword in _RESTRICTIONS:
            name = (
                statement.arg.rpartition(":")[2] if statement.keyword == "base" else statement.arg
            )
            parts.append(f"{statement.keyword} {name}")
    return " ".join(parts)


def pyang_plugin_init() -> None:
    """Register the plugin; pyang calls this by name."""
    plugin.register_plugin(NodesPlugin())
