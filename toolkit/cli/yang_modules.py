"""`llmsync yang sets` and `llmsync yang fetch`: where the modules are that configurations need."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.console import print_data, say, table
from toolkit.errors import ExitCode, SchemaError, UsageError

if TYPE_CHECKING:
    from toolkit.netconf.runtime_ncclient import Target
    from toolkit.yang.library import Library


def sets(args: argparse.Namespace) -> int:
    """Print what each platform is proven by, and what was fetched of devices."""
    rows = [_platform(name) for name in _platforms()]
    devices = [_device(folder) for folder in _fetched()]
    if args.format == "json":
        print_data({"platforms": rows, "devices": devices}, "json")
        return ExitCode.OK
    print(
        table(
            ("platform", "proven", "modules", "release, and where or why not"),
            [(r["platform"], _yes(r["proven"]), r["modules"] or "-", _words(r)) for r in rows],
        )
    )
    if devices:
        print()
        print(
            table(
                ("device", "modules", "told by", "folder"),
                [(d["device"], d["modules"], d["source"], d["folder"]) for d in devices],
            )
        )
    return ExitCode.OK


def _platforms() -> list[str]:
    from toolkit.plan.platforms import PLATFORMS

    return [platform.value for platform in PLATFORMS]


def _platform(name: str) -> dict[str, Any]:
    from toolkit.plan.platforms import PLATFORMS
    from toolkit.yang.platforms import SETS, Unproven, platform_schema, where

    chosen = SETS.get(name)
    title = next(facts.title for platform, facts in PLATFORMS.items() if platform.value == name)
    row = {
        "platform": name,
        "release": chosen.release if chosen is not None else title,
        "proven": False,
        "modules": len(chosen.modules) if chosen is not None else 0,
        "folders": [],
        "reason": "",
    }
    try:
        schema = platform_schema(name)
    except SchemaError as error:
        return {**row, "reason": f"cannot be loaded: {error.problems[0]}"}
    if isinstance(schema, Unproven):
        return {**row, "reason": schema.reason}
    files = (where(module) for module in (chosen.modules if chosen is not None else ()))
    folders = sorted({str(file.parent) for file in files if file is not None})
    return {**row, "proven": True, "folders": folders}


def _yes(proven: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "yes" if proven else "no"


def _words(row: dict[str, Any]) -> str:
    if not row["proven"]:
        told = str(row["reason"])
        return told if str(row["release"]) in told else f"{row['release']}: {told}"
    from toolkit.yang.modulefile import base_folders
    from toolkit.yang.platforms import own_folder

    ours = (own_folder(), *base_folders())
    found = [f for f in row["folders"] if not any(Path(f).is_relative_to(o) for o in ours)]
    return f"{row['release']}: {', '.join(found) or 'come with llmsync'}"


def _fetched() -> list[Path]:
    from toolkit.yang.fetched import LIBRARY, store_folder

    base = store_folder()
    if not base.is_dir():
        return []
    return sorted(f for f in base.iterdir() if f.name[0] != "." and (f / LIBRARY).is_file())


def _device(folder: Path) -> dict[str, Any]:
    from toolkit.yang.fetched import read_library

    library = read_library(folder.name)
    modules, source = (len(library.modules), library.source) if library is not None else (0, "")
    return {
        "device": folder.name, "modules": modules, "source": source, "folder": str(folder),
    }  # fmt: skip


def fetch(args: argparse.Namespace) -> int:
    """Get and store the modules of one device; say how they differ from its platform's."""
    from toolkit.netconf import fetch as fetching
    from toolkit.yang.fetched import device_folder, store

    if args.timeout <= 0:
        raise UsageError("--timeout is greater than zero")
    target, platform = _target(args)
    folder = args.output if args.output is not None else device_folder(args.device)
    _refuse_foreign(folder)
    with fetching.session(target, args.timeout) as session:
        library, texts = fetching.fetch(target.device, session, _progress())
    library = replace(library, platform=platform)
    store(library, texts, folder)
    rows = _compared(library, platform)
    if rows:
        print(table(("module", platform, "on the device"), rows))
    say(
        f"llmsync: {folder}: {len(library.modules)} modules of {target.device}, told by "
        f"{library.source}"
    )
    return ExitCode.OK


def _target(args: argparse.Namespace) -> tuple[Target, str]:
    from toolkit.cli.loading import inventory_path
    from toolkit.cli.management import make_targets, read_overlay
    from toolkit.inventory.load import load_inventory

    inventory = load_inventory(inventory_path(args.inventory))
    router = inventory.routers.get(args.device)
    if router is None:
        known = ", ".join(inventory.routers)
        raise UsageError(f"no router {args.device} in {args.inventory}; there are {known}")
    overlay = read_overlay(args.management) if args.management is not None else {}
    return make_targets([router], overlay, profile=args.profile)[0], router.platform.value


def _refuse_foreign(folder: Path) -> None:
    """Raise UsageError where a folder holds something that is not of an earlier fetch."""
    from toolkit.yang.fetched import LIBRARY

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LIBRARY).is_file():
        raise UsageError(
            f"{folder} holds other files, and a fetch replaces the whole folder: name a new one"
        )


def _progress() -> Any:  # noqa: ANN401 - a callable or nothing to tell
    shown = sys.stderr.isatty()

    def tell(done: int, whole: int) -> None:
        if shown:
            sys.stderr.write(f"\r{done} of {whole} modules")
            sys.stderr.flush()
            if done + 1 >= whole:
                sys.stderr.write("\r\033[K")

    return tell


def _compared(library: Library, platform: str) -> list[tuple[str, str, str]]:
    """Return the modules that the platform's configurations are proven by, where they differ."""
    from toolkit.yang.platforms import Unproven, platform_schema

    schema = platform_schema(platform)
    if isinstance(schema, Unproven):
        return []
    there = {module.name: module.revision for module in library.modules}
    return [
        (module.name, module.revision or "-", there.get(module.name, "not there"))
        for module in schema.modules()
        if module.implemented and there.get(module.name) != module.revision
    ]
