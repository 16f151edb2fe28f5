"""Probing on a clock that jumps: what each kind of network does to probes, and the verdict."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from toolkit.delivery import control, probe
from toolkit.delivery.control import Join, Message, Probed
from toolkit.delivery.probe import Probe, ProbeAnswers, Probing, trials
from toolkit.delivery.reach import Reach, Verdict
from toolkit.delivery.wire import parse as parse_lct
from toolkit.errors import WireError
from toolkit.transport.ways import Ways

PAYLOAD = 8800
EVERYTHING = 1 << 16


@dataclass
class Path:
    """The network between the sender and one receiver."""

    group: int = EVERYTHING
    """Longest UDP payload that the group brings; 0: nothing."""
    unicast: int = EVERYTHING
    back: bool = True
    runs: bool = True
    answers: bool = True
    routers: int = 0
    delay: float = 0.01
    loss: float = 0.0


def run(
    paths: dict[str, Path],
    *,
    group: bool = True,
    known: bool = True,
    seed: int = 1,
    payload: int = PAYLOAD,
) -> tuple[Probing, dict[str, Verdict], float, dict[str, int]]:
    """Probe; return the engine, verdicts, the time it took and how many answers each gave."""
    chance = random.Random(seed)
    probing = Probing(
        tsi=9, probe_id=77, names=list(paths), payload=payload, group=group, rate=1_000_000_000,
        addressed=set(paths) if known else set(),
    )  # fmt: skip
    ends = {name: ProbeAnswers(chance.random) for name in paths}
    said = dict.fromkeys(paths, 0)
    events: list[tuple[float, int, Callable[[], None]]] = []
    now, count = 100.0, 0

    def at(when: float, action: Callable[[], None]) -> None:
        nonlocal count
        count += 1
        heapq.heappush(events, (when, count, action))

    def arrive(name: str, datagram: bytes) -> None:
        header, _ = parse_lct(datagram)
        tried = probe.parse(header)
        assert tried is not None
        end = ends[name]
        fresh = end.due == float("inf")
        assert end.take(tried, len(datagram), now) == ""
        if fresh:
            at(end.due, lambda: answer(name))

    def answer(name: str) -> None:
        said[name] += 1
        tell(name, ends[name].answer(now))

    def tell(name: str, body: control.Body) -> None:
        path = paths[name]
        message = control.parse(Message(tsi=0, incarnation=1, name=name, body=body).encode())
        if path.back and chance.random() >= path.loss:
            at(now + path.delay, lambda: (probing.address(name), probing.receive(message, now)))

    for name, path in paths.items():
        if path.runs:
            at(100.0, lambda n=name: tell(n, Join()))
    while not probing.finished:
        for shot in probing.poll(now):
            for name, path in paths.items():
                if shot.receiver not in (None, name) or not (path.runs and path.answers):
                    continue
                limit = path.group if shot.receiver is None else path.unicast
                far = shot.ttl is not None and shot.ttl <= path.routers
                if len(shot.datagram) <= limit and not far and chance.random() >= path.loss:
                    at(now + path.delay, lambda n=name, d=shot.datagram: arrive(n, d))
        due = probing.deadline
        assert due is not None or probing.finished
        now = max(now, min([t for t in (due, events[0][0] if events else None) if t is not None]))
        while events and events[0][0] <= now:
            heapq.heappop(events)[2]()
        probing.poll(now, 0)
    return probing, {v.receiver: v for v in probing.verdicts()}, now - 100.0, said


def test_where_all_is_well_it_takes_little_more_than_a_round_trip() -> None:
    _, verdicts, took, said = run({f"r{i}": Path(delay=0.01) for i in range(20)})
    assert {v.reach for v in verdicts.values()} == {Reach.MULTICAST}
    assert took < 0.1
    assert max(said.values()) <= 2, "answers are gathered"
    for verdict in verdicts.values():
        assert (verdict.group_size, verdict.unicast_size, verdict.hops) == (PAYLOAD, PAYLOAD, 1)
        assert verdict.rtt == pytest.approx(0.02, abs=0.002)
        assert verdict.remedy == ""


CASES = {
    "no group": (Path(group=0), Reach.UNICAST, "the group does not reach it", "IGMP/MLD"),
    "small group": (
        Path(group=1472), Reach.UNICAST, "by the group at most 1472 bytes", "--payload 1472",
    ),
    "small all": (Path(group=1472, unicast=1472), Reach.SMALL, "at most 1472", "--payload 1472"),
    "tunnel": (Path(group=0, unicast=1430), Reach.SMALL, "at most 1400", "--payload 1400"),
    "firewall": (Path(group=0, unicast=0), Reach.CONTROL, "talks to us and nothing", ""),
    "old": (Path(answers=False), Reach.CONTROL, "", ""),
    "not there": (Path(runs=False), Reach.NONE, "nothing was heard", "llmsync receive --name x"),
    "deaf sender": (Path(back=False), Reach.NONE, "nothing was heard", "control address"),
    "multicast only": (Path(unicast=0), Reach.MULTICAST, "", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_fault_has_its_verdict_and_remedy_and_hides_no_other_receiver(case: str) -> None:
    path, reach, what, remedy = CASES[case]
    if reach is Reach.CONTROL:
        reach = Reach.MUTE  # From here both look alike: it has not answered.
        what = "answers no probe"
    _, verdicts, took, _ = run({"x": path, "good": Path()})
    assert verdicts["x"].reach is reach, verdicts["x"]
    assert what in verdicts["x"].what
    assert remedy in verdicts["x"].remedy
    assert verdicts["good"].reach is Reach.MULTICAST
    assert took <= 2.1


def test_without_a_group_unicast_is_what_is_tried() -> None:
    _, verdicts, took, _ = run({"x": Path(), "y": Path(unicast=1400)}, group=False)
    assert verdicts["x"].reach is Reach.UNICAST
    assert verdicts["x"].remedy == ""
    assert verdicts["y"].reach is Reach.SMALL
    assert verdicts["y"].unicast_size == 1400
    assert took <= 2.1


def test_addresses_that_are_learnt_meanwhile_are_probed_too() -> None:
    _, verdicts, _, _ = run({"x": Path(group=0)}, known=False)
    assert verdicts["x"].reach is Reach.UNICAST


@pytest.mark.parametrize("seed", range(20))
def test_loss_does_not_change_a_verdict(seed: int) -> None:
    paths = {f"r{i}": Path(loss=0.2, group=1472 if i == 3 else EVERYTHING) for i in range(6)}
    _, verdicts, _, _ = run(paths, seed=seed)
    assert verdicts["r3"].reach is Reach.UNICAST
    good = [v.reach for name, v in verdicts.items() if name != "r3"]
    assert good == [Reach.MULTICAST] * 5


@pytest.mark.parametrize(
    ("routers", "hops"), [(0, 1), (1, 2), (3, 4), (5, 8), (12, 16), (20, None)]
)
def test_how_far_a_receiver_is(routers: int, hops: int | None) -> None:
    _, verdicts, _, _ = run({"x": Path(routers=routers)})
    assert verdicts["x"].hops == hops


def test_a_thousand_receivers_are_probed_at_the_rate_and_answer_a_few_times() -> None:
    probing, verdicts, took, said = run({f"r{i}": Path() for i in range(1000)})
    assert {v.reach for v in verdicts.values()} == {Reach.MULTICAST}
    assert took < 0.5
    assert max(said.values()) <= 10
    assert probing.finished


def test_a_probe_is_a_packet_of_a_session_that_others_skip_and_has_its_size() -> None:
    for number, trial in enumerate(trials(1400, group=True)):
        datagram = probe.encode(9, 77, number, trial.size, 5)
        assert len(datagram) == trial.size
        header, _ = parse_lct(datagram)
        assert (header.tsi, probe.parse(header)) == (9, (trial.size, 77, number, 5))
    assert max(len(trials(p, group=True)) for p in range(200, 65000, 97)) <= probe.MAX_NUMBERS


def test_what_is_no_probe_or_a_damaged_one_is_told_apart() -> None:
    header, _ = parse_lct(probe.encode(9, 77, 3, 200, 5))
    assert probe.parse(header.__class__(tsi=1, toi=0)) is None
    short = probe.Extension(probe.EXT_PROBE, bytes(10))
    with pytest.raises(WireError, match="EXT_PROBE"):
        probe.parse(header.__class__(tsi=1, toi=0, extensions=(short,)))
    answers = ProbeAnswers(lambda: 0.5)
    assert "cut short" in answers.take(Probe(200, 77, 3, 0), 199, 1.0)
    assert "too high" in answers.take(Probe(200, 77, 64, 0), 200, 1.0)
    assert answers.due == float("inf")


def test_an_answer_tells_of_the_latest_probing_only() -> None:
    answers = ProbeAnswers(lambda: 0.0)
    answers.take(Probe(200, 1, 5, 0), 200, 1.0)
    answers.take(Probe(200, 2, 0, 1), 200, 1.001)
    answers.take(Probe(200, 2, 3, 9), 200, 1.002)
    assert answers.due == pytest.approx(1.02)
    assert answers.answer(1.02) == Probed(probe_id=2, mask=0b1001, last=9, held=18000)
    assert answers.due == float("inf")


def test_ways_send_to_the_group_what_its_members_need_and_to_those_apart_by_unicast() -> None:
    names = ["a", "b", "c"]
    addresses = {n: (n, 1) for n in names}
    everybody, group = 0b111, ("g", 9)
    assert list(Ways(names, addresses, group).of(0b111, everybody)) == [group]
    assert list(Ways(names, addresses, group).of(0b011, everybody)) == [("a", 1), ("b", 1)]
    apart = Ways(names, addresses, group, ["b"])
    assert list(apart.of(0b111, everybody)) == [group, ("b", 1)]
    assert list(apart.of(0b101, everybody)) == [group]
    assert list(apart.of(0b010, everybody)) == [("b", 1)]
    assert list(apart.of(0b001, everybody)) == [("a", 1)]
    assert list(apart.of(0b011, 0b011)) == [("a", 1), ("b", 1)], "one member: unicast is as good"
    assert list(Ways(names, addresses, None).of(0b111, everybody)) == [(n, 1) for n in names]
    assert list(Ways(names, {}, group).of(0b001, everybody)) == []
