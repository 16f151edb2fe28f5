"""What a person asks to go wrong in a run: loss, failures, late and killed receivers.

Names are checked against the plan, all at once, with the nearest known name as the remedy.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.lab.scenario import Scenario
    from toolkit.plan.model import Plan


def parse_scenario(args: argparse.Namespace, plan: Plan) -> Scenario:
    """Return what `llmsync run` was asked to do besides delivering."""
    from toolkit.lab.scenario import Kill, LossOn, Outage, Scenario
    from toolkit.planes.adjacency import NO_FAILURES
    from toolkit.verify.failures import named_failures

    clouds = {name for name, host in plan.hosts.items() if host.kind == "cloud"}
    problems: list[str] = []
    late: dict[str, float] = {}
    for cloud, text in _pairs("--late", args.late, clouds, problems).items():
        late[cloud] = _seconds("--late", text, problems)
    kill: dict[str, Kill] = {}
    for cloud, text in _pairs("--kill", args.kill, clouds, problems).items():
        kill[cloud] = Kill(*_span("--kill", f"{cloud}={text}", text, problems))
    loss = _share(args.loss, problems)
    down = NO_FAILURES
    try:
        down = named_failures(plan, args.down) if args.down else NO_FAILURES
    except UsageError as error:
        problems += str(error).splitlines()
    outages: list[Outage] = []
    for text in args.fail_at:
        name, equals, times = text.partition("=")
        if not equals:
            problems.append(f"--fail-at {text}: not LINK=SECONDS or NODE=SECONDS")
            continue
        try:
            failures = named_failures(plan, name, "--fail-at")
        except UsageError as error:
            problems += str(error).splitlines()
            continue
        first, second = _span("--fail-at", text, times, problems)
        outages.append(Outage(name=name, failures=failures, at=first, back=second))
    pim = [flow.delivery for flow in plan.flows if flow.transport.pim]
    if outages and pim:
        problems.append(
            f"--fail-at: {pim[0]} goes over PIM, whose trees the laboratory does not fail on the "
            "way (use --break, or another transport)"
        )
    detect = _seconds("--detect", args.detect, problems)
    converge = _seconds("--converge", args.converge, problems)
    _raise(problems)
    return Scenario(
        loss=loss,
        loss_on=LossOn(args.loss_on),
        seed=args.seed,
        down=down,
        late=late,
        kill=kill,
        outages=tuple(outages),
        detect=detect,
        converge=converge,
    )


def _pairs(
    flag: str, texts: Iterable[str], clouds: Iterable[str], problems: list[str]
) -> Mapping[str, str]:
    found = {}
    for text in texts:
        cloud, equals, value = text.partition("=")
        if not equals:
            problems.append(f"{flag} {text}: not CLOUD=SECONDS")
        elif cloud not in clouds:
            problems.append(_unknown(flag, cloud, "cloud", clouds))
        else:
            found[cloud] = value
    return found


def _span(flag: str, whole: str, text: str, problems: list[str]) -> tuple[float, float | None]:
    """Return the two times of SECONDS[:SECONDS]."""
    at, colon, back = text.partition(":")
    first = _seconds(flag, at, problems)
    second = _seconds(flag, back, problems) if colon else None
    if second is not None and second <= first:
        done = "is killed" if flag == "--kill" else "fails"
        problems.append(f"{flag} {whole}: it comes back before it {done}")
    return first, second


def _seconds(flag: str, text: str, problems: list[str]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 86400:
        problems.append(f"{flag}: {text!r} is not a number of seconds (0 to 86400)")
        return 0.0
    return value


def parse_share(text: str) -> float:
    """Return the loss that `1%` or `0.01` says; UsageError for anything else."""
    problems: list[str] = []
    value = _share(text, problems)
    _raise(problems)
    return value


def _share(text: str, problems: list[str]) -> float:
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        problems.append(f"--loss: {text!r} is not a share from 0 to below 1 (1% or 0.01)")
        return 0.0
    return value


def _unknown(flag: str, name: str, kind: str, known: Iterable[str]) -> str:
    from toolkit.inventory.suggestion import closest

    near = closest(name, known)
    remedy = f"did you mean {near}?" if near else f"known: {', '.join(sorted(known))}"
    return f"{flag} {name}: no such {kind} ({remedy})"


def _raise(problems: list[str]) -> None:
    if problems:
        raise UsageError("\n".join(problems))
