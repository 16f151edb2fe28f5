"""Faults that an embedded router shows on demand, for tests and laboratories.

Pure.  A `Fault` says what goes wrong and when; `Trouble` counts the requests and says which faults
strike.  Whoever runs the router makes them happen: sessions break, answers wait on the device's own
clock, listeners close.

    [ROUTER/]KIND[:OPERATION][#N][=VALUE]        drop-after:commit#2    slow:get-config=2.5
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from toolkit.errors import UsageError


class FaultKind(StrEnum):
    """What goes wrong."""

    DROP_BEFORE = "drop-before"
    """The session breaks when the request arrives; it has no effect."""
    DROP_AFTER = "drop-after"
    """The session breaks before the answer; the request has its effect."""
    GONE = "gone"
    """The router leaves the network when the request arrives, and stays away."""
    SLOW = "slow"
    """The answer takes that many seconds more."""
    LOCK_DENIED = "lock-denied"
    """Somebody who is no NETCONF session holds the lock."""
    DIRTY_CANDIDATE = "dirty-candidate"
    """Somebody has left a change in the candidate, until it is discarded."""
    HUGE_REPLY = "huge-reply"
    """That many megabytes of white space in the answer."""
    SPLIT_DELIMITER = "split-delimiter"
    """The answer arrives in two pieces, cut inside the mark that ends it, so many seconds apart."""
    OTHER_HOST_KEY = "other-host-key"
    """The router shows another host key than the one that is known."""


_VALUES: Final = {
    FaultKind.SLOW: 1.0,
    FaultKind.HUGE_REPLY: 11.0,
    FaultKind.SPLIT_DELIMITER: 0.05,
}
"""Kinds that take a value, and the value that they have without one."""
_ONCE: Final = frozenset({FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.GONE})
_STANDING: Final = frozenset({FaultKind.DIRTY_CANDIDATE, FaultKind.OTHER_HOST_KEY})
"""Kinds that no request brings about."""
_MOST: Final = 60.0
OPERATIONS: Final = (
    "get", "get-config", "get-data", "edit-config", "edit-data", "copy-config", "delete-config",
    "lock", "unlock", "commit", "confirmed-commit", "confirm", "cancel-commit", "discard-changes",
    "validate", "close-session", "kill-session", "get-schema", "create-subscription",
)  # fmt: skip
"""What a fault may name: `confirmed-commit` is a commit that is to be confirmed, `confirm` the one
that confirms it, `commit` any."""
_FORM: Final = re.compile(
    r"(?:(?P<router>[^/]+)/)?(?P<kind>[a-z-]+)(?::(?P<operation>[a-z-]+))?(?:#(?P<nth>\d+))?"
    r"(?:=(?P<value>\d+(?:\.\d+)?))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    kind: FaultKind
    operation: str = ""
    """One of OPERATIONS; empty: every request counts."""
    nth: int = 0
    """Which of these requests, counted from 1 over all sessions; 0: the first one for faults that
    end a session, every one for others."""
    value: float = 0.0
    """Seconds, or megabytes of a huge reply."""
    router: str = ""
    """The router that it is for; empty: every one."""


def parse_fault(text: str) -> Fault:
    """Return the fault that `text` describes.  Raises UsageError."""
    match = _FORM.fullmatch(text)
    kinds = [kind.value for kind in FaultKind]
    if match is None or match["kind"] not in kinds:
        raise UsageError(
            f"--fault {text}: it has the form [ROUTER/]KIND[:OPERATION][#N][=VALUE], where KIND is "
            f"one of {', '.join(kinds)}"
        )
    kind = FaultKind(match["kind"])
    operation = match["operation"] or ""
    if operation and operation not in OPERATIONS:
        raise UsageError(f"--fault {text}: OPERATION is one of {', '.join(OPERATIONS)}")
    if kind in _STANDING and (operation or match["nth"]):
        raise UsageError(f"--fault {text}: {kind} depends on no request; leave out :OPERATION, #N")
    if kind is FaultKind.LOCK_DENIED and operation not in ("", "lock"):
        raise UsageError(f"--fault {text}: {kind} concerns no other operation than lock")
    if match["value"] and kind not in _VALUES:
        raise UsageError(f"--fault {text}: {kind} takes no =VALUE")
    if match["nth"] and not int(match["nth"]):
        raise UsageError(f"--fault {text}: requests are counted from #1")
    value = float(match["value"]) if match["value"] else _VALUES.get(kind, 0.0)
    if value > _MOST:
        raise UsageError(f"--fault {text}: the value is at most {_MOST:g}")
    return Fault(
        kind=kind,
        operation="lock" if kind is FaultKind.LOCK_DENIED else operation,
        nth=int(match["nth"] or 0),
        value=value,
        router=match["router"] or "",
    )


class Trouble:
    """The faults of one router: feed it every request, it says what strikes."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        self._counts = [0] * len(self._faults)

    @property
    def dirty_candidate(self) -> bool:
        return any(fault.kind is FaultKind.DIRTY_CANDIDATE for fault in self._faults)

    @property
    def other_host_key(self) -> bool:
        return any(fault.kind is FaultKind.OTHER_HOST_KEY for fault in self._faults)

    def strikes(self, labels: Iterable[str]) -> dict[FaultKind, float]:
        """Return the faults of a request and their values; `labels` are its names."""
        names = frozenset(labels)
        found: dict[FaultKind, float] = {}
        for number, fault in enumerate(self._faults):
            if fault.kind in _STANDING or (fault.operation and fault.operation not in names):
                continue
            self._counts[number] += 1
            nth = fault.nth or (1 if fault.kind in _ONCE else 0)
            if nth in (0, self._counts[number]):
                found[fault.kind] = fault.value
        return found
