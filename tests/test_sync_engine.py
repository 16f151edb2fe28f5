"""Every cloud comes to have what it is to have, by sessions that were needed, few at a time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.sync.engine import RESTARTED, Engine
from toolkit.sync.model import Abort, Holding, Policy, Record, Rules, Stage, Start, Target

V1, V2 = Target("llama", "v1", "c1", 100), Target("llama", "v2", "c2", 100)
OTHER = Target("org/mini", "v7", "c7", 100)


def held(*contents: str, pinned: bool = False) -> dict[str, Holding]:
    return {"llama": Holding(contents[-1] if contents else None, frozenset(contents), pinned)}


def starts(engine: Engine, now: float) -> list[Start]:
    return [d for d in engine.decide(now) if isinstance(d, Start)]


def test_requests_of_a_window_become_one_session() -> None:
    engine = Engine(Rules(window=10))
    engine.want({"fra": {"llama": V1}, "lon": {"llama": V1}, "hel": {"llama": V1}})
    engine.heard(0, "fra", {})
    assert starts(engine, 0) == []
    engine.heard(4, "lon", {})
    assert (starts(engine, 4), engine.deadline(4)) == ([], 10)
    assert starts(engine, 9.9) == []
    assert starts(engine, 10) == [Start(1, V1, ("fra", "lon"))]


def test_nobody_is_waited_for_when_all_have_asked() -> None:
    engine = Engine(Rules(window=10))
    engine.want({"fra": {"llama": V1}, "lon": {"llama": V1}})
    engine.heard(0, "fra", held("c1"))
    engine.heard(1, "lon", {})
    assert starts(engine, 1) == [Start(1, V1, ("lon",))]


def test_one_that_failed_is_tried_again_alone_and_ever_later() -> None:
    engine = Engine(Rules(window=0, first=5, most=12))
    engine.want({"fra": {"llama": V1}, "lon": {"llama": V1}})
    for cloud in ("fra", "lon"):
        engine.heard(0, cloud, {})
    assert starts(engine, 0) == [Start(1, V1, ("fra", "lon"))]
    engine.ended(3, 1, {"fra": "", "lon": "disk full"})
    assert (starts(engine, 7.9), engine.deadline(3)) == ([], 8)
    assert starts(engine, 8) == [Start(2, V1, ("lon",))]
    engine.ended(9, 2, {})
    assert (starts(engine, 18.9), starts(engine, 19)) == ([], [Start(3, V1, ("lon",))])
    engine.ended(20, 3, {"lon": "disk full"})
    assert (starts(engine, 31.9), len(starts(engine, 32))) == ([], 1), "no more than `most`"
    [fra, lon] = engine.standings(33)
    assert (fra.stage, lon.stage, lon.failures, lon.why) == (
        Stage.HELD, Stage.DELIVERING, 3, "disk full",
    )  # fmt: skip


def test_a_cloud_is_given_up_and_tried_again_with_another_version() -> None:
    engine = Engine(Rules(window=0, tries=1))
    engine.want({"fra": {"llama": V1}})
    engine.heard(0, "fra", {})
    engine.decide(0)
    engine.ended(1, 1, {"fra": "no"})
    assert (starts(engine, 50), engine.standings(50)[0].stage) == ([], Stage.GIVEN_UP)
    engine.want({"fra": {"llama": V2}})
    assert starts(engine, 51) == [Start(2, V2, ("fra",))]


def test_a_change_of_mind_leaves_no_request_behind() -> None:
    engine = Engine(Rules(window=10))
    engine.want({"fra": {"llama": V1}, "away": {"llama": V1}})
    engine.heard(0, "fra", {})
    assert starts(engine, 0) == []
    engine.want({"fra": {"llama": V2}, "away": {"llama": V2}})
    assert starts(engine, 9) == []
    assert starts(engine, 10) == [], "the window is the new version's own"
    assert starts(engine, 19) == [Start(1, V2, ("fra",))]


@pytest.mark.parametrize("policy", list(Policy))
def test_a_session_for_a_version_nobody_wants_is_finished_or_aborted(policy: Policy) -> None:
    engine = Engine(Rules(window=0, running=policy))
    engine.want({"fra": {"llama": V1}})
    engine.heard(0, "fra", {})
    engine.decide(0)
    engine.want({"fra": {"llama": V2}})
    decided = engine.decide(1)
    assert decided == ([Abort(1)] if policy is Policy.ABORT else [])
    assert engine.decide(2) == [], "a cloud has one session of a model at a time"
    engine.ended(3, 1, {"fra": "aborted"} if decided else {"fra": ""})
    assert starts(engine, 3) == [Start(2, V2, ("fra",))]
    assert engine.standings(3)[0].failures == 0


def test_a_session_that_somebody_still_wants_goes_on() -> None:
    engine = Engine(Rules(window=0, running=Policy.ABORT))
    engine.want({"fra": {"llama": V1}, "lon": {"llama": V1}})
    for cloud in ("fra", "lon"):
        engine.heard(0, cloud, {})
    engine.decide(0)
    engine.want({"fra": {"llama": V2}, "lon": {"llama": V1}})
    assert engine.decide(1) == []


def test_sessions_wait_for_their_turn_in_the_order_of_asking() -> None:
    engine = Engine(Rules(window=0, sessions=2, uplink=250))
    big = replace(OTHER, rate=200)
    small = Target("tiny", "v1", "c3", 50)
    engine.want({"a": {"llama": V1}})
    engine.heard(0, "a", {})
    assert starts(engine, 0) == [Start(1, V1, ("a",))]
    engine.want({"a": {"llama": V1}, "b": {"org/mini": big}})
    engine.heard(1, "b", {})
    assert starts(engine, 1) == [], "100 + 200 is more than the uplink"
    engine.want({"a": {"llama": V1}, "b": {"org/mini": big}, "c": {"tiny": small}})
    engine.heard(2, "c", {})
    assert starts(engine, 2) == [], "the small one does not overtake for ever"
    engine.ended(3, 1, {"a": ""})
    assert [s.target for s in starts(engine, 3)] == [big, small]


def test_a_rate_above_the_uplink_goes_alone() -> None:
    engine = Engine(Rules(window=0, uplink=50))
    engine.want({"a": {"llama": V1}})
    engine.heard(0, "a", {})
    assert len(starts(engine, 0)) == 1


def test_a_pinned_cloud_and_one_that_is_away_ask_for_nothing() -> None:
    engine = Engine(Rules(window=0, presence=60))
    engine.want({"fra": {"llama": V2}, "lon": {"llama": V2}})
    engine.heard(0, "fra", held("c1", pinned=True))
    engine.heard(0, "lon", held("c1"))
    assert starts(engine, 61) == []
    assert [s.stage for s in engine.standings(61)] == [Stage.PINNED, Stage.AWAY]
    engine.heard(62, "lon", held("c1"))
    assert starts(engine, 62) == [Start(1, V2, ("lon",))]


def test_a_report_that_was_on_its_way_does_not_outweigh_a_receipt() -> None:
    engine = Engine(Rules(window=0, trust=15))
    engine.want({"fra": {"llama": V1}})
    engine.heard(0, "fra", {})
    engine.decide(0)
    engine.ended(5, 1, {"fra": ""})
    engine.heard(5.1, "fra", {})
    assert starts(engine, 50) == [], "it has not reported since"
    engine.heard(51, "fra", {})
    assert starts(engine, 51) == [Start(2, V1, ("fra",))], "it really has lost it"


def test_the_next_engine_knows_who_failed_and_what_was_running() -> None:
    engine = Engine(Rules(window=0, first=50))
    engine.want({"fra": {"llama": V1}, "lon": {"org/mini": OTHER}})
    engine.heard(0, "fra", {})
    engine.heard(0, "lon", {})
    engine.decide(0)
    engine.ended(1, 1, {"fra": "disk full"})
    again = Engine(Rules(window=0, first=50), 10, engine.records)
    assert again.running == {}
    assert [(r.event, r.session, r.outcomes) for r in again.records] == [
        ("ended", 2, {"lon": RESTARTED})
    ]
    again.want({"fra": {"llama": V1}, "lon": {"org/mini": OTHER}})
    again.heard(10, "fra", {})
    again.heard(10, "lon", {})
    assert starts(again, 10) == [Start(3, OTHER, ("lon",))], "lon does not pay for the restart"
    assert starts(again, 51) == [Start(4, V1, ("fra",))]


# ----- a repository, its clouds and what can happen to them


@dataclass
class World:
    """A seeded simulation on a clock that jumps."""

    seed: int
    clouds: int
    models: int
    rules: Rules

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.now = 0.0
        self.names = [f"c{i}" for i in range(self.clouds)]
        self.versions = dict.fromkeys((f"m{i}" for i in range(self.models)), 1)
        self.truth: dict[tuple[str, str], list[str]] = {
            (c, m): [] for c in self.names for m in self.versions
        }
        self.wants = {
            c: [m for m in self.versions if self.chance.random() < 0.7] for c in self.names
        }
        self.disk: list[Record] = []
        self.engine = Engine(self.rules)
        self.calm = False
        self.up = dict.fromkeys(self.names, True)
        self.sessions = self.needless = 0
        self._life = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.express()
        for name in self.names:
            self.after(self.chance.random() * 5, lambda n=name: self.report(n))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, action))

    def target(self, model: str) -> Target:
        version = self.versions[model]
        return Target(model, f"v{version}", f"{model}.{version}", 100)

    def express(self) -> None:
        self.engine.want({c: {m: self.target(m) for m in ms} for c, ms in self.wants.items()})

    def report(self, name: str) -> None:
        if self.up[name]:
            holdings = {
                m: Holding(held[-1], frozenset(held))
                for (c, m), held in self.truth.items()
                if c == name and held
            }
            self.after(self.chance.random() * 2, lambda: self.arrive(name, holdings))
        self.after(3 + self.chance.random(), lambda: self.report(name))

    def arrive(self, name: str, holdings: dict[str, Holding]) -> None:
        self.engine.heard(self.now, name, holdings)

    def act(self) -> None:
        decisions = self.engine.decide(self.now)
        self.save()
        for decision in decisions:
            match decision:
                case Start(session=session, target=target, clouds=clouds):
                    self.sessions += 1
                    assert clouds
                    for cloud in clouds:
                        assert target.content not in self.truth[cloud, target.model]
                        assert target.model in self.wants[cloud]
                        assert target == self.target(target.model), "nobody wants that any more"
                    self.later(1 + self.chance.random() * 20, session)
                case Abort(session=session):
                    self.later(0.1, session, "aborted")
        running = list(self.engine.running.values())
        assert len(running) <= self.rules.sessions
        assert len(running) == 1 or sum(r.target.rate for r in running) <= self.rules.uplink
        taking = [(c, r.target.model) for r in running for c in r.clouds]
        assert len(taking) == len(set(taking)), "a cloud takes part in two sessions of a model"

    def later(self, seconds: float, session: int, why: str = "") -> None:
        life = self._life
        self.after(seconds, lambda: self.finish(session, life, why))

    def finish(self, session: int, life: int, why: str = "") -> None:
        if life != self._life or session not in self.engine.running:
            return  # It died with the repository, or was aborted.
        running = self.engine.running[session]
        outcomes = {}
        for cloud in running.clouds:
            failed = why or (
                "lost" if not self.up[cloud] or (not self.calm and self.chance.random() < 0.3)
                else ""
            )  # fmt: skip
            if not failed:
                self.truth[cloud, running.target.model].append(running.target.content)
            if not failed or self.chance.random() < 0.8:
                outcomes[cloud] = failed
        self.engine.ended(self.now, session, outcomes)
        self.save()

    def save(self) -> None:
        self.disk += self.engine.records
        self.engine.records.clear()

    def disturb(self) -> None:
        match self.chance.randrange(5):
            case 0:
                self.versions[self.chance.choice(list(self.versions))] += 1
            case 1:
                model = self.chance.choice(list(self.versions))
                self.versions[model] = max(1, self.versions[model] - 1)
            case 2:
                name = self.chance.choice(self.names)
                self.wants[name] = [m for m in self.versions if self.chance.random() < 0.7]
            case 3:
                name = self.chance.choice(self.names)
                self.up[name] = not self.up[name]
            case 4:
                self._life += 1
                self.engine = Engine(self.rules, self.now, self.disk)
        self.express()

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
            self.act()
            due = self.engine.deadline(self.now)
            if due is not None and (not self._events or due < self._events[0][0]):
                self.after(due - self.now, lambda: None)

    def settled(self) -> bool:
        return all(
            self.target(m).content in self.truth[c, m] for c, ms in self.wants.items() for m in ms
        )


def converges(seed: int, clouds: int, models: int, rules: Rules, disturbances: int) -> World:
    world = World(seed, clouds, models, rules)
    for _ in range(disturbances):
        world.run(world.now + world.chance.random() * 30)
        world.disturb()
    world.calm = True
    world.up = dict.fromkeys(world.names, True)
    world.run(world.now + 600)
    assert world.settled()
    before = world.sessions
    world.run(world.now + 60)
    assert world.sessions == before, "sessions although everybody has everything"
    return world


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_all_clouds_come_to_have_what_they_are_to_have(seed: int) -> None:
    chance = random.Random(seed)
    rules = Rules(
        window=chance.choice([0, 3, 20]), sessions=chance.randrange(1, 4),
        uplink=chance.choice([100, 250, 1000]), first=2, most=60, presence=30,
        running=chance.choice(list(Policy)),
    )  # fmt: skip
    converges(seed, chance.randrange(1, 9), chance.randrange(1, 4), rules, 30)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32), clouds=st.integers(1, 6), models=st.integers(1, 3),
    window=st.floats(0, 30), sessions=st.integers(1, 3), disturbances=st.integers(0, 15),
    policy=st.sampled_from(Policy),
)  # fmt: skip
def test_for_any_rules(
    seed: int, clouds: int, models: int, window: float, sessions: int, disturbances: int,
    policy: Policy,
) -> None:  # fmt: skip
    rules = Rules(window=window, sessions=sessions, first=1, most=30, presence=30, running=policy)
    converges(seed, clouds, models, rules, disturbances)


def test_a_calm_world_needs_one_session_for_each_version() -> None:
    world = World(1, 6, 2, Rules(window=10, sessions=2))
    world.calm = True
    world.wants = {c: ["m0", "m1"] for c in world.names}
    world.express()
    world.run(200)
    assert (world.settled(), world.sessions) == (True, 2)
    world.versions["m0"] += 1
    world.express()
    world.run(400)
    assert (world.settled(), world.sessions) == (True, 3)
