"""How many parity symbols to send now, given that some of these will be lost too.

Pure.  A round that sends exactly what is lacking leaves a few receivers lacking one or two, and
they need a round of their own.  There are two answers to that:

- In the middle of a delivery there is time.  The last symbols of a block, those that only its
  worst receivers want, are *held back* for the next round, and serve then whoever lost some of
  this round's.  Over both rounds the sender sends what the worst receiver needs, hardly more.
- At the end there is none.  Receivers are sent a *margin* beyond what they lack, as much as it
  takes that hardly any of them will need a third round; what these symbols cost is counted
  against an allowance, a small part of the repairs that the delivery has needed so far.

Both follow from each receiver's loss, which its reports tell.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int16]

WORTH_WAITING = 0.05
"""Receivers expected to lack a symbol after a round for which one is held back."""
MOST_HELD_BACK = 6
IN_VAIN = 0.002
"""Chance that a round at the end is not the last, where the allowance allows for it."""
ALLOWANCE = 0.08
"""Of the symbols sent as repairs, those that margins may cost the sender."""
SPARE = 0.09
"""Of the symbols that a receiver has lost, those that it may be sent as margin."""


class Foresight:
    """What is known of the losses of `receivers` receivers, and what follows from it."""

    def __init__(self, receivers: int) -> None:
        self.rounds = 2
        """Rounds for which there will be time after the next one."""
        self._sent = np.zeros(receivers)
        self._lost = np.zeros(receivers)
        """Symbols of each."""
        self.given = np.zeros(receivers)
        """Symbols of margin that each was sent."""
        self._spent = 0.0
        """Symbols that margins have cost the sender."""
        self._repairs = 0.0
        """Symbols that the sender has sent for repairs."""

    def grow(self, receivers: int) -> None:
        """There are `receivers` receivers now."""
        more = np.zeros(max(receivers - len(self._sent), 0))
        self._sent = np.append(self._sent, more)
        self._lost = np.append(self._lost, more)
        self.given = np.append(self.given, more)

    def learn(self, bit: int, sent: int, lost: int) -> None:
        """Of symbols that a receiver was sent, so many were lost."""
        self._sent[bit] += sent
        self._lost[bit] += lost

    def loss(self, rows: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
        """The loss of some receivers: measured, and what all together have where it is new."""
        total = float(self._sent.sum())
        common = float(self._lost.sum()) / total if total else 0.0
        measured: npt.NDArray[np.float64] = self._lost[rows] + 100 * common
        measured /= self._sent[rows] + 100
        return measured

    def plan(
        self, lacks: Counts, rows: npt.NDArray[np.int_], left: Counts, *, addressed: bool
    ) -> Counts:
        """Return how many symbols of each block (column) each receiver (row) is sent now.

        `lacks`: what it lacks; `rows`: bit numbers; `left`: symbols that a block still has.
        """
        most = lacks.max(axis=0)
        planned = lacks
        if most.any() and addressed:
            loss = self.loss(rows)
            if self.rounds == 0:
                planned = self._with_margin(lacks, rows, loss, left)
            elif self.rounds > 1:
                planned = np.minimum(lacks, most - self._held_back(lacks, loss, most))
        self._repairs += int(planned.max(axis=0).sum())
        return planned

    def _held_back(self, lacks: Counts, loss: npt.NDArray[np.float64], most: Counts) -> Counts:
        """How many symbols of each block wait for the next round."""
        held = np.zeros(len(most), np.int16)
        # Receivers expected to lose 1, 2, ... of what they are sent now: sum of C(m, d) p^d.
        term = np.ones(lacks.shape)
        for d in range(MOST_HELD_BACK):
            term *= np.maximum(lacks - d, 0) * (loss[:, None] / (d + 1))
            worth = term.sum(axis=0) > WORTH_WAITING
            if not worth.any():
                break
            held += worth
        bounded: Counts = np.minimum(held, np.maximum(most - 1, 0))
        return bounded

    def _with_margin(
        self,
        lacks: Counts,
        rows: npt.NDArray[np.int_],
        loss: npt.NDArray[np.float64],
        left: Counts,
    ) -> Counts:
        """What is lacking and as much more as the allowances allow for."""
        most = lacks.max(axis=0)
        step = np.clip(np.ceil(2 * np.log2(np.maximum(loss, 1e-6)) + 20), 0, 20).astype(np.intp)
        kinds, which = np.unique(step[:, None] * 256 + lacks, return_inverse=True)
        extra = np.zeros_like(lacks)
        each = SPARE * self._lost[rows] - self.given[rows]
        chance = IN_VAIN / np.count_nonzero(lacks)
        unsettled = np.ones(len(rows), bool)
        while chance < 1 and unsettled.any():
            exponent = int(np.floor(np.log2(chance)))
            margins = [_margin(kind % 256, kind // 256, exponent) for kind in kinds.tolist()]
            wanted = np.array(margins, np.int16)[which].reshape(lacks.shape)
            settled = unsettled & (wanted.sum(axis=1) <= each)
            extra[settled] = wanted[settled]
            unsettled &= ~settled
            chance *= 8
        full = np.minimum(lacks + extra, np.maximum(left, lacks))
        # What no receiver needs for its loss alone costs the sender.
        allowed = ALLOWANCE * (self._repairs + float(most.sum())) - self._spent
        above = full.max(axis=0) - most
        while above.sum() > max(allowed, 0):
            above = np.minimum(above, above.max() - 1)
        planned: Counts = np.minimum(full, most + above).astype(np.int16)
        self._spent += float(above.sum())
        self.given[rows] += (planned - lacks).sum(axis=1)
        return planned


@lru_cache(maxsize=4096)
def _margin(lacking: int, step: int, exponent: int) -> int:
    """Symbols beyond those `lacking` so that fewer than these arrive with a chance below
    2 ** `exponent`, at a loss of 2 ** (`step` / 2 - 10)."""
    loss = min(2.0 ** (step / 2 - 10), 0.5)
    extra = 0
    while lacking and extra < 64 and _tail(lacking + extra, extra, loss) > 2.0**exponent:
        extra += 1
    return extra


def _tail(sent: int, spare: int, loss: float) -> float:
    """The chance that of `sent` symbols more than `spare` are lost."""
    return sum(
        comb(sent, lost) * loss**lost * (1 - loss) ** (sent - lost)
        for lost in range(spare + 1, min(sent, spare + 12) + 1)
    )
