"""Differentiated services code points and their names.

Pure.  RFC 2474 (CS), RFC 2597 (AF), RFC 3246 and RFC 5865 (EF, VOICE-ADMIT), RFC 8622 (LE).
"""

from __future__ import annotations

from toolkit.inventory.refusal import Refusal

NAMES: dict[str, int] = {
    "le": 1,
    **{f"cs{n}": 8 * n for n in range(8)},
    **{f"af{n}{drop}": 8 * n + 2 * drop for n in range(1, 5) for drop in range(1, 4)},
    "voice-admit": 44,
    "ef": 46,
}
"""Name, in lower case -> code point."""
NONE = "none"
PATTERN = "^([lL][eE]|[eE][fF]|[cC][sS][0-7]|[aA][fF][1-4][1-3]|[nN][oO][nN][eE]|"
PATTERN += "[vV][oO][iI][cC][eE]-[aA][dD][mM][iI][tT])$"
"""Of the names, for editors: upper case is as good."""
HIGHEST = 63
"""Six bits (RFC 2474 section 3)."""
_SHOWN = "le, cs0 to cs7, af11 to af43, ef, voice-admit, 0 to 63, or none"


def parse_dscp(value: object) -> int | None:
    """Return a code point; None for `none`: routers are told nothing."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Refusal("is not a code point", _SHOWN)
    if isinstance(value, int):
        if not 0 <= value <= HIGHEST:
            raise Refusal(f"is not between 0 and {HIGHEST}")
        return value
    word = value.lower()
    if word == NONE:
        return None
    if word in NAMES:
        return NAMES[word]
    quoted = word.isascii() and word.isdecimal() and int(word) <= HIGHEST
    raise Refusal("is not a code point", "write the number without quotes" if quoted else _SHOWN)


def name_of(dscp: int) -> str:
    """Return a code point's name as RFCs write it: `LE`, `AF11`; `DSCP 5` where it has none."""
    return next((name.upper() for name, value in NAMES.items() if value == dscp), f"DSCP {dscp}")
