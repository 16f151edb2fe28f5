"""From a path to a plan: the inventory, and the lock file beside it.

What the commands that need a plan share.  Reading never writes: only `write_lock` changes a file,
and whoever is interrupted while it does finds the old file or the new one, whole.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from toolkit.datafiles import data_folder
from toolkit.errors import EnvironmentProblem, Place, PlanError, Problem
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Inventory, Transport
from toolkit.plan.expand import make_plan
from toolkit.plan.lock import EMPTY_LOCK, format_lock, in_file, parse_lock
from toolkit.plan.model import Lock, Plan
from toolkit.plan.transports import over


def lock_path(path: Path) -> Path:
    """Return where the lock of an inventory is kept.

    `llmsync.lock.json` in an inventory's folder, `<stem>.lock.json` beside a single file.
    """
    return path / "llmsync.lock.json" if path.is_dir() else path.with_suffix(".lock.json")


def inventory_path(path: Path) -> Path:
    """Return `path`, or the packaged demonstration where it is `demo` and no such file exists."""
    packaged = data_folder("inventories") / "demo"
    return packaged if path == Path("demo") and not path.exists() else path


def load_plan(
    path: Path,
    transport: str | None = None,
    change: Callable[[Inventory], Inventory] | None = None,
) -> tuple[Inventory, Plan, Lock]:
    """Return the inventory at `path`, its plan, and the lock with all identifiers of the plan.

    `transport`: of every delivery, instead of what the inventory says.  `change`: what else is
    planned otherwise.  Reads the lock file where there is one and writes nothing.  Raises
    InventoryError or PlanError with all problems.
    """
    path = inventory_path(path)
    inventory = load_inventory(path)
    if transport is not None:
        inventory = over(inventory, Transport(transport))
    if change is not None:
        inventory = change(inventory)
    text = _lock_text(path)
    lock = _parse(path, text)
    try:
        plan, lock = make_plan(inventory, lock)
    except PlanError as error:
        raise PlanError(in_file(error.problems, str(lock_path(path)), text or "")) from None
    return inventory, plan, lock


def read_lock(path: Path) -> Lock:
    """Return the lock of the inventory at `path`; empty where there is no file."""
    return _parse(path, _lock_text(path))


def write_lock(path: Path, lock: Lock) -> Path:
    """Replace the lock file of the inventory at `path` in one step; return where it is."""
    file = lock_path(path)
    try:
        target = file.resolve()  # a link to the file stays a link
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with draft.open("x", encoding="utf-8") as stream:
                stream.write(format_lock(lock))
                stream.flush()
                os.fsync(stream.fileno())
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(target, draft)
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"{file}: cannot be written: {reason}; it is as it was"
        raise EnvironmentProblem(message) from error
    return file


def _lock_text(path: Path) -> str | None:
    file = lock_path(path)
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        problem = Problem(Place(file=str(file)), "is not UTF-8", "restore it from version control")
        raise PlanError([problem]) from error
    except OSError as error:
        raise EnvironmentProblem(f"{file}: cannot be read: {error.strerror or error}") from error


def _parse(path: Path, text: str | None) -> Lock:
    # An empty file is a damaged lock, not a missing one: planning anew would renumber the network.
    return EMPTY_LOCK if text is None else parse_lock(text, str(lock_path(path)))
