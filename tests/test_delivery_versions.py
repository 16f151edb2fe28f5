"""Ends of different releases: forged older and newer peers on the simulated network."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from net import KEY, TRUSTED, MemorySink, Net

from toolkit.delivery import control, manifest, wire
from toolkit.delivery.control import Join, Message
from toolkit.delivery.dsse import pre_authentication
from toolkit.delivery.events import Failed
from toolkit.delivery.model import Standing
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sender import Sender
from toolkit.delivery.versions import Agreement, Span, Speaks
from toolkit.errors import WireError

FILES = {"a": bytes(range(256)) * 8}
V1 = Speaks()
V2_ONLY = Speaks(control=Span(2, 2))
V1_TO_3 = Speaks(control=Span(1, 3), manifest=Span(1, 2))


class Peers(Net):
    """A network whose ends speak what they are told to."""

    speaking: dict[str, Speaks]

    def start(self, name: str) -> None:
        self._starts += 1
        self.receivers[name] = Receiver(
            name, self.sinks[name], trusted=TRUSTED, incarnation=self._starts,
            chance=self.random.random, timeout=self.timeout, speaks=self.speaking[name],
        )  # fmt: skip


def peers(sender: Speaks, *, targeted: bool = True, **receivers: Speaks) -> Peers:
    net = Peers(FILES, list(receivers), targeted=targeted)
    net.speaking = receivers
    net.sender = Sender(replace(net.sender.session, speaks=sender), net.source, net.names)
    return net


def standings(net: Net) -> dict[str, Standing]:
    return {r.receiver: r.standing for r in net.sender.results()}


def failure(net: Net, name: str) -> str:
    (found,) = [o for o in net.outputs[name] if isinstance(o, Failed)]
    return str(found.error)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("sender", [V1, V1_TO_3])
@pytest.mark.parametrize("receiver", [V1, V1_TO_3])
def test_ends_with_a_version_in_common_deliver(
    sender: Speaks, receiver: Speaks, targeted: bool
) -> None:
    net = peers(sender, fra=receiver, lon=V1, targeted=targeted)
    net.run()
    assert all(net.sinks[name].placed == FILES for name in net.names)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize(
    ("sender", "receiver", "reason"),
    [
        (V1, V2_ONLY, "this session speaks control version 1, it speaks 2"),
        (V2_ONLY, V1, "this session speaks control version 2, it speaks 1"),
        (V1, Speaks(manifest=Span(2, 3)), "the manifest has version 1, it reads 2 to 3"),
    ],
)
def test_an_end_without_one_is_rejected_and_both_say_why(
    sender: Speaks, receiver: Speaks, reason: str, targeted: bool
) -> None:
    net = peers(sender, fra=receiver, targeted=targeted)
    net.run(limit=10.0)
    (result,) = net.sender.results()
    assert result.standing is Standing.FAILED
    assert reason in result.reason
    assert f"the sender rejects this receiver: {reason}" in failure(net, "fra")
    assert "bring both ends to the same release" in failure(net, "fra")
    assert net.sinks["fra"].placed is None
    assert net.sender.tally.packets == 0, "it was sent something all the same"


@pytest.mark.parametrize("targeted", [True, False])
def test_a_rejected_receiver_does_not_hold_up_the_others(targeted: bool) -> None:
    net = peers(V1, fra=V2_ONLY, lon=V1, targeted=targeted)
    net.run()
    assert standings(net) == {"fra": Standing.FAILED, "lon": Standing.COMPLETE}
    assert net.sinks["lon"].placed == FILES
    if targeted:
        assert "rejects this receiver" in failure(net, "fra")
    else:  # It overhears what the other is sent, and may use it.
        assert net.sinks["fra"].placed in (FILES, None)


def test_a_rejected_receiver_is_served_after_its_update() -> None:
    net = peers(V1, fra=V2_ONLY, lon=V1)
    net.rate = 1
    net.at(0.05, lambda: net.kill("fra"))
    net.at(0.06, lambda: net.speaking.update(fra=V1))
    net.at(0.07, lambda: net.start("fra"))
    net.run()
    assert net.sinks["fra"].placed == FILES
    assert net.sinks["lon"].placed == FILES


def test_a_receiver_of_an_earlier_release_knows_no_rejection_and_ends_at_flag_a() -> None:
    net = peers(V2_ONLY, fra=V1)
    arrive = net._arrive

    def blind(name: str, datagram: bytes) -> None:
        """As a program that skips the extension: it sees a packet without it."""
        header, at = wire.parse(datagram)
        kept = tuple(e for e in header.extensions if e.het != wire.EXT_REJECTION)
        arrive(name, replace(header, extensions=kept).encode() + datagram[at:])

    net._arrive = blind  # type: ignore[method-assign]
    net.run(limit=10.0)
    assert "closed the session before it was complete" in failure(net, "fra")


def test_a_rejection_of_another_or_behind_data_is_nothing() -> None:
    net = peers(V1, fra=V1)
    session = net.sender.session

    def forge(name: str) -> None:
        rejection = wire.Rejection(name=name, reason="forged").extension()
        header = wire.Header(tsi=session.tsi, toi=1, extensions=(rejection,))
        for receiver in net.receivers.values():
            receiver.receive(header.encode(), net.now)

    net.at(0.02, lambda: forge("lon"))
    net.at(0.56, lambda: forge("fra"))
    net.run()
    assert net.sinks["fra"].placed == FILES


def test_a_poll_of_an_unknown_version_is_not_answered() -> None:
    receiver = Receiver(
        "fra", MemorySink(FILES), trusted=TRUSTED, incarnation=1, chance=lambda: 0.5
    )
    receiver.expire(0.0)
    for version, answers in ((1, 1), (7, 0)):
        poll = wire.Poll(poll_id=0, first=0, count=1, version=version)
        header = wire.Header(tsi=7, toi=1, extensions=(poll.extension(),))
        out = receiver.receive(header.encode(), 0.1)
        assert sum(hasattr(o, "message") for o in out) == answers
    assert receiver.counters.ignored == {"a poll of control version 7": 1}


def test_a_signed_manifest_of_a_later_version_is_an_end_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sender that does not negotiate, and signs what this release cannot read."""
    seal = manifest.seal

    def later(found: manifest.Manifest, *_: object) -> bytes:
        envelope = json.loads(seal(found, KEY))
        payload = base64.b64decode(envelope["payload"]).replace(b'"version":1', b'"version":2')
        envelope["payload"] = base64.b64encode(payload).decode()
        signature = KEY.sign(pre_authentication(payload, envelope["payloadType"]))
        envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
        return json.dumps(envelope).encode()

    monkeypatch.setattr("toolkit.delivery.outline.seal", later)
    net = Net(FILES, ["fra"])
    net.run()
    assert "it has version 2, this program reads 1" in failure(net, "fra")
    assert net.sinks["fra"].placed is None


