"""Modules of devices: their lists read, their texts fetched and stored, whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import netconfd_server
import pytest
from netconf_farm import network
from netconf_farm import tree as small
from platform_cases import cases
from yang_devices import REVISION, newer
from yang_sets import FOLDERS, needs_modules

from toolkit.cli import cmd_device
from toolkit.cli.main import main
from toolkit.datafiles import data_folder
from toolkit.errors import DeviceError, SchemaError, UnreachableError
from toolkit.inventory.model import Platform
from toolkit.netconf import announced
from toolkit.netconf.device import Device, DeviceFarm
from toolkit.netconf.faults import Fault, FaultKind
from toolkit.netconf.fetch import announced_by, fetch, library_of, session, text_of
from toolkit.netconf.messages import Reply
from toolkit.netconf.tree import Node, QName, parse_xml
from toolkit.plan.expand import make_plan
from toolkit.render.payload import render_plan, validate
from toolkit.yang import xmltext
from toolkit.yang.fetched import device_folder, read_library, store
from toolkit.yang.library import (
    Library,
    LibraryModule,
)
from toolkit.yang.platforms import Unproven, platform_schema
from toolkit.yang.revisions import check_revisions
from toolkit.yang.schema import Schema, reference_schema

DEMO = data_folder("inventories") / "demo"
MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
needs_netconfd = pytest.mark.skipif(
    bool(netconfd_server.MISSING), reason=netconfd_server.MISSING or "there"
)


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


class Canned:
    """A device of a few modules; `asked` is what was asked of it."""

    def __init__(self, *capabilities: str, gets: dict[str, str], schemas: dict[str, str]) -> None:
        self.capabilities = frozenset(capabilities)
        self._gets, self._schemas = gets, schemas
        self.asked: list[str] = []

    def request(self, operation: str) -> Reply:
        node = parse_xml(operation)
        if node.name.local == "get-schema":
            identifier = node.child("identifier")
            assert identifier is not None
            self.asked.append(identifier.text)
            if identifier.text not in self._schemas:
                raise DeviceError("r1", "invalid-value", "there is no such schema")
            text = self._schemas[identifier.text]
            return Reply((Node(QName(MONITORING, "data"), text),), (), ())
        wanted = node.children[0].children[0].name.local
        if wanted not in self._gets:
            raise DeviceError("r1", "unknown-element", wanted)
        return Reply((parse_xml(f"<data>{self._gets[wanted]}</data>"),), (), ())


def module(name: str, body: str = "", revision: str = "2026-01-01", kind: str = "module") -> str:
    head = f'namespace "urn:{name}"; prefix {name};'
    if kind == "submodule":
        head = "belongs-to a { prefix a; }"
    return f"{kind} {name} {{ {head} {body} revision {revision}; }}"


A = "urn:a?module=a&revision=2026-01-01&features=f,g&deviations=b"
LISTED = {
    "yang-library": (
        '<yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"><module-set>'
        "<name>one</name><module><name>a</name><revision>2026-01-01</revision>"
        "<namespace>urn:a</namespace><submodule><name>a-part</name></submodule>"
        "<feature>f</feature><feature>g</feature><deviation>b</deviation></module>"
        "<import-only-module><name>b</name><revision>2026-01-01</revision>"
        "<namespace>urn:b</namespace></import-only-module></module-set></yang-library>"
    ),
    "modules-state": (
        '<modules-state xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"><module>'
        "<name>a</name><revision>2026-01-01</revision><namespace>urn:a</namespace>"
        "<feature>g</feature><feature>f</feature><deviation><name>b</name>"
        "<revision>2026-01-01</revision></deviation><submodule><name>a-part</name>"
        "<revision/></submodule><conformance-type>implement</conformance-type></module>"
        "<module><name>b</name><revision>2026-01-01</revision><namespace>urn:b</namespace>"
        "<conformance-type>import</conformance-type></module></modules-state>"
    ),
    "netconf-state": (
        f'<netconf-state xmlns="{MONITORING}"><schemas><schema><identifier>a</identifier>'
        "<version>2026-01-01</version><format>yang</format><namespace>urn:a</namespace></schema>"
        "<schema><identifier>x</identifier><version/><format>yin</format></schema>"
        "</schemas></netconf-state>"
    ),
}
SCHEMAS = {
    "a": module("a", "include a-part; import b { prefix b; } import c { prefix c; }"),
    "a-part": module("a-part", revision="2025-01-01", kind="submodule"),
    "b": module("b"),
    "c": module("c", revision="2024-01-01"),
}
WHOLE = (
    LibraryModule(
        name="a", revision="2026-01-01", namespace="urn:a", features=("f", "g"),
        deviations=("b",), submodules=(("a-part", ""),),
    ),
    LibraryModule(name="b", revision="2026-01-01", namespace="urn:b", implemented=False),
)  # fmt: skip
LIBRARY_1_1 = "urn:ietf:params:netconf:capability:yang-library:1.1?revision=2019-01-04&content-id=1"
LIBRARY_1_0 = (
    "urn:ietf:params:netconf:capability:yang-library:1.0?revision=2016-06-21&module-set-id=1"
)


@pytest.mark.parametrize(
    ("capabilities", "gets", "source"),
    [
        ((LIBRARY_1_1, A), ("yang-library",), "yang-library (RFC 8525)"),
        ((LIBRARY_1_1, A), ("modules-state",), "modules-state (RFC 7895)"),
        ((LIBRARY_1_0, A), ("modules-state",), "modules-state (RFC 7895)"),
        (
            ("urn:x?module=ietf-yang-library&amp;revision=2019-01-04", A),
            ("yang-library",),
            "yang-library (RFC 8525)",
        ),
    ],
)
def test_the_best_list_that_a_device_has_is_read(
    capabilities: tuple[str, ...], gets: tuple[str, ...], source: str
) -> None:
    device = Canned(*capabilities, gets={name: LISTED[name] for name in gets}, schemas={})
    library = library_of("r1", device)
    assert (library.source, library.modules) == (source, WHOLE)


def test_a_hello_says_what_it_can_and_schemas_are_the_last_resort() -> None:
    library = library_of("r1", Canned(LIBRARY_1_0, A, "urn:z", gets={}, schemas={}))
    assert library.source == "its hello (RFC 6020)"
    assert library.modules == (
        LibraryModule(
            name="a", revision="2026-01-01", namespace="urn:a", features=("f", "g"),
            deviations=("b",),
        ),
    )  # fmt: skip
    library = library_of("r1", Canned(gets=LISTED, schemas={}))
    assert library.source == "netconf-state (RFC 6022)"
    assert [str(m) for m in library.modules] == ["a@2026-01-01"]
    assert announced.sources(["urn:x"]) == ()


def test_submodules_and_unlisted_imports_are_fetched_too() -> None:
    device = Canned(A, gets={}, schemas=SCHEMAS)
    library, texts = fetch("r1", device)
    assert [str(m) for m in library.modules] == ["a@2026-01-01", "b@2026-01-01", "c@2024-01-01"]
    assert library.modules[0].submodules == (("a-part", "2025-01-01"),)
    assert [m.implemented for m in library.modules] == [True, False, False]
    assert set(texts) == {
        ("a", "2026-01-01"), ("a-part", "2025-01-01"), ("b", "2026-01-01"), ("c", "2024-01-01"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("schemas", "said"),
    [
        (
            {k: v for k, v in SCHEMAS.items() if k not in ("b", "a-part")},
            [
                "r1: get-schema gives no a-part: invalid-value: there is no such schema",
                "r1: get-schema gives no b@2026-01-01: invalid-value: there is no such schema",
            ],
        ),
        (
            {**SCHEMAS, "b": module("b", revision="2020-02-02")},
            ["r1: get-schema gives b of 2020-02-02, not of 2026-01-01"],
        ),
        ({**SCHEMAS, "b": module("z")}, ["r1: get-schema of b@2026-01-01 gives no such module"]),
    ],
    ids=["missing", "another revision", "another module"],
)
def test_all_modules_or_none(schemas: dict[str, str], said: list[str]) -> None:
    device = Canned(LIBRARY_1_1, gets={"yang-library": LISTED["yang-library"]}, schemas=schemas)
    with pytest.raises(SchemaError) as caught:
        fetch("r1", device)
    assert [str(problem) for problem in caught.value.problems] == said


class Endless(dict[str, str]):
    """Modules that each import another one."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> str:
        return module(name, f"import {name}x {{ prefix x; }}")


