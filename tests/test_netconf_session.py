"""A server session, bytes in and bytes out: RFC 6241 sections 3 to 8, RFC 6242, RFC 6022."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.netconf.framing import Deframer, Framing, frame
from toolkit.netconf.messages import parse_hello, parse_reply
from toolkit.netconf.names import BASE_1_0, BASE_1_1, BASE_NS, MONITORING_NS, Datastore
from toolkit.netconf.router import Device
from toolkit.netconf.session import ServerSession
from toolkit.netconf.tree import QName, parse_xml
from toolkit.yang.schema import reference_schema

HELLO = (
    f'<hello xmlns="{BASE_NS}"><capabilities><capability>{{}}</capability></capabilities></hello>'
)


class Client:
    """The other end of a session."""

    def __init__(self, device=None, version=BASE_1_1):
        self.device = device or Device("r1", reference_schema())
        self.session = self._session()
        self.incoming = Deframer()
        self.incoming.feed(self.session.greeting())
        self.hello = parse_hello(parse_xml(self.incoming.next_message()))
        self.framing = Framing.CHUNKED if version == BASE_1_1 else Framing.END_OF_MESSAGE
        assert self.send(frame(HELLO.format(version).encode(), Framing.END_OF_MESSAGE)) == []
        self.incoming.framing = self.framing

    def _session(self):
        return ServerSession(self.device)

    def send(self, data, now=0.0):
        self.incoming.feed(self.session.receive(data, now))
        found = []
        while (message := self.incoming.next_message()) is not None:
            found.append(message)
        return found

    def ask(self, operation, attributes='message-id="1"'):
        """Return the reply to one request."""
        message = f'<rpc xmlns="{BASE_NS}" {attributes}>{operation}</rpc>'
        (answer,) = self.send(frame(message.encode(), self.framing))
        return parse_reply(answer)

    def refused(self, operation):
        (error,) = self.ask(operation).errors
        return error.type, error.tag, dict(error.info)


@pytest.fixture
def client():
    return Client()


# ----- hello


def test_the_hello_announces_what_is_there():
    client = Client()
    assert {BASE_1_0, BASE_1_1} <= client.hello.capabilities
    assert client.hello.session_id == 1
    short = {uri.rsplit("capability:", 1)[-1] for uri in client.hello.capabilities}
    assert {
        "candidate:1.0", "confirmed-commit:1.1", "rollback-on-error:1.0", "validate:1.1",
    } <= short  # fmt: skip
    modules = [uri for uri in client.hello.capabilities if "module=llmsync" in uri]
    assert modules == []  # YANG 1.1: in the yang-library (RFC 7950 section 5.6.4)


@pytest.mark.parametrize("version", [BASE_1_0, BASE_1_1])
def test_both_versions_answer_in_their_own_framing(version):
    reply = Client(version=version).ask("<get-config><source><running/></source></get-config>")
    assert [node.name.local for node in reply.content] == ["data"]


def test_a_request_that_comes_with_the_hello_is_answered():
    session = ServerSession(Device("r1", reference_schema()))
    request = f'<rpc xmlns="{BASE_NS}" message-id="7"><discard-changes/></rpc>'.encode()
    hello = frame(HELLO.format(BASE_1_1).encode(), Framing.END_OF_MESSAGE)
    answer = session.receive(hello + frame(request, Framing.CHUNKED), 0.0)
    assert b'message-id="7"' in answer
    assert b"<ok/>" in answer


@pytest.mark.parametrize(
    "hello",
    [
        HELLO.format("urn:ietf:params:netconf:base:9.9"),
        HELLO.format(BASE_1_1).replace("</hello>", "<session-id>4</session-id></hello>"),
        f'<rpc xmlns="{BASE_NS}" message-id="1"><get/></rpc>',
        "<hello/>",
        "nonsense",
    ],
)
def test_without_a_proper_hello_the_session_ends(hello):
    session = ServerSession(Device("r1", reference_schema()))
    assert session.receive(frame(hello.encode(), Framing.END_OF_MESSAGE), 0.0) == b""
    assert session.closed


# ----- requests and replies


def test_a_reply_repeats_the_attributes_of_its_request(client):
    message = f'<rpc xmlns="{BASE_NS}" message-id="a&lt;b" xmlns:u="urn:u" u:user="x"><get/></rpc>'
    (answer,) = client.send(frame(message.encode(), Framing.CHUNKED))
    root = parse_xml(answer)
    assert root.attribute(QName("", "message-id")) == "a<b"
    assert root.attribute(QName("urn:u", "user")) == "x"


@pytest.mark.parametrize(
    ("message", "tag", "info"),
    [
        ("<rpc><get/></rpc>", "missing-attribute",
         {"bad-attribute": "message-id", "bad-element": "rpc"}),
        ('<rpc message-id="1"/>', "missing-element", {"bad-element": "rpc"}),
        ('<rpc message-id="1"><get/><get/></rpc>', "bad-element", {"bad-element": "rpc"}),
    ],
)  # fmt: skip
def test_an_incomplete_rpc_is_an_error_of_the_rpc_layer(client, message, tag, info):
    message = message.replace("<rpc", f'<rpc xmlns="{BASE_NS}"')
    (answer,) = client.send(frame(message.encode(), Framing.CHUNKED))
    (error,) = parse_reply(answer).errors
    assert (error.type, error.tag, dict(error.info)) == ("rpc", tag, info)
    assert not client.session.closed


def test_a_malformed_message_is_answered_in_1_1_and_ends_the_session_in_1_0(client):
    (answer,) = client.send(frame(b"<rpc", Framing.CHUNKED))
    assert parse_reply(answer).errors[0].tag == "malformed-message"
    assert not client.session.closed
    old = Client(version=BASE_1_0)
    assert old.send(frame(b"<rpc", Framing.END_OF_MESSAGE)) == []
    assert old.session.closed


def test_broken_framing_ends_the_session(client):
    client.device.lock(1, Datastore.RUNNING)
    assert client.send(b"\n#x\n") == []
    assert client.session.closed
    assert client.device.locks == {}


@given(st.lists(st.binary(max_size=30), max_size=4))
def test_garbage_never_raises(pieces):
    client = Client(SHARED)
    for piece in pieces:
        client.session.receive(piece, 0.0)
    client.session.lost(0.0)


SHARED = Device("r1", reference_schema())

EDIT = "<edit-config><target><candidate/></target>{}<config>{}</config></edit-config>"


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("<reboot/>", ("protocol", "operation-not-supported", {"bad-element": "reboot"})),
        ("<get-config/>", ("protocol", "missing-element", {"bad-element": "source"})),
        (
            "<get-config><source><intended/></source></get-config>",
            ("protocol", "operation-not-supported", {"bad-element": "intended"}),
        ),
        ("<get><depth/></get>", ("protocol", "unknown-element", {"bad-element": "depth"})),
        (
            '<get><filter type="regex"/></get>',
            ("protocol", "bad-attribute", {"bad-attribute": "type", "bad-element": "filter"}),
        ),
        (
            "<edit-config><target><running/></target><config/></edit-config>",
            ("protocol", "operation-not-supported", {"bad-element": "running"}),
        ),
        (
            EDIT.format("<default-operation>create</default-operation>", ""),
            ("protocol", "invalid-value", {"bad-element": "default-operation"}),
        ),
        (
            EDIT.format("<test-option>maybe</test-option>", ""),
            ("protocol", "invalid-value", {"bad-element": "test-option"}),
        ),
        (
            EDIT.format("", "<top xmlns='urn:nobody'/>"),
            ("application", "unknown-namespace",
             {"bad-element": "top", "bad-namespace": "urn:nobody"}),
        ),
        (
            "<commit><confirmed/><confirm-timeout>0</confirm-timeout></commit>",
            ("protocol", "invalid-value", {"bad-element": "confirm-timeout"}),
        ),
        (
            "<commit><persist>x</persist></commit>",
            ("protocol", "bad-element", {"bad-element": "persist"}),
        ),
        (
            "<delete-config><target><candidate/></target></delete-config>",
            ("protocol", "operation-not-supported", {"bad-element": "candidate"}),
        ),
        ("<kill-session/>", ("protocol", "missing-element", {"bad-element": "session-id"})),
        (
            "<kill-session><session-id>99</session-id></kill-session>",
            ("protocol", "invalid-value", {}),
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_exactly(client, operation, expected):
    assert client.refused(operation) == expected


# RFC 7950 sections 8.3.1 and 15: how each kind of invalid data is answered.
ISIS = "<isis xmlns='urn:llmsync:isis'><system-id>0000.0000.0001</system-id>{}</isis>"
AREA = "<area-address>49.0001</area-address>"
BIER = (
    "<bier xmlns='urn:llmsync:bier'><sub-domain><id>0</id><bfr-prefix>10.0.0.1/32</bfr-prefix>"
    "<encapsulation><bsl>256</bsl><kind>mpls</kind><bift-id-base>{}</bift-id-base>"
    "</encapsulation></sub-domain></bier>"
)


@pytest.mark.parametrize(
    ("config", "tag", "app_tag", "path"),
    [
        (ISIS.format(AREA.replace("49", "zz")), "invalid-value", "",
         "/llmsync-isis:isis/area-address"),
        (ISIS.format(""), "operation-failed", "too-few-elements",
         "/llmsync-isis:isis/area-address"),
        (ISIS.format(AREA + "<interface><name>e</name></interface>"),
         "data-missing", "instance-required", "/llmsync-isis:isis/interface[name='e']/name"),
        (f"<isis xmlns='urn:llmsync:isis'>{AREA}</isis>", "data-missing", "", "/llmsync-isis:isis"),
        (BIER.format(1048576), "invalid-value", "", "bift-id-base"),
        (BIER.format(3), "operation-failed", "must-violation", "encapsulation"),
    ],
)  # fmt: skip
def test_invalid_data_is_answered_as_rfc_7950_says(client, config, tag, app_tag, path):
    error = client.ask(EDIT.format("", config)).errors[0]
    assert (error.tag, error.app_tag) == (tag, app_tag)
    assert path in error.path
    assert error.message


def test_get_schema_returns_the_text_of_a_module(client):
    ask = f'<get-schema xmlns="{MONITORING_NS}"><identifier>{{}}</identifier></get-schema>'
    (data,) = client.ask(ask.format("llmsync-bier")).content
    (module,) = [m for m in reference_schema().modules() if m.name == "llmsync-bier"]
    assert data.value == module.text
    (error,) = client.ask(ask.format("llmsync-nothing")).errors
    assert (error.type, error.tag) == ("application", "invalid-value")


def test_netconf_state_lists_schemas_and_locks(client):
    client.ask("<lock><target><running/></target></lock>")
    (data,) = client.ask(
        f'<get><filter><netconf-state xmlns="{MONITORING_NS}"><schemas/><datastores/>'
        "</netconf-state></filter></get>"
    ).content
    (state,) = data.children
    listed = {s.child("identifier").text for s in state.child("schemas").children}
    assert listed > {m.name for m in reference_schema().modules()}
    assert "ietf-netconf-monitoring" in listed
    running = state.child("datastores").children[0]
    assert running.child("name").text == "running"
    assert running.child("locks").children[0].child("locked-by-session").text == "1"


def test_an_error_path_is_an_xpath_whose_prefixes_are_declared(client):
    message = f'<rpc xmlns="{BASE_NS}" message-id="1">' + EDIT.format(
        "", ISIS.format(AREA + "<interface><name>e</name></interface>")
    )
    (answer,) = client.send(frame(f"{message}</rpc>".encode(), Framing.CHUNKED))
    (error,) = parse_xml(answer).children
    path = error.child("error-path")
    assert path.text == (
        "/llmsync-isis:isis/llmsync-isis:interface[llmsync-isis:name='e']/llmsync-isis:name"
    )
    assert path.prefixes == (("llmsync-isis", "urn:llmsync:isis"),)


def test_closing_and_killing_sessions():
    device = Device("r1", reference_schema())
    one, two = Client(device), Client(device)
    assert one.ask("<kill-session><session-id>2</session-id></kill-session>").errors == ()
    assert two.session.closed
    assert not one.session.closed
    assert one.refused("<kill-session><session-id>1</session-id></kill-session>")[1] == (
        "invalid-value"
    )
    assert one.ask("<close-session/>").errors == ()
    assert one.session.closed
    assert one.session.receive(b"more", 0.0) == b""
