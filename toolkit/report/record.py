"""One run as a value: what was planned, pushed, checked, delivered, and what was left out.

Pure.  Pages, summaries and the JSON document are written from this and from nothing else, so they
cannot disagree.  Times are seconds on the lab's clock, sizes bytes, rates bit/s; `created` comes in
from outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

from toolkit.lab.result import CloudResult, DeliveryResult
from toolkit.plan.model import Plan
from toolkit.report.network import lines, nodes
from toolkit.verify.findings import Check, Finding, Severity

SCHEMA = "llmsync-run/1"
"""Version of the JSON document; a new number where an old reader would misunderstand."""


class Verdict(StrEnum):
    """The run in one word."""

    DELIVERED = "delivered"
    """Every cloud of every delivery has the model, byte for byte, and no check failed."""
    FINDINGS = "delivered, with findings"
    """Everything was delivered, but a check failed or found an error."""
    INCOMPLETE = "incomplete"
    """At least one cloud does not have the model."""
    NOTHING = "nothing delivered"
    """No delivery was run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What came of one router's configuration."""

    router: str
    state: str
    """`confirmed`, `unchanged`, `rolled back`, `in doubt`, `unreachable`, `not tried`, ..."""
    changes: int = 0
    """Nodes of the configuration that were created, changed or deleted."""
    detail: str = ""
    """Why it is not confirmed, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    title: str
    created: datetime
    command: str
    """The command line that does it again, as one types it."""
    version: str
    """Of llmsync."""
    plan: Plan
    results: tuple[DeliveryResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()
    pushed: tuple[Pushed, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Facts about where it ran: `Python` -> `3.11.2`."""
    not_checked: tuple[tuple[str, str], ...] = ()
    """(what, why); checks that were `not run` and the lab's own notes are added by the writers."""
    limits: tuple[tuple[str, str], ...] = ()
    """(topic, what the analysis does not model); a terminal only counts them."""
    trees: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Delivery -> names of its main flow's links; an access link has its host's name."""
    broken_links: tuple[str, ...] = ()
    broken_nodes: tuple[str, ...] = ()


def verdict(record: RunRecord) -> Verdict:
    """Judge the run; an error finding or a failed check counts even when everything arrived."""
    if any(not result.complete for result in record.results):
        return Verdict.INCOMPLETE
    if not record.results:
        return Verdict.NOTHING
    wrong = any(f.severity is Severity.ERROR for f in record.findings)
    if wrong or any(check.status == "failed" for check in record.checks):
        return Verdict.FINDINGS
    return Verdict.DELIVERED


def has_it(cloud: CloudResult) -> bool:
    """A cloud has the model when it is complete and equal to the source, byte for byte."""
    return cloud.complete and cloud.identical


def waited(cloud: CloudResult) -> float | None:
    """Seconds from joining the delivery to the last digest verified; None where that never came."""
    return None if cloud.verified is None else max(0.0, cloud.verified - cloud.joined)


def slowest(result: DeliveryResult) -> CloudResult | None:
    """Return the cloud that waited longest among those that have the model."""
    served = [c for c in result.clouds if has_it(c) and waited(c) is not None]
    return max(served, key=lambda c: (waited(c) or 0.0, c.cloud), default=None)


def unchecked(record: RunRecord) -> tuple[tuple[str, str], ...]:
    """Return (what, why) of all that was not looked at: declared, not run, or beyond the lab."""
    return tuple(dict.fromkeys((*left_out(record), *record.limits)))


def left_out(record: RunRecord) -> tuple[tuple[str, str], ...]:
    """Return (what, why) of what could have been looked at; checks with one reason stand
    together."""
    rows = list(record.not_checked)
    not_run: dict[str, list[str]] = {}
    for check in record.checks:
        if check.status == "not run":
            not_run.setdefault(check.reason, []).append(check.title)
    rows += [("; ".join(titles), reason) for reason, titles in not_run.items()]
    rows += [(f"Delivery {r.delivery}", note) for r in record.results for note in r.notes]
    return tuple(dict.fromkeys(rows))


def document(record: RunRecord) -> dict[str, Any]:
    """Return the run as JSON-ready values under `schema: llmsync-run/1`.

    Computed figures stand under `computed`; everything else was counted or read from the lab's
    clock.
    """
    return {
        "schema": SCHEMA,
        "title": record.title,
        "created": record.created.isoformat(),
        "command": record.command,
        "version": record.version,
        "verdict": verdict(record).value,
        "environment": dict(record.environment),
        "network": _network(record),
        "flows": plain(record.plan.flows),
        "policies": [_placed(policy) for policy in record.plan.policies],
        "pushed": plain(record.pushed),
        "checks": plain(record.checks),
        "findings": plain(record.findings),
        "deliveries": [_delivery(record, result) for result in record.results],
        "not_checked": [{"what": what, "why": why} for what, why in unchecked(record)],
    }


def plain(value: Any) -> Any:  # noqa: ANN401 - any value of our models, and whatever JSON can hold
    """Return `value` as dicts, lists, strings and numbers; sets are sorted."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(item) for item in value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return str(value)


def _network(record: RunRecord) -> dict[str, Any]:
    plan = record.plan
    routers = {node.name: node for node in nodes(plan) if node.kind == "router"}
    return {
        "name": plan.name,
        "routers": [
            {
                "name": router.name, "region": router.region, "platform": router.platform.value,
                "loopback": str(router.loopback.ip), "bfr": router.bfr,
                "bfr_id": routers[router.name].bfr_id,
                "failed": router.name in record.broken_nodes,
            }
            for router in plan.routers.values()
        ],
        "hosts": [
            {
                "name": node.name, "kind": node.kind, "region": node.region,
                "router": node.router, "gpus": node.gpus,
                "failed": node.name in record.broken_nodes,
            }
            for node in nodes(plan)
            if node.kind != "router"
        ],
        "links": [
            {**plain(line), "failed": line.name in record.broken_links} for line in lines(plan)
        ],
    }  # fmt: skip


def _delivery(record: RunRecord, result: DeliveryResult) -> dict[str, Any]:
    body: dict[str, Any] = plain(result)
    body["complete"] = result.complete
    if result.outages:
        body["missed"] = result.missed
    else:
        del body["outages"], body["missed_without_reroute"]
    for cloud, row in zip(result.clouds, body["clouds"], strict=True):
        row["waited"] = waited(cloud)
    longest = slowest(result)
    body["tree"] = list(record.trees.get(result.delivery, ()))
    body["served"] = sum(map(has_it, result.clouds))
    body["longest_wait"] = None if longest is None else waited(longest)
    body["computed"] = {
        "unicast_egress": body.pop("unicast_egress"),
        "unicast_duration": body.pop("unicast_duration"),
        "egress_factor": _ratio(result.unicast_egress, result.egress),
        "duration_factor": _ratio(result.unicast_duration, result.duration),
        "unicast_links": {use["link"]: use.pop("unicast") for use in body["links"]},
    }
    return body


def _placed(policy: Any) -> dict[str, Any]:  # noqa: ANN401 - a Policy; its place is the author's
    body: dict[str, Any] = plain(policy)
    body.pop("place", None)
    return body


def _ratio(more: float, less: float) -> float | None:
    return round(more / less, 3) if less > 0 else None