def test_modules_that_import_ever_new_ones_come_to_an_end() -> None:
    device = Canned("urn:a?module=a&revision=2026-01-01", gets={}, schemas=Endless())
    with pytest.raises(SchemaError, match="import more than 500 that its list has not"):
        fetch("r1", device)
    assert len(device.asked) <= 502


def test_a_device_that_says_nothing() -> None:
    with pytest.raises(SchemaError, match="it announces no YANG modules, and lists no schemas"):
        fetch("r1", Canned(gets={}, schemas={}))


def fetched(schema: Schema, name: str = "r1") -> Library:
    with DeviceFarm([Device(name, schema)]) as farm:
        from netconf_farm import Network

        target = Network(farm, None).target(name)  # type: ignore[arg-type]
        with session(target, 10) as opened:
            library, texts = fetch(name, opened)
    store(library, texts, device_folder(name))
    return library


def test_the_modules_of_an_embedded_router_prove_its_configuration() -> None:
    """As for IOS XR, whose modules nobody but a device may hand out."""
    xml = reference_schema().to_xml(small(1))
    assert validate("r1", xml, Platform.IOSXR).unproven
    library = fetched(reference_schema())
    assert library.source == "yang-library (RFC 8525)"
    own = {m.name for m in reference_schema().modules()}
    assert own <= {m.name for m in library.modules}
    payload = validate("r1", xml, Platform.IOSXR)
    assert not payload.unproven
    assert payload.tree == small(1)
    with pytest.raises(SchemaError, match="metric"):
        validate("r1", xml.replace("<metric>10<", "<metric>0<"), Platform.IOSXR)
    # Another device's configuration is not proven by them.
    assert isinstance(platform_schema("iosxr", "r2"), Unproven)
    with pytest.raises(SchemaError, match="r1: the device has no module of namespace urn:x"):
        validate("r1", '<x xmlns="urn:x"/>', Platform.IOSXR)
    names = [(m.name, m.revision) for m in library.modules]
    assert check_revisions("r1", names, "iosxr", {"urn:llmsync:isis"}) == []


