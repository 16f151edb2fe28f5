"""A containerlab topology as a network: nodes of router kinds, links between their interfaces.

`topology.{defaults, kinds, groups, nodes, links}` as containerlab merges them: node before group
before kind before defaults.  Labels `llmsync-*` say what a lab does not: roles, regions, metrics.

Pure.  Law: what is left out is named in a note; a mistake in the file is told with its line, all of
them at once.  Limits: a bridge with more than two routers is a LAN, which an inventory has not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import InventoryError, Problem
from toolkit.inventory.credential import parse_host
from toolkit.inventory.importers.draft import Draft, DraftHost, DraftLink, DraftRouter, Note, Reach
from toolkit.inventory.importers.hostfacts import gpus_of, region_of, role_of
from toolkit.inventory.importers.kinds import WITHOUT_BIER, of_kind, platform_notes
from toolkit.inventory.importers.linkvalues import link_with
from toolkit.inventory.importers.names import fold, unique_names
from toolkit.inventory.importers.yamlsource import Source, read_yaml
from toolkit.inventory.model import Platform
from toolkit.inventory.refusal import Refusal
from toolkit.inventory.suggestion import suggest

_OUTSIDE = frozenset({"host", "mgmt-net", "macvlan", "dummy", "vxlan", "vxlan-stitch"})
"""What a link may lead to that is no node."""
_BRIDGES = frozenset({"bridge", "ovs-bridge"})
_SERVERS = frozenset({"linux", "ext-container"})


@dataclass(slots=True)
class _Node:
    name: str
    kind: str
    image: str
    labels: Mapping[str, Any]
    settings: Mapping[str, Any]
    peers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wire:
    a: str
    b: str
    values: Mapping[str, Any]
    index: int


def read_containerlab(data: bytes, file: str) -> Draft:
    """Return the network of a topology file; InventoryError with all that is wrong with it."""
    source = read_yaml(data, file)
    return _Lab(source).draft()


class _Lab:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._problems: list[Problem] = []
        self._notes: list[Note] = []
        self._left: defaultdict[str, list[str]] = defaultdict(list)

    def draft(self) -> Draft:
        root = self._mapping(self._source.value)
        topology = self._mapping(root.get("topology"), "topology")
        if not topology:
            self._refuse("there is no 'topology:' in it", "is it a containerlab file?")
        nodes = self._nodes(topology)
        if topology and not nodes:
            self._refuse("there are no nodes in it", "write topology: nodes:", "topology")
        wires = self._wires(topology, nodes)
        complete = not self._problems
        hosts = _hosts_of(nodes)
        routers = {
            name: node
            for name, node in nodes.items()
            if name not in hosts and node.kind not in _BRIDGES
        }
        names = dict(
            zip(
                [*routers, *hosts],
                unique_names([*routers, *hosts], _spare(routers, hosts)),
                strict=True,
            )
        )
        links = self._links(wires, nodes, routers, names)
        drafted, unknown = self._routers(routers, names)
        drafted_hosts = self._hosts(hosts, routers, names, complete=complete)
        self._stop()
        for kind, names_left in self._left.items():
            self._notes.append(Note(kind="link", text=kind, names=tuple(names_left)))
        title = root.get("name")
        name = fold(str(title or ""), 32) or fold(_stem(self._source.file), 32) or "lab"
        return Draft(
            name="lab" if name == "all" else name,
            file=self._source.file,
            about=(
                "A lab says nothing of distances: links without llmsync-delay have the default.",
            ),
            routers=drafted,
            links=links,
            hosts=drafted_hosts,
            notes=(*self._notes, *platform_notes(drafted, unknown, "kind")),
        )

    def _nodes(self, topology: Mapping[str, Any]) -> dict[str, _Node]:
        defaults = self._mapping(topology.get("defaults"), "topology", "defaults")
        kinds = self._mapping(topology.get("kinds"), "topology", "kinds")
        groups = self._mapping(topology.get("groups"), "topology", "groups")
        found = {}
        for name, written in self._mapping(topology.get("nodes"), "topology", "nodes").items():
            own = self._mapping(written, "topology", "nodes", name)
            group_name = str(own.get("group") or "")
            group = self._mapping(groups.get(group_name), "topology", "groups", group_name)
            kind = str(own.get("kind") or group.get("kind") or defaults.get("kind") or "")
            of_its_kind = self._mapping(kinds.get(kind), "topology", "kinds", kind)
            layers = (defaults, of_its_kind, group, own)
            labels: dict[str, Any] = {}
            settings: dict[str, Any] = {}
            for layer in layers:
                settings |= layer
                if isinstance(layer.get("labels"), dict):
                    labels |= layer["labels"]
            image = str(settings.get("image") or "")
            found[name] = _Node(name, kind, image, labels, settings)
        return found

    def _wires(self, topology: Mapping[str, Any], nodes: Mapping[str, _Node]) -> list[_Wire]:
        written = topology.get("links") or []
        if not isinstance(written, list):
            self._refuse("'links' is not a list", "write - endpoints: [...]", "topology", "links")
            return []
        wires = []
        used: dict[tuple[str, str], int] = {}
        for index, link in enumerate(written):
            ends = self._ends(link, index, nodes)
            for end in ends or ():
                if end[1] and end in used and end[0] in nodes:
                    first = self._source.place("topology", "links", used[end]).line
                    what = f"{end[0]}:{end[1]} is also the end of the link on line {first}"
                    self._refuse(what, "an interface has one link", "topology", "links", index)
                used.setdefault(end, index)
            if ends is None or any(name in _OUTSIDE for name, _ in ends):
                continue
            values: dict[str, Any] = {}
            for key in ("vars", "labels"):
                values |= self._mapping(link.get(key), "topology", "links", index, key)
            if "mtu" in link:
                values.setdefault("llmsync-mtu", link["mtu"])
            wires.append(_Wire(ends[0][0], ends[1][0], values, index))
            nodes[ends[0][0]].peers.append(ends[1][0])
            nodes[ends[1][0]].peers.append(ends[0][0])
        return wires

    def _ends(
        self, link: object, index: int, nodes: Mapping[str, _Node]
    ) -> tuple[tuple[str, str], tuple[str, str]] | None:
        route = ("topology", "links", index)
        if not isinstance(link, dict):
            self._refuse("a link is a mapping", 'write endpoints: ["a:eth1", "b:eth1"]', *route)
            return None
        if "endpoint" in link:
            name = link["endpoint"].get("node") if isinstance(link["endpoint"], dict) else "?"
            self._left["links to what is no node of the lab were left out"].append(str(name))
            return None
        written = link.get("endpoints")
        if not isinstance(written, list) or len(written) != 2:
            self._refuse("a link has two endpoints", 'like ["a:eth1", "b:eth1"]', *route)
            return None
        ends = []
        for end in written:
            if isinstance(end, dict):
                name, interface = str(end.get("node") or ""), str(end.get("interface") or "")
            else:
                name, _, interface = str(end).partition(":")
            if name not in nodes and name not in _OUTSIDE:
                remedy = suggest(name, nodes) or "declare it under 'nodes:'"
                self._refuse(f"there is no node '{name}'", remedy, *route)
                return None
            ends.append((name, interface))
        if any(name in _OUTSIDE and name not in nodes for name, _ in ends):
            inside = [name for name, _ in ends if name in nodes]
            self._left["links to what is no node of the lab were left out"] += inside
            return None
        return ends[0], ends[1]

    def _links(
        self,
        wires: list[_Wire],
        nodes: Mapping[str, _Node],
        routers: Mapping[str, _Node],
        names: Mapping[str, str],
    ) -> tuple[DraftLink, ...]:
        links = []
        lans: defaultdict[str, list[tuple[str, _Wire]]] = defaultdict(list)
        for wire in wires:
            if wire.a == wire.b:
                self._left["links from a node to itself were left out"].append(wire.a)
            elif wire.a in routers and wire.b in routers:
                links.append(self._link(wire.a, wire.b, wire, names))
            else:
                for bridge, other in ((wire.a, wire.b), (wire.b, wire.a)):
                    if nodes[bridge].kind in _BRIDGES and other in routers:
                        lans[bridge].append((other, wire))
        for bridge, ends in lans.items():
            if len(ends) == 2 and ends[0][0] != ends[1][0]:
                links.append(self._link(ends[0][0], ends[1][0], ends[0][1], names))
            else:
                text = "bridges that do not join two routers are no point-to-point links: left out"
                self._left[text].append(bridge)
        return tuple(links)

    def _link(self, a: str, b: str, wire: _Wire, names: Mapping[str, str]) -> DraftLink:
        route = ("topology", "links", wire.index)
        link, problems = link_with(
            names[a], names[b], wire.values, self._source, route, prefix="llmsync-"
        )
        self._problems += problems
        return link

    def _routers(
        self, routers: Mapping[str, _Node], names: Mapping[str, str]
    ) -> tuple[tuple[DraftRouter, ...], dict[str, str]]:
        drafted, unknown, servers = [], {}, []
        for label, node in routers.items():
            platform = of_kind(node.kind)
            if node.kind in _SERVERS:
                platform = Platform.FRR if "frr" in node.image.casefold() else None
                servers += [names[label]] if platform is None else []
            elif platform is None:
                unknown[names[label]] = node.kind
            platform = platform or Platform.REFERENCE
            drafted.append(
                DraftRouter(
                    name=names[label],
                    label=label,
                    region=region_of(node.labels, "llmsync-region"),
                    platform=platform,
                    bier=platform not in WITHOUT_BIER,
                    reach=self._reach(node),
                    remark="" if names[label] == label else label,
                )
            )
        if servers:
            text = "linux containers with links to several nodes were taken for routers"
            self._notes.append(Note(kind="platform", text=text, names=tuple(servers)))
        return tuple(drafted), unknown

    def _hosts(
        self,
        hosts: Mapping[str, _Node],
        routers: Mapping[str, _Node],
        names: Mapping[str, str],
        *,
        complete: bool,
    ) -> tuple[DraftHost, ...]:
        drafted = []
        for label, node in hosts.items():
            route = ("topology", "nodes", label)
            role, role_problem = role_of(node.labels, "llmsync-role", self._source.place(*route))
            gpus, gpu_problem = gpus_of(node.labels, "llmsync-gpus", self._source.place(*route))
            self._problems += role_problem + gpu_problem
            near = sorted({peer for peer in node.peers if peer in routers})
            if len(near) == 1:
                drafted.append(
                    DraftHost(
                        name=names[label], label=label, router=names[near[0]], role=role,
                        region=region_of(node.labels, "llmsync-region"), gpus=gpus,
                    )
                )  # fmt: skip
            elif role and complete:  # else its link may be one of those refused
                shown = f"on {', '.join(near)}" if near else "on no router"
                remedy = "a repository or cloud hangs on exactly one"
                self._refuse(f"host '{label}' hangs {shown}", remedy, *route)
            elif not role:
                self._left["hosts on no router were left out"].append(label)
        return tuple(drafted)

    def _reach(self, node: _Node) -> Reach | None:
        for key in ("mgmt-ipv4", "mgmt-ipv6"):
            address = str(node.settings.get(key) or "").partition("/")[0]
            if not address:
                continue
            try:
                return Reach(host=parse_host(address))
            except Refusal as refusal:
                route = ("topology", "nodes", node.name, key)
                self._refuse(refusal.reason, refusal.remedy, *route)
        return None

    def _mapping(self, value: object, *route: str | int) -> dict[str, Any]:
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self._refuse("a mapping is expected here", "write key: value", *route)
        return {}

    def _refuse(self, what: str, remedy: str, *route: str | int) -> None:
        self._problems.append(Problem(self._source.place(*route), what, remedy))

    def _stop(self) -> None:
        if self._problems:
            raise InventoryError(sorted(set(self._problems)))


def _hosts_of(nodes: Mapping[str, _Node]) -> dict[str, _Node]:
    """Return servers on one node, and what a label calls a repository or cloud."""
    servers = {
        name: node
        for name, node in nodes.items()
        if node.kind in _SERVERS and "frr" not in node.image.casefold()
    }
    lone = {
        name
        for name, node in servers.items()
        if len(set(node.peers)) <= 1 and nodes.keys() - servers.keys() >= set(node.peers)
    }
    # A server beside a server that routes between several nodes hangs on that one.
    routing = {name for name, node in servers.items() if len(set(node.peers)) > 1}
    lone |= {n for n, s in servers.items() if len(set(s.peers)) == 1 and set(s.peers) <= routing}
    said = {name for name, node in nodes.items() if "llmsync-role" in node.labels}
    return {name: nodes[name] for name in nodes if name in lone | said}


def _spare(routers: Mapping[str, _Node], hosts: Mapping[str, _Node]) -> list[str]:
    return [f"node-{number}" for number in range(1, len(routers) + len(hosts) + 1)]


def _stem(file: str) -> str:
    return file.replace("\\", "/").rpartition("/")[2].partition(".")[0]
