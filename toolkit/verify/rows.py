"""Why a BFR has no usable row for a BFER: the derivation's own reasons, in words.

Pure.  RFC 8279 sections 5, 6.9 and 6.10; RFC 8401 section 6, RFC 8444 section 2.
"""

from __future__ import annotations

from toolkit.plan.model import FlowPlan
from toolkit.planes.bfrs import GapReason
from toolkit.verify.scene import Scene

_WORDS = {
    GapReason.NOT_ADVERTISED: "{igp} does not advertise the BFR-prefix of {router}",
    GapReason.NOT_HOST_PREFIX: "the BFR-prefix of {router} is not a host route",
    GapReason.INVALID_BFR_ID: "the BFR-id of {router} is impossible",
    GapReason.INVALID_BINDING: "the BIFT-ids of {router} are impossible",
    GapReason.SECOND_ENCAPSULATION: "{router} has two encapsulations for one BitString length",
    GapReason.REPEATED: "{router} says the same twice, so all of it is ignored",
    GapReason.BIFT_ID_OVERLAP: "blocks of BIFT-ids of {router} overlap, so others ignore its BIER",
    GapReason.BFR_ID_COLLISION: "two BFRs have BFR-id {bfr_id}, so nobody may set its bit",
    GapReason.MISMATCH: "{router} has another BitString length or encapsulation",
    GapReason.SET_OUT_OF_RANGE: "BFR-id {bfr_id} is in a set beyond max-si",
    GapReason.UNREACHABLE: "no BFR on the way to {router} can take packets for it",
}


def missing_row(scene: Scene, at: str, flow: FlowPlan, cloud: str) -> list[str]:
    """Return why router `at` has no row for the BFER of `cloud`; empty where it has one."""
    router, bfr_id = scene.plan.hosts[cloud].router, flow.bfr_ids[cloud]
    plane = scene.plane(at)
    if router in scene.down.nodes:
        return [f"{router} has failed"]
    if plane is None:
        return [f"{at} has failed"] if at in scene.down.nodes else []
    if bfr_id in plane.birt.get((flow.sub_domain_id, flow.bsl), {}):
        return []
    gaps = {*plane.gaps, *(gap for gap in scene.network.bfrs.gaps if gap.router == at)}
    gaps |= {gap for gap in scene.network.bfrs.gaps if gap.router == router}
    part = scene.sub_domain(router, flow.sub_domain_id)
    if part is None:
        return [f"{router} is not in sub-domain {flow.sub_domain_id}"]
    reasons = []
    if part.bfr_id != bfr_id:
        has = "none" if part.bfr_id is None else str(part.bfr_id)
        reasons.append(f"its bit is that of BFR-id {bfr_id}, and {router} has {has}")
    reasons += [
        _WORDS[gap.reason].format(
            router=gap.router, bfr_id=gap.bfr_id or bfr_id, igp=scene.igp.spelled
        )
        for gap in sorted(gaps)
        if gap.sub_domain_id == flow.sub_domain_id
        and gap.bsl in (0, flow.bsl)
        and (gap.bfr_id in (0, bfr_id, part.bfr_id))
        and (gap.router in (router, at) or gap.bfr_id)
    ]
    if reasons:
        return list(dict.fromkeys(reasons))
    if not scene.network.underlay.paths(at).reaches(router):
        return [f"there is no path from {at} to {router}"]
    return []