# ----- the bytes


def join(speaks: Speaks) -> bytes:
    return Message(tsi=0, incarnation=1, name="a", body=Join(speaks=speaks)).encode()


def test_version_1_is_said_as_it_always_was() -> None:
    assert join(V1).hex() == "4c53010100000000000000010161"
    assert join(V1_TO_3) == join(V1) + bytes([1, 3, 1, 2])
    for speaks in (V1, V2_ONLY, V1_TO_3):
        assert control.parse(join(speaks)).body == Join(speaks=speaks)


def test_a_join_of_the_future_may_say_more() -> None:
    said = control.parse(join(V1_TO_3) + b"something new")
    assert said.body == Join(speaks=V1_TO_3)


def test_a_rejection_is_read_as_it_was_written() -> None:
    # HET 98, HEL 5: a name of 3 octets, the reason, padding.
    rejection = wire.Rejection(name="fra", reason="too old, sorry")
    content = rejection.extension().encode()
    assert content == bytes([98, 5, 3]) + b"fratoo old, sorry"
    header = wire.Header(tsi=7, toi=1, extensions=(rejection.extension(),))
    assert wire.parse(header.encode())[0].rejection() == rejection
    long = wire.Rejection(name="x" * 255, reason="y" * 5000)
    parsed = wire.parse(wire.Header(tsi=7, toi=1, extensions=(long.extension(),)).encode())[0]
    assert parsed.rejection() == wire.Rejection(name="x" * 255, reason="y" * 400)
    bad = wire.Header(tsi=7, toi=1, extensions=(wire.Extension(98, b"\xff\x00"),))
    with pytest.raises(WireError, match="EXT_REJECTION: the name does not fit"):
        bad.rejection()


def test_a_session_speaks_the_highest_version_of_all() -> None:
    found = Agreement(Speaks(control=Span(1, 4)), 1)
    assert found.control == 4
    assert found.join(0, V1_TO_3) == ""
    assert found.control == 3
    assert found.join(1, Speaks(control=Span(2, 9))) == ""
    assert found.control == 3
    assert "this session speaks control version 2 to 3, it speaks 1" in found.join(2, V1)
    assert found.join(0, Speaks(control=Span(4, 4))) == ""
    assert found.control == 4
    with pytest.raises(ValueError, match="versions 0 to 1 are none"):
        Span(0, 1)
