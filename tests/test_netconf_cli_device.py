"""`llmsync device` with startup files, read-only users and faults."""

from __future__ import annotations

import pytest
import yaml

from toolkit.cli import cmd_device
from toolkit.cli.main import main
from toolkit.datafiles import data_folder
from toolkit.errors import DeviceError, EnvironmentProblem, SchemaError
from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.runtime_ncclient import Connection, Target
from toolkit.netconf.startupfile import read_startup, write_startup
from toolkit.netconf.tree import parse_xml
from toolkit.yang.schema import reference_schema

DEMO = data_folder("inventories") / "demo"
E0 = (
    '<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface><name>e0</name>'
    '<type xmlns:t="urn:ietf:params:xml:ns:yang:iana-if-type">t:ethernetCsmacd</type></interface>'
    "</interfaces>"
)
EDIT = f"<edit-config><target><candidate/></target><config>{E0}</config></edit-config>"
SAVE = "<copy-config><target><startup/></target><source><running/></source></copy-config>"
GET = "<get-config><source><running/></source></get-config>"


@pytest.fixture
def device(tmp_path, monkeypatch):
    """Run `llmsync device` and call a function with a way to connect."""
    overlay = tmp_path / "m.yaml"

    def run(act, *arguments, routers=("ams1",)):
        def connect(name="ams1", user=None, timeout=10.0):
            entry = yaml.safe_load(overlay.read_text())["routers"][name]["management"]
            password = overlay.with_name(entry["password"]["file"]).read_text().strip()
            return Connection(
                Target(
                    device=name, host=entry["host"], port=entry["port"],
                    username=user or entry["username"], password=password,
                    host_key=entry["host_key"],
                ),
                timeout=timeout,
            )  # fmt: skip

        monkeypatch.setattr(cmd_device, "_wait", lambda hold, count: act(connect))
        chosen = [x for name in routers for x in ("--router", name)]
        command = ["device", str(DEMO), *chosen, "--write-management", str(overlay)]
        return main([*command, *map(str, arguments)])

    return run


def configure(connect, *requests):
    connection = connect()
    for request in (EDIT, "<commit/>", *requests):
        connection.request(request)
    connection.leave()


def running(connect, name="ams1"):
    connection = connect(name)
    (data,) = connection.request(GET).content
    connection.leave()
    return [node.name.local for node in data.children]


@pytest.mark.parametrize("place", ["flash", "ams1.xml"])
def test_what_is_saved_is_there_the_next_time(device, tmp_path, place):
    path = tmp_path / place
    assert device(lambda c: configure(c), "--startup", path) == 0
    seen = []
    device(lambda c: seen.append(running(c)), "--startup", path)
    device(lambda c: configure(c, SAVE), "--startup", path)
    device(lambda c: seen.append(running(c)), "--startup", path)
    delete = "<delete-config><target><startup/></target></delete-config>"
    device(lambda c: connect_and(c, delete), "--startup", path)
    device(lambda c: seen.append(running(c)), "--startup", path)
    assert seen == [[], ["interfaces"], []]


def connect_and(connect, request):
    connection = connect()
    connection.request(request)
    connection.leave()


def test_every_router_has_its_own_file(device, tmp_path):
    device(lambda c: configure(c, SAVE), "--startup", tmp_path / "f", routers=("ams1", "lon1"))
    assert [p.name for p in (tmp_path / "f").iterdir()] == ["ams1.xml"]
    text = (tmp_path / "f" / "ams1.xml").read_text()
    assert text.startswith('<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><interfaces')


def test_a_file_that_is_no_configuration_is_refused_with_its_name(device, tmp_path, capsys):
    (tmp_path / "ams1.xml").write_text("<config><interfaces xmlns='urn:nobody'/></config>")
    (tmp_path / "lon1.xml").write_text("nonsense")
    code = device(lambda c: None, "--startup", tmp_path, routers=("ams1", "lon1"))
    said = capsys.readouterr().err
    assert code == 2
    assert f"{tmp_path}/ams1.xml" in said
    assert f"{tmp_path}/lon1.xml: text 'nonsense'" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--startup", "one.xml"], "one file cannot be that of 2 routers"),
        (["--read-only-user", "llmsync"], "the user who may do everything"),
        (["--read-only-user", ""], "this is no user name"),
        (["--fault", "boom", "--fault", "lon1/gone=3"], "KIND is one of"),
        (["--fault", "boom", "--fault", "lon1/gone=3"], "gone takes no =VALUE"),
        (["--fault", "nobody/slow"], "no router nobody is started; there are ams1, lon1"),
    ],
)
def test_flags_that_make_no_sense_are_refused(device, capsys, arguments, says):
    assert device(lambda c: None, *arguments, routers=("ams1", "lon1")) == 2
    assert says in capsys.readouterr().err


def test_a_read_only_user_reads(device):
    def act(connect):
        configure(connect)
        reader = connect(user="viewer")
        (data,) = reader.request(GET).content
        assert data.children
        with pytest.raises(DeviceError) as caught:
            reader.request(EDIT.replace("e0", "e1"))
        assert (caught.value.tag, caught.value.path) == (
            "access-denied", "/ietf-interfaces:interfaces/interface[name='e1']",
        )  # fmt: skip
        reader.leave()

    assert device(act, "--read-only-user", "viewer") == 0


def test_a_fault_strikes_the_router_that_it_names(device):
    def act(connect):
        broken, whole = connect("ams1"), connect("lon1")
        assert whole.request(GET).errors == ()
        with pytest.raises(ConnectionError):
            broken.request(GET)
        whole.leave()

    arguments = ("--fault", "ams1/drop-before:get-config")
    assert device(act, *arguments, routers=("ams1", "lon1")) == 0


def test_a_startup_file_that_cannot_be_written_or_read_is_named(tmp_path):
    (tmp_path / "x.xml").mkdir()
    with pytest.raises(EnvironmentProblem, match=r"x\.xml: cannot be written"):
        write_startup(tmp_path / "x.xml", EMPTY)
    with pytest.raises(EnvironmentProblem, match=r"x\.xml: cannot be read"):
        read_startup(tmp_path / "x.xml", reference_schema())
    assert [p.name for p in tmp_path.iterdir()] == ["x.xml"]
    (tmp_path / "y.xml").write_bytes(b"\xff")
    with pytest.raises(SchemaError, match=r"y\.xml: it is not UTF-8 text"):
        read_startup(tmp_path / "y.xml", reference_schema())


def test_a_startup_file_gives_back_what_was_written(tmp_path):
    schema = reference_schema()
    assert read_startup(tmp_path / "z.xml", schema) == {}
    write_startup(tmp_path / "z.xml", parse_xml(f"<config>{E0}</config>"))
    assert read_startup(tmp_path / "z.xml", schema) == schema.parse_xml(E0, "r1")
