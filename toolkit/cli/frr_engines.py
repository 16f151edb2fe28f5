"""What our own engines do beside FRRouting: BIER, by a BIFT document; and what none does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError
from toolkit.inventory.model import Platform
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.render.beside import bift_text
from toolkit.render.folder import write_files
from toolkit.state.readers import read_router


class NoReplication:
    """Refuses replication segments: no engine of ours forwards them on a host."""

    def __init__(self, name: str) -> None:
        self._name = name

    def check(self, document: Mapping[str, Any]) -> None:
        """Raises SchemaError for a router that is to be a node of an SR-P2MP tree."""
        state = read_router(self._name, document, Platform.FRR.value)
        if state.replication_segments or state.p2mp_policies:
            what = "FRR has no replication segments, and no engine here forwards them"
            remedy = "use transport bier, pim-ssm or pim-sm where FRR is on the way"
            raise SchemaError([Problem(Place(self._name, path="/llmsync-sr:p2mp"), what, remedy)])

    def apply(self, document: Mapping[str, Any]) -> None:
        """Nothing is to be done."""


class BiftFile:
    """Keeps the file as each configuration wants it; `toolkit.netconf.applier.Applier`."""

    def __init__(self, plan: Plan, name: str, file: Path) -> None:
        self._plan, self._state = plan, intended_state(plan)
        self._name, self._file = name, file

    def check(self, document: Mapping[str, Any]) -> None:
        """Any valid configuration has a BIFT."""

    def apply(self, document: Mapping[str, Any]) -> None:
        """Write the file, whole, or take it away where the router is no BFR.

        Raises EnvironmentProblem.
        """
        text = bift_text(self._plan, self._state, self._name, document) if document else ""
        try:
            if not text:
                self._file.unlink(missing_ok=True)
            elif not self._file.exists() or self._file.read_text("utf-8") != text:
                write_files(self._file.parent, {self._file.name: text})
        except OSError as error:
            raise EnvironmentProblem(f"{self._file}: cannot be written: {error.strerror}") from None
