"""Subscriptions and the server's own events: RFC 5277 and RFC 6470."""

from __future__ import annotations

import pytest
from netconf_farm import network, tree
from test_netconf_session import Client

from toolkit.netconf.framing import Framing, frame
from toolkit.netconf.messages import parse_reply
from toolkit.netconf.names import BASE_1_0, BASE_1_1, BASE_NS, NOTIFICATION_NS, STREAMS_NS
from toolkit.netconf.notifications import EventLog, Subscription, date_and_time, unix_time
from toolkit.netconf.router import Device
from toolkit.netconf.runtime_ncclient import Connection
from toolkit.netconf.session import ServerSession
from toolkit.netconf.tree import Node, QName, parse_xml, to_xml
from toolkit.yang.schema import reference_schema

NC = 'xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"'
E0 = (
    '<edit-config><target><candidate/></target><config><interfaces xmlns="urn:ietf:params:xml:ns:'
    'yang:ietf-interfaces"><interface><name>e0</name><type xmlns:t="urn:ietf:params:xml:ns:yang:'
    'iana-if-type">t:ethernetCsmacd</type></interface></interfaces></config></edit-config>'
)


def subscribe(*parts):
    return f'<create-subscription xmlns="{NOTIFICATION_NS}">{"".join(parts)}</create-subscription>'


class Listener(Client):
    """A client that keeps notifications apart from replies."""

    def __init__(self, device, version=BASE_1_1, user=""):
        self.user, self.heard = user, []
        super().__init__(device, version)

    def _session(self):
        return ServerSession(self.device, user=self.user, host="192.0.2.7")

    def ask(self, operation, attributes='message-id="1"', now=0.0):
        message = f'<rpc xmlns="{BASE_NS}" {attributes}>{operation}</rpc>'
        replies = []
        for answer in self.send(frame(message.encode(), self.framing), now):
            replies += self._sorted(answer)
        (reply,) = replies
        return reply

    def wait(self, now=0.0):
        """Take what the server has to say without being asked; return the events' names."""
        self.incoming.feed(self.session.pending(now))
        while (message := self.incoming.next_message()) is not None:
            assert self._sorted(message) == []
        heard, self.heard = self.heard, []
        return heard

    def _sorted(self, message):
        root = parse_xml(message)
        if root.name != QName(NOTIFICATION_NS, "notification"):
            return [parse_reply(message)]
        time, event = root.children
        assert time.name == QName(NOTIFICATION_NS, "eventTime")
        self.heard.append((event.name.local, time.text, event))
        return []


def names(heard):
    return [name for name, _, _ in heard]


@pytest.fixture
def device():
    return Device("r1", reference_schema())


@pytest.mark.parametrize("version", [BASE_1_0, BASE_1_1])
def test_a_change_is_told_in_the_framing_of_the_session(device, version):
    listener, writer = Listener(device, version), Client(device)
    assert listener.ask(subscribe()).errors == ()
    assert writer.ask(E0).errors == ()
    assert listener.wait() == []  # the candidate is nobody's event
    writer.ask("<commit/>")
    ((name, _, event),) = listener.wait()
    assert name == "netconf-config-change"
    assert to_xml([event]) == (
        f'<netconf-config-change {NC} xmlns:ietf-interfaces="urn:ietf:params:xml:ns:yang:'
        'ietf-interfaces"><changed-by><username/><session-id>2</session-id></changed-by>'
        "<datastore>running</datastore><edit><target>/ietf-interfaces:interfaces</target>"
        "<operation>create</operation></edit></netconf-config-change>"
    )


