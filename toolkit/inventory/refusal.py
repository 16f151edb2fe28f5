"""Why a value was not accepted, said so that its author can act.  Pure."""

from __future__ import annotations


class Refusal(ValueError):  # noqa: N818 - a value, until the loader makes a problem of it
    """A value that will not parse.

    `reason` continues a sentence that begins with the value as it was written (`'9k' is not ...`).
    With `whole` it is the whole sentence, and the value is never shown: for secrets.  `at` leads
    from the value to the part of it that is meant.
    """

    def __init__(
        self, reason: str, remedy: str = "", *, whole: bool = False, at: tuple[str | int, ...] = ()
    ) -> None:
        self.reason, self.remedy, self.whole, self.at = reason, remedy, whole, at
        super().__init__(reason)

    def inside(self, *route: str | int) -> Refusal:
        """Return the same refusal as seen from a value that holds this one at `route`."""
        return Refusal(self.reason, self.remedy, whole=self.whole, at=(*route, *self.at))
