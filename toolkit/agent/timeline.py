"""Where the seconds of a cold start went.

Pure: fed with what the receiver answers, and the time.  All times are seconds after the start:
the moment at which the session was asked for.

    announce      it is known where to receive from (the service has answered, names are resolved),
                  sockets are open, and the first JOIN goes out
    join          the sender has answered: the manifest is here and its signature is right
    first byte    the first payload of a file, or of the digests of its blocks, is here
    first tensor  all bytes of some tensor are verified and, with a device, in its memory
    last byte     the last payload that was needed is here
    last tensor   the same as the first, of the last tensor
    verified      every block is verified and every file is in its place
    model ready   all that, and a module that was asked for has the tensors (`load_into`)

A step that did not happen (no tensors; nothing had to be received) has no time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from toolkit.delivery import events
from toolkit.delivery.events import ReceiverOutput


class Step(StrEnum):
    """In the order in which they usually come."""

    ANNOUNCE = "announce"
    JOIN = "join"
    FIRST_BYTE = "first-byte"
    FIRST_TENSOR = "first-tensor"
    LAST_BYTE = "last-byte"
    LAST_TENSOR = "last-tensor"
    VERIFIED = "verified"
    MODEL_READY = "model-ready"


@dataclass(frozen=True, slots=True)
class Span:
    """What lies between a step and the one before it."""

    step: Step
    """That ends it."""
    at: float
    """Seconds after the start."""
    seconds: float
    """Since the step before; since the start for the first."""
    share: float
    """Of the whole, 0 to 1; all shares together are 1."""


class Timeline:
    """The steps of one session that began at `start`."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._engine = start
        self._at: dict[Step, float] = {}
        self.tensors = 0
        """That are ready."""

    def announced(self, now: float) -> None:
        """The receiver begins: its own times count from here."""
        self._engine = now
        self._first(Step.ANNOUNCE, now)

    def feed(self, outputs: Sequence[ReceiverOutput], now: float) -> None:
        """Take what the receiver has answered."""
        for output in outputs:
            match output:
                case events.ManifestVerified():
                    self._first(Step.JOIN, now)
                case events.FirstByte():
                    self._first(Step.FIRST_BYTE, now)
                case events.TensorReady():
                    self.tensors += 1
                    self._first(Step.FIRST_TENSOR, now)
                    self._at[Step.LAST_TENSOR] = now - self._start
                case events.Completed(receipt=receipt):
                    if Step.FIRST_BYTE in self._at:
                        # The engine looks at its clock for each packet, we once in a turn.
                        last = self._engine + receipt.last_byte - self._start
                        self._at[Step.LAST_BYTE] = max(last, self._at[Step.FIRST_BYTE])
                    self._first(Step.VERIFIED, now)
                case _:
                    pass

    def ready(self, now: float) -> None:
        """The model can be used; when it is told again, the later time counts."""
        self._at[Step.MODEL_READY] = now - self._start

    def at(self, step: Step) -> float | None:
        """Seconds after the start; None: it has not happened."""
        return self._at.get(step)

    def spans(self) -> tuple[Span, ...]:
        """What happened, in the order in which it happened."""
        order = {step: number for number, step in enumerate(Step)}
        happened = sorted(self._at.items(), key=lambda item: (item[1], order[item[0]]))
        whole = happened[-1][1] if happened else 0.0
        spans, before = [], 0.0
        for step, at in happened:
            seconds = at - before
            spans.append(Span(step, at, seconds, seconds / whole if whole > 0 else 0.0))
            before = at
        return tuple(spans)

    def document(self) -> dict[str, dict[str, float]]:
        """The same for JSON: step -> at, seconds, share."""
        return {
            str(s.step).replace("-", "_"): {
                "at": round(s.at, 6), "seconds": round(s.seconds, 6), "share": round(s.share, 4),
            }
            for s in self.spans()
        }  # fmt: skip

    def _first(self, step: Step, now: float) -> None:
        self._at.setdefault(step, now - self._start)
