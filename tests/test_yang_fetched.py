"""The store of devices' modules, and the list of them that is kept with it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.errors import EnvironmentProblem, SchemaError
from toolkit.yang.fetched import device_folder, read_library, store
from toolkit.yang.library import (
    Library,
    LibraryModule,
    NoLibraryError,
    by_name,
    format_library,
    needed_modules,
    parse_library,
)
from toolkit.yang.modulefile import deviated_modules, find_module, identity, imports
from toolkit.yang.platforms import Unproven, platform_schema

WHOLE = (
    LibraryModule(
        name="a", revision="2026-01-01", namespace="urn:a", features=("f", "g"),
        deviations=("b",), submodules=(("a-part", ""),),
    ),
    LibraryModule(name="b", revision="2026-01-01", namespace="urn:b", implemented=False),
)  # fmt: skip


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_a_library_survives_its_file() -> None:
    library = Library(device="r1", source="here", modules=WHOLE)
    assert parse_library(format_library(library)) == library
    known = replace(library, platform="sros")
    assert parse_library(format_library(known)) == known
    older = format_library(library).replace('  "platform": "",\n', "")
    assert parse_library(older) == library
    for text in ("", "[]", "{}", '{"version": 2}', '{"version": 1, "device": "x"}'):
        with pytest.raises(NoLibraryError):
            parse_library(text)


def test_modules_of_a_router_of_that_name_and_another_platform_prove_nothing() -> None:
    """One store serves all inventories, and names of routers are their own."""
    library = Library(device="r1", source="here", modules=WHOLE, platform="sros")
    store(library, {("a", "2026-01-01"): "module a {}"}, device_folder("r1"))
    assert isinstance(platform_schema("iosxr", "r1", lambda: {"urn:b"}), Unproven)
    store(replace(library, platform="iosxr"), {}, device_folder("r1"))
    with pytest.raises(SchemaError, match="the device has no module of namespace urn:b"):
        platform_schema("iosxr", "r1", lambda: {"urn:b"})


def test_what_is_needed_of_a_library_and_what_it_lacks() -> None:
    deviating = LibraryModule(name="b", namespace="urn:b")
    library = Library(device="r1", source="", modules=(*WHOLE[:1], deviating))
    assert needed_modules(library, {"urn:a", "urn:q"}) == ((deviating, WHOLE[0]), ("urn:q",))
    assert needed_modules(library, {"urn:b"}) == ((deviating,), ())


def test_a_store_is_replaced_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "s" / "r1"
    library = Library(device="r1", source="", modules=WHOLE)
    store(library, {("a", "2026-01-01"): "one", ("b", ""): "two"}, folder)
    assert {f.name for f in folder.iterdir()} == {"a@2026-01-01.yang", "b.yang", "library.json"}
    store(library, {("c", ""): "three"}, folder)
    assert {f.name for f in folder.iterdir()} == {"c.yang", "library.json"}
    written = []
    real = os.fsync

    def full(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentProblem, match="cannot be written: No space left on device"):
        store(library, {("d", ""): "four", ("e", ""): "five"}, folder)
    assert {f.name for f in folder.iterdir()} == {"c.yang", "library.json"}
    assert [f.name for f in folder.parent.iterdir()] == ["r1"]


def test_a_damaged_store_is_said_with_the_way_out() -> None:
    folder = device_folder("r1")
    assert read_library("r1") is None
    folder.mkdir(parents=True)
    (folder / "library.json").write_text("{")
    with pytest.raises(EnvironmentProblem, match="fetch the modules of r1 again: llmsync yang"):
        read_library("r1")


def test_devices_with_equal_modules_have_equal_digests() -> None:
    one = Library(device="r1", source="here", modules=WHOLE)
    other = Library(device="r2", source="there", modules=WHOLE[::-1])
    assert one.digest == other.digest
    assert one.digest != Library(device="r1", source="here", modules=WHOLE[:1]).digest


def test_a_module_may_be_there_in_several_revisions() -> None:
    assert by_name([("a", "2"), ("a", "1"), ("b", "")]) == {
        "a": frozenset({"1", "2"}),
        "b": frozenset({""}),
    }


def test_a_revision_that_is_asked_for_is_found_and_no_other(tmp_path: Path) -> None:
    for revision in ("2020-01-01", "2021-01-01"):
        text = f"module a {{ namespace urn:a; prefix a; revision {revision}; }}"
        (tmp_path / f"a@{revision}.yang").write_text(text)
    assert find_module("a", [tmp_path]).name == "a@2021-01-01.yang"
    assert find_module("a@2020-01-01", [tmp_path]).name == "a@2020-01-01.yang"
    with pytest.raises(EnvironmentProblem, match="YANG module a@2022-01-01 is not in"):
        find_module("a@2022-01-01", [tmp_path])


def test_what_a_text_says_of_itself() -> None:
    text = """
    // module nonsense {
    submodule part {
      belongs-to a { prefix a; }
      import b { prefix bb; }
      include other { revision-date 2020-01-01; }
      revision 2020-01-01; revision 2021-01-01;
      deviation "/a:x/bb:y"
              + "/bb:z" { deviate not-supported; }
      deviation /a:x/a:w { deviate not-supported; }
    }
    """
    assert identity(text) == ("2021-01-01", "", "submodule part", ("other",))
    assert imports(text) == {"b"}
    assert deviated_modules(text) == {"a", "b"}
