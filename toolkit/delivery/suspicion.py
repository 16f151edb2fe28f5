"""Which symbol of a block is forged.

Encoding symbols are values of one polynomial of degree < k at their points x (see `fec`).  Of k + 2
of them two sums over all symbols vanish,

    S0 = sum v * y        S1 = sum v * x * y        v = 1 / product of (x - x') over the others,

unless one is wrong: then S1 / S0 is the point of that one, in every byte in which it is wrong.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import numpy as np

from toolkit.delivery.fec import POINTS
from toolkit.delivery.gf256 import EXP, LOG, Bytes, Row, combine

NEEDED = 2
"""Symbols beyond k that it takes."""

_LOG = np.array([0, *LOG[1:256]])


def forged(k: int, symbols: Mapping[int, Bytes]) -> int | None:
    """Return the ESI of the one symbol that does not fit the others; None: it cannot be told.

    `symbols`: by ESI, `k` + NEEDED at least, all of the same length.
    """
    chosen = dict(islice(symbols.items(), k + NEEDED))
    if len(chosen) < k + NEEDED:
        return None
    points = [POINTS[esi] for esi in chosen]
    weights = [-sum(LOG[x ^ other] for other in points if other != x) % 255 for x in points]
    block = np.stack(list(chosen.values()))
    plain = combine(Row(np.array([EXP[w] for w in weights], np.uint8)), block)
    scaled = combine(
        Row(
            np.array(
                [EXP[(w + LOG[x]) % 255] if x else 0 for w, x in zip(weights, points, strict=True)],
                np.uint8,
            )
        ),
        block,
    )
    wrong = np.flatnonzero(plain)
    if not len(wrong) or scaled[plain == 0].any():
        return None
    above, below = scaled[wrong], plain[wrong]
    if not above.any():
        found = 0
    elif above.all():
        ratios = (_LOG[above] - _LOG[below]) % 255
        if (ratios != ratios[0]).any():
            return None
        found = EXP[int(ratios[0])]
    else:
        return None
    return next((esi for esi, x in zip(chosen, points, strict=True) if x == found), None)
