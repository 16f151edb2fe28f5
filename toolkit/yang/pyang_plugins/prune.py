"""A pyang plugin that takes out what pyangbind cannot make classes of.

pyang loads every file of this folder when the folder is given as `--plugindir`.  After validation,
before output, it removes from the schema tree:

* actions and notifications inside data nodes: pyangbind ends with "unhandled keyword";
* nodes of status deprecated or obsolete: in ietf-interfaces that is the whole pre-NMDA state tree,
  half of the generated code.

Bindings are for typed access, so nothing is lost that they could hold.
"""

from __future__ import annotations

from typing import Any, Final

from pyang import plugin

_KEYWORDS: Final = frozenset({"action", "notification"})
_STATUS: Final = frozenset({"deprecated", "obsolete"})


class PrunePlugin(plugin.PyangPlugin):  # type: ignore[misc]  # pyang has no type information
    """Adds `--prune`."""

    def add_opts(self, optparser: Any) -> None:  # noqa: ANN401 - pyang's optparse subclass
        optparser.add_option(
            "--prune",
            dest="llmsync_prune",
            action="store_true",
            help="Remove actions, notifications and deprecated nodes before output.",
        )

    def post_validate_ctx(self, ctx: Any, modules: Any) -> None:  # noqa: ANN401
        if not ctx.opts.llmsync_prune:
            return
        for module in modules:
            # At the top pyangbind expects notifications, and leaves them out by itself.
            for child in getattr(module, "i_children", ()):
                _prune(child)
            module.i_children = [c for c in module.i_children if not _retired(c)]


def _prune(node: Any) -> None:  # noqa: ANN401 - a pyang Statement
    children = getattr(node, "i_children", None)
    if children is None:
        return
    kept = [c for c in children if c.keyword not in _KEYWORDS and not _retired(c)]
    gone = {id(c) for c in children} - {id(c) for c in kept}
    node.i_children = kept
    node.substmts = [s for s in node.substmts if id(s) not in gone and s.keyword not in _KEYWORDS]
    for child in kept:
        _prune(child)


def _retired(node: Any) -> bool:  # noqa: ANN401
    status = node.search_one("status")
    return status is not None and status.arg in _STATUS


def pyang_plugin_init() -> None:
    """Register the plugin; pyang calls this by name."""
    plugin.register_plugin(PrunePlugin())
