"""An action that runs its module once for the play, on the controller.

A network-wide transaction has one controller: whatever hosts a play has, the task runs once, there,
by the Python that runs Ansible.
"""

from __future__ import annotations

import sys
from typing import Any

from ansible.plugins.loader import connection_loader

from ansible.plugins.action import ActionBase


class OnceAction(ActionBase):
    """Base of all actions of this collection."""

    BYPASS_HOST_LOOP = True
    MODULE = ""

    def arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of the module."""
        return dict(self._task.args)

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = dict(task_vars or {})
        arguments = self.arguments(variables)
        # Hosts of the play are routers: their connections are not for running Python.
        variables |= {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
        }
        self._play_context.become = False
        self._connection = connection_loader.get("local", self._play_context, None)
        result.update(
            self._execute_module(
                module_name=f"llmsync.multicast.{self.MODULE}",
                module_args=arguments,
                task_vars=variables,
            )
        )
        return result
