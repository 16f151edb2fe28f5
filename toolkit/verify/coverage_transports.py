"""What verification models of a transport and what it does not, where transports differ.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from toolkit.inventory.model import Transport
from toolkit.verify.statement import Statement

_SR: Mapping[str, str] = {
    "Packets": "every packet of every delivery was followed label by label from its root through "
    "replication segments, node SIDs and overlay to the clouds' interfaces, with TTL and packet "
    "sizes.",
    "Equal-cost paths": "a node SID leads along one of several equal-cost paths, as on the "
    "reference router; a router that spreads over them uses other links as well.",
    "Link loads": "trees reserve the rate of their delivery on planned capacities, in this plan "
    "alone; what else is on the links was not looked at.",
    "Hardware limits": "table sizes, replication rates, label stack depths and line-card support "
    "of SR-P2MP are not known from a configuration.",
}
_PIM: Mapping[str, str] = {
    "Packets": "every packet of every delivery was followed router by router from its source, "
    "down the trees that the clouds' joins make, to the clouds' interfaces, with RPF checks, "
    "Registers, TTL and packet sizes.",
    "Equal-cost paths": "joins and Registers take one of several equal-cost paths, as on the "
    "reference router; a router that spreads over them uses other links as well.",
    "Hardware limits": "table sizes, replication rates and line-card support of PIM are not known "
    "from a configuration.",
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
    """Return a statement about BIER as it is about the transports that are used.

    Where several are, it says what holds of each.
    """
    texts = {}
    if Transport.BIER in used or not used:
        texts["BIER"] = statement.text
    if Transport.SR_P2MP in used:
        texts["SR-P2MP"] = _SR.get(statement.topic, statement.text)
    if any(transport.pim for transport in used):
        texts["PIM"] = _PIM.get(statement.topic, statement.text)
    if len(set(texts.values())) == 1:
        return replace(statement, text=next(iter(texts.values())))
    return replace(statement, text=" ".join(f"{name}: {text}" for name, text in texts.items()))
