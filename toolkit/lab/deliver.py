"""One delivery in the memory laboratory, from the first join to the byte-for-byte comparison.

The engines are those that `llmsync send` and `receive` run; here their datagrams cross the planned
network, whose routers forward by the configuration that was pushed.  Files are really written, and
compared with the source.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toolkit.delivery.events import (
    ReceiverOutput,
    TensorReady,
)
from toolkit.delivery.model import Coding, ReceiverResult, Session, Stretch, symbol_size
from toolkit.delivery.ports import Sink
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sender import Sender
from toolkit.delivery.sink import FolderSink
from toolkit.delivery.source import FileSource, open_source
from toolkit.errors import ToolkitError
from toolkit.inventory.model import Imposition, Transport
from toolkit.lab.fabric import (
    Fabric,
    build_fabric,
    has_gateway,
    link_uses,
    unicast_paths,
)
from toolkit.lab.gpu import TensorTaker
from toolkit.lab.hosts import CloudHost, Repository, SilentHost, Uplink
from toolkit.lab.outage import Outages
from toolkit.lab.result import CloudResult, DeliveryResult, RouterUse
from toolkit.lab.router import RouterNode
from toolkit.lab.scenario import Scenario
from toolkit.lab.timeline import Timeline
from toolkit.lab.wires import Network
from toolkit.pim.engine import MulticastUse
from toolkit.pim.router import PERIOD
from toolkit.plan.model import FlowPlan, Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network as Planes
from toolkit.planes.plane import Plane

LIMIT = 24 * 3600.0
"""Seconds on the lab's clock after which a delivery is given up."""
TIMEOUT = 30.0
"""Seconds of silence after which a lab's receiver is given up."""
_CHUNK = 4 * 2**20
_PIM_NOTES = (
    "routers keep tree state for the delivery, and every repair goes to every cloud",
    "messages of IGMP or MLD and of PIM are packets on the wires; PIM neighbors are those of the "
    f"configuration, and joins are repeated every {PERIOD:.0f} s",
)


@dataclass(frozen=True, slots=True)
class Delivered:
    result: DeliveryResult
    receipts: Mapping[str, Mapping[str, Any]]
    """Cloud -> receipt in the shape of llmsync-delivery."""
    counters: Mapping[str, Mapping[str, int]]
    """Router -> counters of its engine and of its IP forwarding."""
    planes: Mapping[str, Plane]
    """Router -> the tables that it forwarded by."""
    multicast: Mapping[str, MulticastUse]
    """Router -> what its PIM came to; those that run it."""
    failure: ToolkitError | None
    """Why the source broke the delivery off (it changed while it was sent)."""
    tensors: str
    """What was handed out through torch; empty: nothing was asked for."""
    events: int
    """Events that the lab's clock went through."""
    down: Failures = NO_FAILURES
    """What had failed at the end, as far as the IGP knew."""


def scan(path: Path, flow: FlowPlan) -> FileSource:
    """Return the file or folder as a source for this flow; raises ProblemsError for a bad one."""
    return open_source(path, Coding(symbol=symbol_size(flow.payload)), flow.delivery)


