"""What the routers show after a delivery, read over NETCONF and held against what the laboratory
counted.

The state comes through <get>, is validated against our YANG modules and turned into typed values by
the pyangbind bindings (extra `bindings`).  A disagreement is a finding.
"""

from __future__ import annotations

from toolkit.errors import Place
from toolkit.lab.memory import MemoryLab
from toolkit.netconf.runtime_ncclient import Connection, Target
from toolkit.netconf.tree import to_xml
from toolkit.plan.model import FlowPlan
from toolkit.verify.catalogue import finding
from toolkit.verify.findings import Check, Finding, Report
from toolkit.yang.schema import reference_schema

TIMEOUT = 30.0
"""Seconds that a router may take to answer."""
FILTER = (
    '<bier xmlns="urn:llmsync:bier"><bift/><counters/></bier>'
    '<deliveries xmlns="urn:llmsync:delivery"/>'
)
"""RFC 6241 section 6: the forwarding tables, the counters, the sessions with their receipts."""


def read_back(lab: MemoryLab, flow: FlowPlan) -> Report:
    """Return whether the edge routers of `flow` show its receipts and the counters of their
    engines.

    Raises EnvironmentProblem when the bindings are not installed, UnreachableError or DeviceError
    when a router does not answer.
    """
    from toolkit.yang import bindings

    plan = lab.plan
    routers = sorted({flow.bfir} | {plan.hosts[cloud].router for cloud in flow.clouds})
    wanted = {
        cloud: plan.hosts[cloud].router
        for cloud in flow.clouds
        if lab.receipts.get(plan.hosts[cloud].router, {}).get(flow.delivery)
    }
    findings: list[Finding] = []
    shown: dict[str, bool] = {}
    rows = 0
    for name in routers:
        tree = reference_schema().parse_xml(_get(lab, name), name, state=True)
        rows += sum(len(bift.entries) for bift in bindings.bift_of(tree, name))
        counters = bindings.counters_of(tree, name)
        expected = lab.counters.get(name, {})
        if expected and counters.received != expected.get("received"):
            findings.append(
                _finding(name, "/llmsync-bier:bier/counters/received",
                         f"shows {counters.received} BIER packets received, its engine counted "
                         f"{expected.get('received')}")
            )  # fmt: skip
        for receipt in bindings.receipts_of(tree, name):
            if receipt.session == flow.delivery:
                shown[receipt.receiver] = receipt.complete
    for cloud, router in wanted.items():
        if cloud not in shown:
            path = f"/llmsync-delivery:deliveries/session[name='{flow.delivery}']/receipt"
            findings.append(_finding(router, path, f"shows no receipt of {cloud}"))
    check = Check(
        id="state-read-back", title="Routers show receipts and counters over NETCONF",
        status="failed" if findings else "passed",
        reason=f"{len(routers)} routers, {rows} BIFT rows, {len(shown)} receipts (pyangbind)",
    )  # fmt: skip
    return Report(findings=tuple(findings), checks=(check,))


def _get(lab: MemoryLab, name: str) -> str:
    host, port = lab.addresses[name]
    target = Target(
        device=name, host=host, port=port, username=lab.username, password=lab.password,
        host_key=lab.host_keys[name],
    )  # fmt: skip
    connection = Connection(target, timeout=TIMEOUT)
    try:
        reply = connection.request(f"<get><filter type='subtree'>{FILTER}</filter></get>")
        data = reply.content[0] if reply.content else None
        return to_xml(data.children) if data is not None else ""
    finally:
        connection.leave()


def _finding(device: str, path: str, message: str) -> Finding:
    place = Place(file=device, path=path)
    return finding("state-differs", place, f"{device} {message}", subjects=[device])
