"""Each check fails on the network that has its mistake, and says the same words every time.

LLMSYNC_UPDATE_GOLDEN=1 rewrites tests/golden/verify: read the difference before committing it.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from planes_networks import derive
from verify_bier_cases import CASES as BIER_CASES
from verify_edge_cases import CASES, Case
from verify_networks import LINES, change_sub_domain, inventory, network, planned
from verify_sr_cases import CASES as SR_CASES

from toolkit.bier.bift import Bift, BiftId, BiftKey
from toolkit.bier.wire import Encapsulation
from toolkit.inventory.model import Transport
from toolkit.plan.intended import intended_state
from toolkit.plan.transports import over
from toolkit.report.verification import Verification, document, text
from toolkit.state.model import BierEncapsulation
from toolkit.verify.catalogue import KINDS
from toolkit.verify.coverage import coverage, not_modelled
from toolkit.verify.findings import Report, Severity
from toolkit.verify.multicast import CHECKS, verify_state

GOLDEN = Path(__file__).parent / "golden" / "verify"
assert SR_CASES is BIER_CASES is CASES  # they register themselves


def verify(case: Case) -> Report:
    return verify_state(case.plan, case.state, down=case.down, intended=intended_state(case.plan))


def golden(name: str, told: str) -> None:
    file = GOLDEN / name
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(told, encoding="utf-8")
    assert told == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_a_bad_network_leads_to_its_findings_and_no_others(name: str) -> None:
    case = CASES[name]()
    report = verify(case)
    assert {f.id for f in report.findings} - {"config-differs"} == case.ids
    verification = Verification(
        plan=case.plan,
        report=report,
        source=case.state.source,
        down=case.down,
        not_modelled=not_modelled(case.plan, case.state),
    )
    golden(f"{name}.txt", text(verification) + "\n")
    golden(f"{name}.json", json.dumps(document(verification), indent=2, ensure_ascii=False) + "\n")


def test_every_change_of_a_configuration_is_a_difference_from_the_plan() -> None:
    for name, make in CASES.items():
        case = make()
        changed = case.state.routers != intended_state(case.plan).routers
        ids = {f.id for f in verify(case).findings}
        assert bool(ids & {"config-differs", "config-missing", "config-unknown"}) == changed, name


def test_a_check_fails_exactly_where_it_finds_an_error() -> None:
    for make in CASES.values():
        report = verify(make())
        errors = {f.id for f in report.errors}
        for check in report.checks:
            assert (check.status == "failed") <= bool(errors & set(check.kinds))
        claimed = {kind for check in report.checks for kind in check.kinds}
        failed = {k for c in report.checks if c.status == "failed" for k in c.kinds}
        assert {f.id for f in report.findings} <= claimed
        assert errors <= failed


def test_every_kind_that_a_check_can_make_is_made_by_a_test() -> None:
    made = {kind for make in CASES.values() for kind in make().ids}
    elsewhere = {"forwarding-loop", "config-differs"}  # below, and with every change
    assert {k for check in CHECKS for k in check.kinds} == made | elsewhere


def test_every_finding_says_where_what_and_how_to_mend_it() -> None:
    for make in CASES.values():
        for finding in verify(make()).findings:
            assert finding.severity is KINDS[finding.id].severity
            assert finding.message
            assert finding.remedy
            assert finding.place.file or finding.place.path


def test_without_an_intention_the_comparison_is_not_run() -> None:
    plan, state = network(LINES)
    check = next(c for c in verify_state(plan, state).checks if c.id == "configuration")
    assert check.status == "not run"
    assert "plan" in check.reason


def test_tables_that_loop_are_found_and_the_walk_ends() -> None:
    plan, state = network(LINES)
    planes = dict(derive(state))
    key = BiftKey(0, 256, 0)
    row = planes["b"].bifts[key].entries[1]
    back = planes["c"].bifts[key].entries[2]  # towards a: what b would have to answer
    assert back.neighbor is not None
    assert back.neighbor.router == "b"
    looped = Bift(planes["c"].bifts[key].bsl, {1: replace(back, f_bm=1)})
    planes["c"] = replace(planes["c"], bifts={key: looped})
    assert row.neighbor is not None
    report = verify_state(plan, state, planes=planes)
    assert {f.id for f in report.errors} == {"forwarding-loop", "cloud-unreached"}
    (loop,) = (f for f in report.findings if f.id == "forwarding-loop")
    assert loop.message.endswith("a > b > c > b")
    assert "cloud-d" in loop.subjects


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("mpls", "mpls"), "labels 30000 to 30001 of sub-domain 0, BSL 512 overlap"),
        (("non-mpls", "non-mpls"), "non-MPLS BIFT-ids 30000 to 30001 of sub-domain 0, BSL 512"),
        (("mpls", "non-mpls"), ""),
        (("non-mpls", "mpls"), ""),
    ],
)
def test_blocks_overlap_within_one_encapsulation_only(kinds: tuple[str, str], words: str) -> None:
    plan, state = network(LINES)
    blocks = tuple(
        BierEncapsulation(kind=kind, bsl=bsl, base=base, max_si=1)
        for kind, bsl, base in zip(kinds, (1024, 512), (30001, 30000), strict=True)
    )
    state = change_sub_domain(
        state, "d", encapsulations=(*state.routers["d"].sub_domains[0].encapsulations, *blocks)
    )
    found = [f for f in verify_state(plan, state).findings if f.id == "bift-id-overlap"]
    assert [words in f.message for f in found] == [True] * bool(words)
    assert all(("RFC 8401" in f.evidence[0]) is (kinds[1] == "mpls") for f in found)


def test_a_bift_id_that_means_something_else_next_door_is_found() -> None:
    plan, state = network(LINES)
    planes = dict(derive(state))
    (key,) = planes["c"].bift_ids.values()
    planes["c"] = replace(planes["c"], bift_ids={BiftId(Encapsulation.MPLS, 999): key})
    report = verify_state(plan, state, planes=planes)
    assert "bift-id-disagreement" in {f.id for f in report.errors}
    assert "cloud-unreached" in {f.id for f in report.errors}


def test_notes_and_warnings_fail_no_check() -> None:
    for name in ("across-a-router-without-bier", "mtus-that-differ-beside-the-tree"):
        case = CASES[name]()
        report = verify_state(case.plan, case.state)
        assert report.findings
        assert not report.errors
        assert all(f.severity is not Severity.ERROR for f in report.findings)
        assert all(check.status != "failed" for check in report.checks)


def test_what_devices_show_counts_as_modelled_only_where_it_was_read() -> None:
    plan, state = network(LINES)
    topics = {s.topic for s in not_modelled(plan, state)}
    assert topics - {s.topic for s in not_modelled(plan, state, device_state_read=True)} == {
        "Device state"
    }
    (read,) = (
        s for s in coverage(plan, state, device_state_read=True) if s.topic == "Device state"
    )
    assert read.modelled
    assert "compared" in read.text


def test_what_is_modelled_is_said_of_each_transport_that_is_used() -> None:
    declared = inventory(LINES)
    model = declared.deliveries["model"]
    told = {}
    for transport in Transport:
        plan, state = planned(over(declared, transport))
        (statement,) = (s for s in coverage(plan, state) if s.topic == "Packets")
        told[transport] = statement.text
    assert "BIFTs" in told[Transport.BIER]
    assert "replication segments" in told[Transport.SR_P2MP]
    assert "joins" in told[Transport.PIM_SM]
    assert told[Transport.PIM_SM] == told[Transport.PIM_SSM]
    both = {"model": model, "other": replace(model, name="other", transport=Transport.PIM_SM)}
    (statement,) = (
        s for s in coverage(*planned(replace(declared, deliveries=both))) if s.topic == "Packets"
    )
    assert statement.text == f"BIER: {told[Transport.BIER]} PIM: {told[Transport.PIM_SM]}"