def test_who_comes_and_goes_is_told(device):
    listener = Listener(device)
    listener.ask(subscribe())
    second = Listener(device, user="bob")
    ((name, _, event),) = listener.wait()
    assert name == "netconf-session-start"
    assert [c.text for c in event.children] == ["bob", "2", "192.0.2.7"]
    third, fourth = Listener(device), Listener(device)
    listener.wait()
    second.ask("<close-session/>")
    listener.ask("<kill-session><session-id>3</session-id></kill-session>")
    fourth.session.lost(0.0)
    broken = ServerSession(device)
    broken.receive(frame(b"<nonsense/>", Framing.END_OF_MESSAGE), 0.0)
    ends = [
        {c.name.local: c.text for c in event.children}
        for name, _, event in listener.wait()
        if name == "netconf-session-end"
    ]
    assert [(e["session-id"], e["termination-reason"]) for e in ends] == [
        ("2", "closed"), ("3", "killed"), ("4", "dropped"), ("5", "bad-hello"),
    ]  # fmt: skip
    assert ends[1]["killed-by"] == "1"
    assert "killed-by" not in ends[0]
    assert third.session.closed


CONFIRMED = "<commit><confirmed/><confirm-timeout>30</confirm-timeout></commit>"


def steps(heard):
    return [
        next(c.text for c in event.children if c.name.local == "confirm-event")
        for name, _, event in heard
        if name == "netconf-confirmed-commit"
    ]


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ("<commit/>", 1.0, ["start", "complete"]),
        ("<cancel-commit/>", 1.0, ["start", "cancel"]),
        (CONFIRMED, 1.0, ["start", "extend"]),
        ("<discard-changes/>", 31.0, ["start", "timeout"]),
        ("<close-session/>", 1.0, ["start", "cancel"]),
    ],
)
def test_what_becomes_of_a_confirmed_commit_is_told(device, then, now, expected):
    listener, writer = Listener(device), Listener(device)
    listener.ask(subscribe())
    writer.ask(E0)
    writer.ask(CONFIRMED)
    writer.ask(then, now=now)
    assert steps(listener.wait(now)) == expected


def test_a_rollback_is_the_servers_own_change(device):
    listener, writer = Listener(device), Listener(device)
    listener.ask(subscribe())
    writer.ask(E0)
    writer.ask(CONFIRMED)
    listener.wait()
    device.expire(30.0)
    change = listener.wait(30.0)[-1][2]
    assert change.child("changed-by").children[0].name.local == "server"


def test_startup_is_told_with_its_name(device):
    listener, writer = Listener(device), Client(device)
    listener.ask(subscribe())
    writer.ask(E0)
    writer.ask("<commit/>")
    for _ in range(2):  # the second time changes nothing
        writer.ask(
            "<copy-config><target><startup/></target><source><running/></source></copy-config>"
        )
    assert [e.child("datastore").text for _, _, e in listener.wait()] == ["running", "startup"]


def test_other_requests_go_on_in_the_same_session(device):
    listener = Listener(device)
    listener.ask(subscribe())
    assert listener.ask(E0).errors == ()
    assert listener.ask("<commit/>").errors == ()
    assert names(listener.heard) == ["netconf-config-change"]


# ----- filters (section 3.6)


@pytest.mark.parametrize(
    "criteria",
    [
        f"<filter><netconf-session-end {NC}/></filter>",
        f"<filter><netconf-session-end {NC}><termination-reason>closed</termination-reason>"
        "</netconf-session-end></filter>",
        '<filter type="xpath" xmlns:n="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications" '
        "select=\"/n:netconf-session-end[n:termination-reason='closed']\"/>",
    ],
)
def test_a_filter_lets_through_what_it_selects_and_all_of_it(device, criteria):
    listener = Listener(device)
    assert listener.ask(subscribe(criteria)).errors == ()
    other = Listener(device)
    other.ask("<close-session/>")
    ((name, _, event),) = listener.wait()
    assert name == "netconf-session-end"
    assert event.child("session-id").text == "2"


def test_a_filter_that_is_none_is_refused_at_once(device):
    listener = Listener(device)
    bad = subscribe('<filter type="xpath" select="count(/*)"/>')
    assert [e.tag for e in listener.ask(bad).errors] == ["invalid-value"]
    assert listener.ask(subscribe()).errors == ()


