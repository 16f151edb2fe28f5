"""What routers run now, as RFC 7951 trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.netconf.network import Network, side_by_side
from toolkit.netconf.runtime_ncclient import Target
from toolkit.netconf.tree import to_xml
from toolkit.yang.schema import Schema, reference_schema


def running_trees(
    targets: Sequence[Target],
    *,
    timeout: float,
    workers: int = 16,
    schema: Schema | None = None,
) -> dict[str, Mapping[str, Any]] | None:
    """Return device -> what it runs of the containers that a payload replaces.

    None where a device cannot be used: the push that follows says which and why.
    """
    schema = schema or reference_schema()
    network = Network(
        targets, {target.device: {} for target in targets}, schema=schema, txid="llmsync-read",
        confirm_timeout=1, timeout=timeout, run=side_by_side(workers),
    )  # fmt: skip
    with network:
        network.look()
        if network.errors:
            return None
        return {
            session.device: schema.parse_xml(to_xml(session.before.children), session.device)
            if session.before.children
            else {}
            for session in network.sessions
        }
