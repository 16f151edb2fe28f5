"""The small language of the vector files: numbers that are computed, names that are filled in.

A text that starts with `=` is a number: integers, names, + - * // %, comparisons, parentheses.
`{...}` inside of any other text, and inside of a member's name, is replaced by such a number or
name.  In a list, `{"for": {"n": "1-64"}, "if": "=n != 3", "do": X}` stands for X once for each n
but 3; an object `{"merge": [X, Y]}` stands for the members of all of them.  Law: nothing but
arithmetic can be said, so expansion always ends.  Pure.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Final

Symbols = Mapping[str, int | str]
_OPERATORS: Final[dict[type, Callable[[int, int], int]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
    ast.LtE: operator.le,
    ast.GtE: operator.ge,
}
_HOLE: Final = re.compile(r"\{([^{}]*)\}")


def compute(expression: str, symbols: Symbols) -> int | str:
    """Return the value of an expression; ValueError where it says something else than that."""
    if expression in symbols:
        return symbols[expression]
    try:
        parsed = _parsed(expression.strip())
    except SyntaxError:
        raise ValueError(f"{expression!r} is no expression") from None
    return _value(parsed, symbols, expression)


@lru_cache(maxsize=4096)
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _value(node: ast.expr, symbols: Symbols, text: str) -> int | str:
    match node:
        case ast.Constant(value=int(found)) if not isinstance(found, bool):
            return found
        case ast.Name(id=name):
            if name not in symbols:
                raise ValueError(f"{name} in {text!r} is not known")
            return symbols[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _apply(type(op), left, right, symbols, text)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return _apply(type(op), left, right, symbols, text)
    raise ValueError(f"{text!r} is more than arithmetic")


def _apply(op: type, left: ast.expr, right: ast.expr, symbols: Symbols, text: str) -> int:
    a, b = _value(left, symbols, text), _value(right, symbols, text)
    if isinstance(a, str) or isinstance(b, str):
        raise ValueError(f"{text!r} computes with a text")
    return int(_OPERATORS[op](a, b))


def numbers(spec: object) -> list[int]:
    """Return the numbers of `3`, `[1, "5-9"]` or `"1,3,5-9"`; ValueError for anything else."""
    if isinstance(spec, int) and not isinstance(spec, bool):
        return [spec]
    if isinstance(spec, list):
        return [found for part in spec for found in numbers(part)]
    if not isinstance(spec, str):
        raise ValueError(f"{spec!r} is no list of numbers")
    found: list[int] = []
    for part in spec.split(",") if spec else ():
        low, dash, high = part.strip().partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            raise ValueError(f"{spec!r} is no list of numbers")
        found += range(int(low), int(high if dash else low) + 1)
    return found


def ranges(positions: list[int]) -> str:
    """Return numbers as `"1,3,5-9"`; the inverse of `numbers` for rising ones."""
    parts: list[list[int]] = []
    for position in positions:
        if parts and position == parts[-1][1] + 1:
            parts[-1][1] = position
        else:
            parts.append([position, position])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def expand(value: object, symbols: Symbols) -> object:
    """Return a value with everything symbolic in it computed."""
    if isinstance(value, str):
        if value.startswith("="):
            return compute(value[1:], symbols)
        return _filled(value, symbols)
    if isinstance(value, list):
        return [found for part in value for found in _item(part, symbols)]
    if isinstance(value, dict):
        if value.keys() == {"merge"}:
            merged: dict[str, object] = {}
            whole = expand(value["merge"], symbols)
            for part in whole if isinstance(whole, list) else ():
                merged |= part
            return merged
        return {_filled(k, symbols): expand(v, symbols) for k, v in value.items()}
    return value


def _filled(text: str, symbols: Symbols) -> str:
    if "{" not in text:
        return text
    return _HOLE.sub(lambda hole: str(compute(hole[1], symbols)), text)


def _item(part: object, symbols: Symbols) -> Iterator[object]:
    if isinstance(part, dict) and "do" in part and part.keys() <= {"for", "if", "do"}:
        for more in loops(part.get("for", {}), symbols):
            known = {**symbols, **more}
            if expand(part.get("if", 1), known):
                yield from _item(part["do"], known)
    else:
        yield expand(part, symbols)


def loops(spec: object, symbols: Symbols) -> Iterator[dict[str, int | str]]:
    """Yield the variables of `{"n": "1-{BSL}", "kind": ["gre", "vxlan"]}`, all combinations."""
    if not isinstance(spec, dict):
        raise ValueError(f"{spec!r} names no variable")
    choices: list[list[int | str]] = []
    for said in spec.values():
        value = expand(said, symbols)
        if isinstance(value, list):
            choices.append([v for v in value if isinstance(v, int | str)])
        else:
            choices.append(list(numbers(value)))
    for values in product(*choices):
        yield dict(zip(map(str, spec), values, strict=True))
