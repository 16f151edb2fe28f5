"""What no schema has judged and what is the plan's word is said by name, never passed over."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import MappingProxyType

import pytest
from verify_networks import LINES, network

from toolkit.errors import Place, Problem
from toolkit.inventory.model import Platform
from toolkit.plan.model import Plan
from toolkit.plan.platforms import PLATFORMS
from toolkit.report.verification import Verification, document, lines, markdown, text
from toolkit.state.model import Source
from toolkit.verify import proof as module
from toolkit.verify.coverage import not_modelled
from toolkit.verify.findings import Severity
from toolkit.verify.proof import planned_parts, proof, unproven


@dataclass(frozen=True)
class Rendered:
    device: str
    platform: Platform = Platform.REFERENCE
    unproven: str = ""
    warnings: tuple[Problem, ...] = ()


FETCH = "the modules of iosxr come from a device: llmsync yang fetch"
LINT = Problem(Place("r2", path="/a/b"), "BFR-id 2000 is beyond 1024", "renumber")


def test_payloads_without_a_schema_are_named_with_platform_and_reason() -> None:
    payloads = [
        Rendered("r1", Platform.IOSXR, FETCH),
        Rendered("r2"),
        Rendered("r3", Platform.IOSXR, FETCH),
        Rendered("r4", Platform.VRP, "another"),
    ]
    assert unproven(payloads) == (
        f"not schema-proven: r1, r3 (iosxr): {FETCH}",
        "not schema-proven: r4 (vrp): another",
    )
    (check,) = proof(payloads).checks
    assert check.status == "not run"
    assert FETCH in check.reason
    many = [Rendered(f"r{i}", Platform.IOSXR, FETCH) for i in range(20)]
    assert "r7 and 12 more (iosxr)" in unproven(many)[0]


def test_payloads_with_a_schema_pass_and_their_lints_are_warnings() -> None:
    report = proof([Rendered("r1"), Rendered("r2", Platform.JUNOS, warnings=(LINT,))])
    (check,) = report.checks
    assert (check.status, check.reason) == ("passed", "2 configurations")
    (finding,) = report.findings
    assert finding.id == "config-lint"
    assert finding.severity is Severity.WARNING
    assert (finding.message, finding.remedy) == (LINT.what, LINT.remedy)
    assert finding.place == LINT.place
    assert report.errors == ()


@pytest.fixture
def junos(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Return a plan with two Junos routers, whose facts leave two parts to the plan."""
    silent = {
        "sessions": "no vendor knows our sessions",
        "interfaces.mtu": "it is the port's",
    }
    facts = {**PLATFORMS, Platform.JUNOS: replace(PLATFORMS[Platform.JUNOS], silent=silent)}
    monkeypatch.setattr(module, "PLATFORMS", MappingProxyType(facts))
    plan, _ = network(LINES)
    routers = {
        name: replace(router, platform=Platform.JUNOS) if name in "cd" else router
        for name, router in plan.routers.items()
    }
    return replace(plan, routers=routers)


def test_what_a_platform_cannot_say_is_told_once_with_its_reason(junos: Plan) -> None:
    assert planned_parts(junos) == (
        ("interfaces: mtu of junos routers", "taken from the plan: it is the port's"),
        ("sessions of junos routers", "taken from the plan: no vendor knows our sessions"),
    )
    _, state = network(LINES)
    topics = {s.topic for s in not_modelled(junos, state)}
    assert "sessions of junos routers" not in topics  # the plan itself is judged
    rendered = replace(state, source=Source.RENDERED)
    assert "sessions of junos routers" in {s.topic for s in not_modelled(junos, rendered)}


def test_every_output_names_both(junos: Plan) -> None:
    _, state = network(LINES)
    rendered = replace(state, source=Source.RENDERED)
    line = f"not schema-proven: r1 (iosxr): {FETCH}"
    verification = Verification(
        plan=junos,
        report=proof([Rendered("r1", Platform.IOSXR, FETCH)]),
        source=Source.RENDERED,
        not_modelled=not_modelled(junos, rendered),
        unproven=(line,),
        planned=planned_parts(junos),
    )
    told = "not checked: sessions of junos routers: taken from the plan: no vendor knows our"
    for said in (text(verification), markdown(verification)):
        assert line in said
        assert told in said
    assert "sessions of junos" not in text(verification).partition("Not modelled")[2]
    whole = document(verification)
    assert whole["not_schema_proven"] == [line]
    assert {row["what"] for row in whole["not_checked"]} == {w for w, _ in planned_parts(junos)}
    assert json.dumps(list(lines(verification)))


def test_the_command_names_routers_that_no_schema_has_judged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.cli import main
    from toolkit.render import payload

    rendered = payload.render_plan

    def unjudged(plan: Plan) -> dict[str, payload.Payload]:
        made = rendered(plan)
        return made | {"ams1": replace(made["ams1"], unproven="nobody has them")}

    monkeypatch.setattr(payload, "render_plan", unjudged)
    assert main.main(["verify", "demo"]) == 0
    out = capsys.readouterr().out
    assert "not schema-proven: ams1 (reference): nobody has them" in out
