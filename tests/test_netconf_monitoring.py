"""What the server says about itself validates against the modules that it is of (libyang)."""

from __future__ import annotations

import pytest

from toolkit.netconf.call import Call, stores
from toolkit.netconf.events import Ending, Peer, Step, config_change, confirmed_commit, session_end
from toolkit.netconf.monitoring import capabilities, get_schema, server_state, yang_library
from toolkit.netconf.names import NOTIFICATION_NS, STREAMS_NS, YANG_LIBRARY_NS, Datastore
from toolkit.netconf.operations import OPERATIONS
from toolkit.netconf.reading import get
from toolkit.netconf.router import Device
from toolkit.netconf.rpcerror import RefusedError
from toolkit.netconf.servermodules import FEATURES, MODULES
from toolkit.netconf.tree import QName, parse_xml, to_xml
from toolkit.yang.modulefile import ModuleInfo, Submodule, base_folders
from toolkit.yang.schema import Schema, reference_schema


@pytest.fixture(scope="module")
def own():
    return Schema(MODULES, base_folders(), features=FEATURES)


@pytest.fixture
def device():
    made = Device("r1", reference_schema())
    made.epoch = 1_700_000_000.0
    made.open("ann", "192.0.2.1", 1.5)
    made.open("bob", "2001:db8::1", 2.0)
    made.lock(1, Datastore.RUNNING, 3.25)
    return made


def test_the_servers_state_is_valid(device, own):
    nodes = server_state(device, stores(device))
    streams = [n for n in nodes if n.name.namespace == STREAMS_NS]
    known = [n for n in nodes if n not in streams]
    tree = own.parse_xml(to_xml(known), "r1", state=True)
    state = tree["ietf-netconf-monitoring:netconf-state"]
    assert [s["username"] for s in state["sessions"]["session"]] == ["ann", "bob"]
    assert state["sessions"]["session"][0]["login-time"] == "2023-11-14T22:13:21.500Z"
    (running,) = [d for d in state["datastores"]["datastore"] if d["name"] == "running"]
    assert running["locks"]["global-lock"]["locked-by-session"] == 1
    assert [d["name"] for d in state["datastores"]["datastore"]] == [
        "running", "candidate", "startup",
    ]  # fmt: skip
    library = tree["ietf-yang-library:yang-library"]
    assert [d["name"] for d in library["datastore"]] == [
        f"ietf-datastores:{name}"
        for name in ("running", "candidate", "startup", "intended", "operational")
    ]
    assert streams[0].name == QName(STREAMS_NS, "netconf")  # RFC 5277 has no YANG


def test_without_startup_nothing_speaks_of_it():
    device = Device("r1", reference_schema(), startup=False)
    text = to_xml(server_state(device, stores(device)))
    assert ">startup<" not in text
    assert ":startup<" not in text
    assert not any("startup" in uri for uri in capabilities(device) if "module=" not in uri)


def test_the_content_id_of_the_hello_is_that_of_the_library(device):
    (uri,) = [u for u in capabilities(device) if "yang-library:1.1" in u]
    (library,) = [n for n in server_state(device, stores(device)) if n.name.local == "yang-library"]
    assert uri.endswith("content-id=" + library.child("content-id").text)
    names = {
        entry.child("name").text
        for entry in library.child("module-set").children
        if entry.name == QName(YANG_LIBRARY_NS, "module")
    }
    assert set(MODULES) <= names


def test_every_capability_has_what_it_stands_for(device):
    """RFC 6241 section 8: what is announced is there."""
    short = {u.split("capability:")[1].split("?")[0] for u in capabilities(device) if ":capab" in u}
    assert short == {
        "candidate:1.0", "confirmed-commit:1.1", "rollback-on-error:1.0", "validate:1.1",
        "startup:1.0", "xpath:1.0", "with-defaults:1.0", "notification:1.0", "interleave:1.0",
        "yang-library:1.1",
    }  # fmt: skip
    assert QName(NOTIFICATION_NS, "create-subscription") in OPERATIONS
    (data,) = get(Call(device, 1, parse_xml("<get/>"), 5.0))
    listed = {
        leaf.text
        for node in data.children
        if node.name.local == "netconf-state"
        for leaf in node.child("capabilities").children
    }
    assert listed == set(capabilities(device))


@pytest.mark.parametrize(
    "event",
    [
        session_end(Peer(3, "ann", "192.0.2.1"), Ending.KILLED, 4),
        session_end(Peer(3, "ann"), Ending.DROPPED),
        confirmed_commit(Peer(3, "ann"), Step.START, 600),
        confirmed_commit(Peer(3, "ann"), Step.COMPLETE),
        confirmed_commit(None, Step.TIMEOUT),
    ],
    ids=lambda event: event.children[-1].value,
)
def test_events_have_the_children_of_their_module(event):
    """In the order and with the mandatory leaves of RFC 6470."""
    device = Device("r1", reference_schema())
    (module,) = [m for m in device.modules if m.name == "ietf-netconf-notifications"]
    assert event.name.namespace == module.namespace
    for child in event.children:
        assert f"leaf {child.name.local}" in module.text
    if event.children[-1].value != "timeout":
        assert [c.name.local for c in event.children][:2] == ["username", "session-id"]


def test_a_change_names_the_highest_nodes_that_it_touches():
    device = Device("r1", reference_schema())
    type_ = '<type xmlns:t="urn:ietf:params:xml:ns:yang:iana-if-type">t:ethernetCsmacd</type>'

    def tree(*names, more=""):
        inner = "".join(f"<interface><name>{n}</name>{type_}{more}</interface>" for n in names)
        return parse_xml(
            f'<c><interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces">{inner}'
            "</interfaces></c>"
        )

    event = config_change(
        device.index, tree("a", "b"), tree("b", "c", more="<enabled>false</enabled>"),
        store=Datastore.RUNNING, by=None,
    )  # fmt: skip
    edits = [
        (e.children[0].value, e.children[1].value) for e in event.children if e.name.local == "edit"
    ]
    where = (
        "/ietf-interfaces:interfaces/ietf-interfaces:interface[ietf-interfaces:name='{}']".format
    )
    assert edits == [
        (where("a"), "delete"),
        (where("b") + "/ietf-interfaces:enabled", "create"),
        (where("c"), "create"),
    ]
    assert event.children[0].children[0].name.local == "server"


def test_submodules_are_listed_and_handed_out() -> None:
    part = Submodule(name="m-part", revision="2020-02-02", text="submodule m-part {}")
    module = ModuleInfo(
        name="m", revision="2021-01-01", namespace="urn:m", features=(), text="module m {}",
        submodules=(part,),
    )  # fmt: skip
    assert get_schema([module], "m-part", None).value == part.text
    assert get_schema([module], "m-part", "2020-02-02").value == part.text
    with pytest.raises(RefusedError):
        get_schema([module], "m-part", "2021-01-01")
    library = to_xml([yang_library([module], ())])
    assert "<submodule><name>m-part</name><revision>2020-02-02</revision></submodule>" in library
