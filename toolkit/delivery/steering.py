"""What an operator does to a session under way: abort it, let a receiver go, let one in.

Pure.  Belongs to the Sender whose state it changes, and keeps it short.
"""

from __future__ import annotations

from toolkit.delivery.events import SenderOutput
from toolkit.delivery.model import ReceiverResult
from toolkit.delivery.progress import SessionProgress
from toolkit.delivery.sender import Sender

MAX_RECEIVERS = 4096
"""A bound for those that are let in while the session runs."""


class Steering:
    """A Sender and what may be done to it from outside."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender

    @property
    def finished(self) -> bool:
        return self.sender.finished

    def receive(self, receiver: str, message: bytes, now: float) -> list[SenderOutput]:
        return self.sender.receive(receiver, message, now)

    def results(self) -> list[ReceiverResult]:
        return self.sender.results()

    def progress(self, now: float) -> SessionProgress:
        return self.sender.progress(now)

    def abort(self, reason: str) -> None:
        """End the session for all; nothing is placed anywhere that is not complete."""
        self.sender.abort(reason)

    def evict(self, receiver: str, reason: str) -> bool:
        """End the session for one receiver; False: it is not in it, or has ended."""
        return self.sender.evict(receiver, reason)

    def admit(self, receiver: str, now: float) -> bool:
        """Set the bit of a receiver, a new one where it had none; False: there is no room."""
        sender = self.sender
        if sender.failure is not None or sender.finished:
            return False
        if receiver in sender._numbers:
            sender._members[sender._numbers[receiver]].evicted = False
            return True
        bit = len(sender._members)
        if not sender.session.targeted or bit >= MAX_RECEIVERS:
            return False
        sender._members.admit(receiver).heard = now
        sender._numbers[receiver] = bit
        sender._dispatch.grow(bit + 1)
        return True
