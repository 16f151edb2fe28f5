"""The run as a value and as JSON.  LLMSYNC_UPDATE_GOLDEN=1 rewrites tests/golden/report."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from report_sample import broken_record, good_record

from toolkit.report.record import (
    SCHEMA,
    Verdict,
    document,
    slowest,
    unchecked,
    verdict,
    waited,
)
from toolkit.report.summary import markdown, summary_table
from toolkit.verify.findings import Severity

GOLDEN = Path(__file__).parent / "golden" / "report"
UPDATE = os.environ.get("LLMSYNC_UPDATE_GOLDEN") == "1"
RECORDS = {"good": good_record, "broken": broken_record}


def matches(name: str, text: str) -> None:
    if UPDATE:
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RECORDS)
def test_the_document_is_the_golden_one(name) -> None:
    text = json.dumps(document(RECORDS[name]()), indent=1, ensure_ascii=False, allow_nan=False)
    matches(f"{name}.json", text + "\n")


@pytest.mark.parametrize("name", RECORDS)
def test_the_terminal_summary_is_the_golden_one(name) -> None:
    matches(f"{name}.txt", summary_table(RECORDS[name]()) + "\n")


@pytest.mark.parametrize("name", RECORDS)
def test_the_markdown_summary_is_the_golden_one(name) -> None:
    matches(f"{name}.md", markdown(RECORDS[name]()))


def test_the_document_is_versioned_and_holds_only_json() -> None:
    body = document(broken_record())
    assert body["schema"] == SCHEMA
    assert json.loads(json.dumps(body, allow_nan=False)) == body


def test_computed_figures_stand_apart_from_counted_ones() -> None:
    delivery = document(good_record())["deliveries"][0]
    assert "unicast_egress" not in delivery
    assert all("unicast" not in link for link in delivery["links"])
    assert delivery["computed"]["egress_factor"] == pytest.approx(5.681, abs=0.001)
    assert delivery["computed"]["unicast_links"]["lon1-nyc1"] == 185_760_688


def test_the_verdict_counts_clouds_first_then_findings() -> None:
    good, broken = good_record(), broken_record()
    assert verdict(good) is Verdict.DELIVERED
    assert verdict(broken) is Verdict.INCOMPLETE
    assert verdict(replace(good, results=())) is Verdict.NOTHING
    assert verdict(replace(good, findings=broken.findings)) is Verdict.FINDINGS
    assert verdict(replace(good, checks=broken.checks)) is Verdict.FINDINGS
    warnings = tuple(f for f in broken.findings if f.severity is not Severity.ERROR)
    assert verdict(replace(good, findings=warnings)) is Verdict.DELIVERED


def test_a_complete_copy_that_differs_is_no_delivery() -> None:
    good = good_record()
    result = good.results[0]
    clouds = (replace(result.clouds[0], identical=False), *result.clouds[1:])
    assert verdict(replace(good, results=(replace(result, clouds=clouds),))) is Verdict.INCOMPLETE


def test_waiting_starts_when_a_cloud_joins() -> None:
    cloud = good_record().results[0].clouds[0]
    late = replace(cloud, joined=1.0, verified=1.25)
    assert waited(late) == 0.25
    assert waited(replace(cloud, verified=None)) is None


def test_the_slowest_is_one_that_has_the_model() -> None:
    result = broken_record().results[0]
    longest = slowest(result)
    assert longest is not None
    assert longest.cloud == "cloud-sanjose"
    assert slowest(replace(result, clouds=())) is None


def test_what_was_not_checked_includes_checks_not_run_and_the_labs_notes() -> None:
    rows = dict(unchecked(good_record()))
    assert rows["Batfish: unicast underlay"] == "no service was named (--batfish HOST)"
    assert "GPU memory" in rows["Delivery minilm"]
    assert "BIER signalling (RFC 8401)" in rows
