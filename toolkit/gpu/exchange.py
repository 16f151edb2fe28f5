"""Two versions of tensors change places, through a buffer: everything, or nothing.

Addresses stay; bytes move.  A piece of each pair goes by three copies (live to buffer, other to
live, buffer to other), each of which may be made again as long as the next one was not begun.  So
what fails half-way is tried once more, else undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from toolkit.errors import DeliveryError, ExitCode
from toolkit.gpu.door import Tensor

Copy = Callable[[Tensor, Tensor], object]
"""Target, source: on the stream that the caller works on."""


class InDoubtError(DeliveryError):
    """Some of the tensors are of one version and some of the other."""

    exit_code = ExitCode.IN_DOUBT


class UndoneError(DeliveryError):
    """It failed, and all is as it was."""


def exchange(pairs: Sequence[tuple[Tensor, Tensor]], buffer: Tensor, copy: Copy) -> None:
    """Let the bytes of each pair change places.

    Raises UndoneError where it could not be done and was undone, InDoubtError where neither could.
    """
    pieces = list(_pieces(pairs, len(buffer)))
    for number, (live, other) in enumerate(pieces):
        held = buffer[: len(live)]
        steps = ((held, live), (live, other), (other, held))
        for step, (target, source) in enumerate(steps):
            error = _twice(copy, target, source)
            if error is not None:
                _undo(pieces[:number], step, live, other, buffer, copy, error)


def _undo(
    done: Sequence[tuple[Tensor, Tensor]], step: int, live: Tensor, other: Tensor, buffer: Tensor,
    copy: Copy, why: RuntimeError,
) -> None:  # fmt: skip
    """Step `step` of a piece failed behind pieces that are exchanged: put everything back."""
    held = buffer[: len(live)]
    back = [[], [(live, held)], [(other, live), (live, held)]][step]
    for mine, others in reversed(done):
        held = buffer[: len(mine)]
        back += [(held, mine), (mine, others), (others, held)]
    for target, source in back:
        error = _twice(copy, target, source)
        if error is not None:
            raise InDoubtError(_first_line(error)) from why
    raise UndoneError(_first_line(why)) from why


def _twice(copy: Copy, target: Tensor, source: Tensor) -> RuntimeError | None:
    """Copy, and once more where that fails; return why both failed."""
    failed: RuntimeError | None = None
    for _ in range(2):
        try:
            copy(target, source)
        except RuntimeError as error:
            failed = error
        else:
            return None
    return failed


def _pieces(pairs: Sequence[tuple[Tensor, Tensor]], size: int) -> Iterator[tuple[Tensor, Tensor]]:
    for live, other in pairs:
        for start in range(0, len(live), size):
            yield live[start : start + size], other[start : start + size]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
