"""The ways in which a server makes a change run, and keeps or undoes it.  Pure.

RFC 6241 section 8.4 with a persist-id is the way that keeps the promise of a push to the letter:
the change outlives the controller, can be confirmed or cancelled from a new session, and reverts by
itself.  The other ways are weaker, each in its own manner, and taken only when they are asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import Final
from xml.sax.saxutils import escape

from toolkit.netconf import names
from toolkit.netconf.profiles import Profile


class Way(Enum):
    """How a device takes a change."""

    PERSIST = "persist"
    """Confirmed commit with a persist-id."""
    SESSION = "session"
    """Confirmed commit that its own session has to confirm (confirmed-commit:1.0)."""
    JUNOS = "junos"
    """<commit-configuration> with a time in minutes, without a persist-id."""
    FINAL = "final"
    """<commit> that stays, once all devices are prepared; undone by the reverse change."""
    DIRECT = "direct"
    """Running is edited itself, all or nothing; undone by the reverse change."""

    @property
    def reverts(self) -> bool:
        """An unconfirmed change goes away by itself."""
        return self not in (Way.FINAL, Way.DIRECT)

    @property
    def candidate(self) -> bool:
        """It is prepared in a candidate."""
        return self is not Way.DIRECT


WEAKNESS: Final = {
    Way.SESSION: "the change cannot be confirmed when the session is lost",
    Way.JUNOS: "the change has no persist-id, and is undone by the reverse change",
    Way.FINAL: "the change stays at once, and is undone by the reverse change",
    Way.DIRECT: "running is edited without a candidate, and undone by the reverse change",
}
"""What a way lacks of the promise, for people."""


def missing(offered: Collection[str]) -> list[str]:
    """Return the capabilities that the promise of a push takes and a server does not offer."""
    wanted = [names.CANDIDATE, names.CONFIRMED_COMMIT]
    lacking = [uri for uri in wanted if uri not in offered]
    return lacking + ([] if names.validates(offered) else [names.VALIDATE])


def choose(offered: Collection[str], profile: Profile) -> Way | None:
    """Return the best way that a server offers; None where there is none."""
    if profile.commit_configuration:
        return Way.JUNOS if names.CANDIDATE in offered else None
    if names.CANDIDATE in offered:
        if names.CONFIRMED_COMMIT in offered:
            return Way.PERSIST
        return Way.SESSION if names.CONFIRMED_COMMIT_1_0 in offered else Way.FINAL
    direct = {names.WRITABLE_RUNNING, names.ROLLBACK_ON_ERROR}
    return Way.DIRECT if direct <= set(offered) else None


def commit(way: Way, timeout: int, txid: str) -> str:
    """Return the request that makes the candidate run, to be confirmed where that can be."""
    match way:
        case Way.PERSIST | Way.SESSION:
            persist = f"<persist>{escape(txid)}</persist>" if way is Way.PERSIST else ""
            limit = f"<confirm-timeout>{timeout}</confirm-timeout>"
            return f"<commit><confirmed/>{limit}{persist}</commit>"
        case Way.JUNOS:
            return (
                f"<commit-configuration><confirmed/><confirm-timeout>{-(-timeout // 60)}"
                "</confirm-timeout></commit-configuration>"
            )
        case _:
            return stay(way)


def stay(way: Way) -> str:
    """Return the request that makes the candidate run for good."""
    return "<commit-configuration/>" if way is Way.JUNOS else "<commit/>"


def confirm(way: Way, txid: str) -> str:
    """Return the request that confirms; empty where there is nothing to confirm."""
    match way:
        case Way.PERSIST:
            return f"<commit><persist-id>{escape(txid)}</persist-id></commit>"
        case Way.SESSION | Way.JUNOS:
            return stay(way)
        case _:
            return ""


def cancel(txid: str) -> str:
    """Return the request that cancels a commit with a persist-id."""
    return f"<cancel-commit><persist-id>{escape(txid)}</persist-id></cancel-commit>"