def test_a_device_of_newer_modules_is_refused_until_they_are_fetched(tmp_path: Path) -> None:
    tight = newer(tmp_path / "m", "llmsync-isis", ('range "1..16777214"', 'range "1..63"'))
    fetched(reference_schema())
    tree = {**small(1)}
    with DeviceFarm([Device("r1", tight)]) as farm:
        from netconf_farm import Network

        with session(Network(farm, None).target("r1"), 10) as opened:  # type: ignore[arg-type]
            listed = library_of("r1", opened).modules
            said = check_revisions(
                "r1", listed, "iosxr", {"urn:llmsync:isis"}, tree=tree, text_of=text_of(opened)
            )
            library, texts = fetch("r1", opened)
    assert [str(problem) for problem in said] == [
        f"r1: it announces llmsync-isis of {REVISION}, and its configuration was proven against "
        "that of 2026-11-23; of the nodes that it uses 1 differs (llmsync yang fetch INVENTORY "
        "--device r1; or push with --accept-revisions)",
        "r1: /llmsync-isis:isis/interface/metric: type is uint32 range 1..63, was uint32 range "
        f"1..16777214 in llmsync-isis of {REVISION}",
    ]
    store(library, texts, device_folder("r1"))
    assert check_revisions("r1", listed, "iosxr", {"urn:llmsync:isis"}, tree=tree) == []
    xml = reference_schema().to_xml(small(1, metric=64))
    with pytest.raises(SchemaError, match=r"64 is out of range \(allowed: 1\.\.63"):
        validate("r1", xml, Platform.IOSXR)


@needs_modules
def test_a_router_with_the_modules_of_the_ietf_proves_its_configuration_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLMSYNC_YANG_PATH", os.pathsep.join(map(str, FOLDERS)))
    plan, _ = make_plan(cases(Platform.IETF)["isis-sr-p2mp-mvpn"])
    payload = render_plan(plan)["r1"]
    schema = platform_schema("ietf")
    assert isinstance(schema, Schema)
    library = fetched(schema)
    assert "ietf-bier@2020-09-08" in map(str, library.modules)
    # From here on there are no modules but those of the device.
    monkeypatch.setenv("LLMSYNC_YANG_PATH", "")
    assert validate("r2", payload.xml, Platform.IETF).unproven
    again = validate("r1", payload.xml, Platform.IETF)
    assert not again.unproven
    assert again.tree == payload.tree
    namespaces = xmltext.namespaces(payload.xml)
    said = check_revisions("r1", library.modules, "ietf", namespaces, tree=payload.tree)
    assert said == []


