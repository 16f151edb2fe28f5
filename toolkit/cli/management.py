"""How routers are reached: management sections, an overlay over them, and secrets.

An overlay is a YAML file of the form `routers: {NAME: {management: {...}}}`; it is what `llmsync
device` writes about its routers and what an operator keeps apart from the inventory.  Secrets are
read here, at the last moment, and go nowhere but into a Target.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import InventoryError, Place, Problem
from toolkit.inventory import credential
from toolkit.inventory.document import Document, Route, read_document
from toolkit.inventory.model import Management, Router, Secret
from toolkit.inventory.refusal import Refusal

if TYPE_CHECKING:
    from toolkit.netconf.runtime_ncclient import Target

_Lacking = dict[tuple[str, str], dict[str, Place]]
"""(file, what is not there) -> router -> where it is asked for."""

_PARSERS: dict[str, Callable[[object], Any]] = {
    "host": credential.parse_host,
    "port": lambda value: _port(value),
    "username": credential.parse_username,
    "password": credential.parse_password,
    "key": credential.parse_key,
    "host_key": credential.parse_host_key,
}


def read_overlay(path: Path) -> dict[str, tuple[Management, Place]]:
    """Return router -> how it is reached, and where the file says so.

    Raises InventoryError with every problem of the file.
    """
    if not path.exists():
        remedy = "`llmsync device INVENTORY --write-management FILE` writes one for its routers"
        raise InventoryError([Problem(Place(path.as_posix()), "no such file", remedy)])
    document, problems = read_document(path)
    if document is None or problems:
        raise InventoryError(problems)
    found: dict[str, tuple[Management, Place]] = {}
    routers = document.data.get("routers")
    if not isinstance(routers, dict) or set(document.data) != {"routers"}:
        where = document.place(("routers",))
        remedy = "write routers: {NAME: {management: {host: ...}}}"
        raise InventoryError([Problem(where, "holds no 'routers' alone", remedy)])
    for name, body in routers.items():
        route: Route = ("routers", name, "management")
        section = body.get("management") if isinstance(body, dict) else None
        if not isinstance(section, dict):
            problems.append(Problem(document.place(route), "there is no management section"))
            continue
        management = _management(document, route, section, problems)
        if management is not None:
            found[name] = (management, document.place(route))
    if problems:
        raise InventoryError(problems)
    return found


def _management(
    document: Document, route: Route, section: Mapping[str, Any], problems: list[Problem]
) -> Management | None:
    values: dict[str, Any] = {}
    before = len(problems)
    for key, value in section.items():
        place = document.place((*route, key))
        parse = _PARSERS.get(key)
        if parse is None:
            problems.append(Problem(place, "is no key of management", f"there are {_known()}"))
            continue
        try:
            values[key] = parse(value)
        except Refusal as refusal:
            subject = "" if refusal.whole else f"{document.subject((*route, key))} "
            problems.append(Problem(place, subject + refusal.reason, refusal.remedy))
    if "host" not in section:
        problems.append(Problem(document.place(route), "host is missing"))
    return Management(**values) if len(problems) == before else None


def _known() -> str:
    return ", ".join(_PARSERS)


def _port(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
        raise Refusal("is no TCP port", "1..65535")
    return value


def make_targets(
    routers: Iterable[Router],
    overlay: Mapping[str, tuple[Management, Place]],
    *,
    profile: str | None = None,
) -> list[Target]:
    """Return a target for each router, secrets included.

    Paths of secrets count from the folder of the file that names them.  Raises InventoryError with
    every router that has no management section and every secret that is not there.
    """
    from toolkit.netconf.profiles import profile_of
    from toolkit.netconf.runtime_ncclient import Target

    targets: list[Target] = []
    problems: list[Problem] = []
    lacking: _Lacking = {}
    for router in routers:
        management, place = overlay.get(router.name, (router.management, router.place))
        if management is None:
            remedy = "give it one, or an overlay with --management FILE"
            problems.append(Problem(place, f"{router.name} has no management section", remedy))
            continue
        folder = Path(place.file).parent
        missing = partial(_lack, lacking, router.name, place)
        password = _secret(management.password, folder, missing)
        key = management.key
        file = _path(key, folder) if key is not None and key.kind == "file" else None
        if file is not None and not file.is_file():
            missing(f"there is no private key file {file}")
        targets.append(
            Target(
                device=router.name,
                host=management.host,
                port=management.port,
                username=management.username,
                password=password,
                key_file=file,
                private_key=_secret(key, folder, missing) if file is None else None,
                agent=key is not None and key.kind == "agent",
                host_key=management.host_key,
                platform=router.platform.value,
                profile=profile or profile_of(router.platform.value),
            )
        )
    problems += _told_once(lacking)
    if problems:
        raise InventoryError(problems)
    return targets


def _lack(lacking: _Lacking, router: str, place: Place, what: str) -> None:
    lacking.setdefault((place.file, what), {})[router] = place


def _told_once(lacking: _Lacking) -> list[Problem]:
    """Return a problem for each secret that is not there, however many routers need it."""
    return [
        Problem(next(iter(places.values())), what)
        if len(places) == 1
        else Problem(Place(file), what, f"for {', '.join(places)}")
        for (file, what), places in lacking.items()
    ]


def _path(secret: Secret, folder: Path) -> Path:
    return folder / Path(secret.name).expanduser()


def _secret(secret: Secret | None, folder: Path, missing: Callable[[str], None]) -> str | None:
    """Return what a reference leads to; without the newline that ends a file."""
    if secret is None or secret.kind == "agent":
        return None
    if secret.kind == "env":
        value = os.environ.get(secret.name)
        if not value:
            missing(f"the environment variable {secret.name} is not set")
        return value
    path = _path(secret, folder)
    try:
        value = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        missing(f"cannot read the secret in {path}: {reason}")
        return None
    if not value:
        missing(f"the file {path} is empty, a secret is expected")
    return value


def write_overlay(path: Path, entries: Mapping[str, Management], password: str) -> tuple[Path, ...]:
    """Write an overlay for `entries`, whose password goes to a file beside it; return the files.

    Without a password only keys let in, which the reader has to know of.  The overlay appears
    whole, after the password file, so whoever waits for it can use it at once.
    """
    import yaml

    secret = path.with_name(path.name + ".password")
    secret.unlink(missing_ok=True)
    if password:
        descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(password + "\n")
    document = {
        "routers": {
            name: {
                "management": {
                    "host": entry.host,
                    "port": entry.port,
                    "username": entry.username,
                    **({"password": {"file": secret.name}} if password else {}),
                    "host_key": entry.host_key,
                }
            }
            for name, entry in entries.items()
        }
    }
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    draft.replace(path)
    return (path, secret)
