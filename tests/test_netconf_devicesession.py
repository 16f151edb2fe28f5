"""What goes to a device and what is believed of its answers, with a server made of a function."""

from __future__ import annotations

import pytest
from netconf_farm import tree

from toolkit.errors import DeviceError, UnreachableError
from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.devicesession import DeviceSession
from toolkit.netconf.dialect import dialect
from toolkit.netconf.index import schema_tree
from toolkit.netconf.messages import Reply
from toolkit.netconf.names import CANDIDATE, CONFIRMED_COMMIT, VALIDATE
from toolkit.netconf.ownership.tables import TABLES
from toolkit.netconf.profiles import PROFILES
from toolkit.netconf.transaction import Event, Request
from toolkit.netconf.tree import parse_siblings
from toolkit.yang.schema import reference_schema

SCHEMA = reference_schema()
DIALECT = dialect("reference")
ALL = frozenset({CANDIDATE, CONFIRMED_COMMIT, VALIDATE})


class Server:
    """Keeps what it was asked, answers with `running`, and refuses as it is told."""

    def __init__(self, running="", capabilities=ALL):
        self.asked, self.running, self.capabilities = [], running, capabilities
        self.refuse, self.gone, self.closed = {}, False, 0
        self.waited: list[float] = []

    def connect(self):
        if self.gone:
            raise UnreachableError("r1", "it is gone")
        return self

    def request(self, operation):
        self.asked.append(operation)
        for word, tag in self.refuse.items():
            if word in operation:
                raise DeviceError("r1", tag, "no")
        content = ()
        if operation.startswith("<get-config>"):
            content = (EMPTY.with_children(parse_siblings(self.running)),)
        return Reply(content, (), ())

    def close(self):
        self.closed += 1

    leave = close

    def wait(self, seconds):
        self.waited.append(seconds)
        if sum(self.waited) >= self.lingering:
            self.refuse.clear()

    lingering = 1e9
    """Seconds after which nothing is refused any more."""


def session(server, profile="reference", intent=None, *, degraded=False):
    return DeviceSession(
        "r1", server.connect, DIALECT.intent(SCHEMA.to_xml(intent or tree(0)), "r1"),
        dialect=DIALECT, profile=PROFILES[profile], txid="tx&1", confirm_timeout=60,
        degraded=degraded, wait=server.wait,
    )  # fmt: skip


INTERFACES = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
FOREIGN = "<other xmlns='urn:other'><x>1</x></other>"
STALE = (
    "<overlay xmlns='urn:llmsync:overlay'><egress-flow><source>10.0.0.1</source>"
    "<group>232.1.0.1</group><interface>e0</interface></egress-flow></overlay>"
)


def test_our_containers_are_those_that_the_schema_has():
    roots = {name for name, node in schema_tree(SCHEMA).roots.items() if node.config}
    assert set(TABLES["reference"].top.children) == roots


def test_an_edit_replaces_what_is_ours_removes_what_is_stale_and_leaves_the_rest():
    server = Server(STALE + FOREIGN)
    device = session(server)
    assert {c.path.split("/")[1].split(":")[0] for c in device.look()} == {
        "ietf-interfaces", "llmsync-isis", "llmsync-overlay",
    }  # fmt: skip
    device.perform(Request.EDIT)
    edit = server.asked[-1]
    assert f'<interfaces xmlns="{INTERFACES}" xmlns:ianaift=' in edit  # merged, not replaced
    assert 'xmlns="urn:llmsync:isis" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"' in edit
    assert edit.count('nc:operation="replace"') == 2
    assert '<overlay xmlns="urn:llmsync:overlay"' in edit
    assert edit.count('nc:operation="remove"') == 1
    assert "urn:other" not in edit
    assert "<error-option>rollback-on-error</error-option>" in edit


def test_only_what_is_ours_is_asked_for():
    server = Server()
    session(server).look()
    (question,) = server.asked
    assert question.count("xmlns=") == len(TABLES["reference"].top.children)
    assert f'<interfaces xmlns="{INTERFACES}"><interface/></interfaces>' in question


