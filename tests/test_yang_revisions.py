"""What another revision changes of a configuration, and how it is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from yang_devices import REVISION, newer
from yang_sets import EXAMPLES, FOLDERS, needs_modules

from toolkit.datafiles import data_folder
from toolkit.yang.fetched import device_folder, store
from toolkit.yang.library import Library, LibraryModule
from toolkit.yang.nodes import Difference, differences, read_nodes, used_paths
from toolkit.yang.platforms import platform_schema
from toolkit.yang.revisions import check_revisions
from toolkit.yang.schema import Schema, reference_schema

GOLDEN = Path(__file__).parent / "golden" / "yang"
ISIS = "urn:llmsync:isis"
TREE = {
    "ietf-interfaces:interfaces": {
        "interface": [{"name": "e0", "type": "iana-if-type:ethernetCsmacd"}]
    },
    "llmsync-isis:isis": {
        "system-id": "0000.0000.0001",
        "area-address": ["49.0001"],
        "hostname": "r1",
        "interface": [{"name": "e0", "metric": 7}],
    },
}
KINDS = {
    "gone": ('    leaf hostname {\n      type string {\n        length "1..255";\n      }',
             '    leaf dynamic-name {\n      type string {\n        length "1..255";\n      }'),
    "narrower": ('range "1..16777214"', 'range "1..63"'),
    "mandatory": ("    leaf hostname {",
                  "    leaf level {\n      type uint8;\n      mandatory true;\n"
                  '      description "Level.";\n    }\n    leaf hostname {'),
    "must": ('    presence "The router runs IS-IS.";',
             '    presence "The router runs IS-IS.";\n    must "interface[passive = \'false\']";'),
    "default": ('default "false";\n        description "Advertise',
                'default "true";\n        description "Advertise'),
    "nothing of ours": ("    list route {", "    list path {"),
}  # fmt: skip


def golden(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def announced(**other: str) -> list[tuple[str, str]]:
    modules = reference_schema().modules()
    return [(m.name, other.get(m.name.replace("-", "_"), m.revision)) for m in modules]


def refusal(folder: Path, *kinds: str, tree: object = TREE) -> str:
    """Return what is said of a router whose llmsync-isis has these changes."""
    schema = newer(folder, "llmsync-isis", *(KINDS[kind] for kind in kinds))
    text = next(m.text for m in schema.modules() if m.name == "llmsync-isis")
    problems = check_revisions(
        "r1", announced(llmsync_isis=REVISION), "reference", {ISIS},
        tree=tree, text_of=lambda name, revision: text,  # type: ignore[arg-type]
    )  # fmt: skip
    return "".join(f"{problem}\n" for problem in problems)


def test_what_was_proven_is_what_is_announced() -> None:
    assert check_revisions("r1", announced(), "reference", {ISIS}, tree=TREE) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_difference(kind: str, tmp_path: Path) -> None:
    golden(f"revision-{kind.replace(' ', '-')}.txt", refusal(tmp_path / "m", kind))


def test_all_differences_are_said_at_once(tmp_path: Path) -> None:
    said = refusal(tmp_path / "m", *(kind for kind in KINDS if kind != "gone"))
    assert "of the nodes that it uses 4 differ" in said
    assert len(said.splitlines()) == 5


def test_without_the_configuration_every_node_counts(tmp_path: Path) -> None:
    said = refusal(tmp_path / "m", "gone", tree=None)
    assert "of the module's nodes 1 differs" in said
    assert "/llmsync-isis:isis/hostname: is gone" in said


def test_other_modules_do_not_matter() -> None:
    other = announced(llmsync_pim="1999-01-01")
    assert check_revisions("r1", other, "reference", {ISIS}, tree=TREE) == []


def test_a_module_that_is_not_announced_a_deviation_and_silence(tmp_path: Path) -> None:
    lacking = [entry for entry in announced() if entry[0] != "llmsync-isis"]
    deviating = [
        LibraryModule(name=name, revision=revision, deviations=("acme-isis-deviations",))
        if name == "llmsync-isis"
        else LibraryModule(name=name, revision=revision)
        for name, revision in announced()
    ]
    text = "".join(
        f"{problem}\n"
        for case in (lacking, deviating, [])
        for problem in check_revisions("r1", case, "reference", {ISIS}, tree=TREE)
    )
    golden("revision-others.txt", text)


@needs_modules
def test_a_feature_that_is_used_and_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSYNC_YANG_PATH", os.pathsep.join(map(str, FOLDERS)))
    tree = json.loads((EXAMPLES / "ietf.json").read_text())
    igmp = "urn:ietf:params:xml:ns:yang:ietf-igmp-mld"
    schema = platform_schema("ietf")
    assert isinstance(schema, Schema)
    module = next(m for m in schema.modules() if m.name == "ietf-igmp-mld")

    def said(*off: str) -> str:
        features = tuple(f for f in module.features if f not in off)
        listed = [LibraryModule(name=module.name, revision=module.revision, features=features)]
        problems = check_revisions("r1", listed, "ietf", {igmp}, tree=tree)
        return "".join(f"{problem}\n" for problem in problems)

    assert said() == ""
    assert said("intf-ssm-map", "feature-mld") == ""  # not used
    golden("revision-features.txt", said("intf-static-group") + said("feature-igmp"))


def test_a_text_that_nobody_has_is_no_permission() -> None:
    other = announced(llmsync_isis=REVISION)
    (problem,) = check_revisions("r1", other, "reference", {ISIS}, tree=TREE)
    golden("revision-unknown.txt", f"{problem}\n")
    (problem,) = check_revisions(
        "r1", other, "reference", {ISIS}, tree=TREE, text_of=lambda name, revision: "module {"
    )
    assert "what differs is not known, since pyang cannot read it" in str(problem)


@needs_modules
def test_a_fetch_helps_where_configurations_are_proven_by_fetched_modules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLMSYNC_YANG_PATH", os.pathsep.join(map(str, FOLDERS)))
    (problem,) = check_revisions(
        "r1", [("ietf-bier", "2031-01-01")], "ietf", {"urn:ietf:params:xml:ns:yang:ietf-bier"}
    )
    assert problem.remedy == (
        "llmsync yang fetch INVENTORY --device r1; or push with --accept-revisions"
    )


def test_submodules_are_part_of_their_module(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A device's module whose text changes in a submodule alone."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("LLMSYNC_YANG_PATH", "")

    def texts(revision: str, kind: str) -> dict[tuple[str, str], str]:
        main = (
            "module a { yang-version 1.1; namespace urn:a; prefix a; include part; "
            f"revision {revision}; }}"
        )
        part = (
            "submodule part { yang-version 1.1; belongs-to a { prefix a; } "
            f"revision {revision}; leaf x {{ type {kind}; }} }}"
        )
        return {("a", revision): main, ("part", revision): part}

    module = LibraryModule(
        name="a", revision="2020-01-01", namespace="urn:a", submodules=(("part", "2020-01-01"),)
    )
    library = Library(device="r1", source="", modules=(module,))
    store(library, texts("2020-01-01", "string"), device_folder("r1"))
    new = {name: text for (name, _), text in texts("2021-01-01", "uint8").items()}

    def said(**there: str) -> str:
        problems = check_revisions(
            "r1", [("a", "2021-01-01")], "iosxr", {"urn:a"}, tree={"a:x": "7"},
            text_of=lambda name, revision: there.get(name),
        )  # fmt: skip
        return "\n".join(map(str, problems))

    assert "/a:x: type is uint8, was string in a of 2021-01-01" in said(**new)
    assert "what differs is not known, since its text is not at hand" in said(a=new["a"])


def test_what_nothing_proves_is_refused_too() -> None:
    (problem,) = check_revisions("r1", [("x", "")], "iosxr", {"urn:x"})
    assert "no schema has proven its configuration" in str(problem)
    assert "--accept-revisions" in str(problem)


@needs_modules
def test_the_later_draft_of_bier_is_refused_with_what_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLMSYNC_YANG_PATH", os.pathsep.join(map(str, FOLDERS)))
    tree = json.loads((EXAMPLES / "ietf.json").read_text())
    problems = check_revisions(
        "r1", [("ietf-bier", "2023-09-12")], "ietf",
        {"urn:ietf:params:xml:ns:yang:ietf-bier"}, tree=tree,
    )  # fmt: skip
    golden("revision-bier.txt", "".join(f"{problem}\n" for problem in problems))


def test_used_paths_are_those_of_nodes_and_identities() -> None:
    assert used_paths(TREE) == {
        "/ietf-interfaces:interfaces",
        "/ietf-interfaces:interfaces/interface",
        "/ietf-interfaces:interfaces/interface/name",
        "/ietf-interfaces:interfaces/interface/type",
        "identity iana-if-type:ethernetCsmacd",
        "/llmsync-isis:isis",
        "/llmsync-isis:isis/system-id",
        "/llmsync-isis:isis/area-address",
        "/llmsync-isis:isis/hostname",
        "/llmsync-isis:isis/interface",
        "/llmsync-isis:isis/interface/name",
        "/llmsync-isis:isis/interface/metric",
    }


def test_an_identity_that_is_gone_matters_where_it_is_used() -> None:
    old = {"identity a:one": {"kind": "identity"}, "identity a:two": {"kind": "identity"}}
    new = {"identity a:two": {"kind": "identity"}}
    assert differences(old, new, {"identity a:two"}) == ()
    assert differences(old, new, {"identity a:one"}) == (Difference("identity a:one", "is gone"),)


def test_more_values_and_wider_things_are_no_difference_fewer_are() -> None:
    old = {"/a:x": {"kind": "leaf", "type": "enumeration enum one enum two"}}
    new = {"/a:x": {"kind": "leaf", "type": "enumeration enum one enum two enum three"}}
    assert differences(old, new) == ()
    assert differences(new, old) == (Difference("/a:x", "has no more value three"),)


def test_nodes_are_those_of_the_configuration_augments_too() -> None:
    text = (data_folder("yang") / "llmsync-isis.yang").read_text()
    nodes = read_nodes({"llmsync-isis": text}, (data_folder("yang"),))["llmsync-isis"]
    assert nodes["/llmsync-isis:isis/interface/metric"] == {
        "kind": "leaf",
        "default": "10",
        "type": "uint32 range 1..16777214",
    }
    assert "/ietf-interfaces:interfaces/interface/llmsync-isis:network-mtu" in nodes
    assert not any("adjacency" in path for path in nodes)  # state


def test_another_revision_on_the_search_path_adds_nothing(tmp_path: Path) -> None:
    head = "yang-version 1.1; namespace urn:{0}; prefix {0};"
    old = f"module a {{ {head.format('a')} revision 2030-01-01; leaf gone {{ type string; }} }}"
    (tmp_path / "a@2030-01-01.yang").write_text(old)
    new = f"module a {{ {head.format('a')} revision 2020-01-01; leaf kept {{ type string; }} }}"
    user = (
        f"module b {{ {head.format('b')} import a {{ prefix a; revision-date 2030-01-01; }} "
        "revision 2020-01-01; leaf y { type string; } }"
    )
    nodes = read_nodes({"a": new, "b": user}, (tmp_path,))
    assert set(nodes["a"]) == {"/a:kept"}
    assert set(nodes["b"]) == {"/b:y"}


def test_without_readable_modules_there_are_no_nodes() -> None:
    assert read_nodes({"nonsense": "module {"}, ()) == {}