class DeliveryRun:
    """The parts of one delivery; `run` drives them to the end."""

    def __init__(
        self,
        plan: Plan,
        flow: FlowPlan,
        planes: Planes,
        scenario: Scenario,
        source: FileSource,
        work: Path,
        label: str,
        tensors: TensorTaker | None = None,
        order: tuple[Stretch, ...] = (),
    ) -> None:
        """Build everything.  `source`: made by `scan`; `order`: what of it is sent first."""
        self._plan, self._flow, self._scenario, self._work = plan, flow, scenario, work
        self._label, self._tensors = label, tensors
        self.source = source
        self._random = random.Random(scenario.seed)
        self._key = Ed25519PrivateKey.from_private_bytes(self._random.randbytes(32))
        session = Session(
            name=flow.delivery, tsi=flow.tsi, key=self._key, rate=flow.rate, timeout=TIMEOUT,
            targeted=flow.imposition is Imposition.HOST, order=order,
        )  # fmt: skip
        self._fabric: Fabric = build_fabric(plan, planes, scenario)
        far = self._fabric.far
        hub = plan.hosts[flow.source]
        self._sender = Sender(session, self.source, flow.clouds)
        self._repository = Repository(
            plan, flow, Uplink(hub, far[hub.name, hub.port]), self._sender
        )
        self._clouds = {
            name: CloudHost(
                flow,
                Uplink(plan.hosts[name], far[name, plan.hosts[name].port]),
                self._observe,
                gateway=has_gateway(plan, planes, name),
            )
            for name in flow.clouds
        }
        self._sinks: dict[str, Sink] = {}
        self._times = {name: Timeline() for name in flow.clouds}
        self._incarnation = 0
        self._network = Network(
            {
                **self._fabric.routers,
                **{name: SilentHost() for name in plan.hosts},
                flow.source: self._repository,
                **self._clouds,
            },
            self._fabric.wires,
            self._random.random,
        )
        self._outages = Outages(self._fabric, planes, self._network, scenario)

    def run(self) -> Delivered:
        """Deliver; returns when every receiver is served or given up."""
        scenario, network = self._scenario, self._network
        for cloud in self._flow.clouds:
            if cloud in scenario.down.nodes:
                continue
            late = scenario.late.get(cloud, 0.0)
            self._times[cloud].joined = late
            network.at(late, self._starter(cloud))
            kill = scenario.kill.get(cloud)
            if kill is not None:
                network.at(kill.at, self._killer(cloud))
                if kill.back is not None:
                    network.at(kill.back, self._starter(cloud))
        network.at(0.0, self._wake_sender)
        self._outages.begin()
        for name in self._fabric.routers:
            network.arm(name)
        try:
            network.run(LIMIT, lambda: self._sender.finished)
        finally:
            for sink in self._sinks.values():
                sink.close()
        return self._delivered()

    def at(self, time: float, call: Callable[[float], None]) -> None:
        """Call `call(now)` when the lab's clock gets to `time`; before `run`."""
        self._network.at(time, call)

    def reload(self, planes: Planes) -> None:
        """Forward by these planes from now on, as routers do whose configuration has changed."""
        for name, node in self._fabric.routers.items():
            node.load(planes.plane(name))

    def _wake_sender(self, now: float) -> None:
        self._network.send(self._flow.source, self._repository.expire(now))
        self._network.arm(self._flow.source)

    def _starter(self, cloud: str) -> Callable[[float], None]:
        def start(now: float) -> None:
            self._incarnation += 1
            sink: Sink = FolderSink(self._work / cloud, durable=False)
            self._sinks[cloud] = self._tensors.wrap(cloud, sink) if self._tensors else sink
            receiver = Receiver(
                cloud,
                self._sinks[cloud],
                trusted=self._key.public_key().public_bytes_raw(),
                incarnation=self._incarnation,
                chance=self._random.random,
                tsi=self._flow.tsi,
                timeout=TIMEOUT,
                headers_first=self._tensors is not None,
            )
            self._network.send(cloud, self._clouds[cloud].start(receiver, now))
            self._network.arm(cloud)

        return start

    def _killer(self, cloud: str) -> Callable[[float], None]:
        def kill(now: float) -> None:
            self._clouds[cloud].start(None, now)
            # A process that is killed flushes nothing of its own; what it wrote is the kernel's.
            sink = self._sinks.pop(cloud, None)
            if sink is not None:
                sink.close()

        return kill

    def _observe(self, cloud: str, output: ReceiverOutput, now: float) -> None:
        self._times[cloud].observe(output, now)
        if self._tensors is not None and isinstance(output, TensorReady):
            self._tensors.take(cloud, output)

    def _delivered(self) -> Delivered:
        results = {r.receiver: r for r in self._sender.results()}
        clouds = tuple(self._cloud(name, results[name]) for name in self._flow.clouds)
        fabric, repository, down = self._fabric, self._repository, self._outages.down
        paths = unicast_paths(fabric, self._flow)
        copy = repository.inner_bytes
        unicast: dict[str, int] = {}
        for path in paths.values():
            for cable in path:
                unicast[cable.link] = unicast.get(cable.link, 0) + copy
        hub = fabric.wires[self._flow.source, self._plan.hosts[self._flow.source].port]
        served = [c for c in clouds if c.verified is not None]
        size = self.source.manifest.size
        result = DeliveryResult(
            delivery=self._flow.delivery,
            transport=str(self._flow.transport),
            imposition=str(self._flow.imposition),
            model=self._label,
            files=len(self.source.manifest.files),
            size=size,
            source=self._flow.source,
            clouds=clouds,
            links=link_uses(fabric, unicast),
            routers=self._routers(),
            packets=repository.packets,
            repairs=repository.repairs,
            repair_bytes=repository.repair_bytes,
            late=repository.late,
            egress=hub.bytes,
            unicast_egress=copy * len(paths),
            duration=max((c.verified or 0.0 for c in served), default=0.0),
            unicast_duration=self._unicast_duration(copy, paths),
            outages=self._outages.results(),
            notes=self._notes(),
        )
        return Delivered(
            result, {name: self._times[name].receipt(known) for name, known in results.items()},
            fabric.counters(),
            {n: node.plane for n, node in fabric.routers.items() if n not in down.nodes},
            {n: node.pim.engine.use() for n, node in fabric.routers.items() if node.pim},
            self._sender.failure,
            self._tensors.summary() if self._tensors is not None else "",
            self._network.events, down,
        )  # fmt: skip

    def _unicast_duration(self, copy: int, paths: Mapping[str, tuple[object, ...]]) -> float:
        """N copies share what the delivery may put on the repository's link (`rate`)."""
        hosts = self._plan.hosts
        shared = len(paths) * copy * 8 / min(self._flow.rate, hosts[self._flow.source].capacity)
        alone = max((copy * 8 / hosts[cloud].capacity for cloud in paths), default=0.0)
        return max(shared, alone)

    def _routers(self) -> tuple[RouterUse, ...]:
        counters = self._fabric.counters()
        return tuple(
            RouterUse(
                router=name,
                bfr=node.plane.bfr,
                bift_rows=sum(len(bift.entries) for bift in node.plane.bifts.values()),
                flow_rows=len(node.plane.ingress_flows) + len(node.plane.egress_flows),
                counters={k.replace("sr-", ""): v for k, v in counters[name].items() if v},
                state_rows=_state_rows(node),
            )
            for name, node in sorted(self._fabric.routers.items())
        )

    def _cloud(self, name: str, known: ReceiverResult) -> CloudResult:
        times = self._times[name]
        folder = self._work / name
        identical = times.verified is not None and self._identical(folder)
        complete = times.verified is not None
        reason = "" if complete else times.reason or known.reason or f"receiver {known.standing}"
        if complete and not identical:
            reason = "what was placed is not what the source holds"
        if complete and self._tensors is not None:
            sources = dict(
                zip((f.path for f in self.source.manifest.files), self.source.paths, strict=True)
            )
            if wrong := self._tensors.differing(name, sources):
                identical, reason = False, f"tensors differ on the device: {', '.join(wrong)}"
        manifest = self.source.manifest
        return CloudResult(
            cloud=name,
            region=self._plan.hosts[name].region,
            complete=complete,
            identical=identical,
            reason=reason,
            joined=times.joined,
            first_byte=times.first_byte,
            last_byte=times.last_byte,
            verified=times.verified,
            first_tensor=times.first_tensor,
            tensors=len(times.tensors),
            files=len(manifest.files) if complete else len(times.files),
            bytes=manifest.size if complete else 0,
            lost=known.lost,
            repaired=times.repaired,
            duplicates=times.duplicates,
        )

    def _identical(self, folder: Path) -> bool:
        """Compare every placed file with the source's, byte for byte, and look for strays."""
        entries = self.source.manifest.files
        placed = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        return placed == {e.path for e in entries} and all(
            _same(folder / entry.path, path)
            for entry, path in zip(entries, self.source.paths, strict=True)
        )

    def _notes(self) -> tuple[str, ...]:
        notes = [
            "times are the laboratory's: link capacities and delays come from the inventory, "
            "processing in routers and hosts takes none",
        ]
        if self._flow.transport.pim:
            notes += _PIM_NOTES
        elif self._flow.transport is Transport.SR_P2MP:
            notes.append(
                "the tree is the same for every packet: every repair goes to every cloud; the root "
                "knows at once which candidate path is valid"
            )
        elif self._flow.imposition is Imposition.ROUTER:
            notes.append(
                "the edge router imposes the BitString per (S,G): every repair goes to every cloud"
            )
        return tuple(notes)


def _state_rows(node: RouterNode) -> int:
    rows = 0 if node.pim is None else len(node.pim.engine.mfib())
    if node.plane.replication is not None:
        rows += sum(1 + len(s.branches) for s in node.plane.replication.segments.values())
    return rows


def _same(one: Path, other: Path) -> bool:
    try:
        with one.open("rb") as a, other.open("rb") as b:
            while True:
                left, right = a.read(_CHUNK), b.read(_CHUNK)
                if left != right:
                    return False
                if not left:
                    return True
    except OSError as error:
        raise ToolkitError(f"{error.filename}: cannot be compared: {error.strerror}") from None
