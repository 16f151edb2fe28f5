"""Read-only users: the subset of RFC 8341 that `access` describes."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_netconf_session import Client

from toolkit.netconf.access import Access, Group, Level, read_only
from toolkit.netconf.device import DEFAULT_USER, DeviceFarm, User
from toolkit.netconf.names import BASE_NS
from toolkit.netconf.router import Device
from toolkit.netconf.runtime_ncclient import Connection, Target
from toolkit.netconf.session import ServerSession
from toolkit.netconf.tree import to_xml
from toolkit.yang.modulefile import base_folders
from toolkit.yang.schema import Schema

MODULE = """
module vault {
  yang-version 1.1; namespace "urn:vault"; prefix v;
  import ietf-netconf-acm { prefix nacm; }
  container vault {
    leaf owner { type string; }
    leaf password { nacm:default-deny-all; type string; default "secret"; }
    list key {
      key name;
      leaf name { type string; }
      leaf bits { nacm:default-deny-all; type string; }
      container box { nacm:default-deny-all; leaf inside { type string; } }
    }
  }
}
"""
CONFIG = {
    "vault:vault": {
        "owner": "ann",
        "password": "sesame",
        "key": [{"name": "k", "bits": "1101", "box": {"inside": "gold"}}],
    }
}
ACCESS = read_only(["eve"], ["ann"])
VISIBLE = '<vault xmlns="urn:vault"><owner>ann</owner><key><name>k</name></key></vault>'
EDIT = (
    '<edit-config><target><candidate/></target><config><vault xmlns="urn:vault">{}</vault></config>'
    "</edit-config>"
).format
OWNER = EDIT("<owner>eve</owner>")
RUNNING = "<get-config><source><running/></source>{}</get-config>".format


class As(Client):
    """A client whose session belongs to a user."""

    def __init__(self, device, user):
        self.user = user
        super().__init__(device)

    def _session(self):
        return ServerSession(self.device, user=self.user, host="192.0.2.9")


@pytest.fixture(scope="module")
def schema(tmp_path_factory) -> Schema:
    folder = tmp_path_factory.mktemp("yang")
    (folder / "vault.yang").write_text(MODULE)
    return Schema(["vault"], [Path(folder), *base_folders()])


@pytest.fixture
def device(schema) -> Device:
    return Device("r1", schema, config=CONFIG, access=ACCESS)


@pytest.fixture
def ann(device):
    return As(device, "ann")


@pytest.fixture
def eve(device):
    return As(device, "eve")


def content(client, request):
    (data,) = client.ask(request).content
    return to_xml(data.children)


def refusal(client, request):
    (error,) = client.ask(request).errors
    return error.type, error.tag, error.path


# ----- reading


def test_secrets_are_not_there_for_readers(ann, eve):
    assert content(eve, RUNNING("")) == VISIBLE
    assert "sesame" in content(ann, RUNNING(""))
    assert "gold" in content(ann, RUNNING(""))


@pytest.mark.parametrize(
    "criteria",
    [
        '<filter><vault xmlns="urn:vault"><password/></vault></filter>',
        '<filter><vault xmlns="urn:vault"><password>sesame</password></vault></filter>',
        '<filter><vault xmlns="urn:vault"><key><box/></key></vault></filter>',
        '<filter type="xpath" xmlns:v="urn:vault" select="/v:vault[v:password=\'sesame\']"/>',
        '<filter type="xpath" xmlns:v="urn:vault" select="//v:inside"/>',
    ],
)
def test_and_no_filter_finds_out_about_them(ann, eve, criteria):
    assert content(eve, RUNNING(criteria)) == ""
    assert content(ann, RUNNING(criteria)) != ""


def test_nor_do_get_get_data_and_defaults(eve):
    nmda = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
    ds = "urn:ietf:params:xml:ns:yang:ietf-datastores"
    for store in ("running", "operational", "intended", "startup", "candidate"):
        ask = (
            f'<get-data xmlns="{nmda}"><datastore xmlns:ds="{ds}">ds:{store}</datastore></get-data>'
        )
        assert VISIBLE in content(eve, ask)
        assert "sesame" not in content(eve, ask)
    assert VISIBLE in content(eve, "<get/>")
    assert "sesame" not in content(eve, "<get/>")


# ----- writing


def test_a_reader_changes_nothing_and_learns_where(device, eve):
    assert refusal(eve, OWNER) == ("application", "access-denied", "/vault:vault/owner")
    removed = EDIT(f'<key xmlns:nc="{BASE_NS}" nc:operation="delete"><name>k</name></key>')
    assert refusal(eve, removed)[1:] == ("access-denied", "/vault:vault/key[name='k']")
    assert not device.dirty


@pytest.mark.parametrize("value", ["sesame", "wrong"])
@pytest.mark.parametrize("operation", ["merge", "create", "delete"])
def test_a_secret_cannot_be_guessed_by_writing_it(ann, eve, value, operation):
    leaf = f'<password xmlns:nc="{BASE_NS}" nc:operation="{operation}">{value}</password>'
    denied = ("application", "access-denied", "/vault:vault/password")
    assert refusal(eve, EDIT(leaf)) == denied
    tested = EDIT(leaf).replace("<config>", "<test-option>test-only</test-option><config>")
    assert refusal(eve, tested) == denied
    inline = f'<config><vault xmlns="urn:vault">{leaf}</vault></config>'
    assert refusal(eve, f"<validate><source>{inline}</source></validate>") == denied
    copied = f"<copy-config><target><startup/></target><source>{inline}</source></copy-config>"
    assert refusal(eve, copied) == denied


def test_an_edit_that_changes_nothing_is_no_write(eve):
    assert eve.ask(EDIT("<owner>ann</owner>")).errors == ()


def test_a_reader_neither_commits_nor_copies_what_others_have_prepared(device, ann, eve):
    assert ann.ask(OWNER).errors == ()
    assert refusal(eve, "<commit/>")[1:] == ("access-denied", "/vault:vault/owner")
    copy = "<copy-config><target><{}/></target><source><{}/></source></copy-config>".format
    assert refusal(eve, copy("startup", "candidate"))[1] == "access-denied"
    assert refusal(eve, copy("candidate", "running"))[1] == "access-denied"
    assert ann.ask("<commit/>").errors == ()
    assert eve.ask(copy("startup", "running")).errors == ()  # RFC 8341 section 3.2.6
    assert device.running["vault:vault"]["owner"] == "eve"


def test_a_reader_may_lock_validate_and_discard(eve):
    for request in (
        "<lock><target><candidate/></target></lock>",
        "<validate><source><candidate/></source></validate>",
        "<discard-changes/>",
        "<unlock><target><candidate/></target></unlock>",
    ):
        assert eve.ask(request).errors == ()


@pytest.mark.parametrize(
    "request_",
    [
        "<kill-session><session-id>1</session-id></kill-session>",
        "<delete-config><target><startup/></target></delete-config>",
    ],
)
def test_what_is_denied_to_all_by_default_is_denied_to_readers(ann, eve, request_):
    assert refusal(eve, request_) == ("protocol", "access-denied", "")
    assert not ann.session.closed


def test_a_writer_does_all_of_it(device, ann, eve):
    assert ann.ask(OWNER).errors == ()
    assert ann.ask("<commit/>").errors == ()
    assert ann.ask("<kill-session><session-id>2</session-id></kill-session>").errors == ()
    assert eve.session.closed
    assert ann.ask("<delete-config><target><startup/></target></delete-config>").errors == ()
    assert device.running["vault:vault"]["owner"] == "eve"


def test_groups_add_up_and_a_stranger_reads():
    access = Access(
        (
            Group("readers", frozenset({"ann", "bob"}), Level.READ_ONLY),
            Group("writers", frozenset({"ann"}), Level.READ_WRITE),
        )
    )
    assert [access.writes(user) for user in ("ann", "bob", "stranger", "")] == [
        True, False, False, False,
    ]  # fmt: skip


def test_over_ssh_the_user_is_who_logged_in(schema):
    access = read_only(["eve"], [DEFAULT_USER])
    user = User(password="x")
    devices = [Device("r1", schema, config=CONFIG, access=access)]
    with DeviceFarm(devices, users={DEFAULT_USER: user, "eve": user}) as farm:
        host, port = farm.addresses["r1"]
        tags = {}
        for name in (DEFAULT_USER, "eve"):
            connection = Connection(
                Target(device="r1", host=host, port=port, username=name, password="x",
                       host_key=farm.host_keys["r1"]), timeout=10.0,
            )  # fmt: skip
            reply = connection._exchange(EDIT(f"<owner>new {name}</owner>"))
            tags[name] = "access-denied" in reply
            connection.leave()
        assert tags == {DEFAULT_USER: False, "eve": True}