def test_what_our_schema_does_not_know_shows_as_a_difference():
    server = Server('<isis xmlns="urn:llmsync:isis"><novelty>7</novelty></isis>')
    changes = [str(change) for change in session(server).look()]
    assert "- /llmsync-isis:isis/novelty: 7" in changes


def test_a_yuma_server_is_never_sent_validate():
    server = Server()
    device = session(server, "yuma")
    device.perform(Request.VALIDATE)
    assert "<test-option>test-only</test-option>" in server.asked[-1]
    session(server).perform(Request.VALIDATE)
    assert server.asked[-1] == "<validate><source><candidate/></source></validate>"


def test_a_commit_that_did_nothing_is_noticed():
    server = Server()
    with pytest.raises(DeviceError, match="running is not what was written") as caught:
        session(server).perform(Request.READ_RUNNING)
    assert caught.value.path.startswith("/")


def test_the_persist_id_is_the_transaction():
    server = Server()
    device = session(server)
    for request in (Request.COMMIT, Request.CONFIRM, Request.CANCEL):
        device.perform(request)
    assert "<confirm-timeout>60</confirm-timeout><persist>tx&amp;1</persist>" in server.asked[0]
    assert server.asked[1:] == [
        "<commit><persist-id>tx&amp;1</persist-id></commit>",
        "<cancel-commit><persist-id>tx&amp;1</persist-id></cancel-commit>",
    ]


@pytest.mark.parametrize("request_", [Request.RECONFIRM, Request.RECANCEL])
def test_only_a_refusal_that_settles_the_matter_is_an_answer(request_):
    server = Server()
    device = session(server)
    server.refuse = {"persist-id": "invalid-value"}
    with pytest.raises(DeviceError):
        device.perform(request_)
    server.refuse = {"persist-id": "in-use"}
    with pytest.raises(ConnectionError):
        device.perform(request_)
    server.gone = True
    with pytest.raises(ConnectionError, match="it is gone"):
        device.perform(request_)


@pytest.mark.parametrize(("runs", "event"), [("intent", Event.NEW), ("before", Event.OLD)])
def test_what_runs_tells_how_it_ended(runs, event):
    server = Server()
    device = session(server)
    device.look()
    if runs == "intent":
        server.running = SCHEMA.to_xml(tree(0))
    assert device.perform(Request.RESOLVE) is event
    server.running = SCHEMA.to_xml(tree(7))
    with pytest.raises(DeviceError, match="neither the old nor the new"):
        device.perform(Request.RESOLVE)


def test_a_server_that_lacks_a_capability_is_left_alone():
    server = Server(capabilities=frozenset({CANDIDATE}))
    with pytest.raises(DeviceError, match=r"does not offer .*confirmed-commit:1\.1"):
        session(server)
    assert (server.asked, server.closed) == ([], 1)


@pytest.mark.parametrize("request_", [Request.RECONFIRM, Request.RECANCEL])
@pytest.mark.parametrize("tag", ["in-use", "lock-denied"])
def test_locks_of_the_lost_session_are_waited_for(request_, tag):
    """A server may see later than we do that a session has ended."""
    server = Server()
    server.refuse, server.lingering = {"commit": tag}, 2.0
    assert session(server).perform(request_) is Event.OK
    assert sum(server.waited) == 2.0


def test_each_lock_is_taken_once_however_long_another_is_waited_for():
    server = Server()
    server.capabilities = frozenset({CANDIDATE, VALIDATE})
    server.refuse, server.lingering = {"<candidate/>": "lock-denied"}, 1.0
    ours = session(server, degraded=True)
    server.asked.clear()
    ours.perform(Request.RECANCEL)
    assert sum("<lock><target><running/>" in asked for asked in server.asked) == 1
    assert sum(server.waited) == 1.0


def test_they_are_not_waited_for_without_end():
    server = Server()
    server.refuse = {"commit": "in-use"}
    with pytest.raises(ConnectionError):
        session(server).perform(Request.RECONFIRM)
    assert sum(server.waited) == 5.0
