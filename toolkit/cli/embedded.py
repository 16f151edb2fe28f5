"""The routers of `llmsync device` as its flags describe them: rights, startup files, faults."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.device_access import add_access_flags
from toolkit.cli.frr_device import add_frr_flags, check_flags, frr_device
from toolkit.errors import EnvironmentProblem, Problem, SchemaError, UsageError

if TYPE_CHECKING:
    from toolkit.inventory.model import Platform
    from toolkit.netconf.device import Device
    from toolkit.netconf.faults import Fault
    from toolkit.netconf.flavours import Flavour


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what kind of routers these are."""
    add_access_flags(parser)
    add_frr_flags(parser)
    parser.add_argument(
        "--startup", type=Path, metavar="PATH",
        help="keep startup configurations: in the folder PATH, NAME.xml each; with one router PATH "
        "may be its .xml file; routers boot from what is there",
    )  # fmt: skip
    parser.add_argument(
        "--read-only-user",
        action="append",
        default=[],
        metavar="NAME",
        help="may log in, too, with the same password, and only read; may be given again",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="what goes wrong: [ROUTER/]KIND[:OPERATION][#N][=VALUE], as in drop-after:commit#2, "
        "ams1/slow:get-config=2.5, lock-denied, dirty-candidate, huge-reply=12, split-delimiter, "
        "gone:confirm, other-host-key; may be given again",
    )
    parser.add_argument(
        "--flavour", action="append", default=[], metavar="[ROUTER/]FLAVOUR",
        help="how the servers differ from RFC 6241: junos, session-confirm, no-confirmed, "
        "writable-running, validate-broken, no-running-lock, base-1.0 (default: junos for "
        "routers of that platform); may be given again",
    )  # fmt: skip


def make_devices(
    args: argparse.Namespace, names: Sequence[str], platforms: Mapping[str, Platform]
) -> list[Device]:
    """Return a device for each of `names`, with the modules of its platform.

    Raises UsageError or SchemaError; EnvironmentProblem where a platform cannot be emulated.
    """
    from toolkit.lab.platforms import schemas_of
    from toolkit.netconf.access import read_only
    from toolkit.netconf.device import DEFAULT_USER, Device
    from toolkit.netconf.startupfile import read_startup, write_startup
    from toolkit.yang.schema import reference_schema

    check_flags(args, names)
    faults = _faults(args.fault, names)
    flavours = _flavours(args.flavour, names)
    readers = _readers(args.read_only_user)
    access = read_only(readers, [DEFAULT_USER]) if readers else None
    files = _startup_files(args.startup, names)
    schemas = schemas_of({name: platforms[name] for name in names}, reference_schema())
    devices, problems = [], list[Problem]()
    for name in names:
        file, schema = files.get(name), schemas[platforms[name]]
        try:
            config = read_startup(file, schema) if file is not None else None
        except SchemaError as error:
            problems += error.problems
            continue
        own_faults = tuple(f for f in faults if f.router in ("", name))
        if args.backend == "frr" and file is not None:
            devices.append(
                frr_device(
                    args, name, schema,
                    file=file, config=config or {}, access=access, faults=own_faults,
                )
            )  # fmt: skip
            continue
        devices.append(
            Device(
                name, schema, config=config, access=access,
                on_startup=partial(write_startup, file) if file is not None else None,
                faults=own_faults,
                flavours=frozenset(f for router, f in flavours if router in ("", name))
                or _usual(platforms[name]),
            )
        )  # fmt: skip
    if problems:
        raise SchemaError(problems)
    return devices


def _readers(names: Sequence[str]) -> tuple[str, ...]:
    from toolkit.netconf.device import DEFAULT_USER

    for name in names:
        if name == DEFAULT_USER:
            raise UsageError(f"--read-only-user {name}: this is the user who may do everything")
        if not name or not name.isprintable() or name != name.strip():
            raise UsageError(f"--read-only-user {name!r}: this is no user name")
    return tuple(names)


def _faults(texts: Sequence[str], names: Sequence[str]) -> list[Fault]:
    from toolkit.netconf.faults import parse_fault

    found, wrong = [], []
    for text in texts:
        try:
            fault = parse_fault(text)
        except UsageError as error:
            wrong.append(str(error))
            continue
        if fault.router and fault.router not in names:
            wrong.append(
                f"--fault {text}: no router {fault.router} is started; there are {', '.join(names)}"
            )
        found.append(fault)
    if wrong:
        raise UsageError("\n".join(wrong))
    return found


def _flavours(texts: Sequence[str], names: Sequence[str]) -> list[tuple[str, Flavour]]:
    """Return (router or empty, flavour) for each; every problem at once."""
    from toolkit.netconf.flavours import Flavour

    found, wrong = [], []
    for text in texts:
        router, _, word = text.rpartition("/")
        if word not in [flavour.value for flavour in Flavour]:
            wrong.append(f"--flavour {text}: FLAVOUR is one of {', '.join(Flavour)}")
        elif router and router not in names:
            wrong.append(
                f"--flavour {text}: no router {router} is started; there are {', '.join(names)}"
            )
        else:
            found.append((router, Flavour(word)))
    if wrong:
        raise UsageError("\n".join(wrong))
    return found


def _usual(platform: Platform) -> frozenset[Flavour]:
    """Return how servers of a platform differ: what its profile has a client expect of them."""
    from toolkit.netconf.flavours import Flavour
    from toolkit.netconf.profiles import profile_of

    words = {flavour.value for flavour in Flavour} & {profile_of(platform.value)}
    return frozenset(map(Flavour, words))


def _startup_files(path: Path | None, names: Sequence[str]) -> dict[str, Path]:
    """Return the startup file of each router; folders are made."""
    if path is None:
        return {}
    if path.suffix == ".xml" and not path.is_dir():
        if len(names) != 1:
            raise UsageError(
                f"--startup {path}: one file cannot be that of {len(names)} routers "
                "(name a folder, or one --router)"
            )
        folder, files = path.parent, {names[0]: path}
    else:
        folder, files = path, {name: path / f"{name}.xml" for name in names}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be made: {error.strerror}") from None
    return files
