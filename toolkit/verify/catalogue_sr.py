"""The kinds of findings about SR-P2MP.  Pure.  RFC 9524, RFC 9960."""

from __future__ import annotations

from toolkit.verify.findings import Severity
from toolkit.verify.kind import Kind

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

SR_KINDS = (
    Kind("tree-flow-missing", _ERROR,
         "The root of a delivery does not put its packets on a tree.",
         "Configure the flow at the root, with root and tree-id of its policy"),
    Kind("root-mismatch", _ERROR,
         "A flow names a policy that its root does not have, or whose root is another router.",
         "A policy stands at its root under the root's own address (RFC 9960): correct the wrong "
         "one"),
    Kind("instance-missing", _ERROR,
         "The root has no replication segment of any tree instance that its policy names.",
         "Push the segments of an instance before a candidate path names it"),
    Kind("leaf-not-covered", _ERROR,
         "A GPU cloud is behind a router that the tree does not lead to, or that is no leaf of it.",
         "Add the branch or the leaf that the message names, or push the planned tree"),
    Kind("segment-missing", _ERROR,
         "A copy comes to a router whose labels do not have the replication SID that is on it.",
         "Push the planned segment to it, or correct the SID that its parent sends"),
    Kind("sid-clash", _ERROR,
         "Two replication segments of a router have one SID, so neither is installed.",
         "Give each its own SID from the SRLB"),
    Kind("sid-outside-srlb", _ERROR,
         "A replication SID is outside of the router's SRLB, so it is not installed.",
         "Take one from the SRLB, or make the block larger"),
    Kind("replication-loop", _ERROR,
         "Copies return to a replication segment that they come from; only the TTL ends them.",
         "Take the branch back out that leads up the tree"),
    Kind("tree-two-parents", _ERROR,
         "A router of a tree gets every packet from two parents, and what is below it, twice.",
         "Remove one of the branches"),
    Kind("downstream-unreachable", _ERROR,
         "A router has no way to a downstream node of its replication segment.",
         "Find the missing adjacency among the other findings, or correct the node's address"),
    Kind("node-sid-clash", _ERROR,
         "A copy is to go by a node SID that two prefixes have, so nobody uses it.",
         "Give each router an index of its own"),
    Kind("node-sid-missing", _ERROR,
         "A copy is to go by a node SID that is not there, or that the next router has no label "
         "for.",
         "Configure the node SID, and an SRGB that holds its index on every router"),
    Kind("mpls-missing", _ERROR,
         "A copy is lost at an interface that labelled packets do not pass.",
         "Put the interface into segment routing at both ends"),
    Kind("candidate-path-invalid", _WARNING,
         "A candidate path of a policy cannot be used (RFC 9960).",
         "Mend what the message names: until then the other path is all there is"),
    Kind("candidate-path-broken", _WARNING,
         "A candidate path that is not in use now would not reach every GPU cloud if it were.",
         "Push the planned segments of its instance"),
    Kind("srgb-mismatch", _WARNING,
         "Routers have different SRGBs: labels of node SIDs change from hop to hop.",
         "Use one SRGB throughout (RFC 8660 section 2)"),
    Kind("node-sid-unused", _WARNING,
         "A node SID that is configured is used by nobody: it protects no branch.",
         "Give each router one index, and put its loopback into the IGP"),
    Kind("mpls-half-adjacency", _WARNING,
         "Labelled packets pass one end of a link and not the other.",
         "Put the other end's interface into segment routing"),
)  # fmt: skip
