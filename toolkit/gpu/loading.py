"""Tensors into a torch module: they become its parameters and buffers, nothing is copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.errors import Place, Problem, ProblemsError


def load(module: Any, tensors: Mapping[str, Any], *, strict: bool) -> list[str]:  # noqa: ANN401
    """Assign `tensors` to the parameters and buffers of `module`, which may be on `meta`.

    Returns the names that the module has no place for.  Raises ProblemsError with everything that
    does not fit, before anything is assigned; `strict` False: tensors that are missing, or that
    nobody asked for, are no problem.
    """
    wanted = module.state_dict(keep_vars=True)
    missing = sorted(set(wanted) - set(tensors))
    spare = sorted(set(tensors) - set(wanted))
    problems = []
    for name in sorted(set(wanted) & set(tensors)):
        asked, given = wanted[name], tensors[name]
        if asked.shape != given.shape:
            problems.append(
                _problem(name, f"has shape {list(given.shape)}, the module {list(asked.shape)}")
            )
        elif asked.dtype != given.dtype and not asked.is_meta:
            problems.append(
                _problem(name, f"is {_short(given.dtype)}, the module's is {_short(asked.dtype)}")
            )
    tied = _tied(wanted)
    if strict:
        problems += [
            _problem(name, "the delivery has no such tensor")
            for name in missing
            if not any(other in tensors for other in tied.get(name, ()))
        ]
        problems += [_problem(name, "the module has no place for it") for name in spare]
    if problems:
        raise ProblemsError(problems)
    for name in missing:
        other = next((o for o in tied.get(name, ()) if o in tensors), None)
        if other is not None:
            tensors = {**tensors, name: tensors[other]}
    module.load_state_dict(
        {name: tensor for name, tensor in tensors.items() if name in wanted},
        strict=False,
        assign=True,
    )
    _tie(module, tied)
    _refuse_meta(module, strict=strict)
    return spare


def _tied(wanted: Mapping[str, Any]) -> dict[str, list[str]]:
    """Parameter names that mean one parameter: each -> all the others."""
    same: dict[int, list[str]] = {}
    for name, tensor in wanted.items():
        same.setdefault(id(tensor), []).append(name)
    return {
        name: [o for o in group if o != name]
        for group in same.values()
        if len(group) > 1
        for name in group
    }


def _tie(module: Any, tied: Mapping[str, list[str]]) -> None:  # noqa: ANN401
    """What was one parameter is one again."""
    for name, others in tied.items():
        for other in others:
            if other > name:
                owner, _, leaf = other.rpartition(".")
                parameters = module.get_submodule(owner)._parameters
                if leaf in parameters:
                    parameters[leaf] = module.get_parameter(name)


def _refuse_meta(module: Any, *, strict: bool) -> None:  # noqa: ANN401
    """A module that still has tensors on `meta` cannot run."""
    left = [name for name, tensor in module.named_buffers() if tensor.is_meta]
    if strict and left:
        raise ProblemsError(
            [
                Problem(
                    Place(path=name), "is a buffer that no file holds, and is on the meta device",
                    "make it on the device before loading: the module computes it",
                )
                for name in left
            ]
        )  # fmt: skip


def _problem(name: str, what: str) -> Problem:
    return Problem(Place(path=name), what, "is it the module of this model?")


def _short(dtype: Any) -> str:  # noqa: ANN401
    return str(dtype).removeprefix("torch.")
