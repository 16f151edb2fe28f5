"""Make before break: how a network gets from one tree instance to another without losing a packet.

RFC 9960 (a candidate path may have several tree instances while one replaces the other).  From the
configurations that run and those that are wanted this makes stages, each of them whole
configurations: 1 make, the segments of the new instances stand beside the old ones, and roots use
the old; 2 switch, candidate paths name the new instances; 3 break, the old segments go.  Law: at
every interleaving of the routers' commits within a stage, each packet is on one instance from root
to leaves, so every leaf gets it exactly once.  What is not part of a tree changes with the first
stage; only overlay flows are kept until the last.  Trees are RFC 7951 (llmsync-sr, llmsync-overlay,
ietf-interfaces).  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tree = Mapping[str, Any]
"""A router's configuration, RFC 7951."""
PolicyKey = tuple[str, int]
"""<root, tree-id>."""

P2MP, ROUTING = "llmsync-sr:p2mp", "llmsync-sr:segment-routing"
OVERLAY, INTERFACES = "llmsync-overlay:overlay", "ietf-interfaces:interfaces"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One network-wide transaction."""

    name: str
    """`make`, `switch` or `break`; `all` where one is enough."""
    trees: Mapping[str, Tree]
    """Router -> its whole configuration."""

    @property
    def title(self) -> str:
        return _TITLES[self.name]


_TITLES = {
    "make": "the new tree instances stand beside the old",
    "switch": "the roots use the new instances",
    "break": "the old instances go",
    "all": "everything at once",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The way from what runs to what is wanted."""

    running: Mapping[str, Tree]
    stages: tuple[Stage, ...]
    moving: tuple[PolicyKey, ...] = ()
    """Policies whose tree instances change while they are in use."""
    obstacle: str = ""
    """Why nothing can be made before it is broken; empty: it can, or need not."""


def plan_update(old: Mapping[str, Tree], new: Mapping[str, Tree]) -> Update:
    """Return the stages from `old` to `new`; both router -> configuration.

    A router that is only in one of the two is new or left out: it has the configuration of `new`,
    and none where it is not in it.
    """
    moving = tuple(sorted(_moving(old, new)))
    whole = Stage(name="all", trees=new)
    if not moving:
        return Update(running=old, stages=(whole,), obstacle=_in_place(old, new))
    obstacle = next(filter(None, (_obstacle(n, old.get(n, {}), new[n], moving) for n in new)), "")
    if obstacle:
        return Update(running=old, stages=(whole,), moving=moving, obstacle=obstacle)
    made, switched = {}, {}
    for name, wanted in new.items():
        runs = old.get(name, {})
        both = _with_overlay(runs, _with_segments(runs, wanted, moving))
        switched[name] = both
        made[name] = _with_roots(runs, both, moving)
    stages = (
        Stage(name="make", trees=made),
        Stage(name="switch", trees=switched),
        Stage(name="break", trees=new),
    )
    return Update(running=old, stages=_needed(old, stages), moving=moving)


def changed(before: Mapping[str, Tree], after: Mapping[str, Tree]) -> tuple[str, ...]:
    """Return the routers whose configuration a stage changes, sorted."""
    return tuple(
        sorted(
            name for name in after if _canonical(before.get(name, {})) != _canonical(after[name])
        )
    )


