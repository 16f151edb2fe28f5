"""`llmsync.multicast.render`, once for the play."""

from __future__ import annotations

from ansible_collections.llmsync.multicast.plugins.plugin_utils.once import OnceAction


class ActionModule(OnceAction):
    """Runs the module on the controller."""

    MODULE = "render"
