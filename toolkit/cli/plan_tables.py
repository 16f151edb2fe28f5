"""A plan as text tables: only what the transports of its deliveries need."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.cli.console import table
from toolkit.cli.plan_edges import edge_table, mvpn_table, settings_table
from toolkit.inventory.model import Igp, Transport
from toolkit.plan.document import SetMember, sets_in_use
from toolkit.plan.model import FlowPlan, Plan, RouterPlan, TreeNodePlan, TreePlan


def sections(plan: Plan) -> Iterator[str]:
    """Yield the tables of a plan, each with its heading."""
    used = {flow.transport for flow in plan.flows} or {Transport.BIER}
    bier = Transport.BIER in used
    yield "Routers\n" + _routers(plan, bier=bier)
    if bier:
        yield "Sets\n" + _sets(plan)
    yield "Flows\n" + _flows(plan, used)
    if bier:
        yield "BitStrings\n" + _bit_strings(plan)
    if plan.pim is not None:
        yield "PIM\n" + _pim(plan)
    if plan.mvpn is not None:
        yield "MVPN\n" + mvpn_table(plan.mvpn)
    if plan.sr is not None:
        yield "Trees\n" + _trees(plan)
        yield "Replication segments\n" + _segments(plan)
    if any(port.protection for router in plan.routers.values() for port in router.ports):
        yield "Edge ports\n" + edge_table(plan)
    yield "Settings\n" + settings_table(plan)


def _routers(plan: Plan, *, bier: bool) -> str:
    header = ["router", "platform", "region", "loopback"]
    header.append("router-id" if plan.igp is Igp.OSPF else "system-id")
    header += ["role", "BFR-id", "BIFT-ids"] if bier else []
    header += ["PIM"] if plan.pim is not None else []
    header += ["node SID"] if plan.sr is not None else []
    return table(header, [_router(plan, router, bier=bier) for router in plan.routers.values()])


def _router(plan: Plan, router: RouterPlan, *, bier: bool) -> list[object]:
    row: list[object] = [
        router.name, router.platform, router.region, router.loopback,
        router.router_id if plan.igp is Igp.OSPF else router.system_id,
    ]  # fmt: skip
    if bier:
        role = "transit" if router.bfr else "no BIER"
        bfr_id, block = "", ""
        for sub_domain in router.sub_domains:
            last = sub_domain.bift_id_base + sub_domain.max_si
            block = f"{sub_domain.bift_id_base}" + (f"-{last}" if sub_domain.max_si else "")
            if sub_domain.bfr_id is not None:
                role, bfr_id = "edge", str(sub_domain.bfr_id)
        row += [role, bfr_id, block]
    if plan.pim is not None:
        row.append("RP" if router.name == plan.pim.rp else "yes" if router.pim else "no")
    if plan.sr is not None:
        sid = router.node_sid
        row.append("" if sid is None else str(plan.sr.srgb.lower + sid))
    return row


def _sets(plan: Plan) -> str:
    rows = [
        (si, len(members), f"{members[0]['bfr_id']}-{members[-1]['bfr_id']}", _regions(members))
        for si, members in sets_in_use(plan).items()
    ]
    return table(("SI", "BFR-ids", "range", "regions"), rows)


def _regions(members: list[SetMember]) -> str:
    return ", ".join(dict.fromkeys(m["region"] or "-" for m in members))


def _flows(plan: Plan, used: set[Transport]) -> str:
    bier = Transport.BIER in used
    header = ["delivery", "from", "(S,G)", "TSI"]
    header += ["over"] if used != {Transport.BIER} else []
    header += ["imposed by"] if bier else []
    header += ["clouds"] + (["copies"] if bier else []) + ["payload"]
    return table(header, [_flow(flow, used) for flow in plan.flows])


def _flow(flow: FlowPlan, used: set[Transport]) -> list[object]:
    here = flow.transport is Transport.BIER
    row: list[object] = [
        flow.delivery, flow.source, f"({flow.source_address},{flow.group})", flow.tsi,
    ]  # fmt: skip
    row += [flow.transport] if used != {Transport.BIER} else []
    if Transport.BIER in used:
        copies = len(flow.bit_strings()) if here else ""
        imposed = str(flow.imposition) if here else ""
        return [*row, imposed, len(flow.clouds), copies, flow.payload]
    return [*row, len(flow.clouds), flow.payload]


def _bit_strings(plan: Plan) -> str:
    bits = [
        (flow.delivery, si, value.bit_count(), f"{value:x}")
        for flow in plan.flows_over(Transport.BIER)
        for si, value in sorted(flow.bit_strings().items())
    ]
    return table(("delivery", "SI", "bits", "hexadecimal"), bits)


def _pim(plan: Plan) -> str:
    pim = plan.pim
    assert pim is not None
    rows = [("source-specific groups", ", ".join(map(str, pim.ssm_ranges)))]
    if pim.rp:
        rows += [
            ("any-source groups", str(pim.groups)),
            ("rendezvous point", f"{pim.rp} ({pim.rp_address})"),
            ("leave the shared tree", "at the first packet" if pim.spt_switchover else "never"),
        ]
    return table(("setting", "value"), rows)


def _of_trees(plan: Plan) -> Iterator[tuple[FlowPlan, TreePlan]]:
    for flow in plan.flows:
        if flow.tree is not None:
            yield flow, flow.tree


def _trees(plan: Plan) -> str:
    header = (
        "delivery", "path", "preference", "root", "tree-id", "instance", "nodes", "links",
        "shared with the primary",
    )  # fmt: skip
    rows = [
        (
            flow.delivery, path.name, path.preference, tree.root, tree.tree_id,
            path.instance_id, len(path.nodes), len(path.links), ", ".join(path.shared) or "-",
        )
        for flow, tree in _of_trees(plan)
        for path in tree.paths
    ]  # fmt: skip
    return table(header, rows)


def _segments(plan: Plan) -> str:
    rows = [
        (flow.delivery, path.name, node.router, node.sid, _towards(node))
        for flow, tree in _of_trees(plan)
        for path in tree.paths
        for node in path.nodes.values()
    ]
    return table(("delivery", "path", "router", "SID", "to"), rows)


def _towards(node: TreeNodePlan) -> str:
    """Return the downstream nodes, and `clouds` at a leaf."""
    parts = [
        branch.router if branch.port is not None else f"{branch.router} (by its node SID)"
        for branch in node.branches
    ]
    return ", ".join([*parts, *(["clouds"] if node.leaf else [])])
