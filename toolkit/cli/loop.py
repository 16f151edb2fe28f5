"""The main loop in the memory laboratory: plan, render, verify, push, verify, deliver, report.

Each step is another package's; this file puts them in order, tells the person what happens, and
writes the report.  A step that finds something does not hide what follows: the loop goes on as far
as a careful engineer would, and the exit code says the worst of it.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from toolkit import __version__
from toolkit.cli.faults import parse_scenario
from toolkit.cli.judging import ask_batfish, judge, payloads_of, state_of, unanswered
from toolkit.cli.loading import inventory_path, load_plan
from toolkit.cli.ordered import orders_of
from toolkit.cli.pushing import remarks
from toolkit.delivery.source import FileSource
from toolkit.errors import EnvironmentProblem, ExitCode, UsageError
from toolkit.inventory.model import Inventory
from toolkit.lab.deliver import Delivered, DeliveryRun, scan
from toolkit.lab.gpu import TensorTaker
from toolkit.lab.memory import MemoryLab
from toolkit.lab.model import find_model
from toolkit.lab.outage import reroutes, without_reroute
from toolkit.lab.platforms import with_stand_ins
from toolkit.lab.readback import read_back
from toolkit.lab.result import DeliveryResult
from toolkit.lab.scenario import Scenario
from toolkit.netconf.push import PushReport, PushState, push
from toolkit.plan.model import FlowPlan, Plan
from toolkit.plan.order import order
from toolkit.planes.derive import Network as Planes
from toolkit.render.payload import Payload
from toolkit.report.outages import outage_line
from toolkit.report.page import page
from toolkit.report.quantity import duration, size
from toolkit.report.record import Pushed, RunRecord, Verdict, document, has_it, verdict
from toolkit.report.summary import TERMINAL
from toolkit.state.model import NetworkState
from toolkit.verify.coverage import not_modelled
from toolkit.verify.findings import Check, Report, Severity
from toolkit.verify.proof import planned_parts, proof, unproven
from toolkit.verify.whatif import break_report
from toolkit.yang.schema import reference_schema


class Loop:
    """One `llmsync run`."""

    def __init__(self, args: argparse.Namespace, tell: Callable[[str], None]) -> None:
        self._args, self._tell = args, tell
        self._started = time.perf_counter()
        self._report = Report()
        self._pushed: tuple[Pushed, ...] = ()
        self._not_checked: list[tuple[str, str]] = []
        self._facts: dict[str, str] = {}
        self._asked = False
        """Routers were asked for their own tables, over NETCONF."""
        self._failure: ExitCode | None = None
        """A delivery was broken off: nothing of it was placed."""

    def run(self) -> tuple[RunRecord, int]:
        """Return what happened and the exit code; the report is written."""
        with ExitStack() as stack:
            return self._run(stack)

    def _run(self, stack: ExitStack) -> tuple[RunRecord, int]:
        args = self._args
        change = self._stand_in if args.stand_in else None
        inventory, plan, _ = load_plan(args.inventory, args.transport, change)
        flows = self._choose(plan)
        self._tensors()
        scenario = parse_scenario(args, plan)
        self._step(
            f"planned {len(plan.routers)} routers, {len(plan.hosts)} hosts, {len(flows)} "
            f"{'delivery' if len(flows) == 1 else 'deliveries'}"
        )
        output = args.output or Path("out") / plan.name
        self._make(output)
        work = output / "clouds"
        if not args.keep:
            holder = tempfile.TemporaryDirectory(dir=output, prefix=".clouds-")
            work = Path(stack.enter_context(holder))
        # Whatever can be wrong with the models is found before any router is touched.
        sources = {flow.delivery: self._open(flow, work) for flow in flows}
        orders = orders_of(args, {name: source for name, (_, source) in sources.items()})
        payloads = self._payloads(plan)
        configured = state_of(plan, payloads)
        self._verify(inventory, plan, configured)
        if args.gpu is None:
            why = "tensors were not handed to torch; use --gpu cpu or --gpu N"
            self._not_checked.append(("GPU memory", why))
        results: list[DeliveryResult] = []
        with MemoryLab(plan, reference_schema()) as lab:
            pushed = self._push(lab, payloads)
            if pushed.state is PushState.COMMITTED:
                lab.down = scenario.down
                self._predict(inventory, plan, configured, lab.state(), scenario)
                for flow in flows:
                    label, source = sources[flow.delivery]
                    run = DeliveryRun(
                        plan, flow, lab.network(), scenario, source, work / flow.delivery, label,
                        self._tensors(), orders[flow.delivery],
                    )  # fmt: skip
                    delivered = self._compared(lab, plan, flow, scenario, source, output, run.run())
                    results.append(self._delivered(lab, plan, flow, delivered, output))
        record = RunRecord(
            title=_title(plan, flows),
            created=datetime.now(UTC).astimezone(),
            command=shlex.join(["llmsync", *sys.argv[1:]]),
            version=__version__,
            plan=plan,
            results=tuple(results),
            findings=self._report.findings,
            checks=self._report.checks,
            pushed=self._pushed,
            environment={
                "Python": platform.python_version(),
                "system": f"{platform.system()} {platform.machine()}",
                "laboratory": "memory: embedded NETCONF routers and engines in one process",
                "seed": str(scenario.seed),
                **self._facts,
            },
            not_checked=tuple(self._not_checked),
            limits=tuple(
                (s.topic, s.text)
                for s in not_modelled(plan, configured, device_state_read=self._asked)
            ),
            broken_links=tuple(sorted(scenario.down.links)),
            broken_nodes=tuple(sorted(scenario.down.nodes)),
        )
        self._write(output, record)
        code = self._failure or pushed.exit_code
        if code is ExitCode.OK and verdict(record) is not Verdict.DELIVERED:
            code = ExitCode.FINDINGS
        if code is ExitCode.OK and unanswered(args.batfish, self._report):
            code = ExitCode.UNREACHABLE
        return record, int(code)

    # ----- the steps

    def _stand_in(self, inventory: Inventory) -> Inventory:
        """Put reference routers in the place of those that cannot be emulated, and say so."""
        if self._args.payloads is not None:
            raise UsageError(
                "--stand-in: the payloads in --payloads are those of the routers themselves"
            )
        inventory, lines = with_stand_ins(inventory)
        for line in lines:
            self._tell(f"  a reference router stands in for {line}")
            self._not_checked.append(("Stand-ins", f"a reference router stood in for {line}"))
        return inventory

    def _choose(self, plan: Plan) -> tuple[FlowPlan, ...]:
        wanted = self._args.delivery
        if not plan.flows:
            where = self._args.inventory
            raise UsageError(f"{where}: there is no delivery (declare one under deliveries:)")
        unknown = sorted(set(wanted) - {flow.delivery for flow in plan.flows})
        if unknown:
            known = ", ".join(flow.delivery for flow in plan.flows)
            raise UsageError(f"--delivery {', '.join(unknown)}: not in the inventory ({known})")
        return tuple(f for f in plan.flows if not wanted or f.delivery in wanted)

    def _payloads(self, plan: Plan) -> Mapping[str, Payload]:
        folder: Path | None = self._args.payloads
        payloads = payloads_of(plan, folder)
        where = "rendered" if folder is None else f"read from {folder}:"
        lines = unproven(payloads.values())
        proven = sum(not payload.unproven for payload in payloads.values())
        many = "every one" if not lines else f"{proven} of them"
        self._step(f"{where} {len(payloads)} payloads, {many} valid against its YANG schema")
        for line in lines:
            self._tell(f"  {line}")
        self._not_checked += planned_parts(plan)
        self._report += proof(payloads.values())
        return payloads

    def _verify(self, inventory: Inventory, plan: Plan, configured: NetworkState) -> None:
        report = judge(inventory, plan, configured)
        report += ask_batfish(self._args.batfish, plan, configured)
        self._report += report
        self._say_findings("verified before the push", report)

    def _push(self, lab: MemoryLab, payloads: Mapping[str, Payload]) -> PushReport:
        targets = lab.targets
        report = push(targets, payloads, order=order(lab.plan))
        self._pushed = tuple(
            Pushed(
                router=outcome.device,
                state=outcome.state.name.lower().replace("_", " "),
                changes=len(report.changes.get(outcome.device, ())),
                detail=str(outcome.error or ""),
            )
            for outcome in report.outcomes
        )
        self._step(
            f"pushed over NETCONF to {len(targets)} routers in one transaction: "
            f"{report.state.value}",
            good=report.state is PushState.COMMITTED,
        )
        for line in remarks(report) if report.state is not PushState.COMMITTED else ():
            self._tell(f"    {line}")
        return report

    def _predict(
        self,
        inventory: Inventory,
        plan: Plan,
        configured: NetworkState,
        state: NetworkState,
        scenario: Scenario,
    ) -> None:
        """Compare what runs with what was pushed; say before the delivery who will be lost."""
        same = state.routers == configured.routers
        running = Report(
            checks=(
                Check(
                    id="read-back", title="What runs on the routers is what was pushed",
                    status="passed" if same else "failed",
                    reason=f"{len(state.routers)} running configurations",
                ),
            ),
        )  # fmt: skip
        if scenario.down.links or scenario.down.nodes:
            broken = break_report(plan, state, scenario.down, inventory=inventory)
            running += broken
            self._say_findings("predicted with the failures", broken)
        self._report += running

    def _open(self, flow: FlowPlan, work: Path) -> tuple[str, FileSource]:
        """Return the label and the scanned files of the flow's model."""
        path: Path = inventory_path(self._args.inventory)
        base = path if path.is_dir() else path.parent
        model = find_model(self._args.model or flow.model, base, work / "source")
        if model.note:
            self._not_checked.append((f"Delivery {flow.delivery}", model.note))
            self._tell(f"  note: {model.note}")
        return model.label, scan(model.path, flow)

    def _tensors(self) -> TensorTaker | None:
        return None if self._args.gpu is None else TensorTaker(self._args.gpu)

    def _compared(
        self, lab: MemoryLab, plan: Plan, flow: FlowPlan, scenario: Scenario, source: FileSource,
        output: Path, delivered: Delivered,
    ) -> Delivered:  # fmt: skip
        """Where something failed on the way and was rerouted, count what that saved: the same run
        once more, without."""
        for outage in delivered.result.outages:
            self._tell(f"  {outage_line(outage)}".translate(TERMINAL))
        state = lab.state()
        if not scenario.outages or not reroutes(state):
            return delivered
        plain = Planes(without_reroute(state), lab.down)
        with tempfile.TemporaryDirectory(dir=output, prefix=".without-") as folder:
            run = DeliveryRun(plan, flow, plain, scenario, source, Path(folder), "")
            missed = run.run().result.missed
        self._tell(
            f"  clouds missed {delivered.result.missed} packets with fast reroute, {missed} without"
        )
        return replace(delivered, result=replace(delivered.result, missed_without_reroute=missed))

    def _delivered(
        self, lab: MemoryLab, plan: Plan, flow: FlowPlan, delivered: Delivered, output: Path
    ) -> DeliveryResult:
        """Let the edge routers show the receipts, and read them back over NETCONF."""
        result = delivered.result
        if delivered.tensors:
            self._facts[f"tensors of {flow.delivery}"] = delivered.tensors
        if delivered.failure is not None:
            self._failure = delivered.failure.exit_code
            self._tell(f"✗ {flow.delivery} was broken off: {delivered.failure}")
        waited = duration(result.duration).replace("\u202f", " ")
        self._step(
            f"delivered {size(result.size)} over {result.transport} to "
            f"{sum(map(has_it, result.clouds))} of {len(result.clouds)} clouds "
            f"in {waited} on the lab's clock, {result.repairs} repairs"
        )
        before, lab.down = lab.down, delivered.down
        lab.counters.update(delivered.counters)
        lab.multicast.update(delivered.multicast)
        for cloud, row in delivered.receipts.items():
            lab.receipts.setdefault(plan.hosts[cloud].router, {}).setdefault(
                flow.delivery, []
            ).append(dict(row))
        self._write_text(
            output / f"receipts-{flow.delivery}.json",
            json.dumps(dict(delivered.receipts), indent=2) + "\n",
        )
        try:
            back = read_back(lab, flow, delivered)
        except EnvironmentProblem as error:
            self._not_checked.append(("Device state read back as typed objects", str(error)))
            return result
        finally:
            lab.down = before
        self._report += back
        self._asked = True
        return result

    # ----- telling and writing

    def _step(self, text: str, *, good: bool = True) -> None:
        self._tell(
            f"{'✓' if good else '✗'} {text.replace(chr(0xA0), ' ').replace(chr(0x202F), ' ')}"
        )

    def _say_findings(self, what: str, report: Report) -> None:
        errors = [f for f in report.findings if f.severity is Severity.ERROR]
        counts = {
            s: sum(c.status == s for c in report.checks) for s in ("passed", "failed", "not run")
        }
        summary = ", ".join(f"{n} {s}" for s, n in counts.items() if n)
        self._tell(f"{'✗' if errors else '✓'} {what}: {summary or 'no checks'}")
        for finding in errors[:10]:
            self._tell(f"    {finding.id}: {finding.message}")
        if len(errors) > 10:
            self._tell(f"    ... {len(errors) - 10} more in the report")

    def _make(self, output: Path) -> None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentProblem(f"{output}: cannot be made: {error.strerror}") from None

    def _write(self, output: Path, record: RunRecord) -> None:
        self._write_text(output / "report.html", page(record))
        self._write_text(
            output / "report.json",
            json.dumps(document(record), indent=2, ensure_ascii=False) + "\n",
        )
        took = time.perf_counter() - self._started
        self._tell(f"→ {output / 'report.html'} ({took:.1f} s of computing)")

    def _write_text(self, path: Path, text: str) -> None:
        """Replace a file in one step: a reader sees the old one or the new one."""
        draft = path.with_name(f".{path.name}.new")
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise EnvironmentProblem(f"{path}: cannot be written: {error.strerror}") from None


def _title(plan: Plan, flows: tuple[FlowPlan, ...]) -> str:
    clouds = len({cloud for flow in flows for cloud in flow.clouds})
    models = "one model" if len(flows) == 1 else f"{len(flows)} deliveries"
    return f"{plan.name}: {models} to {clouds} GPU clouds"
