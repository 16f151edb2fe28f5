"""What a receiver says when nothing comes any more.

Pure.
"""

from __future__ import annotations

from toolkit.errors import IncompleteError, UnreachableError


def closed(rejected: str) -> IncompleteError:
    """The sender ended the session too early, or rejected this receiver."""
    if rejected:
        return IncompleteError(f"the sender rejects this receiver: {rejected}; nothing was placed")
    return IncompleteError(
        "the sender closed the session before it was complete; nothing was placed (its own "
        "messages say why)"
    )


def unheard(timeout: float) -> UnreachableError:
    """Nothing ever came, for `timeout` seconds."""
    return UnreachableError(
        "sender", f"nothing came back for {timeout:g} s",
        "is it running, does its --to list this name and address, is --control-token the same "
        "at both, do routers and firewalls let both directions through?",
    )  # fmt: skip


def silent(timeout: float, *, kept: bool) -> IncompleteError:
    """Nothing came for `timeout` seconds; `kept`: some blocks are stored."""
    what = "what was received is kept" if kept else "nothing was received"
    return IncompleteError(
        f"the sender has been silent for {timeout:g} s; nothing was placed, and {what} "
        "(start the receiver again to go on)"
    )
