"""How servers differ from RFC 6241, a profile per family.  Pure; `runtime_ncclient` obeys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Validation(Enum):
    """How the candidate is validated before it is committed."""

    VALIDATE = "<validate> of the candidate"
    TEST_ONLY = "the same edit again with test-option test-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One family of servers."""

    name: str
    validation: Validation = Validation.VALIDATE
    lock_running: bool = True
    settle: float = 0.0
    """Seconds to wait between the hello and the first request."""
    commit_configuration: bool = False
    """Commits are Junos's <commit-configuration>."""


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
        Profile(
            # <commit> takes no notice of <confirmed/>; <commit-configuration> does, in minutes, and
            # knows no persist-id.  Only the candidate can be locked.
            name="junos",
            lock_running=False,
            commit_configuration=True,
        ),
        # As RFC 6241 but for <validate> of the candidate, which cannot be relied on.
        Profile(name="validate-broken", validation=Validation.TEST_ONLY),
        # As RFC 6241, but running cannot be locked.
        Profile(name="no-running-lock", lock_running=False),
    )
}
"""Profiles by name."""

_PLATFORMS: Final = {"junos": "junos"}


def profile_of(platform: str) -> str:
    """Return the name of the profile that routers of `platform` have unless told otherwise."""
    return _PLATFORMS.get(platform, "reference")
