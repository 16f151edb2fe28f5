"""What an engine's loader is told: JSON of `--model-loader-extra-config`, or of the environment.

The keys are those of `toolkit.agent.settings.Settings`, and `files` and `order`.  Where several
processes of one engine each run a receiver, `{rank}` in a text is the number of the process.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.agent.api import Order
from toolkit.agent.settings import Settings
from toolkit.errors import Place, Problem, ProblemsError

VARIABLE = "LLMSYNC_RECEIVE"
"""The same JSON, for engines that pass no extra configuration."""
SOURCE = "--model-loader-extra-config"
ORDERS = typing.get_args(Order)
_OWN = ("files", "order")
_SLICES = ("rank", "world", "shard")


@dataclass(frozen=True, slots=True)
class Options:
    """A receiver, and which of its files are the model's."""

    settings: Settings
    files: str = ""
    """Pattern of paths; empty: all safetensors files that are not there twice."""
    order: Order = "arrival"
    """In which tensors are handed out; `manifest`: as they are sent."""


def read_options(
    extra: Mapping[str, object], environment: Mapping[str, str], *, rank: int, device: str
) -> Options:
    """Return what is asked for; ProblemsError names everything that is wrong.

    `extra`: what the engine was given; empty: the variable counts.  `device`: that of the engine's
    parameters, for those who name none.
    """
    place = SOURCE
    if not extra:
        place = VARIABLE
        extra = _parse(environment.get(VARIABLE, ""))
    kinds = typing.get_type_hints(Settings)
    problems, given = [], dict(extra)
    files, order = given.pop("files", ""), given.pop("order", "arrival")
    if not isinstance(files, str):
        problems.append(_problem(place, "files", "is not a text", 'a pattern, "model-*"'))
    if order not in ORDERS:
        problems.append(_problem(place, "order", f"is {order!r}", f"one of {', '.join(ORDERS)}"))
    values: dict[str, object] = {}
    for key, value in given.items():
        if key not in kinds:
            known = ", ".join([*_OWN, *(k for k in kinds if k not in _SLICES)])
            problems.append(_problem(place, key, "is not known", f"one of {known}"))
        elif key in _SLICES:
            remedy = "leave it out: each rank is given whole tensors"
            problems.append(_problem(place, key, "the engine slices for itself", remedy))
        else:
            try:
                values[key] = _value(kinds[key], value, rank)
            except ValueError as error:
                problems.append(_problem(place, key, str(error), "see docs/how-to/vllm.md"))
    if "name" not in values and not problems:
        problems.append(_problem(place, "name", "is missing", "our name, as the sender lists it"))
    if problems:
        raise ProblemsError(problems)
    values.setdefault("device", device)
    values.setdefault("weights", "gpu")
    return Options(Settings(**values), str(files), typing.cast("Order", order))  # type: ignore[arg-type]


def _parse(text: str) -> Mapping[str, object]:
    if not text:
        raise ProblemsError(
            [_problem(SOURCE, "", "is empty, and so is " + VARIABLE,
                      'give it JSON such as {"name": "fra", "join": "https://hub:8443"}')]
        )  # fmt: skip
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ProblemsError(
            [_problem(VARIABLE, "", f"is not JSON: {error}", "an object")]
        ) from None
    if not isinstance(found, dict):
        raise ProblemsError([_problem(VARIABLE, "", "is not an object", '{"name": "fra", ...}')])
    return found


def _value(kind: object, value: object, rank: int) -> object:
    """A JSON value as what the field holds.  Raises ValueError."""
    if typing.get_origin(kind) is tuple:
        listed = value if isinstance(value, list) else [value]
        return tuple(_value(str, item, rank) for item in listed)
    kinds = typing.get_args(kind) or (kind,)
    if isinstance(value, str):
        if set(kinds) <= {int, float, bool}:
            raise ValueError(f"is a text, {value!r}, and should be none")
        value = value.replace("{rank}", str(rank))
        return Path(value).expanduser() if Path in kinds and str not in kinds else value
    if isinstance(value, bool):
        if bool not in kinds:
            raise ValueError("is true or false, and should not be")
        return value
    if isinstance(value, int | float):
        if float in kinds or (int in kinds and isinstance(value, int)):
            return value
        raise ValueError(f"is a number, {value}, and should be a text")
    raise ValueError(f"is of no use: {value!r}")


def field_names() -> list[str]:
    """Every key that is understood."""
    return [*_OWN, *(f.name for f in dataclasses.fields(Settings) if f.name not in _SLICES)]


def _problem(place: str, key: str, reason: str, remedy: str) -> Problem:
    return Problem(Place(file=place, path=key), reason, remedy)
