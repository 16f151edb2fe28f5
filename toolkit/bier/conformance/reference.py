"""The reference plane: `toolkit.bier.node`, asked as the conformance suite asks.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from toolkit.bier.conformance.plane import Delivered, Need, Outcome
from toolkit.bier.frames import Port, Send
from toolkit.bier.node import Delivered as Handed
from toolkit.bier.node import Node
from toolkit.bier.overlay import ToHost
from toolkit.bier.program import Program

MTU = 65535
"""Of every interface: no vector is about what does not fit."""


class ReferencePlane:
    """One `Node`; `make` builds it from a program (a test plants defects there)."""

    name = "reference"
    lacks: Mapping[Need, str] = {}

    def __init__(self, make: Callable[[Program, Mapping[str, Port]], Node] = Node) -> None:
        self._make = make
        self._node: Node | None = None
        self._ports: dict[str, Port] = {}

    def load(self, program: Program) -> None:
        self._ports.update((name, Port(mtu=MTU)) for name in program.interfaces)
        if self._node is None:
            self._node = self._make(program, self._ports)
        else:
            self._node.load(program)

    def fail(self, interface: str | None) -> bool:
        return self._loaded().engine.switch_over(interface)

    def receive(self, interface: str, frame: bytes) -> Outcome:
        node = self._loaded()
        before = _drops(node)
        outputs = node.receive(interface, frame, 0.0)
        after = _drops(node)
        dropped = {}
        if after != before:
            dropped = {r: n - before[r] for r, n in after.items() if n != before[r]}
        return Outcome(
            [(o.interface, o.frame) for o in outputs if isinstance(o, Send)],
            [Delivered(*o) for o in outputs if isinstance(o, Handed)],
            dropped,
            [o.packet for o in outputs if isinstance(o, ToHost)],
        )

    def _loaded(self) -> Node:
        if self._node is None:
            raise ValueError("no program was loaded")
        return self._node


def _drops(node: Node) -> Counter[str]:
    """Return what engine and node counted; a reason that both have is one counter."""
    found: Counter[str] = Counter(node.engine.drops)
    for reason, count in node.drops.items():
        found[reason] += count
    return found
