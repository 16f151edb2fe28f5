"""What routers run now, as RFC 7951 trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.network import Network, side_by_side
from toolkit.netconf.runtime_ncclient import Target
from toolkit.netconf.tree import Node, to_xml


def running_trees(
    targets: Sequence[Target],
    *,
    intents: Mapping[str, Node] | None = None,
    timeout: float,
    workers: int = 16,
    degraded: bool = False,
) -> dict[str, Mapping[str, Any]] | None:
    """Return device -> what it runs of what is ours; what `intents` name is ours, too.

    None where a device cannot be used, and where its platform has no schema: the push that follows
    says which and why.
    """
    network = Network(
        targets, {t.device: (intents or {}).get(t.device, EMPTY) for t in targets},
        txid="llmsync-read", confirm_timeout=1, timeout=timeout, run=side_by_side(workers),
        degraded=degraded,
    )  # fmt: skip
    with network:
        network.look()
        if network.errors:
            return None
        trees: dict[str, Mapping[str, Any]] = {}
        for session in network.sessions:
            schema = session.dialect.schema
            if schema is None:
                return None
            text = to_xml(session.before.children)
            trees[session.device] = schema.parse_fragment(text, session.device)
        return trees
