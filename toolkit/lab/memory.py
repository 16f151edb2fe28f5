"""The memory laboratory: every router of a plan is an embedded NETCONF device and an engine, in one
process.

Law: what is forwarded follows from what was *pushed*.  A router's plane is derived from the
configuration that its NETCONF server last committed; the plan only says where the cables are.  The
clock of the delivery jumps (`toolkit.lab.wires`); the NETCONF sessions are real ones over SSH on
loopback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from toolkit.inventory.model import Platform
from toolkit.lab.platforms import schemas_of, shows_state
from toolkit.netconf.device import DEFAULT_USER, Device, DeviceFarm
from toolkit.netconf.runtime_ncclient import Target
from toolkit.pim.engine import MulticastUse
from toolkit.plan.configured import configured_state
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network
from toolkit.state.model import NetworkState, Source
from toolkit.state.readers import read_router
from toolkit.yang.schema import Schema

Tree = Mapping[str, Any]


class MemoryLab:
    """Routers that answer NETCONF while the `with` block lasts.

    `counters` and `receipts` are what <get> shows beside the planes: put there what a delivery did.
    """

    def __init__(self, plan: Plan, schema: Schema) -> None:
        """`schema`: of our own router; routers of other platforms have those of theirs.

        Raises EnvironmentProblem where a platform's modules are not at hand.
        """
        self.plan = plan
        schemas = schemas_of({name: r.platform for name, r in plan.routers.items()}, schema)
        self.down: Failures = NO_FAILURES
        self.counters: dict[str, Mapping[str, int]] = {}
        """Router -> counters of its engine."""
        self.multicast: dict[str, MulticastUse] = {}
        """Router -> what its multicast engine has come to."""
        self.receipts: dict[str, dict[str, list[dict[str, Any]]]] = {}
        """Router -> session name -> receipts (list `receipt` of llmsync-delivery)."""
        self._committed: dict[str, Tree] = {name: {} for name in plan.routers}
        self._farm = DeviceFarm(
            [
                Device(
                    name,
                    schemas[router.platform],
                    state=self._show(name) if shows_state(router.platform) else None,
                    on_commit=self._take(name, router.platform),
                )
                for name, router in plan.routers.items()
            ]
        )

    def __enter__(self) -> MemoryLab:
        self._farm.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._farm.close()

    @property
    def username(self) -> str:
        return DEFAULT_USER

    @property
    def password(self) -> str:
        return self._farm.users[DEFAULT_USER].password or ""

    @property
    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """Router -> host and port of its NETCONF server."""
        return self._farm.addresses

    @property
    def host_keys(self) -> Mapping[str, str]:
        return self._farm.host_keys

    @property
    def targets(self) -> tuple[Target, ...]:
        """How each router is reached, in the order of the plan."""
        return tuple(
            Target(
                device=name, host=self.addresses[name][0], port=self.addresses[name][1],
                username=self.username, password=self.password, host_key=self.host_keys[name],
                platform=router.platform.value,
            )
            for name, router in self.plan.routers.items()
        )  # fmt: skip

    def stop(self, router: str) -> None:
        """The router dies."""
        self._farm.stop(router)

    def state(self) -> NetworkState:
        """Return what is configured now, as last committed by each router."""
        return configured_state(self.plan, self._committed, Source.RUNNING)

    def network(self) -> Network:
        """Return the forwarding planes that follow from what is configured now."""
        return Network(self.state(), self.down)

    def _take(self, name: str, platform: Platform) -> Callable[[Tree], None]:
        def take(tree: Tree) -> None:
            # What cannot be understood must not count as committed.
            read_router(name, tree, platform)
            self._committed[name] = tree

        return take

    def _show(self, name: str) -> Callable[[], Tree]:
        return lambda: self._state_of(name)

    def _state_of(self, name: str) -> Tree:
        network = self.network()
        if name not in network.routers:
            return {}
        tree: dict[str, Any] = dict(
            network.plane(name).state_tree(self.counters.get(name), self.multicast.get(name))
        )
        receipts = self.receipts.get(name)
        if receipts:
            tree["llmsync-delivery:deliveries"] = {
                "session": [{"name": n, "receipt": rows} for n, rows in sorted(receipts.items())]
            }
        return tree
