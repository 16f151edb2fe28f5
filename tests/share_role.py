"""One receiver of a test in a process of its own: a host of a window, or an agent of one.

`run` is what the process does: it opens a session by settings and two words more.  At `hold` bytes
it says so and waits to be told to go on; with `model` it compares every tensor on its device with
that file.  It says how it ended, and ends with the exit code that `llmsync` would.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from toolkit.agent.session import ReceivingSession, open_session
from toolkit.agent.settings import Settings
from toolkit.delivery.events import ReceiverOutput
from toolkit.errors import ToolkitError

PATHS = ("output", "share", "window_of", "trust")


def run(words: dict[str, Any], pipe: Connection, log: Path) -> None:
    """Be that receiver; what it tells a person goes to `log`."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(out, 2)

    def tell(line: str) -> None:
        os.write(out, f"{line}\n".encode())

    hold: int | None = words.pop("hold", None)
    model: str | None = words.pop("model", None)
    fields: dict[str, Any] = {k: Path(v) if k in PATHS else v for k, v in words.items()}
    session = open_session(Settings(**fields), tell)

    def watch(outputs: list[ReceiverOutput]) -> None:
        nonlocal hold
        del outputs
        if hold is not None and session.counters.bytes >= hold:
            hold = None
            pipe.send({"held": session.counters.bytes})
            pipe.recv()

    try:
        with session:
            session.run(watch)
            if session.error is not None:
                raise session.error
            same = None if model is None else equal(session, Path(model))
            pipe.send({**session.document(), "equal": same})
    except ToolkitError as error:
        pipe.send({"error": str(error), "code": int(error.exit_code)})
        sys.exit(error.exit_code)


def equal(session: ReceivingSession, model: Path) -> int:
    """Return how many tensors there are on the device, each the same as in the file."""
    from safetensors.numpy import load_file

    held, count = session.model, 0
    assert held is not None
    for name, array in load_file(model).items():
        tensor = held.tensor(name)
        assert tensor.cpu().numpy().tobytes() == array.tobytes(), name
        count += 1
    return count
