"""The lock file: what is written is read, and nothing ambiguous is."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import PlanError
from toolkit.plan.lock import EMPTY_LOCK, format_lock, parse_lock
from toolkit.plan.model import Lock

names = st.text("abcr0123456789-", min_size=1, max_size=8)
sections = st.lists(names, unique=True, max_size=6).map(
    lambda found: {name: number for number, name in enumerate(found, 1)}
)
locks = st.builds(
    Lock, bfr_ids=sections, routers=sections, links=sections, hosts=sections, deliveries=sections
)


def told(text: str) -> list[str]:
    with pytest.raises(PlanError) as caught:
        parse_lock(text, "x.lock.json")
    return [str(problem) for problem in caught.value.problems]


@given(locks)
def test_what_is_written_is_read(lock: Lock) -> None:
    text = format_lock(lock)
    assert parse_lock(text) == lock
    assert format_lock(parse_lock(text)) == text


def test_one_name_a_line_in_the_order_people_count() -> None:
    lock = Lock(bfr_ids={}, routers={"r10": 2, "r2": 1}, links={}, hosts={}, deliveries={})
    lines = format_lock(lock).splitlines()
    assert lines[:6] == [
        "{", '  "version": 1,', '  "bfr_ids": {},', '  "routers": {', '    "r2": 1,',
        '    "r10": 2',
    ]  # fmt: skip


def test_text_that_is_no_json_names_its_line() -> None:
    assert told('{\n  "version": 1,\n}') == [
        "x.lock.json:3: not JSON: Expecting property name enclosed in double quotes"
        " (restore the file from version control, or remove the entry)"
    ]


@pytest.mark.parametrize("text", ["[" * 100_000, f'{{"version": {"9" * 5000}}}', "[]", "7"])
def test_json_that_is_no_lock_is_refused(text: str) -> None:
    assert len(told(text)) == 1


def test_another_version_is_refused_without_guessing() -> None:
    assert told('{\n  "version": 2\n}') == [
        "x.lock.json:2: version: version 2 is not known; this is version 1"
        " (use the llmsync that wrote it, or a newer one)"
    ]


def test_every_problem_is_told_with_its_line() -> None:
    text = """\
{
  "version": 1,
  "bfr_ids": {
    "a": 1,
    "b": 1,
    "c": 70000
  },
  "routers": {
    "a": 1,
    "a": 2,
    "b": "3"
  },
  "links": [],
  "deliveries": {},
  "more": {}
}
"""
    remedy = " (restore the file from version control, or remove the entry)"
    assert sorted(told(text)) == sorted(
        line + remedy
        for line in (
            "x.lock.json: hosts: is missing",
            "x.lock.json:5: bfr_ids.b: b has 1, which is also that of a",
            "x.lock.json:6: bfr_ids.c: 70000 is not 1 to 65535",
            "x.lock.json:10: routers.a: stands there twice",
            "x.lock.json:11: routers.b: is not a whole number",
            "x.lock.json:13: links: is not an object",
            "x.lock.json:15: more: unknown section",
        )
    )


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(("version", "bfr_ids", "routers", "links", "hosts", "deliveries", "x")),
        inner,
        max_size=6,
    ),
))  # fmt: skip
def test_any_json_is_a_lock_or_a_problem(document: object) -> None:
    if isinstance(document, dict):
        document = {**json.loads(format_lock(EMPTY_LOCK)), **document}
    with contextlib.suppress(PlanError):
        lock = parse_lock(json.dumps(document))
        assert parse_lock(format_lock(lock)) == lock
