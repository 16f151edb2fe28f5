"""`llmsync.multicast.push`: one network-wide transaction for the routers of the play."""

from __future__ import annotations

from typing import Any

from ansible_collections.llmsync.multicast.plugins.plugin_utils.once import OnceAction

MARK = "llmsync_router"
"""Host variable of the inventory plugin: the host's name in the llmsync inventory."""


class ActionModule(OnceAction):
    """Runs the module on the controller, for the routers among the hosts of the play."""

    MODULE = "push"

    def arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments; without `limit`, the play's own routers are the limit."""
        arguments = super().arguments(task_vars)
        if not arguments.get("limit"):
            # Also hosts that an earlier task failed on: half a network is no network.
            hosts = task_vars.get("ansible_play_hosts_all", [])
            known = task_vars.get("hostvars", {})
            routers = [known[host][MARK] for host in hosts if MARK in known.get(host, {})]
            if routers:
                arguments["limit"] = routers
        return arguments
