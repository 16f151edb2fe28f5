"""Quantities as people read them: sizes, times, rates, factors, ticks of an axis.

Pure.  Its law: a reader never sees more digits than the figure deserves, and every number comes
with its unit.  Sizes are decimal (1 MB is 10^6 bytes), as link capacities are.
"""

from __future__ import annotations

from math import floor, isfinite, log10

NONE = "\u2013"
"""Shown where there is no figure: it has not happened, or does not apply."""

_SPACE = "\u00a0"
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_RATES = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s")


def size(value: float | None) -> str:
    """Return `value` bytes with a decimal unit and three significant digits."""
    return _scaled(value, _SIZES)


def rate(value: float | None) -> str:
    """Return `value` bit/s with a decimal unit and three significant digits."""
    return _scaled(value, _RATES)


def duration(value: float | None) -> str:
    """Return `value` seconds as microseconds, milliseconds, seconds, minutes or hours."""
    if value is None or not isfinite(value):
        return NONE
    magnitude = abs(value)
    if magnitude < 0.9995e-3:
        return "0" + _SPACE + "s" if value == 0 else f"{_digits(value * 1e6)}{_SPACE}µs"
    if magnitude < 0.9995:
        return f"{_digits(value * 1e3)}{_SPACE}ms"
    if magnitude < 119.95:
        return f"{_digits(value)}{_SPACE}s"
    minutes, seconds = divmod(round(magnitude), 60)
    sign = "\u2212" if value < 0 else ""
    if minutes < 120:
        return f"{sign}{minutes}{_SPACE}min{_SPACE}{seconds:02d}{_SPACE}s"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}{_SPACE}h{_SPACE}{minutes:02d}{_SPACE}min"


def count(value: int | None) -> str:
    """Return `value` with thin spaces between thousands."""
    return NONE if value is None else f"{value:,}".replace(",", "\u202f")


def factor(more: float, less: float) -> str:
    """Return how many times `more` is `less` ("5.9×"), or a dash where that says nothing."""
    if not (less > 0 and more > 0 and isfinite(more) and isfinite(less)):
        return NONE
    ratio = more / less
    return f"{ratio:.0f}×" if ratio >= 99.5 else f"{ratio:.1f}×"


def plural(number: int, one: str, many: str = "") -> str:
    """Return "1 cloud", "6 clouds"; `many` where the plural is not just an s."""
    return f"{count(number)}{_SPACE}{one if number == 1 else many or one + 's'}"


def ticks(highest: float, about: int = 6) -> tuple[float, ...]:
    """Return round values (steps of 1, 2 or 5) from 0 up to at least `highest`."""
    if not isfinite(highest) or highest <= 0:
        return (0.0, 1.0)
    raw = highest / about
    power = 10.0 ** floor(log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999999)
    number = 0
    while number * step < highest * 0.999999:
        number += 1
    return tuple(i * step for i in range(number + 1))


def tick_labels(values: tuple[float, ...]) -> tuple[str, ...]:
    """Label times on an axis: all of them in one unit, which the last label's size decides."""
    last = values[-1]
    scale, unit = (1e6, "µs") if last < 1e-3 else (1e3, "ms") if last < 2 else (1.0, "s")
    if last >= 300:
        scale, unit = (1 / 60, "min") if last < 4 * 3600 else (1 / 3600, "h")
    return tuple("0" if v == 0 else f"{v * scale:.6g}{_SPACE}{unit}" for v in values)


def _scaled(value: float | None, units: tuple[str, ...]) -> str:
    if value is None or not isfinite(value):
        return NONE
    scaled, position = float(value), 0
    while abs(scaled) >= 999.5 and position < len(units) - 1:
        scaled, position = scaled / 1000, position + 1
    text = f"{scaled:.0f}" if position == 0 else _digits(scaled)
    return f"{text}{_SPACE}{units[position]}"


def _digits(value: float) -> str:
    """Three significant digits, no exponent, and no trailing zeros on round values."""
    magnitude = abs(value)
    decimals = 0 if magnitude >= 99.95 else 1 if magnitude >= 9.995 else 2
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
