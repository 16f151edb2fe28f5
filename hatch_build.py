"""Build hook: the wheel (editable ones too) carries pyangbind classes of the modules in yang/."""

import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BindingsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs `python -m toolkit.yang.generate` before a wheel is put together.

    As a process: pyangbind's dependency enum34 must not get near the interpreter that builds.
    """

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Generate; an sdist carries no generated code."""
        if self.target_name != "wheel":
            return
        subprocess.run([sys.executable, "-m", "toolkit.yang.generate"], cwd=self.root, check=True)
        build_data["artifacts"].append("/toolkit/yang/_bindings/*.py")
