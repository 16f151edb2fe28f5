"""What verification models of SR-P2MP and what it does not.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from toolkit.inventory.model import Transport
from toolkit.verify.statement import Statement

_TEXTS: Mapping[str, str] = {
    "Packets": "every packet of every delivery was followed label by label from its root through "
    "replication segments, node SIDs and overlay to the clouds' interfaces, with TTL and packet "
    "sizes.",
    "Equal-cost paths": "a node SID leads along one of several equal-cost paths, as on the "
    "reference router; a router that spreads over them uses other links as well.",
    "Hardware limits": "table sizes, replication rates, label stack depths and line-card support "
    "of SR-P2MP are not known from a configuration.",
}
CANDIDATE_PATHS = (
    Statement(
        "Candidate paths",
        False,
        "the root is taken to know at once which nodes of its trees are reachable, as a PCE or BFD "
        "would tell it; how long that takes was not judged.",
    ),
)


def of_transports(statement: Statement, used: frozenset[Transport]) -> Statement:
    """Return a statement about BIER as it is about SR-P2MP, where that is all there is."""
    if used == {Transport.SR_P2MP} and statement.topic in _TEXTS:
        return replace(statement, text=_TEXTS[statement.topic])
    return statement
