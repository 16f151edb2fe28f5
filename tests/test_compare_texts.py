"""Table, Markdown, JSON and page of a comparison.  LLMSYNC_UPDATE_GOLDEN=1 rewrites
tests/golden/compare."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from compare_sample import comparison
from lxml import html

from toolkit.compare.model import SCHEMA, Source, document
from toolkit.compare.page import page
from toolkit.compare.pictures import panels
from toolkit.compare.sections import sections
from toolkit.compare.summary import markdown, table

GOLDEN = Path(__file__).parent / "golden" / "compare"
HOSTILE = "<script>alert(1)</script>\"'&|`"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sample.txt", table(comparison())),
        ("sample.md", markdown(comparison())),
        ("model-only.txt", table(comparison(run=False))),
        ("sample.json", json.dumps(document(comparison()), indent=1)),
    ],
)
def test_the_text_is_the_golden_one(file: str, text: str) -> None:
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / file).write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == (GOLDEN / file).read_text(encoding="utf-8")


def test_every_row_has_a_cell_for_every_transport_and_says_where_it_comes_from() -> None:
    for shown in (comparison(), comparison(run=False)):
        for section in sections(shown):
            for row in section.rows:
                assert len(row.cells) == len(shown.figures)
                assert row.source in Source


def test_without_a_run_nothing_is_called_measured() -> None:
    shown = comparison(run=False)
    assert {row.source for s in sections(shown) for row in s.rows} == {Source.COMPUTED}
    assert not any(panel.measured for panel in panels(shown))
    assert "measured" not in table(shown)


def test_a_cloud_that_is_incomplete_has_no_time() -> None:
    (section,) = (s for s in sections(comparison()) if s.key == "completion")
    cells = {row.label: row.cells for row in section.rows}
    assert cells["cloud-b"][1] == "incomplete"


def test_the_document_names_its_schema_and_survives_json() -> None:
    told = json.loads(json.dumps(document(comparison())))
    assert told["schema"] == SCHEMA
    assert [f["transport"] for f in told["figures"]] == ["bier", "pim-sm"]
    assert told["figures"][1]["events"][2]["unserved"] == {"l1": ["cloud-b"]}
    assert told["refused"][0]["transport"] == "sr-p2mp"


@pytest.mark.parametrize("run", [True, False])
@pytest.mark.parametrize("hostile", ["", HOSTILE])
def test_the_page_loads_nothing_runs_nothing_and_escapes_names(run: bool, hostile: str) -> None:
    text = page(comparison(run=run, hostile=hostile))
    tree = html.fromstring(text)
    for node in tree.iter():
        assert node.tag not in ("script", "link", "iframe", "object", "embed", "base", "img")
        for name, value in node.attrib.items():
            assert not name.startswith("on")
            if name in ("href", "src"):
                assert value.startswith("#")
    assert "url(" not in text
    words = tree.text_content()
    assert f"llmsync compare sample{hostile}" in words
    assert f"r1 (junos) has no SR-P2MP{hostile}" in words
    ids = [node.get("id") for node in tree.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
