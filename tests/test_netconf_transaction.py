"""The transaction table by itself, without a network."""

from __future__ import annotations

import pytest

from toolkit.netconf.transaction import TRANSITIONS, Event, Request, State, Transaction

ENDS = {State.COMMITTED, State.UNSAVED, State.ROLLED_BACK, State.EXPIRING, State.IN_DOUBT}
WAITING = {State.IDLE, State.PREPARED, State.PROVISIONAL, State.CONFIRMED}
"""Nothing is under way on the device: the network decides what is next."""

REQUESTED = {
    state: request
    for row in TRANSITIONS.values()
    for state, request in row.values()
    if request is not None
}
"""State -> the request that is out while a device is in it."""


def reachable(start, *, without=()):
    found, waiting = {start}, [start]
    while waiting:
        for event, (state, _) in TRANSITIONS[waiting.pop()].items():
            if event not in without and state not in found:
                found.add(state)
                waiting.append(state)
    return found


def test_every_state_has_a_row_and_only_the_ends_are_empty():
    assert set(TRANSITIONS) == set(State)
    assert {state for state, row in TRANSITIONS.items() if not row} == ENDS


def test_every_state_and_so_every_end_can_be_reached():
    assert reachable(State.IDLE) == set(State)


@pytest.mark.parametrize("state", State)
def test_every_state_can_reach_an_end(state):
    assert reachable(state) & ENDS


def test_a_device_either_has_a_request_out_or_waits_and_every_request_is_used():
    assert set(REQUESTED) == set(State) - ENDS - WAITING
    assert set(REQUESTED.values()) == set(Request)


@pytest.mark.parametrize("state", REQUESTED)
def test_every_answer_to_a_request_is_expected(state):
    answers = {Event.OK, Event.ERROR, Event.LOST}
    if REQUESTED[state] is Request.RESOLVE:
        answers = {Event.NEW, Event.OLD, Event.ERROR, Event.LOST}
    assert set(TRANSITIONS[state]) == answers


def test_a_waiting_device_can_go_on_or_be_given_up():
    for state in WAITING:
        assert set(TRANSITIONS[state]) == {Event.PROCEED, Event.ABORT}


def test_nothing_that_ran_provisionally_ends_rolled_back_without_cancel_or_a_look():
    running = {State.COMPARING, State.PROVISIONAL, State.CONFIRMING, State.RECONFIRMING}
    for state in running:
        assert State.ROLLED_BACK not in {s for s, _ in TRANSITIONS[state].values()}


def test_doubt_needs_a_lost_confirmation_or_a_device_that_says_what_cannot_be():
    doubts = {
        (state, event)
        for state, row in TRANSITIONS.items()
        for event, (then, _) in row.items()
        if then is State.IN_DOUBT
    }
    assert doubts == {
        (State.RECONFIRMING, Event.LOST),
        (State.RESOLVING, Event.LOST),
        (State.RESOLVING, Event.ERROR),
        (State.INSPECTING, Event.NEW),
        (State.INSPECTING, Event.ERROR),
    }
    ways = {s for s, row in TRANSITIONS.items() for t, _ in row.values() if t is State.RECONFIRMING}
    assert ways == {State.CONFIRMING}
    ways = {s for s, row in TRANSITIONS.items() for t, _ in row.values() if t is State.RESOLVING}
    assert ways == {State.RECONFIRMING}


def test_the_way_without_trouble():
    transaction = Transaction()
    requests = []
    for _ in range(4):
        request = transaction.handle(Event.PROCEED)
        while request is not None:
            requests.append(request)
            request = transaction.handle(Event.OK)
    assert transaction.state is State.COMMITTED
    assert requests == [
        Request.LOCK, Request.EDIT, Request.VALIDATE, Request.READ_CANDIDATE,
        Request.COMMIT, Request.READ_RUNNING, Request.CONFIRM, Request.SAVE,
    ]  # fmt: skip


def test_what_is_confirmed_is_saved_whether_the_network_goes_on_or_gives_up():
    assert TRANSITIONS[State.CONFIRMED][Event.ABORT] == TRANSITIONS[State.CONFIRMED][Event.PROCEED]
    assert reachable(State.CONFIRMED) & ENDS == {State.COMMITTED, State.UNSAVED}


def test_an_event_out_of_place_is_our_own_mistake():
    with pytest.raises(ValueError, match="OK is not possible in IDLE"):
        Transaction().handle(Event.OK)
