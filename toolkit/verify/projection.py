"""What Batfish is shown: the IP underlay of every router in a dialect that it models.

Reads templates/batfish and writes a snapshot folder; decides nothing.  Law: it is a projection,
never a configuration to push.  BIER, overlay and deliveries are left out, since Batfish models no
multicast; addresses, admin states and IS-IS come through unchanged, so that its adjacencies and
routes can be compared with ours.
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
from toolkit.state.model import (
    Cable,
    IpAddress,
    IpInterface,
    IsisInterface,
    NetworkState,
    RouterState,
)

SYSTEM = "system"
"""SR OS's name of the loopback that carries the router's own address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedInterface:
    name: str
    """In the projection; the loopback is called `system`."""
    ours: str
    """In the state."""
    port: str
    """Physical port path; empty where nothing is plugged in."""
    enabled: bool
    address: IpInterface | None
    isis: IsisInterface | None


def project_interfaces(router: RouterState, cabled: frozenset[str]) -> list[ProjectedInterface]:
    """Return the router's interfaces as SR OS has them; ports are numbered in the order of names.

    `cabled`: its interfaces that a cable is plugged into.
    """
    ports = {name: f"1/1/c{n}/1" for n, name in enumerate(sorted(cabled), 1)}
    loopback = loopback_of(router, cabled)
    projected = [
        ProjectedInterface(
            name=SYSTEM if name == loopback else name,
            ours=name,
            port=ports.get(name, ""),
            enabled=interface.enabled,
            address=next((a for a in interface.addresses if a.version == 4), None),
            isis=interface.isis if router.system_id else None,
        )
        for name, interface in router.interfaces.items()
    ]
    return sorted(projected, key=lambda i: (i.name != SYSTEM, i.name))


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
    for name, router in sorted(state.routers.items()):
        interfaces = project_interfaces(router, cabled.get(name, frozenset()))
        ports |= {(name, i.ours): i.port for i in interfaces if i.port}
        files[f"configs/{name}.cfg"] = _template().render(
            name=name,
            interfaces=interfaces,
            system_id=router.system_id,
            areas=router.areas,
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
def _template() -> Template:
    # Configuration text, not HTML: escaping would corrupt names, and nothing here is served.
    environment = Environment(
        loader=FileSystemLoader(data_folder("templates") / "batfish"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    return environment.get_template("sros.j2")
