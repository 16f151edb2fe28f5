"""Control messages that an event makes routers and hosts send.  Pure.

IS-IS is left out: it floods the same link state PDUs whatever carries the delivery.  So are the
reports of receivers to the source, which every transport needs for repairs, and NETCONF, which is
counted as configured routers.  What is repeated periodically is left out too: Join/Prune messages,
IGMP and MLD reports.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.compare.events import Event, Study
from toolkit.planes.derive import Network
from toolkit.verify.walk_pim import Trees

REPORT = 1
"""The IGMP or MLD report of a host that joins."""


def messages(study: Study, event: Event) -> int:
    """Return how many messages of the transport's own signalling the event takes.

    BIER and SR-P2MP have none: the source, or the controller, decides alone.
    """
    if not study.transport.pim:
        return 0
    after = event.after
    if after.state.members == event.before.state.members:  # something failed
        return Trees(event.before.scene, study.flow).move(after.scene)
    others = frozenset(m for m in after.state.members if m.host != event.subject)
    state = replace(after.state, members=others)
    without = replace(after, state=state, network=Network(state))
    return REPORT + Trees(without.scene, study.flow).join(after.scene, event.subject)
