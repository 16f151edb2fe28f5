"""Control messages: who may say what in whose name, how often, and what is written down of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.delivery.admission import MAX_TRACKED, Admission, AuditRecord, Quota
from toolkit.delivery.authentic import WINDOW, AuthenticError, Listener, Speaker, key_of
from toolkit.delivery.control import Fail, Join, Message, Report
from toolkit.delivery.doorkeeper import MAX_NOTED, Doorkeeper
from toolkit.delivery.refusal import Refusal
from toolkit.errors import WireError

TOKEN = b"0123456789abcdef0123456789abcdef"
FRA, EVIL = ("192.0.2.10", 4401), ("198.51.100.6", 666)


def said(name: str = "fra", incarnation: int = 5, body: object = None, tsi: int = 7) -> bytes:
    return Message(
        tsi=tsi, incarnation=incarnation, name=name,
        body=body or Join(),  # type: ignore[arg-type]
    ).encode()  # fmt: skip


# ----- authentication codes


def test_what_is_wrapped_is_unwrapped_for_its_own_name_alone() -> None:
    wrapped = Speaker(key_of(TOKEN, "fra")).wrap(said())
    assert Listener(TOKEN).unwrap(wrapped).name == "fra"
    with pytest.raises(AuthenticError, match="wrong authentication code") as caught:
        Listener(b"another token, 16+ bytes").unwrap(wrapped)
    assert caught.value.kind is Refusal.UNAUTHENTIC
    # lon, which has a key of its own, cannot speak for fra.
    with pytest.raises(AuthenticError, match="'fra' has a wrong authentication code"):
        Listener(TOKEN).unwrap(Speaker(key_of(TOKEN, "lon")).wrap(said("fra")))
    with pytest.raises(AuthenticError, match="without an authentication code"):
        Listener(TOKEN).unwrap(said())


def test_a_changed_bit_anywhere_is_noticed() -> None:
    wrapped = Speaker(key_of(TOKEN, "fra")).wrap(said(body=Fail(reason="x")))
    for bit in range(8 * len(wrapped)):
        spoiled = bytearray(wrapped)
        spoiled[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError):
            Listener(TOKEN).unwrap(bytes(spoiled))


def test_nothing_is_taken_twice_and_overtaking_is_allowed_within_a_window() -> None:
    speaker, listener = Speaker(key_of(TOKEN, "fra")), Listener(TOKEN)
    messages = [speaker.wrap(said()) for _ in range(WINDOW + 2)]
    for index in (3, 0, 2, 1):
        listener.unwrap(messages[index])
    for index in (0, 1, 2, 3):
        with pytest.raises(AuthenticError, match="said that before") as caught:
            listener.unwrap(messages[index])
        assert caught.value.kind is Refusal.REPLAYED
    listener.unwrap(messages[-1])
    with pytest.raises(AuthenticError, match="said that before"):
        listener.unwrap(messages[1])
    with pytest.raises(AuthenticError):  # Never heard, and too old to know that.
        Listener.unwrap(listener, messages[WINDOW + 1 - WINDOW])
    listener.unwrap(messages[WINDOW + 1 - WINDOW + 3])


@given(st.permutations(range(12)))
def test_each_message_is_taken_once_in_any_order(order: list[int]) -> None:
    speaker, listener = Speaker(key_of(TOKEN, "fra")), Listener(TOKEN)
    messages = [speaker.wrap(said()) for _ in range(12)]
    for index in order:
        listener.unwrap(messages[index])
    for index in order:
        with pytest.raises(AuthenticError):
            listener.unwrap(messages[index])


def test_a_new_start_counts_anew_and_an_old_one_is_over() -> None:
    listener = Listener(TOKEN)
    old, new = Speaker(key_of(TOKEN, "fra")), Speaker(key_of(TOKEN, "fra"))
    listener.unwrap(old.wrap(said(incarnation=5)))
    late = old.wrap(said(incarnation=5))
    listener.unwrap(new.wrap(said(incarnation=6)))
    with pytest.raises(AuthenticError, match="started again") as caught:
        listener.unwrap(late)
    assert caught.value.kind is Refusal.REPLAYED


@given(st.binary(max_size=100))
def test_a_listener_raises_nothing_else_on_what_it_is_sent(data: bytes) -> None:
    listener = Listener(TOKEN)
    for datagram in (data, b"LA\1\0" + data, b"LA\1\0" + bytes(24) + data):
        with pytest.raises(WireError):
            listener.unwrap(datagram)


# ----- the door


def door(**options: object) -> Doorkeeper:
    return Doorkeeper(["fra", "lon"], {"fra": FRA}, **options)  # type: ignore[arg-type]


def test_messages_pass_from_their_receivers_address_alone() -> None:
    keeper = door()
    assert keeper.admit(said(), FRA, 0.0, 0) is not None
    for body in (Join(), Fail(reason="x"), Report(poll_id=1, toi=3, first=0, lacks=b"\0")):
        assert keeper.admit(said(body=body), EVIL, 0.1, 1) is None
    assert keeper.admit(said(), ("192.0.2.10", 4402), 0.1, 1) is None
    assert keeper.admit(said("mad"), EVIL, 0.1, 1) is None
    assert keeper.admit(b"LS garbage", EVIL, 0.1, 1) is None
    assert keeper.refused == {"foreign-source": 4, "stranger": 1, "malformed": 1}


def test_an_address_that_was_learnt_holds_while_its_receiver_speaks() -> None:
    addresses = {"fra": FRA}
    keeper = Doorkeeper(["fra", "lon"], addresses)
    lon, moved = ("192.0.2.20", 5000), ("192.0.2.20", 5001)
    assert keeper.admit(said("lon"), lon, 0.0, 0) is not None
    assert addresses["lon"] == lon
    assert keeper.admit(said("lon", incarnation=9), EVIL, 4.0, 1) is None
    assert keeper.admit(said("lon"), lon, 4.5, 1) is not None
    assert keeper.admit(said("lon", incarnation=9), moved, 9.4, 1) is None
    assert keeper.admit(said("lon", incarnation=9), moved, 9.6, 1) is not None
    assert addresses["lon"] == moved
    # One that was given never moves.
    assert keeper.admit(said("fra"), EVIL, 1e6, 1) is None


def test_receivers_that_are_added_later_are_known() -> None:
    names, addresses = ["fra"], {"fra": FRA}
    keeper = Doorkeeper(names, addresses)
    assert keeper.admit(said("lon"), EVIL, 0.0, 0) is None
    names.append("lon")
    addresses["lon"] = ("192.0.2.20", 5000)
    assert keeper.admit(said("lon"), EVIL, 0.0, 0) is None
    assert keeper.admit(said("lon"), ("192.0.2.20", 5000), 0.0, 0) is not None


def test_with_a_token_the_code_counts_and_not_the_address() -> None:
    keeper = door(token=TOKEN)
    speaker = Speaker(key_of(TOKEN, "fra"))
    assert keeper.admit(speaker.wrap(said()), ("203.0.113.9", 1), 0.0, 0) is not None
    assert keeper.admit(said(), FRA, 0.0, 0) is None
    recorded = speaker.wrap(said())
    assert keeper.admit(recorded, FRA, 0.0, 0) is not None
    assert keeper.admit(recorded, FRA, 0.1, 0) is None
    assert keeper.refused == {"unauthentic": 1, "replayed": 1}


def test_starts_are_counted_and_not_repetitions() -> None:
    keeper = door(quota=Quota(receiver=3, window=60))
    for now in range(50):
        assert keeper.admit(said(incarnation=1), FRA, now / 10, 0) is not None
    for start in (2, 3):
        assert keeper.admit(said(incarnation=start), FRA, 6.0, 0) is not None
    assert keeper.admit(said(incarnation=4), FRA, 7.0, 0) is None
    assert keeper.refused == {"quota": 1}
    assert keeper.admit(said(incarnation=4), FRA, 66.1, 0) is not None


def test_notes_tell_who_what_and_where_and_are_no_flood() -> None:
    keeper = door(session="7")
    keeper.admit(said(), FRA, 0.0, 0)
    for _ in range(1000):
        keeper.admit(said(body=Fail(reason="x")), EVIL, 1.0, 1)
    keeper.admit(said(), EVIL, 62.0, 1)
    lines = [json.loads(r.line(1e9)) for r in keeper.records]
    assert [(r["event"], r["who"], r["source"], r["session"]) for r in lines] == [
        ("join", "fra", "192.0.2.10:4401", "7"),
        ("refused", "fra", "198.51.100.6:666", "7"),
        ("refused", "fra", "198.51.100.6:666", "7"),
    ]
    assert "which is at 192.0.2.10:4401" in lines[1]["outcome"]
    assert keeper.refused["foreign-source"] == 1001
    for host in range(2 * MAX_NOTED):
        keeper.admit(b"", (f"10.0.{host >> 8}.{host & 255}", 1), 70.0, 1)
    assert len(keeper.records) <= MAX_NOTED + 3
    assert keeper.refused["malformed"] == 2 * MAX_NOTED


# ----- quotas and records


def test_quotas_of_receivers_sources_and_all_together() -> None:
    admission = Admission(Quota(receiver=2, source=3, window=10, active=5))
    assert admission.join("a", "s", 0.0, active=0) == ""
    assert admission.join("a", "s", 1.0, active=0) == ""
    assert "receiver a has joined 2 times within 10 s" in admission.join("a", "s", 2.0, active=0)
    assert admission.join("b", "s", 2.0, active=0) == ""
    assert "source s has joined 3 times" in admission.join("c", "s", 3.0, active=0)
    assert "5 receivers are served already" in admission.join("c", "t", 3.0, active=5)
    assert admission.join("a", "t", 10.5, active=0) == ""
    with pytest.raises(ValueError, match="at least one"):
        Quota(receiver=0)


def test_what_a_quota_remembers_is_bounded() -> None:
    admission = Admission(Quota())
    refused = [admission.join(f"r{i}", f"s{i}", 0.0, active=0) for i in range(MAX_TRACKED)]
    assert refused.count("") == MAX_TRACKED // 2
    assert "at a time" in refused[-1]
    assert admission.join("x", "y", 61.0, active=0) == ""


@given(st.text(), st.text())
def test_a_record_is_one_line_whatever_is_in_it(who: str, outcome: str) -> None:
    line = AuditRecord(event="refused", who=who, outcome=outcome).line(1.5)
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    assert json.loads(line)["who"] == who
