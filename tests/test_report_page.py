"""The HTML report: one file, everything named, nothing loaded, nothing executed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from lxml import etree, html
from report_sample import broken_record, delivered, good_record, planned

from toolkit.errors import Place
from toolkit.report.page import page
from toolkit.report.record import Pushed, RunRecord
from toolkit.report.summary import markdown, summary_table
from toolkit.verify.findings import Finding, Severity

HOSTILE = "<script>alert(1)</script>\"'&|`"


def words(text: str) -> str:
    content = html.fromstring(text).text_content()
    return " ".join(content.replace("\u00a0", " ").replace("\u202f", " ").split())


def hostile_record() -> RunRecord:
    """Return a record in which every free text attacks."""
    cloud = f"c{HOSTILE}"
    links = [("a", f"r{HOSTILE}", 10)]
    plan = planned(links, {cloud: (f"r{HOSTILE}", 1)}, source=(f"h{HOSTILE}", "a"))
    result = delivered(plan, links)
    clouds = (replace(result.clouds[0], complete=False, reason=HOSTILE, region=HOSTILE),)
    finding = Finding(
        id=HOSTILE, severity=Severity.ERROR, place=Place(HOSTILE, 1, HOSTILE), message=HOSTILE,
        evidence=(HOSTILE,), remedy=HOSTILE, subjects=(HOSTILE,),
    )  # fmt: skip
    return replace(
        good_record(), title=HOSTILE, command=HOSTILE, plan=plan, environment={HOSTILE: HOSTILE},
        results=(replace(result, model=HOSTILE, clouds=clouds, notes=(HOSTILE,)),),
        findings=(finding,), not_checked=((HOSTILE, HOSTILE),), trees={},
        pushed=(Pushed(router=HOSTILE, state=HOSTILE, changes=1, detail=HOSTILE),),
    )  # fmt: skip


@pytest.mark.parametrize("record", [good_record(), broken_record(), hostile_record()])
def test_the_page_loads_nothing_and_runs_nothing(record) -> None:
    tree = html.fromstring(page(record))
    for node in tree.iter():
        assert node.tag not in ("script", "link", "iframe", "object", "embed", "base", "img")
        for name, value in node.attrib.items():
            assert not name.startswith("on")
            if name in ("href", "src", "srcset", "action", "data"):
                assert value.startswith("#")
    styles = "".join(node.text or "" for node in tree.iter("style"))
    assert "url(" not in styles
    assert "@import" not in styles
    assert "http" not in page(good_record()).replace('http-equiv="Content', "")


@pytest.mark.parametrize("record", [good_record(), broken_record(), hostile_record()])
def test_the_page_is_well_formed(record) -> None:
    text = page(record)
    tree = html.fromstring(text)
    ids = [node.get("id") for node in tree.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    anchors = {node.get("href", "")[1:] for node in tree.iter("a")}
    assert anchors <= set(ids)
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        etree.fromstring(svg.encode())
    void = {"meta", "br"}
    opened = re.findall(r"<([a-z0-9]+)[\s>]", re.sub(r"<[^>]*/>", "", text))
    for tag in set(opened) - void:
        assert opened.count(tag) == text.count(f"</{tag}>"), tag


@pytest.mark.parametrize("record", [good_record(), broken_record()])
def test_every_cloud_router_link_check_and_finding_is_named(record) -> None:
    shown = words(page(record))
    result = record.results[0]
    names = [c.cloud for c in result.clouds] + list(record.plan.routers)
    names += [use.link for use in result.links] + [c.title for c in record.checks]
    for finding in record.findings:
        names += [finding.id, finding.message, finding.remedy, str(finding.place)]
        names += finding.evidence
    names += [text for row in record.not_checked for text in row] + [record.command]
    names += [text for row in record.environment.items() for text in row]
    for name in names:
        assert name in shown, name


def test_the_headline_says_who_has_it_and_how_long_they_waited() -> None:
    tree = html.fromstring(page(good_record()))
    assert tree.findtext(".//h1") == "All 6 GPU clouds have all-MiniLM-L6-v2."
    shown = words(page(good_record()))
    assert "The slowest, cloud-sanjose, waited 413 ms." in shown
    assert "98.1 MB 5.7× less" in shown
    assert "Delivered and proven 4 not checked" in shown


def test_the_headline_names_who_does_not_have_it_and_why() -> None:
    tree = html.fromstring(page(broken_record()))
    assert tree.findtext(".//h1") == (
        "5 of 6 GPU clouds have all-MiniLM-L6-v2; cloud-seattle does not."
    )
    shown = words(page(broken_record()))
    assert "cloud-seattle (128 GPUs, america): no path from ams1 to sea1" in shown
    assert "Incomplete 1 error 1 warning 1 failed check" in shown


def test_findings_are_shown_worst_first() -> None:
    record = broken_record()
    backwards = replace(record, findings=record.findings[::-1])
    for each in (record, backwards):
        tree = html.fromstring(page(each))
        severities = [
            node.get("class") for node in tree.iter("li") if "finding" in str(node.get("class"))
        ]
        assert severities == ["finding error", "finding warning", "finding note"]


def test_a_full_delivery_with_an_error_is_not_simply_green() -> None:
    record = replace(good_record(), findings=broken_record().findings)
    eyebrow = html.fromstring(page(record)).xpath("//div[contains(@class, 'eyebrow')]")[0]
    assert "warn" in str(eyebrow.get("class"))


def test_drops_are_shown_with_their_reason() -> None:
    assert "214 no neighbor" in words(page(broken_record()))


def test_several_deliveries_have_a_headline_each() -> None:
    record = good_record()
    second = replace(broken_record().results[0], delivery="llama")
    text = page(replace(record, results=(record.results[0], second)))
    assert html.fromstring(text).findtext(".//h1") == "1 of 2 deliveries reached every GPU cloud."
    assert text.count('class="delivery-title"') == 2
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_a_run_without_a_delivery_shows_the_plan() -> None:
    record = replace(good_record(), results=(), trees={}, pushed=(), checks=(), not_checked=())
    shown = words(page(record))
    assert "No model was delivered in this run." in shown
    assert "12 routers, 6 GPU clouds, 1 planned flow" in shown
    assert "Nothing was pushed in this run." in shown
    assert "no check was run" in shown
    assert "nothing was delivered" in summary_table(record)


def test_a_delivery_that_reached_nobody_is_a_page_too() -> None:
    record = good_record()
    clouds = tuple(
        replace(c, complete=False, identical=False, first_byte=None, last_byte=None, verified=None,
                first_tensor=None, reason="dead")
        for c in record.results[0].clouds
    )  # fmt: skip
    failed = replace(record.results[0], clouds=clouds, unicast_duration=float("inf"))
    text = page(replace(record, results=(failed,)))
    assert html.fromstring(text).findtext(".//h1") == "No GPU cloud has all-MiniLM-L6-v2."
    assert "nan" not in text
    nobody = replace(failed, clouds=(), links=(), routers=(), egress=0, duration=0.0)
    assert "addressed to no GPU cloud" in page(replace(record, results=(nobody,)))


def test_trouble_of_a_push_is_open_to_see() -> None:
    record = replace(
        good_record(),
        pushed=(
            Pushed(router="ams1", state="confirmed", changes=3),
            Pushed(router="fra1", state="in doubt", changes=2, detail="session lost"),
        ),
    )
    text = page(record)
    assert "<details open>" in text
    assert "session lost" in words(text)
    assert "<details open>" not in page(good_record())


def test_summaries_stay_on_their_lines_and_escape() -> None:
    text = markdown(hostile_record())
    assert "<script>" not in text.replace("`` <script>", "").split("llmsync 0.1.0")[0].replace(
        "\\<script\\>", ""
    )
    rows = [line for line in text.splitlines() if line.startswith("| c")]
    assert rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 10 for row in rows)
    steering = replace(hostile_record(), findings=(), checks=(), not_checked=(("\x1b[2J", "x"),))
    assert "\x1b" not in summary_table(steering)
