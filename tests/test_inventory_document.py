"""YAML with positions."""

from __future__ import annotations

from toolkit.errors import Place
from toolkit.inventory.document import dotted, parse_document, read_document


def read(text: str):
    document, problems = parse_document(text, "f.yaml")
    assert document is not None, problems
    return document, [str(problem) for problem in problems]


def refused(text: str) -> str:
    document, problems = parse_document(text, "f.yaml")
    assert document is None
    (problem,) = problems
    return str(problem)


def test_every_value_has_the_line_of_its_key():
    document, _ = read("a:\n  b: 1\n  c:\n    - x\n    - y: 2\n")
    assert document.data == {"a": {"b": 1, "c": ["x", {"y": 2}]}}
    assert document.place(("a", "b")) == Place("f.yaml", 2, "a.b")
    assert document.place(("a", "c")) == Place("f.yaml", 3, "a.c")
    assert document.place(("a", "c", 1)) == Place("f.yaml", 5, "a.c[1]")
    assert document.place(("a", "c", 1, "y")) == Place("f.yaml", 5, "a.c[1].y")


def test_a_value_that_is_missing_stands_where_it_would_be():
    document, _ = read("a:\n  b: {c: 1}\n")
    assert document.place(("a", "b", "d")) == Place("f.yaml", 2, "a.b.d")
    assert document.place(("z",)) == Place("f.yaml", 1, "z")


def test_a_scalar_keeps_its_spelling():
    document, _ = read("a: 49.0010\nb: no\nc: 0x10\nd: 2026-11-23\ne:\nf: []\ng: {}\nh: '5'\n")
    assert document.data == {
        "a": 49.001, "b": False, "c": 16, "d": "2026-11-23", "e": None, "f": [], "g": {}, "h": "5",
    }  # fmt: skip
    said = [document.subject((key,)) for key in document.data]
    assert said == [
        "'49.0010'", "'no'", "'0x10'", "'2026-11-23'", "an empty value", "a list", "a mapping",
        "'5'",
    ]  # fmt: skip


def test_a_key_twice_is_a_problem_and_the_first_one_counts():
    document, problems = read("a: 1\nb: {c: 1, c: 2}\na: 2\n")
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert problems == [
        "f.yaml:2: b.c: duplicate key, first on line 2 (remove one of the two)",
        "f.yaml:3: a: duplicate key, first on line 1 (remove one of the two)",
    ]


def test_merge_keys_bring_in_what_is_not_there_yet():
    text = "base: &b {x: 1, y: 1}\nmore: &m {<<: *b, y: 2, z: 2}\nall: {<<: [*m, *b], z: 3}\n"
    document, problems = read(text)
    assert document.data["more"] == {"y": 2, "z": 2, "x": 1}
    assert document.data["all"] == {"z": 3, "y": 2, "x": 1}
    assert problems == []
    assert document.place(("all", "y")) == Place("f.yaml", 2, "all.y")
    assert document.place(("all", "x")) == Place("f.yaml", 1, "all.x")


def test_an_alias_of_itself_ends():
    assert refused("a: &a\n  b: *a\n") == "f.yaml:2: nested too deeply to be an inventory"
    assert "nested too deeply" in refused("a: &a\n  <<: *a\n  b: 1\n")
    assert "nested too deeply" in refused("a: " + "[" * 5000 + "]" * 5000)
    assert "nested too deeply" in refused("a: " + "[" * 50 + "]" * 50)


def test_a_few_lines_cannot_stand_for_billions():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert refused("\n".join(lines)).endswith("aliases repeat more than 100000 values")
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    assert refused("\n".join(lines)).endswith("aliases repeat more than 100000 values")


def test_a_number_too_long_for_a_number_is_text():
    document, _ = read(f"a: {'9' * 5000}\nb: 0x{'f' * 5000}\nc: 0b_\nd: .\ne: !!int x\n")
    assert document.data["a"] == "9" * 5000
    assert isinstance(document.data["b"], str)
    assert document.data["c"] == "0b_"
    assert document.data["e"] == "x"


def test_an_escape_that_names_no_character_is_said():
    assert refused('a: "\\U00110000"\n') == "f.yaml: not YAML: an escape names no character"


def test_half_a_character_is_no_key():
    document, problems = read('"\\ud800": 1\nb: "\\ud800"\n')
    assert document.data == {"b": "\ud800"}
    assert problems == ["f.yaml:1: a key holds half a character (remove the escape)"]


def test_a_byte_order_mark_is_fine(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: x\n")
    document, problems = read_document(file)
    assert document is not None
    assert document.data == {"name": "x"}
    assert problems == []


def test_utf_16_is_not_utf_8(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_bytes("name: x\n".encode("utf-16"))
    document, (problem,) = read_document(file)
    assert document is None
    assert problem.what == "byte 0xff is not UTF-8"


def test_a_path_is_one_line():
    assert dotted(("routers", "a\nb", "x", 3, "")) == "routers.a\\nb.x[3].''"