# ----- replay (section 2.1.1)


def at(seconds):
    return date_and_time(seconds)


def test_a_replay_comes_first_then_its_end_then_what_is_new(device):
    writer = Listener(device)
    writer.ask(E0, now=10.0)
    writer.ask("<commit/>", now=10.0)
    listener = Listener(device)
    listener.ask(subscribe(f"<startTime>{at(5)}</startTime>"), now=20.0)
    heard = listener.heard
    assert names(heard) == ["netconf-config-change", "replayComplete"]
    assert [time for _, time, _ in heard] == [at(10), at(20)]
    assert heard[-1][2].name.namespace == STREAMS_NS
    listener.heard = []
    writer.ask("<close-session/>", now=30.0)
    assert names(listener.wait(30.0)) == ["netconf-session-end"]


def test_a_stop_in_the_past_ends_the_subscription_with_the_replay(device):
    writer = Listener(device)
    for now in (10.0, 20.0):
        writer.ask(E0.replace("e0", f"e{now:g}"), now=now)
        writer.ask("<commit/>", now=now)
    listener = Listener(device)
    window = f"<startTime>{at(15)}</startTime><stopTime>{at(25)}</stopTime>"
    listener.ask(subscribe(window), now=50.0)
    assert names(listener.heard) == [
        "netconf-config-change", "replayComplete", "notificationComplete",
    ]  # fmt: skip
    assert listener.ask(subscribe(), now=50.0).errors == ()  # it may subscribe again


def test_a_stop_to_come_ends_it_in_its_time(device):
    listener, writer = Listener(device), Listener(device)
    window = f"<startTime>{at(0)}</startTime><stopTime>{at(60)}</stopTime>"
    listener.ask(subscribe(window), now=50.0)
    assert listener.session.deadline == 60.0
    listener.heard = []
    writer.ask("<close-session/>", now=59.0)
    assert names(listener.wait(59.0)) == ["netconf-session-end"]
    assert names(listener.wait(60.0)) == ["notificationComplete"]
    assert listener.session.deadline is None
    Listener(device)
    assert listener.wait(61.0) == []


def test_the_log_forgets_the_oldest_and_says_since_when():
    log = EventLog(size=2)
    for time in (1.0, 2.0, 3.0):
        log.add(time, Node(QName("urn:e", f"e{time:g}")))
    subscription = Subscription(lambda _: True, start=0.0)
    log.subscribe(1, subscription, 4.0)
    assert [n.children[1].name.local for n in log.take(1, 4.0)] == ["e2", "e3", "replayComplete"]
    listed = to_xml([log.listed()])
    assert "<replayLogCreationTime>1970-01-01T00:00:01.000Z</replayLogCreationTime>" in listed
    assert "<replayLogAgedTime>1970-01-01T00:00:01.000Z</replayLogAgedTime>" in listed


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.250+01:00"])
def test_times_go_there_and_back(text):
    assert unix_time(date_and_time(unix_time(text))) == unix_time(text)


@pytest.mark.parametrize("text", ["", "now", "2026-01-02", "2026-01-02T03:04:05", "12:00Z"])
def test_a_time_without_a_zone_is_none(text):
    with pytest.raises(ValueError, match=r".*"):
        unix_time(text)


def test_over_ssh_a_subscriber_hears_of_a_push():
    with network(("r1",)) as net:
        connection = Connection(net.target("r1"), timeout=10.0)
        connection.request(subscribe())
        assert net.push(20).exit_code == 0
        # ncclient keeps notifications in a queue of the session.
        heard = []
        while len(heard) < 1 or "session-end" not in heard[-1]:
            heard.append(connection._session._notification_q.get(timeout=10).notification_xml)
        connection.leave()
    assert any("netconf-confirmed-commit" in text and "start" in text for text in heard)
    assert any("<datastore>startup" in text for text in heard)
    assert tree(0)  # what was pushed
