"""What receivers say that they hold, into the ledger.

Pure.
"""

from __future__ import annotations

from toolkit.delivery import control
from toolkit.delivery.ledger import Ledger
from toolkit.delivery.manifest import FIRST_TOI
from toolkit.delivery.members import Member


def want_boot(ledger: Ledger, bit: int) -> None:
    """A receiver knows nothing yet: FDT and manifest go to it."""
    for segment in ledger.boot:
        if not segment.flight >> bit & 1:
            ledger.want(segment, bit, None)


def told(ledger: Ledger, member: Member, number: int, state: int) -> None:
    """A receiver says what it holds of object `number`."""
    bit, first_time = member.bit, not member.told[number]
    member.told[number] = 1
    toi = FIRST_TOI + number
    if state == control.HAVE_ALL:
        ledger.holds(toi, bit)
    elif first_time and state == control.HAVE_NOTHING:
        ledger.want_all(toi, bit)
    else:
        ledger.ask_all(toi, bit)
