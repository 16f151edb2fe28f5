"""What a host says to agents that it does not serve, or no longer.  Pure."""

from __future__ import annotations

from toolkit.gpu.share.wire import VERSION

PRIVATE = "this window is its owner's alone (start the host with --window-mode 0660)"
NAMELESS = "it did not say who it is"
CROWD = "too many connections wait here"


def why(version: int, *, full: bool, most: int, ending: bool, lost: int) -> str:
    """Why an agent is not taken; empty: it is.

    `lost`: blocks that it could get from nowhere.
    """
    if version != VERSION:
        return (
            f"this host speaks version {VERSION} of the window, the agent version {version} "
            "(bring both to the same release)"
        )
    if full:
        return f"all {most} agents are here (start the host with a larger --agents)"
    if ending:
        return "the delivery is over (start host and agent again)"
    if lost:
        return (
            f"{lost} blocks have passed, and this host keeps no files that they could be read from "
            "(start agents before the delivery, or the host with --output and its weights on disk)"
        )
    return ""


def slow(agent: str, held: int, patience: float) -> str:
    """An agent is on its way to be stuck."""
    return (
        f"agent {agent} holds {held} bytes of the window and gives none back; the others wait, "
        f"and it is cut off after {patience:g} s"
    )


def stuck(patience: float) -> str:
    """It is cut off."""
    return (
        f"it gave nothing back for {patience:g} s while the window was waited for (is it stopped, "
        "or its device? --agent-patience waits longer)"
    )
