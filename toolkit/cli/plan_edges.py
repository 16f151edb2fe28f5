"""Edge routers and settings of a plan as text tables: VPN, what hosts may send, classes."""

from __future__ import annotations

from toolkit.cli.console import table
from toolkit.inventory.model import Igp
from toolkit.plan.model import MvpnPlan, Plan, PortPlan, QosPlan
from toolkit.state.model import EdgeProtection


def settings_table(plan: Plan) -> str:
    """Return what holds throughout the network."""
    ospf = "OSPFv3" if any(r.loopback.version == 6 for r in plan.routers.values()) else "OSPFv2"
    overlay = "static (S,G)"
    if plan.mvpn is not None:
        overlay = f"BGP MVPN in AS {plan.mvpn.as_number}, route target {plan.mvpn.route_target}"
    rows = [
        ("underlay", ospf if plan.igp is Igp.OSPF else "IS-IS level 2"),
        ("overlay", overlay),
        ("class of service", "-" if plan.qos is None else _class(plan, plan.qos)),
    ]
    return table(("setting", "value"), rows)


def _class(plan: Plan, qos: QosPlan) -> str:
    others = [name for name in plan.routers if plan.qos_of(name) is None]
    return f"{qos.name} ({qos.dscp})" + (f", but on {', '.join(others)}" if others else "")


def mvpn_table(mvpn: MvpnPlan) -> str:
    """Return who speaks BGP, and each edge router's part in the VPN."""
    rows = []
    for name, speaker in mvpn.speakers.items():
        instance = mvpn.instances.get(name)
        if instance is None:
            rows.append((name, "reflector", len(speaker.neighbors), "-", "-", "-"))
            continue
        role = "edge, reflector" if speaker.clients else "edge"
        over = instance.tunnel + (f" {instance.group}" if instance.group is not None else "")
        ports = ", ".join(instance.interfaces)
        rows.append((name, role, len(speaker.neighbors), instance.rd, over, ports))
    return table(("router", "role", "sessions", "RD", "tunnel", "ports in the VPN"), rows)


def edge_table(plan: Plan) -> str:
    """Return what each protected port accepts."""
    rows = [
        (router.name, port.name, _sources(port.protection), _bits(port, port.protection))
        for router in plan.routers.values()
        for port in router.ports
        if port.protection is not None
    ]
    return table(("router", "port", "multicast from", "BIER"), rows)


def _sources(held: EdgeProtection) -> str:
    return ", ".join(map(str, held.sources)) or "nobody"


def _bits(port: PortPlan, held: EdgeProtection) -> str:
    if not port.accept_host_bier:
        return "none"
    return ", ".join(f"SI {si}: {bits:x}" for si, bits in sorted(held.bit_strings.items()))
