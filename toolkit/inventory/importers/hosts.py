"""Hosts that a file has of its own: which is the repository, which are GPU clouds.

containerlab and Ansible files may have servers beside routers.  A label says what they are, or the
command line does; GML files have none, and hosts are then made by `assemble`.  Pure.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.errors import Place, Problem
from toolkit.inventory.importers.choose import Wishes
from toolkit.inventory.importers.draft import Draft, DraftHost, Note
from toolkit.inventory.suggestion import suggest

Placed = tuple[DraftHost | None, tuple[DraftHost, ...], Draft, list[Problem]]
"""Repository, clouds, the draft with its notes, and problems; no repository: `choose` decides."""


def place_hosts(draft: Draft, wishes: Wishes) -> Placed:
    """Return the hosts of the draft by their roles and by `wishes`.

    Names of hosts are looked at first; where a wish names a router, all of it is left to `choose`.
    """
    hosts = {host.name: host for host in draft.hosts} | {h.label: h for h in draft.hosts}
    asked = [name for name in (wishes.repository, *wishes.clouds) if name]
    if not hosts or (asked and not any(name in hosts for name in asked)):
        return None, (), _left_out(draft, ()), []
    problems = [
        Problem(
            Place(draft.file, path="--repository" if name == wishes.repository else "--clouds"),
            f"there is no host '{name}'",
            suggest(name, (h.name for h in draft.hosts)),
        )
        for name in asked
        if name not in hosts
    ]
    roles = {host.name: host.role for host in draft.hosts}
    if wishes.repository in hosts:
        roles = {name: "" if role == "repository" else role for name, role in roles.items()}
        roles[hosts[wishes.repository].name] = "repository"
    if wishes.clouds:
        chosen = {hosts[name].name for name in wishes.clouds if name in hosts}
        roles = {
            n: "cloud" if n in chosen else ("" if r == "cloud" else r) for n, r in roles.items()
        }
    elif wishes.everyone:
        roles = {name: role or "cloud" for name, role in roles.items()}
    elif not wishes.silent:
        what = "choose hosts of the file with --clouds or --all"
        return None, (), draft, [*problems, Problem(Place(draft.file), what)]
    sources = [host for host in draft.hosts if roles[host.name] == "repository"]
    clouds = tuple(
        replace(host, role="cloud") for host in draft.hosts if roles[host.name] == "cloud"
    )
    if not any(roles.values()) and not asked:
        return None, (), _left_out(draft, ()), problems
    if len(sources) != 1 and not problems:
        what = (
            f"{len(sources)} hosts are the repository" if sources else "no host is the repository"
        )
        remedy = "name one of them with --repository, or label it llmsync-role: repository"
        problems.append(Problem(Place(draft.file), what, remedy))
    if not clouds and not problems:
        remedy = "name them with --clouds, or label them llmsync-role: cloud"
        problems.append(Problem(Place(draft.file), "no host is a GPU cloud", remedy))
    if problems:
        return None, (), draft, problems
    problems = list(_able(draft, (*sources, *clouds)))
    return sources[0], clouds, _left_out(draft, (*sources, *clouds)), problems


def _able(draft: Draft, hosts: tuple[DraftHost, ...]) -> list[Problem]:
    unable = {router.name: router for router in draft.routers if not router.bier}
    return [
        Problem(
            Place(draft.file),
            f"host '{host.name}' is at '{host.router}' ({unable[host.router].platform}),"
            " which cannot do BIER",
            "connect it to another router",
        )
        for host in hosts
        if host.router in unable
    ]


def _left_out(draft: Draft, used: tuple[DraftHost, ...]) -> Draft:
    names = {host.name for host in used}
    left = tuple(host.name for host in draft.hosts if host.name not in names)
    if not left:
        return draft
    text = "hosts without a role were left out (label llmsync-role, or --repository and --clouds)"
    return draft.noting(Note(kind="host", text=f"{text}", names=left))
