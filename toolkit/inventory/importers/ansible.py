"""An Ansible inventory as a network: hosts are routers, variables say how they are reached.

`ansible_host`, `ansible_port`, `ansible_user`, `ansible_network_os`; links from `llmsync_links` of
hosts, or from a file of their own.  `llmsync_role: repository` or `cloud` and `llmsync_router` make
a host of a host; `llmsync_region` and `llmsync_gpus` as their names say.

Pure.  Law: no secret is copied or shown, only that there was one; what cannot be known without
Ansible (Jinja, vaults) is left out with a note.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.errors import InventoryError, Place, Problem
from toolkit.inventory.credential import parse_host, parse_username
from toolkit.inventory.importers.ansibletree import Tree, read_tree
from toolkit.inventory.importers.draft import Draft, DraftHost, DraftLink, DraftRouter, Note, Reach
from toolkit.inventory.importers.hostfacts import gpus_of, region_of, role_of
from toolkit.inventory.importers.kinds import WITHOUT_BIER, of_network_os, platform_notes
from toolkit.inventory.importers.linkvalues import link_with
from toolkit.inventory.importers.names import fold, unique_names
from toolkit.inventory.importers.yamlsource import Hidden, Source, read_yaml
from toolkit.inventory.model import Platform
from toolkit.inventory.refusal import Refusal
from toolkit.inventory.suggestion import suggest

SECRETS = (
    "ansible_password", "ansible_ssh_pass", "ansible_ssh_password", "ansible_pass",
    "ansible_become_password", "ansible_become_pass",
)  # fmt: skip
_NETCONF_PORT = 830
_ENDS = ("peer", "to", "b")

Vars = Mapping[str, Mapping[str, Any]]
"""Host -> its variables."""
Extra = Mapping[tuple[str, str], Sequence[tuple[str, bytes]]]
"""(`group` or `host`, name) -> files of group_vars/ and host_vars/, with their contents."""


def read_ansible(
    data: bytes,
    file: str,
    *,
    extra: Extra | None = None,
    links: tuple[str, bytes] | None = None,
    group: str = "",
) -> Draft:
    """Return the network of an inventory; InventoryError with all that is wrong with it.

    `links` is the name and the content of a file of links; with `group` only its hosts are routers.
    """
    tree = read_tree(data, file)
    sealed = _add(tree, extra or {})
    draft = _Hosts(tree, group).draft(links)
    text = "vaults need Ansible and were not read"
    return draft.noting(Note(kind="secret", text=text, names=sealed)) if sealed else draft


def _add(tree: Tree, extra: Extra) -> tuple[str, ...]:
    """Add variables from group_vars/ and host_vars/: they win over those of the inventory.

    Return the files that are vaults.
    """
    sealed = []
    for (kind, name), files in extra.items():
        for file, content in files:
            if content.startswith(b"$ANSIBLE_VAULT"):
                sealed.append("/".join(file.rsplit("/", 3)[-2:]))
                continue
            value = read_yaml(content, file).value
            if not isinstance(value, dict):
                continue
            if kind == "group" and (name in tree.groups or name == "all"):
                tree.group(name).vars |= value
            elif kind == "host" and name in tree.hosts:
                tree.hosts[name] |= value
    return tuple(sealed)


class _Hosts:
    def __init__(self, tree: Tree, group: str) -> None:
        self._tree = tree
        self._vars: Vars = tree.variables()
        self._problems: list[Problem] = []
        self._about: defaultdict[str, list[str]] = defaultdict(list)
        if group and group not in tree.groups:
            place = Place(tree.file, path="--group")
            remedy = suggest(group, tree.groups)
            raise InventoryError([Problem(place, f"there is no group '{group}'", remedy)])
        members = tree.members(group) if group else dict.fromkeys(tree.hosts)
        self._roles = {name: self._role(name) for name in tree.hosts}
        self._routers = [n for n in members if not self._roles[n] and n != "localhost"]
        if "localhost" in members:
            self._about["no router, but the machine that Ansible runs on"].append("localhost")
        self._hosts = [n for n in tree.hosts if self._roles[n]]
        if not self._routers and not self._problems:
            what = f"there are no hosts in group '{group}'" if group else "there are no hosts in it"
            self._problems.append(Problem(Place(tree.file), what))
        labels = [*self._routers, *self._hosts]
        spares = [f"node-{number}" for number in range(1, len(labels) + 1)]
        short = [self._short(label) for label in labels]
        self._names = dict(zip(labels, unique_names(short, spares), strict=True))

    def draft(self, links: tuple[str, bytes] | None) -> Draft:
        unknown: dict[str, str] = {}
        routers = tuple(self._router(label, unknown) for label in self._routers)
        hosts = tuple(h for h in map(self._host, self._hosts) if h is not None)
        drawn = self._from_file(links) if links else self._from_variables()
        if not drawn and not self._problems and len(routers) > 1:
            what = "no links: an Ansible inventory has none of its own"
            remedy = "give --links FILE, or hosts a variable llmsync_links: [{peer: NAME}]"
            self._problems.append(Problem(Place(self._tree.file), what, remedy))
        if self._problems:
            raise InventoryError(sorted(set(self._problems)))
        notes = [
            Note(kind="secret" if "secret" in text else "management", text=text, names=tuple(names))
            for text, names in self._about.items()
        ]
        stem = self._tree.file.replace("\\", "/").rpartition("/")[2].partition(".")[0]
        name = fold(stem, 32) or "network"
        return Draft(
            name="network" if name == "all" else name,
            file=self._tree.file,
            routers=routers,
            links=drawn,
            hosts=hosts,
            notes=(*notes, *platform_notes(routers, unknown, "ansible_network_os")),
        )

    def _short(self, label: str) -> str:
        """Return a host's name without its domain, where that is enough."""
        first = label.partition(".")[0]
        same = sum(other.partition(".")[0] == first for other in self._tree.hosts)
        return first if same == 1 and not first.isdecimal() else label

    def _role(self, label: str) -> str:
        role, problems = role_of(self._vars[label], "llmsync_role", self._tree.places[label])
        self._problems += problems
        return role

    def _router(self, label: str, unknown: dict[str, str]) -> DraftRouter:
        values, name = self._vars[label], self._names[label]
        written = self._text(label, "ansible_network_os")
        platform = of_network_os(written)
        if platform is None:
            unknown[name] = written
            platform = Platform.REFERENCE
        return DraftRouter(
            name=name,
            label=label,
            region=region_of(values, "llmsync_region"),
            platform=platform,
            bier=platform not in WITHOUT_BIER,
            reach=self._reach(label),
            remark="" if name == label else label,
        )

    def _reach(self, label: str) -> Reach | None:
        values, name = self._vars[label], self._names[label]
        if any(secret in values for secret in SECRETS):
            text = "a secret was not copied: write `password: {env: NAME}` or `key: agent` for"
            self._about[text].append(name)
        host = self._text(label, "ansible_host")
        if not host:
            return None
        try:
            host = parse_host(host)
        except Refusal as refusal:
            self._refuse(label, f"ansible_host: {refusal.reason}", refusal.remedy)
            return None
        user = self._text(label, "ansible_user")
        try:
            user = parse_username(user) if user else ""
        except Refusal as refusal:
            self._refuse(label, f"ansible_user {refusal.reason}", refusal.remedy)
        return Reach(
            host=host,
            port=self._port(label),
            username=user,
            key_file=self._text(label, "ansible_ssh_private_key_file"),
        )

    def _port(self, label: str) -> int:
        port = self._vars[label].get("ansible_port", _NETCONF_PORT)
        if isinstance(port, str) and port.isdecimal() and len(port) < 6:
            port = int(port)
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            self._refuse(label, "ansible_port is no TCP port", "1 to 65535")
            return _NETCONF_PORT
        if port == 22:  # the command line's, not NETCONF's (RFC 6242 section 3)
            self._about["ansible_port 22 is SSH's: NETCONF's 830 was taken"].append(
                self._names[label]
            )
            return _NETCONF_PORT
        return port

    def _host(self, label: str) -> DraftHost | None:
        values, place = self._vars[label], self._tree.places[label]
        at = self._text(label, "llmsync_router")
        gpus, problems = gpus_of(values, "llmsync_gpus", place)
        self._problems += problems
        if at not in self._routers:
            what = f"llmsync_router '{at}' is no router" if at else "'llmsync_router' is missing"
            self._refuse(label, what, suggest(at, self._routers) or "name the router it hangs on")
            return None
        return DraftHost(
            name=self._names[label], label=label, router=self._names[at], gpus=gpus,
            role=self._roles[label], region=region_of(values, "llmsync_region"),
        )  # fmt: skip

    def _text(self, label: str, key: str) -> str:
        """Return a variable as text; empty, and noted, where only Ansible could tell."""
        value = self._vars[label].get(key)
        if isinstance(value, Hidden) or (isinstance(value, str) and "{{" in value):
            text = f"{key} needs Ansible (Jinja or a vault) and was left out"
            self._about[text].append(self._names.get(label, label))
            return ""
        return str(value) if isinstance(value, str | int | float) else ""

    def _from_variables(self) -> tuple[DraftLink, ...]:
        """Return the links that hosts declare; one that both ends declare is one."""
        said: defaultdict[tuple[str, str], list[DraftLink]] = defaultdict(list)
        for label in self._routers:
            written = self._vars[label].get("llmsync_links") or []
            source = Source(self._tree.file, None, {(): self._tree.places[label].line})
            if not isinstance(written, list):
                self._refuse(label, "llmsync_links is no list", "write [{peer: NAME}]")
                continue
            for item in written:
                values = item if isinstance(item, dict) else {"peer": item}
                peer = str(next((values[key] for key in _ENDS if key in values), ""))
                if self._known(peer, self._tree.places[label], "llmsync_links") and peer != label:
                    link, problems = link_with(
                        self._names[label], self._names[peer], values, source, ()
                    )
                    self._problems += problems
                    said[label, peer].append(link)
        links: list[DraftLink] = []
        done: Counter[frozenset[str]] = Counter()
        for (label, peer), forward in said.items():
            back = said.get((peer, label), [])
            pair = frozenset((label, peer))
            if not done[pair]:
                links += forward if len(forward) >= len(back) else back
            done[pair] += 1
        return tuple(links)

    def _from_file(self, links: tuple[str, bytes]) -> tuple[DraftLink, ...]:
        source = read_yaml(links[1], links[0])
        route: tuple[str, ...] = ()
        written = source.value
        if isinstance(written, dict) and "links" in written:
            written, route = written["links"], ("links",)
        if not isinstance(written, list):
            what = "a list of links is expected"
            self._problems.append(Problem(source.place(*route), what, "write - {a: r1, b: r2}"))
            return ()
        found = []
        for index, item in enumerate(written):
            place = source.place(*route, index)
            if not isinstance(item, dict) or not {"a", "b"} <= item.keys():
                what = "a link has two ends"
                self._problems.append(Problem(place, what, "write - {a: r1, b: r2}"))
                continue
            a, b = str(item["a"]), str(item["b"])
            known = [self._known(end, place, "") for end in (a, b)]
            if all(known) and a == b:
                what = f"both ends are '{a}'"
                self._problems.append(Problem(place, what, "a link joins two routers"))
            elif all(known):
                link, problems = link_with(
                    self._names[a], self._names[b], item, source, (*route, index)
                )
                self._problems += problems
                found.append(link)
        return tuple(found)

    def _known(self, label: str, place: Place, where: str) -> bool:
        if label in self._names and label in self._routers:
            return True
        what = f"{where}: there is no router '{label}'".removeprefix(": ")
        self._problems.append(Problem(place, what, suggest(label, self._routers)))
        return False

    def _refuse(self, label: str, what: str, remedy: str) -> None:
        place = self._tree.places[label]
        self._problems.append(Problem(Place(place.file, place.line, label), what, remedy))