def _needed(old: Mapping[str, Tree], stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Leave out the stages that change nothing: a push that was broken off goes on where it was."""
    needed, before = [], old
    for stage in stages:
        if changed(before, stage.trees):
            needed.append(stage)
            before = stage.trees
    return tuple(needed)


def _moving(old: Mapping[str, Tree], new: Mapping[str, Tree]) -> set[PolicyKey]:
    """Return the policies that stand in both, with other instances."""
    before, after = _instances(old), _instances(new)
    return {key for key in before.keys() & after.keys() if before[key] - after[key]}


def _in_place(old: Mapping[str, Tree], new: Mapping[str, Tree]) -> str:
    """Say which instance in use is another tree under its old number; empty: none."""
    wanted = _instances(new)
    used = {
        (*key, number)
        for key, numbers in _instances(old).items()
        for number in numbers & wanted.get(key, set())
    }
    for name in sorted(old.keys() & new.keys()):
        before, after = _segments(old[name]), _segments(new[name])
        for key in sorted(used & (before.keys() | after.keys())):
            if _canonical(before.get(key)) != _canonical(after.get(key)) and key in before:
                return f"instance {key[2]} of tree {key[1]} changes in place on {name}"
    return ""


def _segments(tree: Tree) -> dict[tuple[str, int, int], Tree]:
    return {_segment_key(s): s for s in _entries(tree.get(P2MP, {}), "replication-segment")}


def _instances(trees: Mapping[str, Tree]) -> dict[PolicyKey, set[int]]:
    return {
        _policy_key(policy): {path["instance-id"] for path in _entries(policy, "candidate-path")}
        for tree in trees.values()
        for policy in _entries(tree.get(P2MP, {}), "policy")
    }


def _obstacle(name: str, old: Tree, new: Tree, moving: Iterable[PolicyKey]) -> str:
    """Say what keeps a router from having the segments of both instances."""
    before, after = old.get(ROUTING), new.get(ROUTING)
    if before is not None and after is not None:
        for block in ("srgb", "srlb"):
            if before[block] != after[block]:
                return f"the {block.upper()} of {name} changes at the same time"
    kept = _kept(old, new, moving)
    if kept and after is None:
        return f"{name} is to do no segment routing any more"
    taken = {s["replication-sid"]: s for s in _entries(new.get(P2MP, {}), "replication-segment")}
    for segment in kept:
        other = taken.get(segment["replication-sid"])
        if other is not None:
            return (
                f"instances {segment['instance-id']} and {other['instance-id']} have one "
                f"replication SID, {segment['replication-sid']}, on {name}"
            )
    return ""


def _kept(old: Tree, new: Tree, moving: Iterable[PolicyKey]) -> list[Tree]:
    """Return the running segments that stay until the last stage."""
    stay = {_segment_key(s) for s in _entries(new.get(P2MP, {}), "replication-segment")}
    moved = set(moving)
    return [
        segment
        for segment in _entries(old.get(P2MP, {}), "replication-segment")
        if _policy_key(segment) in moved and _segment_key(segment) not in stay
    ]


def _with_segments(old: Tree, new: Tree, moving: Iterable[PolicyKey]) -> Tree:
    """Return `new` with the segments of the old instances beside the new ones."""
    kept = _kept(old, new, moving)
    if not kept:
        return new
    ports = {entry["name"] for entry in _entries(new.get(INTERFACES, {}), "interface")}
    p2mp = dict(new.get(P2MP, {}))
    p2mp["replication-segment"] = [
        *_entries(p2mp, "replication-segment"),
        *(_over(segment, ports) for segment in kept),
    ]
    return {**new, P2MP: p2mp}


def _over(segment: Tree, ports: set[str]) -> Tree:
    """Return a segment without interfaces that go away: node SIDs lead on meanwhile."""
    downstream = [
        {k: v for k, v in branch.items() if k != "interface" or v in ports}
        for branch in _entries(segment, "downstream")
    ]
    return {**segment, **({"downstream": downstream} if downstream else {})}


def _with_roots(old: Tree, both: Tree, moving: Iterable[PolicyKey]) -> Tree:
    """Return `both` with candidate paths as they run now, for the policies that move."""
    moved = set(moving)
    running = {_policy_key(p): p for p in _entries(old.get(P2MP, {}), "policy")}
    wanted = list(_entries(both.get(P2MP, {}), "policy"))
    if not any(_policy_key(policy) in moved & running.keys() for policy in wanted):
        return both
    policies = [
        {**policy, "candidate-path": running[key]["candidate-path"]}
        if (key := _policy_key(policy)) in moved and key in running
        else policy
        for policy in wanted
    ]
    return {**both, P2MP: {**both[P2MP], "policy": policies}}


def _with_overlay(old: Tree, new: Tree) -> Tree:
    """Return `new` with the egress flows that run, too: leaves of the old tree stay leaves."""
    ports = {entry["name"] for entry in _entries(new.get(INTERFACES, {}), "interface")}
    flows = {_flow_key(f): f for f in _entries(new.get(OVERLAY, {}), "egress-flow")}
    before = dict(flows)
    for flow in _entries(old.get(OVERLAY, {}), "egress-flow"):
        key = _flow_key(flow)
        more = [port for port in flow["interface"] if port in ports]
        has = flows.get(key, {**flow, "interface": []})["interface"]
        union = [*has, *(port for port in more if port not in has)]
        if union:
            flows[key] = {**flow, "interface": union}
    if flows == before:
        return new
    overlay = {**new.get(OVERLAY, {}), "egress-flow": list(flows.values())}
    return {**new, OVERLAY: overlay}


def _entries(node: Tree, name: str) -> Iterable[Tree]:
    entries: Iterable[Tree] = node.get(name, ())
    return entries


def _policy_key(entry: Tree) -> PolicyKey:
    return entry["root"], entry["tree-id"]


def _segment_key(entry: Tree) -> tuple[str, int, int]:
    return entry["root"], entry["tree-id"], entry["instance-id"]


def _flow_key(entry: Tree) -> tuple[str, str]:
    return entry["source"], entry["group"]


def _canonical(node: object) -> object:
    """Return a value that does not depend on the order of entries."""
    if isinstance(node, Mapping):
        return {key: _canonical(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return sorted((_canonical(item) for item in node), key=_text)
    return node


def _text(node: object) -> str:
    """Sort key of canonical values: the text, with keys in order."""
    if isinstance(node, dict):
        return repr(sorted((key, _text(value)) for key, value in node.items()))
    return repr(node)
