"""What Batfish is shown: the IP underlay of every router in a dialect that it models.

Reads templates/batfish and writes a snapshot folder; decides nothing.  Law: it is a projection,
never a configuration to push.  BIER, overlay and deliveries are left out, since Batfish models no
multicast, and so are VPNs; addresses, admin states and the IGP come through unchanged, so that its
adjacencies and routes can be compared with ours.  IS-IS is shown in Nokia SR OS MD-CLI, OSPF in the
concatenated form of Cumulus Linux, whose FRRouting Batfish knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from toolkit.datafiles import data_folder
from toolkit.plan.model import Plan
from toolkit.planes.interior import Protocol, in_vrf, protocol_of
from toolkit.state.model import (
    Cable,
    End,
    IpAddress,
    IpInterface,
    IsisInterface,
    NetworkState,
    OspfInterface,
    RouterState,
)

SYSTEM = "system"
"""SR OS's name of the loopback that carries the router's own address."""
LOOPBACK = "lo"
"""Linux's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedInterface:
    name: str
    """In the projection: the loopback is called `system`, over OSPF `lo`, and ports `swp<n>`."""
    ours: str
    """In the state."""
    port: str
    """Physical port path; empty where nothing is plugged in."""
    enabled: bool
    address: IpInterface | None
    isis: IsisInterface | None
    ospf: OspfInterface | None = None


def project_interfaces(router: RouterState, cabled: frozenset[str]) -> list[ProjectedInterface]:
    """Return the router's interfaces as SR OS has them; ports are numbered in the order of names.

    `cabled`: its interfaces that a cable is plugged into.
    """
    ports = {name: f"1/1/c{n}/1" for n, name in enumerate(sorted(cabled), 1)}
    loopback, apart = loopback_of(router, cabled), in_vrf(router)
    projected = [
        ProjectedInterface(
            name=SYSTEM if name == loopback else name,
            ours=name,
            port=ports.get(name, ""),
            enabled=interface.enabled,
            address=next((a for a in interface.addresses if a.version == 4), None),
            isis=interface.isis if router.system_id and name not in apart else None,
        )
        for name, interface in router.interfaces.items()
    ]
    return sorted(projected, key=lambda i: (i.name != SYSTEM, i.name))


def linux_interfaces(router: RouterState, cabled: frozenset[str]) -> list[ProjectedInterface]:
    """Return the router's interfaces as Cumulus Linux has them, in the order of names."""
    loopback, apart = loopback_of(router, cabled), in_vrf(router)
    others = sorted(name for name in router.interfaces if name != loopback)
    names = {name: f"swp{number}" for number, name in enumerate(others, 1)}
    return [
        ProjectedInterface(
            name=names.get(name, LOOPBACK),
            ours=name,
            port=names.get(name, ""),
            enabled=interface.enabled,
            address=next((a for a in interface.addresses if a.version == 4), None),
            isis=None,
            ospf=interface.ospf if router.router_id and name not in apart else None,
        )
        for name in ([loopback] if loopback else []) + others
        for interface in [router.interfaces[name]]
    ]


def shown_names(state: NetworkState) -> dict[End, str]:
    """Return interface -> its name in the projection, where that is another."""
    if protocol_of(state) is Protocol.ISIS:
        return {}
    cabled = cabled_interfaces(state.cables)
    return {
        End(name, interface.ours): interface.name
        for name, router in state.routers.items()
        for interface in linux_interfaces(router, cabled.get(name, frozenset()))
    }


def loopback_of(router: RouterState, cabled: frozenset[str]) -> str:
    """Return the interface that carries the router's own host address; empty: it has none."""
    for name, interface in sorted(router.interfaces.items()):
        lengths = (a.network.prefixlen == a.max_prefixlen for a in interface.addresses)
        if name not in cabled and any(lengths):
            return name
    return ""


def cabled_interfaces(cables: tuple[Cable, ...]) -> dict[str, frozenset[str]]:
    """Node name -> its ports that a cable is plugged into."""
    ports: dict[str, set[str]] = {}
    for cable in cables:
        for end in (cable.a, cable.b):
            ports.setdefault(end.node, set()).add(end.port)
    return {node: frozenset(names) for node, names in ports.items()}


def snapshot_files(plan: Plan, state: NetworkState) -> dict[str, str]:
    """Return the snapshot as path inside it -> text.

    Raises ValueError where the underlay has an address that is not IPv4: Batfish models no IPv6
    routing.
    """
    if other := next((a for a in _addresses(state) if a.version != 4), None):
        raise ValueError(f"Batfish models IPv4 routing only, and the network has {other}")
    cabled = cabled_interfaces(state.cables)
    files = {}
    ports: dict[tuple[str, str], str] = {}
    isis = protocol_of(state) is Protocol.ISIS
    project = project_interfaces if isis else linux_interfaces
    for name, router in sorted(state.routers.items()):
        interfaces = project(router, cabled.get(name, frozenset()))
        ports |= {(name, i.ours): i.port for i in interfaces if i.port}
        files[f"configs/{name}.cfg"] = _template("sros.j2" if isis else "cumulus.j2").render(
            name=name,
            interfaces=interfaces,
            system_id=router.system_id,
            areas=router.areas,
            router_id=router.router_id,
        )
    for host in sorted(plan.hosts):
        files[f"hosts/{host}.json"] = _json(_host(plan, host))
        ports[host, plan.hosts[host].port] = plan.hosts[host].port
    files["batfish/layer1_topology.json"] = _json(_layer1(state.cables, ports))
    return files


def write_snapshot(plan: Plan, state: NetworkState, folder: Path) -> tuple[Path, ...]:
    """Write the snapshot of `state` under `folder` and return the files written."""
    written = []
    for name, text in snapshot_files(plan, state).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return tuple(written)


def _addresses(state: NetworkState) -> list[IpAddress]:
    interfaces = (i for r in state.routers.values() for i in r.interfaces.values())
    return [a.ip for i in interfaces for a in i.addresses]


def _host(plan: Plan, name: str) -> dict[str, object]:
    host = plan.hosts[name]
    interface = {
        "name": host.port,
        "prefix": str(host.address),
        "gateway": str(host.gateway),
    }
    return {"hostname": name, "hostInterfaces": {host.port: interface}}


def _layer1(
    cables: tuple[Cable, ...], ports: Mapping[tuple[str, str], str]
) -> dict[str, list[dict[str, dict[str, str]]]]:
    edges = []
    for cable in sorted(cables):
        ends = [(e.node, ports.get((e.node, e.port))) for e in (cable.a, cable.b)]
        # An end that is not configured at all has no port in the projection to be plugged into.
        pairs = [{"hostname": node, "interfaceName": port} for node, port in ends if port]
        if len(pairs) == 2:
            edges.append({"node1": pairs[0], "node2": pairs[1]})
    return {"edges": edges}


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


@cache
def _template(name: str) -> Template:
    # Configuration text, not HTML: escaping would corrupt names, and nothing here is served.
    environment = Environment(
        loader=FileSystemLoader(data_folder("templates") / "batfish"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
