"""How servers differ from RFC 6241, a profile per family.  Pure; `runtime_ncclient` obeys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from toolkit.netconf import names
from toolkit.netconf.tree import QName

OWNED: Final = (
    QName("urn:ietf:params:xml:ns:yang:ietf-interfaces", "interfaces"),
    QName("urn:llmsync:isis", "isis"),
    QName("urn:llmsync:ospf", "ospf"),
    QName("urn:llmsync:bier", "bier"),
    QName("urn:llmsync:pim", "pim"),
    QName("urn:llmsync:pim", "membership"),
    QName("urn:llmsync:sr", "segment-routing"),
    QName("urn:llmsync:sr", "p2mp"),
    QName("urn:llmsync:overlay", "overlay"),
    QName("urn:llmsync:mvpn", "bgp"),
    QName("urn:llmsync:mvpn", "mvpn"),
    QName("urn:llmsync:edge", "edge"),
    QName("urn:llmsync:edge", "qos"),
    QName("urn:llmsync:delivery", "deliveries"),
)
"""Top-level containers that a payload replaces as a whole.  All else on a device is not ours."""


class Validation(Enum):
    """How the candidate is validated before it is committed."""

    VALIDATE = "<validate> of the candidate"
    TEST_ONLY = "the same edit again with test-option test-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One family of servers."""

    name: str
    owned: tuple[QName, ...] = OWNED
    validation: Validation = Validation.VALIDATE
    lock_running: bool = True
    settle: float = 0.0
    """Seconds to wait between the hello and the first request."""
    required: tuple[str, ...] = (names.CANDIDATE, names.CONFIRMED_COMMIT, names.VALIDATE)
    """Capabilities without which nothing is tried."""


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile(name="reference"),
        Profile(
            # Debian's netconfd 2.13.  <validate> of a modified candidate turns the next <commit>
            # into a no-op that answers <ok/>.  While anybody holds the lock on running,
            # cancel-commit answers <ok/> and restores nothing, nor does the time-out.  A request
            # that arrives in one read with the client's hello is not answered until more arrives.
            name="yuma",
            validation=Validation.TEST_ONLY,
            lock_running=False,
            settle=0.06,
        ),
    )
}
"""Profiles by name."""
