"""What our own engines do beside FRRouting: BIER, by a BIFT document; and what none does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.cli.loading import inventory_path, load_plan, lock_path
from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError
from toolkit.inventory.model import Platform
from toolkit.plan.intended import intended_router, intended_state
from toolkit.plan.model import Plan
from toolkit.render.beside import bift_text
from toolkit.render.folder import write_files
from toolkit.state.model import SubDomain
from toolkit.state.readers import read_router

_REMEMBERED = 8


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
    """Keeps the file as each configuration wants it; `toolkit.netconf.applier.Applier`.

    The tables of a BFR follow from all routers: the others' part is what the inventory plans.
    """

    def __init__(self, inventory: Path, name: str, file: Path) -> None:
        self._inventory, self._name, self._file = inventory_path(inventory), name, file
        self._read: tuple[_Stamp, Plan] | None = None
        self._texts: dict[str, str] = {}
        """Configuration -> its document, of the last few."""

    def check(self, document: Mapping[str, Any]) -> None:
        """Raises SchemaError where the inventory plans other BIER than what is to run."""
        ours = read_router(self._name, document, Platform.FRR.value).sub_domains
        if ours and ours != self._intended():
            what = (
                f"the BIFT follows from all routers, and {self._inventory}, which this server "
                f"reads, plans other BIER for {self._name}"
            )
            remedy = "put the inventory that you push there"
            raise SchemaError([Problem(Place(self._name, path="/llmsync-bier:bier"), what, remedy)])

    def apply(self, document: Mapping[str, Any]) -> None:
        """Write the file, whole, or take it away where the router is no BFR.

        What ran before is written as it was, whatever the inventory says by now.  Raises
        EnvironmentProblem.
        """
        key = json.dumps(document, sort_keys=True)
        text = self._texts.pop(key, None)
        if text is None:
            text = self._text(document)
        self._texts[key] = text
        while len(self._texts) > _REMEMBERED:
            del self._texts[next(iter(self._texts))]
        try:
            if not text:
                self._file.unlink(missing_ok=True)
            elif not self._file.exists() or self._file.read_text("utf-8") != text:
                write_files(self._file.parent, {self._file.name: text})
        except OSError as error:
            raise EnvironmentProblem(f"{self._file}: cannot be written: {error.strerror}") from None

    def _text(self, document: Mapping[str, Any]) -> str:
        if not read_router(self._name, document, Platform.FRR.value).sub_domains:
            return ""
        plan = self._plan()
        return bift_text(plan, intended_state(plan), self._name, document)

    def _intended(self) -> tuple[SubDomain, ...]:
        plan = self._plan()
        if self._name not in plan.routers:
            return ()
        return intended_router(plan, self._name).sub_domains

    def _plan(self) -> Plan:
        """Return the plan of the inventory as it is now."""
        stamp = _stamp(self._inventory)
        if self._read is None or self._read[0] != stamp:
            self._read = stamp, load_plan(self._inventory)[1]
        return self._read[1]


_Stamp = tuple[tuple[str, int], ...]


def _stamp(path: Path) -> _Stamp:
    """Return the files of an inventory and when each was written."""
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path, lock_path(path)]
        return tuple((str(f), f.stat().st_mtime_ns) for f in files if f.exists())
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror}") from None
