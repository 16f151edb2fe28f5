"""One delivery as the page tells it: sentences, totals and pictures, ready for a template.

Pure.  Templates decide where things stand, this decides what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from toolkit.inventory.model import Transport
from toolkit.lab.result import CloudResult, DeliveryResult, LinkUse, RouterUse
from toolkit.report import words_pim, words_sr
from toolkit.report.charts import busiest, link_bytes, timeline
from toolkit.report.network import carried, nodes
from toolkit.report.outages import outage_lines
from toolkit.report.pictures import topology
from toolkit.report.quantity import count, duration, factor, plural, size
from toolkit.report.record import RunRecord, Verdict, has_it, slowest, verdict, waited
from toolkit.report.svg import Svg

COUNTERS = ("received", "imposed", "forwarded", "delivered")
"""Counters with a column of their own, in this order; drops follow by reason."""
DROPPED = "dropped-"

_ONE_COPY = 1.5
"""Below this many times the model's size, headers and repairs explain what exceeds one copy."""

_TRANSPORTS = {"bier": "BIER", **words_pim.TRANSPORTS, **words_sr.TRANSPORTS}
_IMPOSITIONS = {
    "host": "the sending host imposes the BitString",
    "router": "the edge router imposes the BitString",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    key: str
    """Prefix of ids on the page."""
    suffix: str
    """What tells this delivery's navigation entries from others'; empty where there is one."""
    result: DeliveryResult
    tone: str
    """`good`, `warn` or `bad`."""
    verdict: str
    headline: str
    lead: str
    without: tuple[CloudResult, ...]
    served: int
    gpus: Mapping[str, int]
    gpus_ready: int
    gpus_all: int
    longest: float | None
    slowest: str
    egress_factor: str
    """Empty where multicast saved nothing."""
    duration_factor: str
    lost: int
    repaired: int
    duplicates: int
    topology_words: str
    links_words: str
    routers_words: str
    tree: frozenset[str]
    bytes: int
    unicast_bytes: int
    busiest: tuple[LinkUse, ...]
    roles: Mapping[str, str]
    bier: bool
    """Columns of BIER have a place."""
    rows: str
    """What entries of its table are called, over other transports."""
    overlay: bool
    """Edge routers hand packets to clouds by flows that are configured."""
    bfr_ids: Mapping[str, int]
    counters: tuple[str, ...]
    topology: Svg
    timeline: Svg
    link_bytes: Svg


def delivery_view(record: RunRecord, result: DeliveryResult, key: str) -> DeliveryView:
    """Prepare `result` for the page; `key` makes its ids unique there."""
    every_node = nodes(record.plan)
    gpus = {node.name: node.gpus for node in every_node if node.kind == "cloud"}
    without = tuple(cloud for cloud in result.clouds if not has_it(cloud))
    served = len(result.clouds) - len(without)
    longest = slowest(result)
    tree = frozenset(record.trees.get(result.delivery) or carried(result))
    roles = _roles(record, result)
    return DeliveryView(
        key=key,
        suffix=f" ({result.delivery})" if len(record.results) > 1 else "",
        result=result,
        tone=_tone(record, result),
        verdict="Delivered and proven" if result.complete else "Incomplete",
        headline=_headline(result, without),
        lead=_lead(result, longest),
        without=without,
        served=served,
        gpus=gpus,
        gpus_ready=sum(gpus.get(c.cloud, 0) for c in result.clouds if has_it(c)),
        gpus_all=sum(gpus.get(c.cloud, 0) for c in result.clouds),
        longest=waited(longest) if longest else None,
        slowest=longest.cloud if longest else "",
        egress_factor=gain(result.unicast_egress, result.egress),
        duration_factor=gain(result.unicast_duration, result.duration),
        lost=sum(c.lost for c in result.clouds),
        repaired=sum(c.repaired for c in result.clouds),
        duplicates=sum(c.duplicates for c in result.clouds),
        topology_words=_topology_words(record, result),
        links_words=_links_words(result),
        routers_words=_routers_words(result, roles),
        tree=tree,
        bytes=sum(u.a_to_b + u.b_to_a for u in result.links),
        unicast_bytes=sum(u.unicast for u in result.links),
        busiest=tuple(busiest(result.links)),
        roles=roles,
        bier=result.transport == Transport.BIER.value,
        rows=words_sr.ROWS if words_sr.is_tree(result) else words_pim.ROWS,
        overlay=not words_pim.is_pim(result),
        bfr_ids={n.name: n.bfr_id for n in every_node if n.bfr_id is not None},
        counters=_counters(result),
        topology=topology(record, result.delivery, name=f"{key}-map"),
        timeline=timeline(result, name=f"{key}-time"),
        link_bytes=link_bytes(result, name=f"{key}-bytes"),
    )


def gain(unicast: float, ours: float) -> str:
    """Return "5.7×" where multicast is clearly ahead of unicast, else nothing."""
    ahead = ours > 0 and isfinite(unicast) and unicast >= 1.05 * ours
    return factor(unicast, ours) if ahead else ""


def meter(ours: float, theirs: float) -> tuple[str, str]:
    """Return the widths of two bars in per cent; both empty where they say nothing."""
    if not (0 < ours < float("inf") and 0 < theirs < float("inf")):
        return "", ""
    most = max(ours, theirs)
    return f"{100 * ours / most:.1f}", f"{100 * theirs / most:.1f}"


def listed(names: list[str]) -> str:
    """Return "a", "a and b", "a, b and 3 more"."""
    if len(names) > 4:
        names = [*names[:3], f"{len(names) - 3} more"]
    return " and ".join(", ".join(names).rsplit(", ", 1)) if names else "none"


def drops(use: RouterUse) -> tuple[tuple[str, int], ...]:
    """Return (reason, packets) of what a router dropped, most first."""
    found = [
        (name.removeprefix(DROPPED).replace("-", " "), number)
        for name, number in use.counters.items()
        if name.startswith(DROPPED) and number
    ]
    return tuple(sorted(found, key=lambda row: (-row[1], row[0])))


def _tone(record: RunRecord, result: DeliveryResult) -> str:
    if not result.complete:
        return "bad"
    return "warn" if verdict(record) is Verdict.FINDINGS else "good"


def _headline(result: DeliveryResult, without: tuple[CloudResult, ...]) -> str:
    model, everyone = result.model, len(result.clouds)
    if not everyone:
        return f"{model} was addressed to no GPU cloud."
    if not without:
        return (
            f"The GPU cloud has {model}."
            if everyone == 1
            else f"All {count(everyone)} GPU clouds have {model}."
        )
    names = listed([cloud.cloud for cloud in without])
    if len(without) == everyone:
        return f"No GPU cloud has {model}."
    verb = "does" if len(without) == 1 else "do"
    return f"{everyone - len(without)} of {everyone} GPU clouds have {model}; {names} {verb} not."


def _lead(result: DeliveryResult, longest: CloudResult | None) -> str:
    transport = _TRANSPORTS.get(result.transport, result.transport)
    how = {**words_pim.HOW, **words_sr.HOW}.get(
        result.transport, _IMPOSITIONS.get(result.imposition, result.imposition)
    )
    once = " once" if result.egress < _ONE_COPY * result.size else ""
    text = [
        f"Sent{once} from {result.source} over {transport} ({how}): {size(result.size)} in "
        f"{plural(result.files, 'file')}."
    ]
    if longest is not None:
        proven = "Each copy was" if result.complete else "Those copies were"
        text.append(f"{proven} compared with the source byte for byte.")
        text.append(f"The slowest, {longest.cloud}, waited {duration(waited(longest))}.")
    if result.outages:
        text.append(f"On the way: {'; '.join(outage_lines(result))}.")
    return " ".join(text)


def _topology_words(record: RunRecord, result: DeliveryResult) -> str:
    words = "Blue: the links that carried the main flow, in its direction"
    busiest_way = max((max(u.a_to_b, u.b_to_a) for u in result.links), default=0)
    words += "; one copy on each." if 0 < busiest_way < _ONE_COPY * result.size else "."
    broken = [*record.broken_links, *record.broken_nodes]
    if broken:
        words += f" Crossed out: {listed(broken)}, down during this run."
    down = [u.link for u in result.links if not u.up and u.link not in broken]
    if down and not record.broken_nodes:
        words += f" Also down: {listed(down)}."
    return words


def _links_words(result: DeliveryResult) -> str:
    ours = sum(u.a_to_b + u.b_to_a for u in result.links)
    theirs = sum(u.unicast for u in result.links)
    saved = gain(theirs, ours)
    words = f"All links together carried {size(ours)}; "
    words += f"one unicast copy per cloud on the shortest paths would be {size(theirs)}"
    return words + (f", {saved} as much." if saved else ".")


def _routers_words(result: DeliveryResult, roles: Mapping[str, str]) -> str:
    bfrs = [use for use in result.routers if use.bfr]
    rows = sum(use.bift_rows for use in bfrs)
    flows = sum(use.flow_rows for use in result.routers)
    inside = sum(u.flow_rows for u in result.routers if "transit" in roles.get(u.router, ""))
    dropped = sum(number for use in result.routers for _, number in drops(use))
    if words_pim.is_pim(result):
        words = words_pim.routers_words(result, roles)
    elif words_sr.is_tree(result):
        words = words_sr.routers_words(result, roles)
    else:
        words = f"{plural(rows, 'BIFT row')} in {plural(len(bfrs), 'BFR')}, whatever the number of "
        words += f"deliveries; {plural(flows, '(S,G) row')} of this one, {count(inside)} of them "
        words += "in transit routers."
    told = f"{plural(dropped, 'packet')} dropped." if dropped else "No router dropped a packet."
    return f"{words} {told}"


def _roles(record: RunRecord, result: DeliveryResult) -> dict[str, str]:
    """Return router -> its role in this delivery (RFC 8279 section 2)."""
    flow = next((f for f in record.plan.flows if f.delivery == result.delivery), None)
    egress = {
        record.plan.hosts[c.cloud].router for c in result.clouds if c.cloud in record.plan.hosts
    }
    roles = {}
    for router in record.plan.routers.values():
        if flow is not None and flow.transport is Transport.SR_P2MP:
            roles[router.name] = words_sr.role(flow, router.name, frozenset(egress))
            continue
        names = []
        if words_pim.is_pim(result):
            roles[router.name] = words_pim.role(record.plan, flow, router, egress)
            continue
        if flow is not None and router.name == flow.bfir:
            names.append("BFIR")
        if router.name in egress:
            names.append("BFER")
        transit = "transit BFR" if router.bfr else "transit, non-BFR"
        roles[router.name] = ", ".join(names) if names else transit
    return roles


def _counters(result: DeliveryResult) -> tuple[str, ...]:
    """Return the columns that some router has a number for, known ones first."""
    present = {
        name for use in result.routers for name in use.counters if not name.startswith(DROPPED)
    }
    known = tuple(name for name in COUNTERS if name in present)
    return known + tuple(sorted(present - set(known)))
