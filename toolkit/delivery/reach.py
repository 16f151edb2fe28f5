"""How a receiver is reached: what its probes say, and what to do about it.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reach(StrEnum):
    """How a receiver is reached."""

    MULTICAST = "multicast"
    """Full-size packets to the group reach it."""
    UNICAST = "unicast"
    """Full-size packets reach it, but not by the group."""
    SMALL = "small packets"
    """Only smaller packets reach it."""
    CONTROL = "control only"
    """It talks to us and nothing that we send arrives."""
    MUTE = "no answers"
    """It talks to us and does not answer probes: it is older, or nothing arrives."""
    NONE = "none"
    """Nothing was heard of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of one receiver when probing has ended."""

    receiver: str
    reach: Reach
    rtt: float | None
    """Seconds, the shortest that was seen."""
    group_size: int
    """Longest UDP payload that came by the group; 0: none."""
    unicast_size: int
    hops: int | None
    """By the group it is at most so many routers away, plus one; None: not known."""
    what: str
    remedy: str


def judge(
    name: str,
    by_group: int,
    by_unicast: int,
    full: int,
    *,
    group: bool,
    heard: bool,
    answered: bool,
) -> tuple[Reach, str, str]:
    """Return how receiver `name` is reached, in words, and what changes it.

    `by_group`, `by_unicast`: the longest payload that came each way, of `full` bytes that a
    session's packets have; `group`: there is one; `heard`, `answered`: any message came, any
    answer to a probe.
    """
    if group and by_group == full:
        return Reach.MULTICAST, "the group reaches it with full-size packets", ""
    if not heard:
        return Reach.NONE, "nothing was heard of it", (
            f"start `llmsync receive --name {name} ...` there, let UDP to our control address "
            "through firewalls, see that --sender there is our address"
        )  # fmt: skip
    if not answered:
        return (
            Reach.MUTE,
            "it talks to us and answers no probe",
            (f"let UDP from us to its --listen address through; check --to {name}=HOST:PORT"),
        )
    longest = max(by_group, by_unicast)
    if not longest:
        return (
            Reach.CONTROL,
            "nothing that we send arrives",
            (f"let UDP from us to its --listen address through; check --to {name}=HOST:PORT"),
        )
    if by_unicast == full:
        if not group:
            return Reach.UNICAST, "full-size packets reach it", ""
        if by_group:
            return (
                Reach.UNICAST,
                (f"by the group at most {by_group} bytes of payload arrive, by unicast {full}"),
                f"send with --payload {by_group}, or raise the MTU on the multicast path",
            )
        return Reach.UNICAST, "the group does not reach it", (
            f"on {name}: `llmsync receive --group ... --interface ...`, and see `llmsync "
            "doctor --group ...` there; on routers: IGMP/MLD snooping with a querier, PIM or "
            "BIER towards it, a TTL that is enough"
        )  # fmt: skip
    way = "by the group" if by_group > by_unicast else "by unicast"
    return Reach.SMALL, f"at most {longest} bytes of payload arrive, {way}, not {full}", (
        f"send with --payload {by_group if group and by_group else longest}, or raise "
        "the MTU of every link on the path"
    )  # fmt: skip
