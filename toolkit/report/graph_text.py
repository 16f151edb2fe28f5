"""The declared network in the languages of other drawing tools: Graphviz DOT, Mermaid, JSON.

Pure.  Names obey the inventory's rule and need no escaping beyond quotes; regions are free text and
are escaped.
"""

from __future__ import annotations

from typing import Any

from toolkit.inventory.quantity import format_delay, format_rate
from toolkit.report.declared import DeclaredNetwork
from toolkit.report.network import Node


def dot(network: DeclaredNetwork) -> str:
    """Return a graph for `dot`, `neato` or `sfdp` of Graphviz."""
    lines = [
        f"graph {_quoted(network.name)} {{",
        "  graph [overlap=false, splines=true];",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
    ]
    lines += [f"  {_quoted(node.name)} [{_dot_style(node)}];" for node in network.nodes]
    for link in network.links:
        bridge = ', color="#8f6200", penwidth=2.5' if link.name in network.bridges else ""
        label = f"{format_rate(link.capacity)} {format_delay(link.delay)}"
        lines.append(
            f"  {_quoted(link.a)} -- {_quoted(link.b)} [tooltip={_quoted(link.name)},"
            f" label={_quoted(label)}, weight=1{bridge}];"
        )
    lines += [
        f"  {_quoted(router)} -- {_quoted(host)} [style=dotted];" for host, router in network.access
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_style(node: Node) -> str:
    match node.kind:
        case "repository":
            return f'label={_quoted(node.name)}, shape=cylinder, color="#0b63ce"'
        case "cloud":
            return (
                f'label={_quoted(f"{node.name} ({node.gpus} GPUs)")}, shape=box3d, color="#0a7a5a"'
            )
    dashed = "" if node.bfr else ', style="rounded,dashed"'
    return f"label={_quoted(node.name)}, tooltip={_quoted(node.region or node.name)}{dashed}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def mermaid(network: DeclaredNetwork) -> str:
    """Return a flowchart that Markdown pages of code hosting sites draw."""
    ids = {node.name: f"n{number}" for number, node in enumerate(network.nodes)}
    shapes = {"repository": ("[(", ")]"), "cloud": ("([", "])"), "router": ("[", "]")}
    lines = ["flowchart LR"]
    for node in network.nodes:
        opening, closing = shapes[node.kind]
        lines.append(f'  {ids[node.name]}{opening}"{node.name}"{closing}')
    for link in network.links:
        wire = "===" if link.name in network.bridges else "---"
        lines.append(f"  {ids[link.a]} {wire} {ids[link.b]}")
    lines += [f"  {ids[router]} -.- {ids[host]}" for host, router in network.access]
    return "\n".join(lines) + "\n"


def as_data(network: DeclaredNetwork) -> dict[str, Any]:
    """Return the graph as data.  Units: bit/s, seconds."""
    nodes: list[dict[str, Any]] = []
    for node in network.nodes:
        entry: dict[str, Any] = {"name": node.name, "kind": node.kind, "region": node.region}
        if node.kind == "router":
            entry["bier"] = node.bfr
        else:
            entry["router"] = node.router
        if node.kind == "cloud":
            entry["gpus"] = node.gpus
        nodes.append(entry)
    return {
        "name": network.name,
        "nodes": nodes,
        "links": [
            {
                "name": link.name, "a": link.a, "b": link.b, "metric": link.metric,
                "capacity": link.capacity, "delay": link.delay,
                "bridge": link.name in network.bridges,
            }
            for link in network.links
        ],
    }  # fmt: skip