@needs_modules
def test_a_module_of_many_submodules_comes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSYNC_YANG_PATH", os.pathsep.join(map(str, FOLDERS)))
    plan, _ = make_plan(next(iter(cases(Platform.SROS).values())))
    payload = render_plan(plan)["r1"]
    schema = platform_schema("sros")
    assert isinstance(schema, Schema)
    library = fetched(schema)
    (conf,) = (m for m in library.modules if m.name == "nokia-conf")
    assert len(conf.submodules) > 100
    monkeypatch.setenv("LLMSYNC_YANG_PATH", "")
    assert validate("r1", payload.xml, Platform.SROS).tree == payload.tree


def test_what_a_list_of_schemas_does_not_say_is_not_held_against_a_device() -> None:
    assert announced_by(Canned(gets=LISTED, schemas={})) == [("a", "2026-01-01")]
    assert announced_by(Canned(LIBRARY_1_1, gets=LISTED, schemas={})) == list(WHOLE)


def test_a_session_that_is_lost_stores_nothing() -> None:
    fault = Fault(kind=FaultKind.DROP_AFTER, nth=6)
    with (
        network(("r1",), standing=False, faults=(fault,)) as farm,
        pytest.raises(UnreachableError, match="r1: "),
        session(farm.target("r1"), 5) as opened,
    ):
        fetch("r1", opened)
    assert read_library("r1") is None


@needs_netconfd
def test_debians_netconfd(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    with netconfd_server.netconfd(folder) as target, session(target, 10) as opened:
        library, texts = fetch("yuma", opened)
        names = [(m.name, m.revision) for m in library_of("yuma", opened).modules]
    assert library.source == "modules-state (RFC 7895)"
    isis = next(m for m in reference_schema().modules() if m.name == "llmsync-isis")
    # netconfd hands out the file without its last newline, or with it.
    assert texts["llmsync-isis", isis.revision].strip() == isis.text.strip()
    assert check_revisions("yuma", names, "reference", {"urn:llmsync:isis"}) == []
    store(library, texts, device_folder("yuma"))
    xml = reference_schema().to_xml(small(1))
    assert validate("yuma", xml, Platform.IOSXR).tree == small(1)


# ----- at the command line


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Call something while the routers of `llmsync device` are up."""
    overlay = tmp_path / "m.yaml"

    def run(act) -> None:
        monkeypatch.setattr(cmd_device, "_wait", lambda hold, count: act(overlay))
        command = ["device", str(DEMO), "--router", "ams1", "--write-management", str(overlay)]
        assert main(command) == 0

    return run


def command(overlay: Path, *more: str) -> list[str]:
    return ["yang", "fetch", str(DEMO), "--device", "ams1", "--management", str(overlay), *more]


def test_fetch_and_sets_at_the_command_line(
    up, tmp_path: Path, data_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def act(overlay: Path) -> None:
        capsys.readouterr()
        assert main(command(overlay)) == 0
        said = capsys.readouterr()
        folder = data_home / "llmsync" / "yang" / "ams1"
        assert said.out == ""  # nothing differs from what the platform is proven by
        document = json.loads((folder / "library.json").read_text())
        assert document["platform"] == "reference"
        count = len(document["modules"])
        assert said.err == (
            f"llmsync: {folder}: {count} modules of ams1, told by yang-library (RFC 8525)\n"
        )
        assert main(command(overlay, "-o", str(tmp_path / "out"))) == 0
        assert (tmp_path / "out" / "library.json").is_file()
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes").write_text("x")
        assert main(command(overlay, "-o", str(tmp_path / "mine"))) == 2
        assert "holds other files" in capsys.readouterr().err

    up(act)
    capsys.readouterr()
    assert main(["yang", "sets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("reference  yes ")
    assert any(line.startswith("iosxr      no  ") for line in lines)
    assert lines[-1].startswith("ams1  ")
    assert main(["yang", "sets", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["device"] for row in document["devices"]] == ["ams1"]
    assert {row["platform"] for row in document["platforms"]} == {p.value for p in Platform}


def test_what_cannot_be_fetched_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["yang", "fetch", str(DEMO), "--device", "nowhere"]) == 2
    assert "no router nowhere" in capsys.readouterr().err
    assert main(["yang", "fetch", str(DEMO), "--device", "ams1"]) == 2
    assert "has no management section" in capsys.readouterr().err
    overlay = tmp_path / "m.yaml"
    overlay.write_text("routers: {ams1: {management: {host: 127.0.0.1, port: 1}}}")
    assert main(command(overlay)) == 4
    assert "ams1: " in capsys.readouterr().err
