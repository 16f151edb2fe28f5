"""Who holds which block: agents that come, go, are slow, or lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import WireError
from toolkit.gpu.share.ledger import HOST, MAX_AGENTS, Ledger

STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "leave", "lend", "back", "host"]), st.integers(0, 10**6)),
    max_size=80,
)


@given(STEPS)
def test_a_block_is_free_when_its_last_holder_is_done_and_not_before(
    steps: list[tuple[str, int]],
) -> None:
    ledger = Ledger(30.0)
    truth: dict[int, set[int]] = {}
    size: dict[int, int] = {}
    agents: list[int] = []
    freed: list[int] = []
    for ticket, (step, chance) in enumerate(steps):
        free: list[int] = []
        before = {t for t, holders in truth.items() if not holders}
        assert not before
        match step:
            case "join":
                agents.append(ledger.join(f"a{ticket}", 0.0))
            case "leave" if agents:
                agent = agents.pop(chance % len(agents))
                free = ledger.leave(agent, 0.0)
                for holders in truth.values():
                    holders.discard(agent)
            case "lend":
                size[ticket] = chance + 1
                ledger.lend(ticket, chance + 1, 0.0)
                truth[ticket] = {HOST, *agents}
                for agent in agents:
                    ledger.tell((ticket,), (agent,), 0.0)
            case "back" | "host" if truth:
                chosen = sorted(truth)[chance % len(truth)]
                holders = truth[chosen]
                holder = HOST if step == "host" else max(holders)
                if holder in holders:
                    free = ledger.back(holder, (chosen,), 0.0)
                    holders.discard(holder)
                else:
                    with pytest.raises(WireError, match="not held"):
                        ledger.back(holder, (chosen,), 0.0)
            case _:
                pass
        gone = {t for t, holders in truth.items() if not holders}
        assert sorted(free) == sorted(gone)
        freed += free
        for t in gone:
            del truth[t]
        assert len(ledger) == len(truth)
        assert ledger.held == sum(size[t] for t in truth)
        for agent in agents:
            held = sum(size[t] for t, holders in truth.items() if agent in holders)
            assert ledger.agents[agent].held == held
    assert len(freed) == len(set(freed))


def lent(ledger: Ledger, agents: list[int], *tickets: int) -> None:
    for ticket in tickets:
        ledger.lend(ticket, 100, 0.0)
        for agent in agents:
            ledger.tell((ticket,), (agent,), 0.0)
        ledger.back(HOST, (ticket,), 0.0)


def test_an_agent_that_gives_nothing_back_is_stuck_only_while_the_memory_is_wanted() -> None:
    ledger = Ledger(30.0)
    slow, quick = ledger.join("slow", 0.0), ledger.join("quick", 0.0)
    lent(ledger, [slow, quick], 1, 2)
    ledger.back(quick, (1, 2), 1.0)
    assert ledger.stuck(1000.0) == []
    ledger.wanted(1000.0, wanted=True)
    assert ledger.stuck(1014.0, 0.5) == []
    assert ledger.stuck(1015.0, 0.5) == [slow]
    assert ledger.stuck(1029.9) == []
    assert ledger.stuck(1030.0) == [slow]
    ledger.back(slow, (1,), 1029.0)
    assert ledger.stuck(1030.0) == []
    assert ledger.stuck(1059.0) == [slow]
    ledger.wanted(1059.0, wanted=False)
    assert ledger.stuck(1059.0) == []


def test_an_agent_that_holds_nothing_is_never_stuck() -> None:
    ledger = Ledger(1.0)
    idle = ledger.join("idle", 0.0)
    ledger.lend(1, 100, 0.0)
    ledger.wanted(0.0, wanted=True)
    assert ledger.stuck(100.0) == []
    ledger.tell((1,), (idle,), 100.0)
    assert ledger.stuck(100.5) == []
    assert ledger.stuck(101.0) == [idle]


def test_the_time_that_others_wait_for_one_agent_alone_is_its_own() -> None:
    ledger = Ledger(30.0)
    slow, quick = ledger.join("slow", 0.0), ledger.join("quick", 0.0)
    lent(ledger, [slow, quick], 1, 2)
    ledger.wanted(0.0, wanted=True)
    ledger.back(quick, (1, 2), 5.0)
    ledger.back(slow, (1, 2), 8.0)
    assert ledger.agents[slow].waited == pytest.approx(3.0)
    assert ledger.agents[quick].waited == 0.0
    assert (ledger.agents[slow].blocks, ledger.agents[slow].bytes) == (2, 200)


@pytest.mark.parametrize("tickets", [(1, 1), (1, 7), (2,)])
def test_a_false_release_changes_nothing(tickets: tuple[int, ...]) -> None:
    ledger = Ledger(30.0)
    agent, other = ledger.join("a", 0.0), ledger.join("b", 0.0)
    lent(ledger, [agent, other], 1)
    lent(ledger, [other], 2)
    with pytest.raises(WireError, match="released"):
        ledger.back(agent, tickets, 0.0)
    assert ledger.agents[agent].held == 100
    assert ledger.back(agent, (1,), 0.0) == []
    assert ledger.back(other, (1, 2), 0.0) == [1, 2]


def test_a_number_is_used_again_and_holds_nothing_of_before() -> None:
    ledger = Ledger(30.0)
    first = ledger.join("a", 0.0)
    lent(ledger, [first], 1)
    assert ledger.leave(first, 0.0) == [1]
    assert ledger.join("b", 0.0) == first
    assert ledger.agents[first].held == 0
    for number in range(MAX_AGENTS - 1):
        ledger.join(f"c{number}", 0.0)
    with pytest.raises(WireError, match="62 agents"):
        ledger.join("one too many", 0.0)
