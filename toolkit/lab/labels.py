"""What a router of a laboratory does with labels that are not BIER's: node SIDs and P2MP trees.

RFC 9524, RFC 8660.  BIER and SR labels share one EtherType; what BIER does not know as a BIFT-id
comes here.  Pure: frames in, frames out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from toolkit.inet import ip
from toolkit.inet.ethernet import EtherType
from toolkit.lab.wires import Emission
from toolkit.planes.plane import Plane
from toolkit.planes.replication import Replication
from toolkit.planes.srtree import among_others
from toolkit.srp2mp.engine import Deliver, Engine, Output
from toolkit.srp2mp.table import Entry, Segment


def _nothing(_label: int) -> Entry | None:
    return None


class LabelSwitch:
    """The replication engine of a router, its ports and its root's flows."""

    def __init__(
        self,
        front: Callable[[str, int], bytes],
        egress: Callable[[bytes], Iterable[Emission]],
    ) -> None:
        """`front`: what goes before a packet out of a port; `egress`: the overlay of a leaf."""
        self._front, self._egress = front, egress
        self._engine = Engine(_nothing)
        self._replication: Replication | None = None
        self._accepts: frozenset[str] = frozenset()
        self._fronts: dict[str, bytes] = {}
        self._flows: dict[tuple[ip.IpAddress, ip.IpAddress], Segment | str] = {}

    def load(self, plane: Plane) -> None:
        """Forward by this plane from now on; counters go on."""
        self._replication = plane.replication
        self._fronts, self._flows = {}, {}
        if plane.replication is None:
            self._accepts = frozenset()
            self._engine.load(_nothing)
        else:
            self._accepts = plane.replication.accepts
            self._engine.load(plane.replication.entry)

    @property
    def present(self) -> bool:
        """The network does segment routing."""
        return self._replication is not None

    @property
    def counters(self) -> dict[str, int]:
        """Those of the engine as `among_others` names them; none where there are no labels."""
        return among_others(self._engine.counters) if self.present else {}

    def receive(self, port: str, packet: bytes, now: float) -> list[Emission]:
        """Take a labelled packet."""
        return self._emit(self._engine.receive(packet, now, allowed=port in self._accepts))

    def impose(
        self, source: ip.IpAddress, group: ip.IpAddress, packet: bytes
    ) -> list[Emission] | str:
        """As root, put a packet whose TTL was taken down on the tree of its (S,G).

        Returns why not where there is none.
        """
        if self._replication is None:
            return "no-tree-flow"
        key = source, group
        segment = self._flows.get(key)
        if segment is None:
            segment = self._flows[key] = self._replication.imposed(source, group)
        if isinstance(segment, str):
            return segment
        return self._emit(self._engine.impose(segment, packet))

    def _emit(self, outputs: Iterable[Output]) -> list[Emission]:
        emissions: list[Emission] = []
        for output in outputs:
            if isinstance(output, Deliver):
                emissions += self._egress(output.payload)
                continue
            front = self._fronts.get(output.port)
            if front is None:
                front = self._fronts[output.port] = self._front(output.port, EtherType.MPLS)
            emissions.append((output.port, front + output.packet))
        return emissions
