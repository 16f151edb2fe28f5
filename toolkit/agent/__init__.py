"""A receiver as one thing: what it is told, its session, its API, what it tells of itself.

`toolkit.agent.receive` is `toolkit.agent.api.receive`, and `update` is that of `updating`, imported
when they are asked for: the command line reads settings long before it needs a socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.agent.api import receive
    from toolkit.agent.settings import Settings
    from toolkit.agent.updating import update

__all__ = ["Settings", "receive", "update"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    if name == "receive":
        from toolkit.agent.api import receive

        return receive
    if name == "update":
        from toolkit.agent.updating import update

        return update
    if name == "Settings":
        from toolkit.agent.settings import Settings

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
