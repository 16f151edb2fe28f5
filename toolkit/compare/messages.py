"""Control messages that a change makes routers and hosts send.  Pure.

IS-IS is left out: it floods the same link state PDUs whatever carries the delivery.  So are the
reports of receivers to the source, which every transport needs for repairs, and NETCONF, which is
counted as configured routers.
"""

from __future__ import annotations

from toolkit.inventory.model import Transport
from toolkit.planes.derive import Network


def messages(transport: Transport, before: Network, after: Network) -> int:
    """Return how many messages of the transport's own signalling the change takes.

    BIER and SR-P2MP have none: the source, or the controller, decides alone.
    """
    if not transport.pim:
        return 0
    raise NotImplementedError
